"""The status report of a node: its current figures, written every two seconds on the master of its own region.

Replication carries the reports to all regions, so any node can show operators the whole installation. The node also
records incidents: it can't reach a region, maps are delayed, or no keeper of its region is running.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import Any

import orjson
from redis.exceptions import RedisError

from realtime import connect, keys, limits
from realtime.clock import now_ms
from realtime.errors import TicketError
from realtime.feeds.feed import Feed
from realtime.locks.incidents import Incident, Incidents
from realtime.locks.master import LockMaster
from realtime.rooms.rooms import Rooms
from realtime.settings import process_name
from realtime.web.box_office import BoxOffice
from realtime.web.events import Events

CONNECTING_S = 10.0
"""How long a node may take after its start to reach a region, before that is an incident."""
DELAYED_MS = 1_000
"""Maps are delayed when heartbeats arrive later than this."""


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
        self._incidents = Incidents(self._name, master)
        self._started = time.monotonic()
        self._reached: set[str] = set()
        self._losses: dict[str, int] = {}
        self._keepers: Any = None
        self._keepers_at = self._started

    async def run(self) -> None:
        """Write the report every ``limits.STATUS_REPORT_MS`` until cancelled."""
        try:
            while True:
                # While the master is unreachable the last report gets older, which is what operators should see.
                with contextlib.suppress(TicketError, RedisError):
                    await self._write()
                await self._note_incidents()
                await self._incidents.send()
                await asyncio.sleep(limits.STATUS_REPORT_MS / 1000)
        finally:
            with contextlib.suppress(TicketError, RedisError, asyncio.CancelledError):
                await self._master.command("HDEL", keys.NODES, self._name)

    async def _write(self) -> None:
        """Write the report, and have the feeds know by how much the clock of this machine is wrong.

        Else a node whose clock is ahead would call the maps of all regions delayed.
        """
        before = now_ms()
        master_time, _ = await asyncio.gather(
            self._master.time_ms(),
            self._master.command("HSET", keys.NODES, self._name, orjson.dumps(self.report())),
        )
        offset_ms = master_time - (before + now_ms()) // 2
        for feed in self._feeds.values():
            feed.clock_offset_ms = offset_ms

    async def _note_incidents(self) -> None:
        now = time.monotonic()
        for name, feed in self._feeds.items():
            if feed.live or now - self._started > CONNECTING_S:
                self._reached.add(name)
            if name not in self._reached:
                continue
            if feed.losses > self._losses.get(name, 0):
                # It may be the end of the incident.
                self._losses[name] = feed.losses
                self._incidents.set(Incident.UNREACHABLE, name, True)
            self._incidents.set(Incident.UNREACHABLE, name, not feed.live)
            self._incidents.set(Incident.DELAYED, name, feed.live and (feed.lag_ms or 0) > DELAYED_MS)
        own = self._feeds[self._master.region]
        if not own.live:
            self._keepers_at = now
            return
        with contextlib.suppress(TicketError):
            keepers = await own.command("HGETALL", keys.KEEPERS)
            if keepers != self._keepers:
                self._keepers, self._keepers_at = keepers, now
            old_s = limits.STATUS_REPORT_OLD_MS / 1000
            self._incidents.set(Incident.NO_KEEPER, own.region, now - self._keepers_at > old_s)

    def report(self) -> dict[str, Any]:
        """Return the report: current values, counts since the node started, sales and feed lags (ms) by region."""
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


def read_reports(reply: Any) -> list[dict[str, Any]]:
    """Return the status reports of nodes or keepers, each with its ``name``; those that can't be read are left out."""
    found = []
    for name, blob in connect.pairs(reply):
        with contextlib.suppress(ValueError):
            report = orjson.loads(blob)
            if isinstance(report, dict) and isinstance(report.get("time"), int):
                found.append({**report, "name": name.decode(errors="replace")})
    return found
