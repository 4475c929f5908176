"""What a keeper sees of its region, written down for operators: is work piling up, and how old is the oldest of it."""

from __future__ import annotations

import time
from typing import Any

import orjson

from realtime import keys, limits
from realtime.keeper.jobs import BOOKINGS, PREFIX, REFUNDS
from realtime.locks.master import LockMaster


class Presence:
    """Writes one keeper's record, and drops those of nodes and keepers that are long gone."""

    def __init__(self, name: str, master: LockMaster) -> None:
        """``name`` is the keeper's."""
        self._name = name
        self._master = master

    async def tell(self) -> None:
        """Write the record once; raises ``RegionUnavailable``."""
        now = int(time.time() * 1000)
        oldest = await self._master.command("XRANGE", keys.OUTBOX, "-", "+", "COUNT", 1)
        record = {
            "time": now,
            "outbox": await self._master.command("XLEN", keys.OUTBOX),
            "oldest_ms": max(0, now - int(oldest[0][0].partition(b"-")[0])) if oldest else 0,
            "set_aside": await self._master.command("XLEN", keys.PARKED),
            "live_holds": await self._master.command("ZCARD", keys.DEADLINES),
            "jobs": {name: await self._master.command("LLEN", f"{PREFIX}:{name}:wait") for name in (BOOKINGS, REFUNDS)},
        }
        await self._master.command("HSET", keys.KEEPERS, self._name, orjson.dumps(record))
        for key in (keys.NODES, keys.KEEPERS):
            for name, told in _pairs(await self._master.command("HGETALL", key)):
                if now - orjson.loads(told)["time"] > limits.PRESENCE_GONE_MS:
                    await self._master.command("HDEL", key, name)


def _pairs(reply: Any) -> list[tuple[bytes, bytes]]:
    return list(reply.items()) if isinstance(reply, dict) else list(zip(reply[::2], reply[1::2], strict=True))
