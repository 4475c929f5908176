"""How fast one client may ask: a token bucket each, and a balance of refusals that tells an attack from haste."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from realtime import limits
from realtime.errors import RateLimited

MAX_BUCKETS = 50_000
"""HTTP callers remembered at a time; the longest unseen is forgotten (its bucket has filled up again long since)."""


@dataclass(slots=True)
class Bucket:
    """Holds up to ``burst`` tokens, gains ``per_s``; ``now`` is any monotonic clock (s)."""

    filled_at: float
    burst: int = limits.EVENT_BURST
    per_s: float = limits.EVENTS_PER_S
    refused: int = 0
    tokens: float = field(init=False)

    def __post_init__(self) -> None:
        """A new bucket is full."""
        self.tokens = self.burst

    def take(self, now: float) -> None:
        """Take a token; raise ``RateLimited`` when there is none."""
        self.tokens = min(self.burst, self.tokens + (now - self.filled_at) * self.per_s)
        self.filled_at = now
        if self.tokens < 1:
            self.refused += 1
            raise RateLimited(retry_after_ms=int((1 - self.tokens) / self.per_s * 1000) + 1)
        self.tokens -= 1
        # Not back to none: a flood has its lucky moments too.
        self.refused = max(0, self.refused - 1)

    @property
    def abusive(self) -> bool:
        """Whether the client went on regardless for so long that it should be cut off."""
        return self.refused >= limits.EVENTS_OVER_LIMIT


class Buckets:
    """A bucket for each of many callers, bounded in number."""

    def __init__(self, burst: int, per_s: float) -> None:
        """Start without any; each gets ``burst`` tokens and gains ``per_s``."""
        self._burst = burst
        self._per_s = per_s
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, caller: str, now: float) -> None:
        """Take a token from the caller's bucket; raise ``RateLimited`` when there is none."""
        bucket = self._buckets.setdefault(caller, Bucket(now, self._burst, self._per_s))
        self._buckets.move_to_end(caller)
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        bucket.take(now)
