"""Checks secrets in constant time. Wrong ones are counted, slowed down, logged at intervals, and shown in ``/metrics``.

A secret is compared before anything is counted. So a client with the right secret is never refused because others, who
may share its address behind a proxy, sent wrong ones.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import math
from collections import OrderedDict
from dataclasses import dataclass

from realtime import limits
from realtime.errors import RateLimited
from realtime.web.held_back import HeldBack

log = logging.getLogger(__name__)
PREFIX_LENGTH = 4
"""Wrong secrets are also counted by so many of their first characters: an attacker who knows the first part of a secret
and guesses the rest can change the address, but not that part."""


def is_secret(given: str, secret: str) -> bool:
    """Return whether ``given`` is ``secret``, in a time that does not depend on where or by how much they differ."""
    digests = [hashlib.sha256(text.encode(errors="surrogatepass")).digest() for text in (given, secret)]
    return hmac.compare_digest(*digests)


@dataclass(slots=True)
class _Attempts:
    at: float
    wrong: float = 0.0
    """Wrong attempts that are not forgiven yet, at most as many as are answered without delay."""
    recent: float = 0.0
    """Attempts of the last minutes: the longer ago an attempt was, the less it counts."""


class AttemptLimiter:
    """Counts the wrong secrets of one kind, by address and by their first characters. Each node counts for itself."""

    def __init__(self, kind: str, attempts: int, forgive_s: float, *, short: bool = False) -> None:
        """Slow down after ``attempts`` wrong secrets in a row; one of them is forgiven every ``forgive_s``.

        ``kind`` names the secret in the log. A ``short`` secret is not counted by prefix. It could be guessed over many
        connections whose delays run in parallel, so the delay grows with the number of wrong secrets from an address.
        """
        self.wrong = 0
        """Wrong secrets since the node started."""
        self.held_back = HeldBack()
        """The answers to wrong secrets."""
        self._kind = kind
        self._most = attempts
        self._forgive_s = forgive_s
        self._short = short
        self._attempts: OrderedDict[str, _Attempts] = OrderedDict()
        self._logged_at = -limits.ATTEMPT_LOG_S
        self._unlogged = 0

    async def count_wrong(self, caller: str, given: str, now: float) -> None:
        """Count a wrong secret from an address; return if it may be answered now. ``now`` is monotonic (s).

        After too many from one address, or with the same first characters, this waits for ``limits.ATTEMPT_DELAY_S``
        (up to ``limits.ATTEMPT_LONGEST_DELAY_S`` for a short secret) and then raises ``RateLimited``. It does not slow
        down a client that sends its next attempt without waiting for the answer.
        """
        self.wrong += 1
        self._log(caller, now)
        names = [f"address {caller}"]
        if not self._short:
            names.append(f"prefix {given[:PREFIX_LENGTH]}")
        wait_s = max([self._count(name, now) for name in names])
        if wait_s <= 0:
            return
        await self.held_back.wait(self._delay_s(names[0]), limits.ATTEMPTS_HELD_BACK)
        raise RateLimited(retry_after_ms=int(wait_s * 1000) + 1)

    def forgive(self, caller: str) -> None:
        """Forget the wrong secrets of an address that has given the right one."""
        self._attempts.pop(f"address {caller}", None)

    def _count(self, name: str, now: float) -> float:
        """Count one more under a name; return how many seconds to wait before the next, 0 if it is not too many."""
        attempts = self._attempts.setdefault(name, _Attempts(now))
        self._attempts.move_to_end(name)
        if len(self._attempts) > limits.ATTEMPT_CALLERS:
            self._attempts.popitem(last=False)
        passed_s, attempts.at = now - attempts.at, now
        attempts.wrong = max(0.0, attempts.wrong - passed_s / self._forgive_s)
        attempts.recent = attempts.recent * math.exp(-passed_s / limits.ATTEMPT_RECENT_S) + 1
        if attempts.wrong > self._most - 1:
            return (attempts.wrong - (self._most - 1)) * self._forgive_s
        attempts.wrong += 1
        return 0.0

    def _delay_s(self, address: str) -> float:
        """Return for how long the answer to one wrong secret too many from an address is held back."""
        if not self._short:
            return limits.ATTEMPT_DELAY_S
        too_many = max(1.0, self._attempts[address].recent - self._most)
        return min(too_many * limits.ATTEMPT_DELAY_S, limits.ATTEMPT_LONGEST_DELAY_S)

    def _log(self, caller: str, now: float) -> None:
        """Log the wrong secrets of an interval in one line, so that an attacker can't fill the disk."""
        self._unlogged += 1
        if now - self._logged_at >= limits.ATTEMPT_LOG_S:
            log.warning(
                "%d wrong %s since the last such line, the last one from %r", self._unlogged, self._kind, caller
            )
            self._logged_at, self._unlogged = now, 0
