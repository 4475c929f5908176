"""Rate limits: how often one client may send something, and how often it may guess a secret.

Each client has a token bucket, and a count of refused requests that separates an attack from a short burst.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from dataclasses import dataclass, field

from realtime import limits
from realtime.errors import RateLimited

MAX_BUCKETS = 50_000
"""HTTP callers remembered at a time; the one idle for longest is dropped (its bucket is full again by then)."""


@dataclass(slots=True)
class TokenBucket:
    """Holds up to ``burst`` tokens and gains ``per_s`` a second; ``filled_at`` is by any monotonic clock (s)."""

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
        # Decreased, not reset: during an attack some requests are granted too.
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


@dataclass(slots=True)
class _Attempts:
    at: float
    wrong: float = 0.0


class AttemptLimiter:
    """Compares guesses with a secret and limits the wrong guesses of each caller. Each node counts for itself."""

    def __init__(self, secret: str, attempts: int, forgive_s: float) -> None:
        """Allow ``attempts`` wrong guesses in a row; one of them is forgiven every ``forgive_s``."""
        self._secret = secret.encode()
        self._most = attempts
        self._forgive_s = forgive_s
        self._attempts: OrderedDict[str, _Attempts] = OrderedDict()

    def matches(self, caller: str, guess: str, now: float) -> bool:
        """Return whether ``guess`` is the secret; raise ``RateLimited`` after too many wrong guesses.

        ``now`` is any monotonic clock (s).
        """
        attempts = self._attempts.setdefault(caller, _Attempts(now))
        self._attempts.move_to_end(caller)
        if len(self._attempts) > limits.ATTEMPT_CALLERS:
            self._attempts.popitem(last=False)
        attempts.wrong = max(0.0, attempts.wrong - (now - attempts.at) / self._forgive_s)
        attempts.at = now
        # Refused before the comparison: a caller over the limit must not learn that a guess was right.
        if attempts.wrong > self._most - 1:
            wait_s = (attempts.wrong - (self._most - 1)) * self._forgive_s
            raise RateLimited(retry_after_ms=int(wait_s * 1000) + 1)
        if hmac.compare_digest(guess.encode(errors="surrogatepass"), self._secret):
            del self._attempts[caller]
            return True
        attempts.wrong += 1
        return False
