"""The heartbeat: shows feeds that the region is alive while nothing changes, and carries digests of maps to compare."""

from __future__ import annotations

import contextlib

import orjson
from redis.exceptions import ResponseError

from realtime import connect, keys
from realtime.clock import now_ms
from realtime.errors import RegionUnavailable
from realtime.locks.answers import ShowNotReady
from realtime.locks.master import LockMaster
from realtime.locks.seats import SeatLocks

DIGESTS = 3
"""The number of digests in one heartbeat; the shows take turns."""


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
        digests, damaged = await self._digests()
        heartbeat = {
            "region": self._region,
            "keeper": self._keeper,
            "time": now_ms(),
            "digests": digests,
            "damaged": damaged,
        }
        await self._master.command("PUBLISH", keys.HEARTBEAT, orjson.dumps(heartbeat))

    async def _digests(self) -> tuple[dict[str, tuple[str, int, int]], list[str]]:
        """Return the digests of the next shows, and the shows among them that can't be read."""
        if not self._turn:
            with contextlib.suppress(ResponseError):  # ``region_keys`` deletes one of another type
                self._turn = connect.names(await self._master.command("HKEYS", keys.SHOWS))
        digests: dict[str, tuple[str, int, int]] = {}
        damaged: list[str] = []
        for _ in range(min(DIGESTS, len(self._turn))):
            show = self._turn.pop()
            try:
                digests[show] = await self._locks.digest(show)
            except (ShowNotReady, ResponseError, ValueError, IndexError):
                # Its keys are missing or damaged, and a keeper rebuilds it. Or it is being archived.
                damaged.append(show)
            except RegionUnavailable:
                continue
        return digests, damaged
