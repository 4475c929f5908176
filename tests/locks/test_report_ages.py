"""The age of a status report is measured where it is read; the clock that wrote it counts as far as it can be right."""

from __future__ import annotations

import math

import pytest

from realtime.locks.report_ages import Age, ReportAges


def test_a_report_that_keeps_changing_is_never_old() -> None:
    ages = ReportAges()
    for second in range(0, 600, 2):
        assert ages.look({b"node": b"%d" % second}, 1000.0 + second)[b"node"].least_s == 0


def test_a_report_is_as_old_at_least_as_it_has_been_the_same() -> None:
    ages = ReportAges()
    assert ages.look({b"dead": b"1", b"alive": b"1"}, 5.0)[b"dead"] == Age(0, math.inf), "it may be older"
    ages.look({b"dead": b"1", b"alive": b"2"}, 8.0)
    assert ages.look({b"dead": b"1", b"alive": b"2"}, 10.0) == {b"dead": Age(5.0, math.inf), b"alive": Age(2.0, 5.0)}


def test_a_process_that_returns_under_its_name_is_new_again() -> None:
    ages = ReportAges()
    ages.look({b"node": b"1"}, 0.0)
    ages.look({}, 50.0)
    assert ages.look({b"node": b"1"}, 60.0)[b"node"] == Age(0, math.inf)


@pytest.mark.parametrize(
    ("difference_s", "age_s"),
    [(3.0, 3.0), (86_400.0, 5.0), (-86_400.0, 2.0)],
    ids=["right clock", "clock a day behind", "clock a day ahead"],
)
def test_clocks_count_as_far_as_they_can_be_right(difference_s: float, age_s: float) -> None:
    assert Age(2.0, 5.0).by_clocks(difference_s) == age_s
