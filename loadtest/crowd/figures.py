"""What is measured: counts, gauges and histograms by the second. Bounded, mergeable, plain JSON between processes.

A histogram has fixed buckets, each 4.4 % wider than the one before: a percentile is at most that much too high, never
too low. (The well-kept library for it takes 7 us a value; a crowd makes 40,000 values a second.)
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
"""Values end at about 70 minutes."""
MAX_BINS = 1_200
"""A run's plots have at most so many points: longer runs get wider bins."""


class Histogram:
    """How often each duration came; values in milliseconds."""

    __slots__ = ("counts",)

    def __init__(self, counts: dict[int, int] | None = None) -> None:
        """Start empty, or with what ``counts`` of another had."""
        self.counts: Counter[int] = Counter(counts or {})

    def add(self, ms: float, times: int = 1) -> None:
        """Count a duration; what is below a microsecond is one."""
        us = ms * 1000
        bucket = 0 if us <= 1 else min(MAX_BUCKET, math.ceil(math.log(us) * _SCALE - 1e-9))
        self.counts[bucket] += times

    def add_number(self, number: int) -> None:
        """Count a small whole number instead of a duration; read it with ``number_at``."""
        self.add((number + 1) / 1000)

    def number_at(self, share: float) -> int | None:
        """Return the number that ``share`` (0..1) of all do not exceed."""
        value = self.percentile(share)
        return None if value is None else round(value * 1000) - 1

    def merge(self, other: Histogram) -> None:
        """Take all that another has counted."""
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
    """What happened in one stretch of time. Of a gauge the last word counts; each process names its own."""

    counts: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    gauges: dict[str, float] = field(default_factory=dict)
    times: defaultdict[str, Histogram] = field(default_factory=lambda: defaultdict(Histogram))

    def merge(self, other: Bin) -> None:
        """Take all that another bin has; its gauges are later ones."""
        self.counts.update(other.counts)
        self.errors.update(other.errors)
        self.gauges.update(other.gauges)
        for name, histogram in other.times.items():
            self.times[name].merge(histogram)

    def gauge(self, name: str) -> float | None:
        """Return the sum of a gauge over all processes, None where nobody has told it."""
        told = [value for each, value in self.gauges.items() if each.rstrip("0123456789").rstrip() == name]
        return sum(told) if told else None

    def document(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        times = {name: list(histogram.counts.items()) for name, histogram in self.times.items()}
        return {"counts": self.counts, "errors": self.errors, "gauges": self.gauges, "times": times}

    @classmethod
    def of(cls, document: dict[str, Any]) -> Bin:
        """Read back what ``document`` made."""
        made = cls(Counter(document["counts"]), Counter(document["errors"]), dict(document["gauges"]))
        for name, counts in document["times"].items():
            made.times[name] = Histogram(dict(counts))
        return made


class Series:
    """A run's bins from its beginning on, all equally wide, never more than ``MAX_BINS``."""

    def __init__(self) -> None:
        """Start with bins of a second."""
        self.width_s = 1
        self.bins: list[Bin] = []
        self.whole = Bin()

    def add(self, second: float, what: Bin) -> None:
        """Take what happened in a second since the beginning."""
        self.whole.merge(what)
        while second // self.width_s >= MAX_BINS:
            self._widen()
        at = max(0, int(second // self.width_s))
        while len(self.bins) <= at:
            self.bins.append(Bin())
        self.bins[at].merge(what)

    def growth(self, gauge: str) -> float | None:
        """Return by which share a gauge is higher in the last quarter than in the second; None where it can't be told.

        The first quarter is for people to arrive. Medians, so that a moment says nothing.
        """
        told = [value for each in self.bins if (value := each.gauge(gauge)) is not None]
        quarter = len(told) // 4
        if quarter < 2:
            return None
        return median(told[-quarter:]) / median(told[quarter : 2 * quarter]) - 1

    def _widen(self) -> None:
        merged = []
        for first, second in zip(self.bins[::2], [*self.bins[1::2], Bin()], strict=False):
            first.merge(second)
            merged.append(first)
        self.bins = merged
        self.width_s *= 2
