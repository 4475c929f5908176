"""Jobs after a booking, in BullMQ queues on the region's own master: any BullMQ worker, Node.js too, takes them.

``bookings``: one job a booking, ``jobId`` = booking id. ``refunds``: one a refund, ``jobId`` = ``refund.<hold id>``.
The id is what makes a repeated ``add`` harmless, so finished jobs are kept long enough to outlive any repetition.
"""

from __future__ import annotations

import asyncio
from typing import Any

from bullmq import Queue
from redis.asyncio import Redis
from redis.exceptions import RedisError

from realtime import connect
from realtime.locks.master import LockMaster

PREFIX = "tt-jobs"
BOOKINGS = "bookings"
REFUNDS = "refunds"
_OPTIONS: dict[str, Any] = {
    "removeOnComplete": {"age": 7 * 24 * 3600, "count": 100_000},
    "removeOnFail": False,
    "attempts": 10,
    "backoff": {"type": "exponential", "delay": 1000},
}
_TIMEOUT_S = 5.0


class Jobs:
    """Adds jobs to the queues of one region's master, wherever that is. Connection faults are redis-py's errors."""

    def __init__(self, master: LockMaster, password: str = "") -> None:
        """Connects when there is something to add, and anew after ``close``."""
        self._master = master
        self._password = password
        self._redis: Redis | None = None
        self._queues: dict[str, Queue] = {}
        self._connecting = asyncio.Lock()

    async def booked(self, bookings: list[dict[str, Any]]) -> None:
        """Add one job for each booking (``data`` with ``booking`` = its id)."""
        await self._add(BOOKINGS, "booked", [(data["booking"], data) for data in bookings])

    async def refund(self, refunds: list[dict[str, Any]]) -> None:
        """Add one job for each refund (``data`` with ``hold``)."""
        await self._add(REFUNDS, "refund", [(f"refund.{data['hold']}", data) for data in refunds])

    async def _add(self, name: str, kind: str, jobs: list[tuple[str, dict[str, Any]]]) -> None:
        if not jobs:
            return
        queues = await self._connected()
        await queues[name].addBulk(
            [{"name": kind, "data": data, "opts": {**_OPTIONS, "jobId": job_id}} for job_id, data in jobs]
        )

    async def waiting(self) -> dict[str, int]:
        """Return how many jobs wait for a worker, by queue."""
        queues = await self._connected()
        try:
            counts = await asyncio.gather(*(queue.getJobCounts("wait") for queue in queues.values()))
        except (RedisError, OSError):
            await self.close()  # the master may be another by now
            raise
        return {name: int(count["wait"]) for name, count in zip(queues, counts, strict=True)}

    async def _connected(self) -> dict[str, Queue]:
        async with self._connecting:
            if self._redis is None:
                where = await self._master.address()
                self._redis = connect.client(where, self._password, timeout_s=_TIMEOUT_S, connections=4, decode=True)
                options = {"prefix": PREFIX, "connection": self._redis}
                self._queues = {each: Queue(each, options) for each in (BOOKINGS, REFUNDS)}
            return self._queues

    async def close(self) -> None:
        """Drop the connections; the next job looks for the master again."""
        redis, self._redis = self._redis, None
        await connect.close(redis)
