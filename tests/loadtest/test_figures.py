"""What is measured: percentiles are never too low, merging loses nothing, and nothing grows without bound."""

from __future__ import annotations

import math

import orjson
from hypothesis import given
from hypothesis import strategies as st

from loadtest.crowd.figures import MAX_BINS, Bin, Histogram, Series

DURATIONS = st.lists(st.floats(0.002, 1_000_000), min_size=1, max_size=200)


@given(DURATIONS, st.floats(0.01, 1))
def test_a_percentile_is_at_most_a_bucket_too_high(values: list[float], share: float) -> None:
    found = Histogram()
    for value in values:
        found.add(value)
    true = sorted(values)[math.ceil(len(values) * share) - 1]
    told = found.percentile(share)
    assert told is not None
    assert true * 0.999999 <= told <= true * 1.045


@given(st.lists(st.integers(0, 9), min_size=1))
def test_small_numbers_are_exact(numbers: list[int]) -> None:
    found = Histogram()
    for number in numbers:
        found.add_number(number)
    assert found.number_at(1.0) == max(numbers)


@given(DURATIONS, DURATIONS)
def test_merging_is_counting_together(first: list[float], second: list[float]) -> None:
    one, other, both = Histogram(), Histogram(), Histogram()
    for value in first:
        one.add(value)
        both.add(value)
    for value in second:
        other.add(value)
        both.add(value)
    one.merge(other)
    assert one.counts == both.counts


def test_nothing_was_measured_is_not_zero() -> None:
    assert Histogram().percentile(0.99) is None


def test_a_bin_survives_the_way_between_processes() -> None:
    sent = Bin(gauges={"viewers 0": 3.0})
    sent.counts["frames"] += 7
    sent.errors["rate_limited"] += 1
    sent.times["hold"].add(12.5)
    came = Bin.of(orjson.loads(orjson.dumps(sent.document(), option=orjson.OPT_NON_STR_KEYS)))
    assert came.document() == sent.document()
    assert came.times["hold"].percentile(1.0) == sent.times["hold"].percentile(1.0)


def test_gauges_add_up_over_processes_and_the_last_word_counts() -> None:
    series = Series()
    for viewers in (5.0, 6.0):
        series.add(0, Bin(gauges={"viewers 0": viewers}))
        series.add(0, Bin(gauges={"viewers 1": 2 * viewers}))
    assert series.bins[0].gauge("viewers") == 18
    assert series.bins[0].gauge("server memory") is None


def test_a_long_run_has_no_more_bins_than_a_plot_can_show() -> None:
    series = Series()
    seconds = 5 * MAX_BINS
    for second in range(seconds):
        one = Bin()
        one.counts["frames"] = 1
        series.add(second, one)
    assert len(series.bins) <= MAX_BINS
    assert sum(each.counts["frames"] for each in series.bins) == series.whole.counts["frames"] == seconds
    assert {each.counts["frames"] for each in series.bins[:-1]} == {series.width_s}


def test_growth_is_from_the_second_quarter_to_the_last_whatever_a_moment_says() -> None:
    series = Series()
    assert series.growth("server memory") is None
    for second in range(100):
        arriving = min(second, 20) * 10.0
        series.add(second, Bin(gauges={"server memory": 100.0 + arriving + second + (500 if second == 90 else 0)}))
    grown = series.growth("server memory")
    assert grown is not None
    assert math.isclose(grown, 387 / 337 - 1, abs_tol=0.005)
    assert series.growth("server cpu") is None
