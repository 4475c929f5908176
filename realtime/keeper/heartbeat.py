"""The heartbeat: tells feeds that the region is alive while nothing changes, and carries digests of maps to compare."""

from __future__ import annotations

import orjson
from redis.exceptions import ResponseError

from realtime import connect, keys
from realtime.clock import now_ms
from realtime.errors import RegionUnavailable
from realtime.locks.master import LockMaster
from realtime.locks.seats import SeatLocks

DIGESTS = 3
"""Digests in one heartbeat; all shows take turns."""


class Heartbeat:
    """Publishes through one region's master."""

    def __init__(self, region: str, keeper: str, master: LockMaster, locks: SeatLocks) -> None:
        """``keeper`` is the name of this keeper."""
        self._region = region
        self._keeper = keeper
        self._master = master
        self._locks = locks
        self._turn: list[str] = []

    async def beat(self) -> None:
        """Publish one heartbeat; raises ``RegionUnavailable``."""
        heartbeat = {
            "region": self._region,
            "keeper": self._keeper,
            "time": now_ms(),
            "digests": await self._digests(),
        }
        await self._master.command("PUBLISH", keys.HEARTBEAT, orjson.dumps(heartbeat))

    async def _digests(self) -> dict[str, tuple[str, int, int]]:
        if not self._turn:
            self._turn = connect.names(await self._master.command("HKEYS", keys.SHOWS))
        digests = {}
        for _ in range(min(DIGESTS, len(self._turn))):
            show = self._turn.pop()
            try:
                digests[show] = await self._locks.digest(show)
            except (RegionUnavailable, ResponseError, ValueError, IndexError):
                continue  # of a show whose keys are damaged: ``comparison`` finds and rebuilds it
        return digests
