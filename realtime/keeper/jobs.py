"""Jobs after a booking, in BullMQ queues on the region's own master: any BullMQ worker, Node.js too, takes them.

``bookings``: one job a booking, ``jobId`` = booking id. ``refunds``: one a refund, ``jobId`` = ``refund.<hold id>``.
The id is what makes a repeated ``add`` harmless, so finished jobs are kept long enough to outlive any repetition.
"""

from __future__ import annotations

from typing import Any

from bullmq import Queue

from realtime.connect import client
from realtime.topology import Plain

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
    """Adds jobs to the queues of one master."""

    def __init__(self, where: Plain, password: str = "") -> None:
        """``where`` is the master as it was found last; make a new one when it has moved."""
        self._redis = client(where, password, timeout_s=_TIMEOUT_S, connections=4, decode=True)
        options = {"prefix": PREFIX, "connection": self._redis}
        self._bookings = Queue(BOOKINGS, options)
        self._refunds = Queue(REFUNDS, options)

    async def booked(self, bookings: list[dict[str, Any]]) -> None:
        """Add one job for each booking (``data`` with ``booking`` = its id)."""
        await self._add(self._bookings, "booked", [(data["booking"], data) for data in bookings])

    async def refund(self, refunds: list[dict[str, Any]]) -> None:
        """Add one job for each refund (``data`` with ``hold``)."""
        await self._add(self._refunds, "refund", [(f"refund.{data['hold']}", data) for data in refunds])

    async def _add(self, queue: Queue, name: str, jobs: list[tuple[str, dict[str, Any]]]) -> None:
        if jobs:
            await queue.addBulk(
                [{"name": name, "data": data, "opts": {**_OPTIONS, "jobId": job_id}} for job_id, data in jobs]
            )

    async def close(self) -> None:
        """Close the connections."""
        await self._bookings.close()
        await self._refunds.close()
        await self._redis.aclose()
