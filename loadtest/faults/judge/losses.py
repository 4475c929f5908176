"""When a region's master may have lost data, or showed another time: the only excuses for a hold's wrong end."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable

from loadtest.faults.history import Record
from loadtest.faults.schedule import Kind

BEFORE_MS = 1_000
"""A fault is recorded once the damage is done; the damage began at most this long before."""
AFTER_MS = 2_000
"""The first success after a fault is that of a probe; other shows may be reconciled this much later."""

Window = tuple[float, float]
"""From and to, in ms."""


class Losses:
    """The windows in which each region's master may have lost data, from the faults with ``loses_data``.

    A window ends when the fault is healed and a client has been served again. One that was never recorded as healed
    lasts to the end.
    """

    def __init__(self, faults: Iterable[Record] = ()) -> None:
        """``faults`` are the history's records of kind ``fault``, in order of time."""
        faults = [record for record in faults if record["loses_data"]]
        self._windows = _windows(faults)
        self._clock_steps = _windows(record for record in faults if record["kind"] == Kind.STEP_CLOCK)

    def of(self, region: str) -> list[Window]:
        """Return a region's windows, sorted."""
        return self._windows.get(region, [])

    def overlap(self, region: str, start: float, end: float) -> bool:
        """Return whether data may have been lost between two times (ms)."""
        windows = self.of(region)
        until = bisect_right(windows, (end, math.inf))
        return any(window_end >= start for _start, window_end in windows[:until])

    def clock_steps(self, region: str) -> list[Window]:
        """Return the windows in which the clock of a region's master may have been set back, sorted.

        By that clock a hold that is past its deadline is not.
        """
        return self._clock_steps.get(region, [])


def _windows(faults: Iterable[Record]) -> dict[str, list[Window]]:
    """Return the windows of each region, sorted."""
    found: dict[str, list[Window]] = {}
    begun: dict[tuple[str, str], list[float]] = defaultdict(list)
    healed: dict[tuple[str, str], float] = {}
    for record in faults:
        fault = record["kind"], record["target"]
        windows = found.setdefault(record["region"], [])
        if record["phase"] == "begin":
            begun[fault].append(record["t"] - BEFORE_MS)
            windows.append((record["t"] - BEFORE_MS, math.inf))
        elif record["phase"] == "healed":
            healed[fault] = record["t"]
        elif begun[fault]:
            start = begun[fault].pop()
            windows.remove((start, math.inf))
            windows.append((start, max(record["t"], healed.get(fault, 0.0)) + AFTER_MS))
    for windows in found.values():
        windows.sort()
    return found
