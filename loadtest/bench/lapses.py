"""Measures how soon the map of a node shows seats as free whose holds have lapsed, all at the same moment.

A region of its own has a lock master, a replica, a node and some keepers, each a process.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import orjson

from loadtest.bench.node import layout_of
from realtime import connect, keys
from realtime.clock import now_ms
from realtime.dev import valkey
from realtime.dev.cluster import Cluster
from realtime.dev.plan import plan
from realtime.locks.commands import declare_layout, run_command
from realtime.locks.master import LockMaster
from realtime.locks.seats import SeatLocks
from realtime.model import SeatStatus
from realtime.wire.layouts import encode_layout
from realtime.wire.maps import unpack_seats

SHOW = "west-lapses"
LAPSE_MS = 3_000
"""How long after their deadline is set all holds lapse: the writes of the deadlines take a part of it."""
AT_ONCE = 1_000
"""Holds that are asked for, or changed, at a time."""
WAIT_S = 60.0
LOOK_S = 0.02


async def measure_lapses(folder: Path, holds: int, keepers: int) -> float:
    """Return the seconds from the deadline of all holds until every seat is free on a node's map.

    Raises ``TimeoutError`` after ``WAIT_S``.
    """
    cluster = Cluster(
        plan(folder, regions=("west",), keepers_per_region=keepers, workers_per_region=0, port=valkey.free_port),
        echo=lambda line: None,
    )
    await cluster.start(sample_data=False)
    try:
        async with cluster.masters() as masters:
            master = masters["west"]
            await _declare(master, holds)
            await _hold_all(SeatLocks(master), holds)
            url = f"{cluster.plan.node_urls('west')[0]}/api/v1/shows/{SHOW}/seats"
            await _all_are(SeatStatus.HELD, url, holds)
            lapse_at_ms = await _lapse_together(master)
            return (await _all_are(SeatStatus.FREE, url, holds) - lapse_at_ms) / 1000
    finally:
        await cluster.stop()


async def _declare(master: LockMaster, seats: int) -> None:
    layout = layout_of(seats)
    await run_command(master, "theatre", {"id": "hall", "name": "Hall", "city": "Pune"})
    await declare_layout(master, layout.id, encode_layout(layout))
    terms = {"theatre": "hall", "layout": layout.id, "title": "A show", "prices": {"Gold": 100}}
    await run_command(master, "show", {"id": SHOW, "starts_at": "2030-01-01T18:30:00+05:30", **terms})


async def _hold_all(locks: SeatLocks, count: int) -> None:
    for start in range(0, count, AT_ONCE):
        seats = range(start, min(start + AT_ONCE, count))
        await asyncio.gather(*(locks.hold(f"{SHOW}.h{seat:0>22}", f"buyer {seat}", [seat]) for seat in seats))


async def _lapse_together(master: LockMaster) -> int:
    """Give all holds the same deadline; return it (ms since 1970, this machine's clock, which is the master's)."""
    at = now_ms() + LAPSE_MS
    holds = keys.holds(SHOW)
    records = connect.pairs(await master.command("HGETALL", holds))
    for start in range(0, len(records), AT_ONCE):
        some = records[start : start + AT_ONCE]
        changed = [(hold, orjson.dumps(orjson.loads(record) | {"expires_at": at})) for hold, record in some]
        await master.command("HSET", holds, *(part for pair in changed for part in pair))
        await master.command("ZADD", keys.DEADLINES, *(part for hold, _record in some for part in (at, hold)))
    assert now_ms() < at, "the deadlines were set too late"
    return at


async def _all_are(status: SeatStatus, url: str, seats: int) -> int:
    """Return the time (ms since 1970) at which a node's map shows all seats with this status."""
    async with asyncio.timeout(WAIT_S), aiohttp.ClientSession() as session:
        while True:
            async with session.get(url) as response:
                known = response.status == 200
                body = await response.json(loads=orjson.loads)
            if known and set(unpack_seats(body["seats"], seats)) == {status.digit}:
                return now_ms()
            await asyncio.sleep(LOOK_S)
