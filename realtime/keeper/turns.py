"""Turns: work that only one keeper of a region does at a time, for as long as it is alive.

A turn is a key that expires, so a keeper that dies or is frozen loses it. If the master's clock was ahead when a turn
was taken, the key would last too long, so it is deleted (``locks.damage``). Turns only avoid double work. They are not
needed for safety: what a keeper writes after it has lost its turn is refused if another keeper has begun a new fencing
token, or has suspended the show.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

from redis.exceptions import RedisError

from realtime import limits
from realtime.cancellation import cancel_all
from realtime.errors import RegionUnavailable
from realtime.locks.master import LockMaster

_RENEW_S = limits.TURN_MS / 4 / 1000


class TurnLost(Exception):
    """Another keeper has taken the turn in the meantime."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn that this keeper has; ``nonce`` is unique."""

    master: LockMaster
    key: str
    nonce: str

    async def renew(self) -> None:
        """Restart the time of the turn. Raises ``TurnLost`` if another keeper has it, or ``RegionUnavailable``."""
        if await self.master.command("GET", self.key) != self.nonce.encode():
            raise TurnLost
        await self.master.command("PEXPIRE", self.key, limits.TURN_MS)


@contextlib.asynccontextmanager
async def renewed_turn(master: LockMaster, key: str) -> AsyncIterator[Turn | None]:
    """Provide the turn, renewed until the context ends; None if another keeper has it. Raises ``RegionUnavailable``."""
    turn = Turn(master, key, secrets.token_hex(8))
    if not await master.small_write("SET", key, turn.nonce, "NX", "PX", limits.TURN_MS):
        yield None
        return
    renewing = asyncio.create_task(_renew_repeatedly(turn), name=f"renews {key}")
    try:
        yield turn
    finally:
        await cancel_all(renewing)
        with contextlib.suppress(RegionUnavailable, RedisError):
            if await master.command("GET", key) == turn.nonce.encode():
                await master.command("DEL", key)


async def _renew_repeatedly(turn: Turn) -> None:
    while True:
        await asyncio.sleep(_RENEW_S)
        with contextlib.suppress(TurnLost, RegionUnavailable, RedisError):
            await turn.renew()
