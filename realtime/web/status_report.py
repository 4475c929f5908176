"""The status report of a node: its current figures, written every two seconds on the master of its own region.

Replication brings the reports to all regions, so any node can show operators the whole installation.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

import orjson
from redis.exceptions import RedisError

from realtime import keys, limits
from realtime.clock import now_ms
from realtime.errors import TicketError
from realtime.feeds.feed import Feed
from realtime.locks.master import LockMaster
from realtime.rooms.rooms import Rooms
from realtime.settings import process_name
from realtime.web.box_office import BoxOffice
from realtime.web.events import Events


class StatusReporter:
    """Writes the status report of one node. Run ``run`` as a task; cancelling it deletes the report."""

    def __init__(
        self, master: LockMaster, rooms: Rooms, feeds: Mapping[str, Feed], events: Events, office: BoxOffice
    ) -> None:
        """``master`` is the lock master of the node's own region."""
        self._name = process_name()
        self._master = master
        self._rooms = rooms
        self._feeds = feeds
        self._events = events
        self._office = office

    async def run(self) -> None:
        """Write the report every ``limits.STATUS_REPORT_MS`` until cancelled."""
        try:
            while True:
                # While the master is unreachable the last report gets older, which is what operators should see.
                with contextlib.suppress(TicketError, RedisError):
                    await self._master.command("HSET", keys.NODES, self._name, orjson.dumps(self.report()))
                await asyncio.sleep(limits.STATUS_REPORT_MS / 1000)
        finally:
            with contextlib.suppress(TicketError, RedisError, asyncio.CancelledError):
                await self._master.command("HDEL", keys.NODES, self._name)

    def report(self) -> dict[str, Any]:
        """Return the report: current gauges, counts since the node started; sales and feed lags (ms) by region."""
        stats = self._rooms.stats()
        return {
            "time": now_ms(),
            "connections": self._events.connections,
            "viewers": stats["viewers"],
            "rooms": stats["rooms"],
            "lagging": stats["lagging"],
            "frames": stats["frames"],
            "gaps": stats["gaps"],
            "sales": self._office.sales,
            "feeds": {name: {"live": feed.live, "lag_ms": feed.lag_ms} for name, feed in self._feeds.items()},
        }
