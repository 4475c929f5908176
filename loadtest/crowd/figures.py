"""Counts, gauges and histograms by the second: bounded, mergeable, sent as plain JSON between processes.

A histogram has fixed buckets, each 4.4 % wider than the one before, so a percentile is at most 4.4 % too high and never
too low. (The maintained library for HDR histograms takes 7 us a value; a crowd produces 40,000 values a second.)
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from statistics import median
from typing import Any

BUCKETS_PER_OCTAVE = 16
_SCALE = BUCKETS_PER_OCTAVE / math.log(2)
MAX_BUCKET = 32 * BUCKETS_PER_OCTAVE
"""The last bucket; it holds everything above about 70 minutes."""
MAX_BINS = 1_200
"""Bound on the points of a plot; the bins of a longer run are wider."""


class Histogram:
    """Number of values by bucket; values are in milliseconds."""

    __slots__ = ("counts",)

    def __init__(self, counts: dict[int, int] | None = None) -> None:
        """Start empty, or with the ``counts`` of another histogram."""
        self.counts: Counter[int] = Counter(counts or {})

    def add(self, ms: float, times: int = 1) -> None:
        """Count a duration. Anything below a microsecond counts as one."""
        us = ms * 1000
        bucket = 0 if us <= 1 else min(MAX_BUCKET, math.ceil(math.log(us) * _SCALE - 1e-9))
        self.counts[bucket] += times

    def add_number(self, number: int) -> None:
        """Count a small integer instead of a duration; read it with ``number_at``."""
        self.add((number + 1) / 1000)

    def number_at(self, share: float) -> int | None:
        """Return the integer that ``share`` (0..1) of all values do not exceed."""
        value = self.percentile(share)
        return None if value is None else round(value * 1000) - 1

    def merge(self, other: Histogram) -> None:
        """Add the values of another histogram."""
        self.counts.update(other.counts)

    @property
    def total(self) -> int:
        """Number of values."""
        return sum(self.counts.values())

    def percentile(self, share: float) -> float | None:
        """Return the value (ms) that ``share`` (0..1) of all values do not exceed; None when there are none."""
        left = math.ceil(self.total * share)
        for bucket in sorted(self.counts):
            left -= self.counts[bucket]
            if left <= 0:
                return upper_ms(bucket)
        return None


def upper_ms(bucket: int) -> float:
    """Return the upper edge of a bucket (ms)."""
    return math.exp(bucket / _SCALE) / 1000


@dataclass(slots=True)
class Bin:
    """The figures of one interval. The last value of a gauge counts; names end in the number of their process."""

    counts: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    gauges: dict[str, float] = field(default_factory=dict)
    times: defaultdict[str, Histogram] = field(default_factory=lambda: defaultdict(Histogram))

    def merge(self, other: Bin) -> None:
        """Add the figures of another bin, whose gauges replace those of this one."""
        self.counts.update(other.counts)
        self.errors.update(other.errors)
        self.gauges.update(other.gauges)
        for name, histogram in other.times.items():
            self.times[name].merge(histogram)

    def gauge(self, name: str) -> float | None:
        """Return the sum of a gauge over all processes; None if no process reported it."""
        values = [value for each, value in self.gauges.items() if each.rstrip("0123456789").rstrip() == name]
        return sum(values) if values else None

    def document(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        times = {name: list(histogram.counts.items()) for name, histogram in self.times.items()}
        return {"counts": self.counts, "errors": self.errors, "gauges": self.gauges, "times": times}

    @classmethod
    def of(cls, document: dict[str, Any]) -> Bin:
        """Return the bin that ``document`` was made from."""
        made = cls(Counter(document["counts"]), Counter(document["errors"]), dict(document["gauges"]))
        for name, counts in document["times"].items():
            made.times[name] = Histogram(dict(counts))
        return made


class Series:
    """A run's bins from its beginning on, of equal width and at most ``MAX_BINS``."""

    def __init__(self) -> None:
        """Bins are one second wide at first."""
        self.width_s = 1
        self.bins: list[Bin] = []
        self.whole = Bin()

    def add(self, second: float, what: Bin) -> None:
        """Add the figures of one second; ``second`` counts from the beginning of the run."""
        self.whole.merge(what)
        while second // self.width_s >= MAX_BINS:
            self._widen()
        at = max(0, int(second // self.width_s))
        while len(self.bins) <= at:
            self.bins.append(Bin())
        self.bins[at].merge(what)

    def growth(self, gauge: str) -> float | None:
        """Return the growth of a gauge from the run's second quarter to its last, as a share; None with too few values.

        The first quarter is left out because people are still arriving. Medians ignore short peaks.
        """
        values = [value for each in self.bins if (value := each.gauge(gauge)) is not None]
        quarter = len(values) // 4
        if quarter < 2:
            return None
        return median(values[-quarter:]) / median(values[quarter : 2 * quarter]) - 1

    def _widen(self) -> None:
        merged = []
        for first, second in zip(self.bins[::2], [*self.bins[1::2], Bin()], strict=False):
            first.merge(second)
            merged.append(first)
        self.bins = merged
        self.width_s *= 2
