"""What this node does now, written every other second where every other node can read it: on its own region's master.

The replicas carry it to all regions, so any node can show operators the whole installation from what is near it.
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
    """Keeps one node's record fresh. ``run`` it; cancel it to end, which takes the record away."""

    def __init__(
        self, master: LockMaster, rooms: Rooms, feeds: Mapping[str, Feed], events: Events, office: BoxOffice
    ) -> None:
        """``master`` is the node's own region's."""
        self._name = process_name()
        self._master = master
        self._rooms = rooms
        self._feeds = feeds
        self._events = events
        self._office = office

    async def run(self) -> None:
        """Write the record, again and again."""
        try:
            while True:
                # A master out of reach is shown by the record growing old.
                with contextlib.suppress(TicketError, RedisError):
                    await self._master.command("HSET", keys.NODES, self._name, orjson.dumps(self.record()))
                await asyncio.sleep(limits.STATUS_REPORT_MS / 1000)
        finally:
            with contextlib.suppress(TicketError, RedisError, asyncio.CancelledError):
                await self._master.command("HDEL", keys.NODES, self._name)

    def record(self) -> dict[str, Any]:
        """Return the figures: gauges as they are, counts since the node began; sales, and lags in ms, by region."""
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
