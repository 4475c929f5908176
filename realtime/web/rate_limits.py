"""How fast one client may ask: a token bucket each, and a balance of refusals that tells an attack from haste.

And how often it may guess at a secret.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from dataclasses import dataclass, field

from realtime import limits
from realtime.errors import RateLimited

MAX_BUCKETS = 50_000
"""HTTP callers remembered at a time; the longest unseen is forgotten (its bucket has filled up again long since)."""


@dataclass(slots=True)
class TokenBucket:
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


class RateLimits:
    """A bucket for each of many callers, bounded in number."""

    def __init__(self, burst: int, per_s: float) -> None:
        """Start without any; each gets ``burst`` tokens and gains ``per_s``."""
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


@dataclass(slots=True)
class _Tries:
    at: float
    wrong: float = 0.0


class AttemptLimiter:
    """A secret, and how often each caller was wrong about it lately. Counted on each node by itself."""

    def __init__(self, secret: str, tries: int, rest_s: float) -> None:
        """Allow ``tries`` wrong limiter in a row, of which one is forgiven each ``rest_s``."""
        self._secret = secret.encode()
        self._most = tries
        self._rest_s = rest_s
        self._tries: OrderedDict[str, _Tries] = OrderedDict()

    def right(self, caller: str, guess: str, now: float) -> bool:
        """Tell whether ``guess`` is the secret; raise ``RateLimited`` after too many that were not.

        ``now`` is any monotonic clock (s).
        """
        tries = self._tries.setdefault(caller, _Tries(now))
        self._tries.move_to_end(caller)
        if len(self._tries) > limits.ATTEMPT_CALLERS:
            self._tries.popitem(last=False)
        tries.wrong = max(0.0, tries.wrong - (now - tries.at) / self._rest_s)
        tries.at = now
        # Before the comparison: a right guess among too many must not be told from a wrong one.
        if tries.wrong > self._most - 1:
            rest_s = (tries.wrong - (self._most - 1)) * self._rest_s
            raise RateLimited(retry_after_ms=int(rest_s * 1000) + 1)
        if hmac.compare_digest(guess.encode(errors="surrogatepass"), self._secret):
            del self._tries[caller]
            return True
        tries.wrong += 1
        return False
