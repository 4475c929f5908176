"""What a keeper sees of its region, written down for operators: is work piling up, and how old is the oldest of it."""

from __future__ import annotations

import asyncio

import orjson

from realtime import connect, keys, limits
from realtime.clock import now_ms
from realtime.keeper.jobs import BOOKINGS, PREFIX, REFUNDS
from realtime.locks.master import LockMaster


class StatusReporter:
    """Writes one keeper's record, and drops those of nodes and keepers that are long gone."""

    def __init__(self, name: str, master: LockMaster) -> None:
        """``name`` is the keeper's."""
        self._name = name
        self._master = master

    async def tell(self) -> None:
        """Write the record once; raises ``RegionUnavailable``."""
        now = now_ms()
        command = self._master.command
        oldest, outbox, dead_letters, live_holds, bookings, refunds, nodes, keepers = await asyncio.gather(
            command("XRANGE", keys.OUTBOX, "-", "+", "COUNT", 1),
            command("XLEN", keys.OUTBOX),
            command("XLEN", keys.DEAD_LETTERS),
            command("ZCARD", keys.DEADLINES),
            *(command("LLEN", f"{PREFIX}:{name}:wait") for name in (BOOKINGS, REFUNDS)),
            *(command("HGETALL", key) for key in (keys.NODES, keys.KEEPERS)),
        )
        record = {
            "time": now,
            "outbox": outbox,
            "oldest_ms": max(0, now - int(oldest[0][0].partition(b"-")[0])) if oldest else 0,
            "dead_letters": dead_letters,
            "live_holds": live_holds,
            "jobs": {BOOKINGS: bookings, REFUNDS: refunds},
        }
        await command("HSET", keys.KEEPERS, self._name, orjson.dumps(record))
        for key, known in ((keys.NODES, nodes), (keys.KEEPERS, keepers)):
            for name, told in connect.pairs(known):
                if now - orjson.loads(told)["time"] > limits.STATUS_REPORT_GONE_MS:
                    await command("HDEL", key, name)
