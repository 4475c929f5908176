"""How a link to a master behind Sentinels makes sure that no other server has become the master.

A former master that comes back behind Sentinels acts as the master for about ten seconds. Sentinels replace a master
only after it was silent for ``down-after-milliseconds`` (at least ``LEASE_S``, see docs/operations.md). Therefore,
behind Sentinels:

1. an answer after a silence longer than the lease doesn't count, and the master is located again;
2. a server that was located must say that it is the master, and after that the Sentinels must confirm it again. Their
   configuration epoch of that moment is remembered; when it rises, the master is located again, even if it turns out
   to be the same server;
3. most Sentinels must confirm the master every ``ASK_EVERY_S``: nothing is sent if they last did so more than
   ``CONFIRM_S`` ago;
4. while most Sentinels don't answer, the master's own word counts, if all spares that the Sentinels knew are connected
   to it: then none of them was promoted.
"""

from __future__ import annotations

import asyncio
import contextlib

from redis.asyncio import Redis
from redis.exceptions import RedisError

from realtime import connect
from realtime.cancellation import cancel_all
from realtime.topology import Plain, Sentinels

LEASE_S = 1.0
"""The lease: for how long after its last answer a server is certain to be still the master."""
ASK_EVERY_S = 1.0
"""How often the Sentinels are asked while the master answers."""
PATIENCE_S = 0.2
"""If the Sentinels take longer than this, the master is asked too, before the last confirmation runs out."""
CONFIRM_S = 2.0
"""How long a confirmation that a server is the master is valid."""
SPARES_EVERY_S = 10.0
"""How often the Sentinels are asked for the spares. The answer is kept for a time in which no Sentinel answers."""
REPLICA_LAG_S = 1
"""A spare that has not acknowledged for longer than this may have been promoted."""


class Lease:
    """What one link knows about its master behind Sentinels. Belongs to the loop that uses it."""

    def __init__(self, where: Sentinels, ask_s: float) -> None:
        """``ask_s`` is the time-out of a question to the Sentinels or the master, at most ``ASK_EVERY_S``."""
        self._where = where
        self._ask_s = min(ask_s, ASK_EVERY_S)
        self._answered_at = 0.0
        self._confirmed_at = 0.0
        self.config_epoch = 0
        """The Sentinels' configuration epoch when the server was located."""
        self._spares: frozenset[tuple[str, int]] = frozenset()
        self._spares_at = -SPARES_EVERY_S

    def begin(self) -> None:
        """Begin the lease of a server that has just answered."""
        self._answered_at = _now()

    def renew(self) -> None:
        """Record that the master has answered. An answer after the lease has run out is an error."""
        if _now() - self._answered_at > LEASE_S:
            raise RedisError("the lease has run out: there may be another master")
        self._answered_at = _now()

    def check_confirmed(self) -> None:
        """Raise redis-py's ``RedisError`` if the last confirmation is older than ``CONFIRM_S``."""
        if _now() - self._confirmed_at > CONFIRM_S:
            raise RedisError("nobody has confirmed the master lately: there may be another one")

    async def check_role(self, redis: Redis, at: Plain) -> None:
        """Raise unless a server says that it is the master, and the Sentinels still say so after that."""
        self.config_epoch = 0
        async with asyncio.timeout(self._ask_s):
            role = await redis.execute_command("ROLE")  # type: ignore[no-untyped-call]
        if role[0] != b"master" or not await self.confirm(redis, at):
            raise RedisError("it is not the master (any more)")

    async def confirm(self, redis: Redis, at: Plain) -> bool | None:
        """Return whether a server is still the master; None if neither the Sentinels nor the master can tell."""
        asked_at = _now()
        asking = asyncio.create_task(self._ask())
        try:
            answered, _ = await asyncio.wait((asking,), timeout=PATIENCE_S)
            if not answered and await self._has_all_spares(redis):
                self._confirmed_at = asked_at
            view = await asking
        finally:
            await cancel_all(asking)
        if view is not None:
            if view.at != at or 0 < self.config_epoch < view.config_epoch:
                return False
            self.config_epoch = view.config_epoch
        by_sentinels = view is not None and view.confirmed
        if by_sentinels or (self._confirmed_at < asked_at and await self._has_all_spares(redis)):
            self._confirmed_at = asked_at
        return True if self._confirmed_at >= asked_at else None

    async def remember_spares(self) -> None:
        """Ask the Sentinels for the spares, unless that was done lately or none answers."""
        if _now() - self._spares_at >= SPARES_EVERY_S:
            with contextlib.suppress(RedisError, OSError):
                self._spares = await connect.spares_of(self._where, timeout_s=self._ask_s)
                self._spares_at = _now()

    async def _ask(self) -> connect.SentinelView | None:
        with contextlib.suppress(RedisError, OSError):
            return await connect.ask_sentinels(self._where, timeout_s=self._ask_s)
        return None

    async def _has_all_spares(self, redis: Redis) -> bool:
        if not self._spares:
            return False
        with contextlib.suppress(RedisError, OSError):
            async with asyncio.timeout(self._ask_s):
                info = await redis.info("replication")
            return info["role"] == "master" and self._spares <= connect.connected_replicas(info, REPLICA_LAG_S)
        return False


def _now() -> float:
    return asyncio.get_running_loop().time()
