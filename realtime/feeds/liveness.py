"""Tracks whether a region is reachable, since when its maps may be out of date, and how long its keepers are silent."""

from __future__ import annotations

import time
from collections.abc import Callable

from realtime import limits
from realtime.clock import now_ms

MISSED_BEATS = 2
"""After a silence of this many heartbeat intervals, messages may have been lost."""


class Liveness:
    """The state of one feed. Changes only by its methods; it has no timer of its own."""

    def __init__(self, on_change: Callable[[], None], clock: Callable[[], float] = time.monotonic) -> None:
        """``on_change`` is called whenever ``live`` has changed. A region counts as unreachable at first.

        ``clock`` is any monotonic clock (s).
        """
        self.live = False
        self.stale_since = now_ms()
        """While not live: the time (ms since the epoch) at which the maps were last known to be current. Else 0."""
        self.losses = 0
        """How often it was live and then was not."""
        self._on_change = on_change
        self._clock = clock
        self._current_ms = self.stale_since
        self._heard = 0.0

    def set_live(self, live: bool) -> None:
        """Record that the region is reachable now, or not."""
        if live:
            self._current_ms = now_ms()
        if live != self.live:
            self.live = live
            self.losses += not live
            self.stale_since = 0 if live else self._current_ms
            self._on_change()

    def restart_silence(self) -> None:
        """Measure the silence from now on."""
        self._heard = self._clock()

    def heartbeat(self) -> bool:
        """Record a heartbeat; return whether messages may have been lost in the silence before it."""
        lost = self.silence_s() > MISSED_BEATS * limits.HEARTBEAT_MS / 1000
        self.restart_silence()
        self.set_live(True)
        return lost

    def silence_s(self) -> float:
        """Return how long ago the last heartbeat arrived (s)."""
        return self._clock() - self._heard
