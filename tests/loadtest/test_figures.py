"""Figures: percentiles are never too low, merging loses nothing, memory is bounded."""

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
    measured = found.percentile(share)
    assert measured is not None
    assert true * 0.999999 <= measured <= true * 1.045


@given(st.lists(st.integers(0, 9), min_size=1))
def test_small_integers_are_exact(numbers: list[int]) -> None:
    found = Histogram()
    for number in numbers:
        found.add_number(number)
    assert found.number_at(1.0) == max(numbers)


@given(DURATIONS, DURATIONS)
def test_merged_histograms_equal_one_of_all_values(first: list[float], second: list[float]) -> None:
    one, other, both = Histogram(), Histogram(), Histogram()
    for value in first:
        one.add(value)
        both.add(value)
    for value in second:
        other.add(value)
        both.add(value)
    one.merge(other)
    assert one.counts == both.counts


def test_an_empty_histogram_has_no_percentile() -> None:
    assert Histogram().percentile(0.99) is None


def test_a_bin_is_the_same_after_encoding_and_decoding() -> None:
    sent = Bin(gauges={"viewers 0": 3.0})
    sent.counts["frames"] += 7
    sent.errors["rate_limited"] += 1
    sent.times["hold"].add(12.5)
    received = Bin.of(orjson.loads(orjson.dumps(sent.document(), option=orjson.OPT_NON_STR_KEYS)))
    assert received.document() == sent.document()
    assert received.times["hold"].percentile(1.0) == sent.times["hold"].percentile(1.0)


def test_gauges_are_summed_over_processes_and_the_last_value_counts() -> None:
    series = Series()
    for viewers in (5.0, 6.0):
        series.add(0, Bin(gauges={"viewers 0": viewers}))
        series.add(0, Bin(gauges={"viewers 1": 2 * viewers}))
    assert series.bins[0].gauge("viewers") == 18
    assert series.bins[0].gauge("server memory") is None


def test_the_bins_of_a_long_run_are_bounded() -> None:
    series = Series()
    seconds = 5 * MAX_BINS
    for second in range(seconds):
        one = Bin()
        one.counts["frames"] = 1
        series.add(second, one)
    assert len(series.bins) <= MAX_BINS
    assert sum(each.counts["frames"] for each in series.bins) == series.whole.counts["frames"] == seconds
    assert {each.counts["frames"] for each in series.bins[:-1]} == {series.width_s}


def test_growth_compares_medians_of_the_second_and_the_last_quarter() -> None:
    series = Series()
    assert series.growth("server memory") is None
    for second in range(100):
        arriving = min(second, 20) * 10.0
        series.add(second, Bin(gauges={"server memory": 100.0 + arriving + second + (500 if second == 90 else 0)}))
    grown = series.growth("server memory")
    assert grown is not None
    assert math.isclose(grown, 387 / 337 - 1, abs_tol=0.005)
    assert series.growth("server cpu") is None
