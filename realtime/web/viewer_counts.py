"""Reports to each show's region how many people watch the show on this node, for operators' figures."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

import orjson
from redis.exceptions import RedisError

from realtime import keys, limits
from realtime.clock import now_ms
from realtime.errors import TicketError
from realtime.locks.master import LockMaster
from realtime.rooms.rooms import Rooms
from realtime.settings import process_name


class ViewerCounts:
    """Writes the counts of one node. Run ``run`` as a task; cancelling it deletes them."""

    def __init__(self, masters: Mapping[str, LockMaster], rooms: Rooms) -> None:
        """``masters`` maps every region to its lock master."""
        self._name = process_name()
        self._masters = masters
        self._rooms = rooms
        self._reported: set[str] = set()

    async def run(self) -> None:
        """Write the counts every ``limits.VIEWER_COUNTS_MS`` until cancelled."""
        try:
            while True:
                await asyncio.gather(*map(self._report, self._masters))
                await asyncio.sleep(limits.VIEWER_COUNTS_MS / 1000)
        finally:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*map(self._withdraw, sorted(self._reported)))

    async def _report(self, region: str) -> None:
        shows = self._rooms.viewers_of(region)
        if not shows:
            await self._withdraw(region)
            return
        report = orjson.dumps({"time": now_ms(), "shows": shows})
        # A region that is unreachable misses this report.
        with contextlib.suppress(TicketError, RedisError):
            await self._masters[region].command("HSET", keys.VIEWERS, self._name, report)
            self._reported.add(region)

    async def _withdraw(self, region: str) -> None:
        if region in self._reported:
            with contextlib.suppress(TicketError, RedisError):
                await self._masters[region].command("HDEL", keys.VIEWERS, self._name)
                self._reported.discard(region)
