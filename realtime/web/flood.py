"""How fast one client may ask: a token bucket each, and a balance of refusals that tells an attack from haste."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from realtime import limits
from realtime.errors import RateLimited

MAX_BUCKETS = 50_000
"""HTTP callers remembered at a time; the longest unseen is forgotten (its bucket has filled up again long since)."""


@dataclass(slots=True)
class Bucket:
    """Holds up to ``limits.EVENT_BURST`` tokens, gains ``limits.EVENTS_PER_S``; ``now`` is any monotonic clock (s)."""

    filled_at: float
    tokens: float = limits.EVENT_BURST
    refused: int = 0

    def take(self, now: float) -> None:
        """Take a token; raise ``RateLimited`` when there is none."""
        self.tokens = min(limits.EVENT_BURST, self.tokens + (now - self.filled_at) * limits.EVENTS_PER_S)
        self.filled_at = now
        if self.tokens < 1:
            self.refused += 1
            raise RateLimited(retry_after_ms=int((1 - self.tokens) / limits.EVENTS_PER_S * 1000) + 1)
        self.tokens -= 1
        # Not back to none: a flood has its lucky moments too.
        self.refused = max(0, self.refused - 1)

    @property
    def abusive(self) -> bool:
        """Whether the client went on regardless for so long that it should be cut off."""
        return self.refused >= limits.EVENTS_OVER_LIMIT


class Buckets:
    """A bucket for each of many callers, bounded in number."""

    def __init__(self) -> None:
        """Start without any."""
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, caller: str, now: float) -> None:
        """Take a token from the caller's bucket; raise ``RateLimited`` when there is none."""
        bucket = self._buckets.setdefault(caller, Bucket(now))
        self._buckets.move_to_end(caller)
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        bucket.take(now)
