"""Rate limits: how often one client may send something. Wrong secrets are counted in ``attempts``.

Each client has a token bucket, and a count of refused requests that separates an attack from a short burst.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from realtime import limits
from realtime.errors import RateLimited

MAX_BUCKETS = 50_000
"""How many HTTP callers are remembered. The one that was idle for longest is dropped; its bucket is full by then."""


@dataclass(slots=True)
class TokenBucket:
    """Has up to ``burst`` tokens and gains ``per_s`` a second; ``filled_at`` is by any monotonic clock (s)."""

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
        # Decreased, not reset, because some requests are granted during an attack too.
        self.refused = max(0, self.refused - 1)

    @property
    def abusive(self) -> bool:
        """Whether so many more requests were refused than granted that the client should be disconnected."""
        return self.refused >= limits.EVENTS_OVER_LIMIT


class RateLimits:
    """One token bucket per caller, for a bounded number of callers."""

    def __init__(self, burst: int, per_s: float) -> None:
        """Give each caller ``burst`` tokens and ``per_s`` new ones a second."""
        self._burst = burst
        self._per_s = per_s
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def take(self, caller: str, now: float) -> None:
        """Take a token from the caller's bucket; raise ``RateLimited`` when there is none."""
        bucket = self._buckets.setdefault(caller, TokenBucket(now, self._burst, self._per_s))
        self._buckets.move_to_end(caller)
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        bucket.take(now)
