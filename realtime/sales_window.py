"""When the seats of a show are sold, and until when a booking can be cancelled. Pure.

The lock master decides by its own clock whether a hold is in time (``locks/lua/shared.lua``). What is computed here is
declared to it, and shown on pages and in lists.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from realtime import limits
from realtime.model import SalesState, Show

ALWAYS_MS = 0
"""The start of the sales of a show that names none."""
LAST_MS = 253_402_300_799_000
"""The last second of the year 9999, which ISO 8601 and Python can write."""
CACHED = 8192


@dataclass(frozen=True, slots=True)
class SalesWindow:
    """Seats are sold from ``start`` up to, but not including, ``end``; ms since the epoch."""

    start: int
    end: int

    def status(self, sales: SalesState, now: int) -> str:
        """Return ``live``, ``paused``, ``closed`` or ``not_started``; ``now`` is ms since the epoch."""
        if sales is not SalesState.OPEN:
            return sales.value
        if now < self.start:
            return "not_started"
        return "live" if now < self.end else "closed"

    def next_change(self, now: int) -> int | None:
        """Return when ``status`` may change next by itself (ms), None if it will not."""
        return min((at for at in (self.start, self.end) if at > now), default=None)


def to_ms(iso_time: str) -> int:
    """Return an ISO 8601 time with offset as ms since the epoch; raises ``ValueError``."""
    moment = datetime.fromisoformat(iso_time)
    if moment.tzinfo is None:
        raise ValueError(f"{iso_time} has no offset")
    return int(moment.timestamp() * 1000)


def iso(ms: int) -> str:
    """Return a time (ms since the epoch) as ISO 8601 in UTC; "" for ``ALWAYS_MS``."""
    return datetime.fromtimestamp(min(ms, LAST_MS) / 1000, UTC).isoformat() if ms != ALWAYS_MS else ""


def window_of(show: Show) -> SalesWindow:
    """Return the sales window of a show: without ``sales_start`` and ``sales_end``, up to 20 min after its start."""
    return _window(show.starts_at, show.sales_start, show.sales_end)


def cancel_deadline(show: Show) -> int:
    """Return until when owners may cancel their bookings (ms since the epoch): by default 2 h before the start."""
    if show.cancel_until:
        return to_ms(show.cancel_until)
    return to_ms(show.starts_at) - limits.CANCEL_BEFORE_START_S * 1000


def is_over(show: Show, now: int) -> bool:
    """Return whether a show has started and its sales have ended; ``now`` is ms since the epoch."""
    window = window_of(show)
    return now >= window.end and now >= to_ms(show.starts_at)


@lru_cache(CACHED)
def _window(starts_at: str, sales_start: str, sales_end: str) -> SalesWindow:
    start = to_ms(sales_start) if sales_start else ALWAYS_MS
    end = to_ms(sales_end) if sales_end else to_ms(starts_at) + limits.SALES_AFTER_START_S * 1000
    return SalesWindow(start, end)
