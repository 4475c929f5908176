"""How old the status reports of processes are, as far as one can tell without comparing the clocks of two machines.

A report has the time at which it was written, by the clock of its own machine. What a reader knows for certain is when
it has seen a report change, by its own monotonic clock.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Age:
    """The least and the most that the age of a report can be (s); the most is infinite until a change was seen."""

    least_s: float
    most_s: float

    def by_clocks(self, difference_s: float) -> float:
        """Return the age (s), given the difference of two clocks, which counts as far as it can be true."""
        return min(max(difference_s, self.least_s), self.most_s)


@dataclass(frozen=True, slots=True)
class _Seen:
    report: bytes
    since_s: float
    """When it was first seen in its present form."""
    before_s: float
    """When another form was last seen."""


class ReportAges:
    """Remembers the reports that one process reads, by name."""

    def __init__(self) -> None:
        """Every report is new to this process."""
        self._seen: dict[bytes, _Seen] = {}
        self._looked_s = -math.inf

    def look(self, reports: Mapping[bytes, bytes], now_s: float) -> dict[bytes, Age]:
        """Return the age of each report. ``reports`` are all that there are, by name; ``now_s`` is monotonic."""
        for name in self._seen.keys() - reports.keys():
            del self._seen[name]
        for name, report in reports.items():
            known = self._seen.get(name)
            if known is None:
                self._seen[name] = _Seen(report, now_s, -math.inf)
            elif known.report != report:
                self._seen[name] = _Seen(report, now_s, self._looked_s)
        self._looked_s = now_s
        return {name: Age(now_s - seen.since_s, now_s - seen.before_s) for name, seen in self._seen.items()}
