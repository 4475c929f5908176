"""Jobs: tasks of the ledger, delivered through BullMQ queues on the region's own master.

A queue has the name of its tasks (``ledger.rows.Queue``), the prefix ``tt-jobs``, and one job for each task, whose
``jobId`` is the task id. So adding a job again is harmless while it is in the queue, and a job that was lost with its
master is added again from the ledger. The payload is described in docs/workers.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from bullmq import Queue as BullQueue
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from realtime import connect, keys
from realtime.job_states import LISTS, READ, JobLists, JobState, is_readable, job_states, usable
from realtime.ledger.rows import Queue, TaskRow
from realtime.ledger.webhooks import DELIVERY_MS
from realtime.locks.damage import delete_unusable_of_job
from realtime.locks.master import LockMaster

log = logging.getLogger(__name__)
PAYLOAD_VERSION = 1


REFUND_PAUSES = "refunds"
"""The name of the back-off strategy of refunds, which our workers implement (``workers.refunds.pause_ms``)."""

# Only the last traceback is kept, because jobs are in the memory of the lock master.
_KEPT: dict[str, Any] = {
    "removeOnComplete": {"age": 7 * 24 * 3600, "count": 20_000},
    "removeOnFail": False,
    "stackTraceLimit": 1,
}
_ATTEMPTS, _FIRST_PAUSE_MS = 17, 1_320
assert (2 ** (_ATTEMPTS - 1) - 1) * _FIRST_PAUSE_MS > DELIVERY_MS, "the last attempt is the one that gives a webhook up"
_FOR_A_DAY: dict[str, Any] = {
    **_KEPT,
    "attempts": _ATTEMPTS,
    "backoff": {"type": "exponential", "delay": _FIRST_PAUSE_MS},
}
_OPTIONS: dict[Queue, dict[str, Any]] = {
    Queue.TICKETS: _FOR_A_DAY,
    Queue.MAIL: _FOR_A_DAY,
    Queue.WEBHOOKS: _FOR_A_DAY,
    Queue.ANALYTICS: _FOR_A_DAY,
    # A gateway may be away for hours, and may take days for a refund: the worker asks until it is done.
    Queue.REFUNDS: {**_KEPT, "attempts": 50_000, "backoff": {"type": REFUND_PAUSES}},
}
_TIMEOUT_S = 5.0
_CONNECTIONS = 16
"""Connections of one ``Jobs``: some calls ask all queues at once, and several users may do so at the same time."""


_IN_NO_LIST = "unknown"
"""The library's state of a job that is in none of its queue's lists."""
_DELAYED = "delayed"
"""The library's state of a job that waits for its next attempt."""
_COUNTED = ("wait", "active", "delayed", "failed", "completed")


@dataclass(frozen=True, slots=True)
class FailedJob:
    """A job that is not tried any more; times are ms since the epoch."""

    queue: str
    task: str
    reason: str
    attempts: int
    failed_at: int


class QueueFaults:
    """Which queues refuse jobs, and why. A cause is logged when it is new and when it is over."""

    def __init__(self, region: str) -> None:
        """No queue has refused any yet."""
        self._region = region
        self._causes: dict[Queue, str] = {}

    def refused(self, queue: Queue, count: int, error: ResponseError) -> None:
        """Note that a queue has refused some jobs."""
        cause = "the memory of the lock master is full" if connect.is_full(error) else str(error)
        if self._causes.get(queue) != cause:
            self._causes[queue] = cause
            log.error("%s: the queue %s takes no jobs; %d will be added later: %s", self._region, queue, count, cause)

    def taken(self, queue: Queue) -> None:
        """Note that a queue has taken jobs."""
        if self._causes.pop(queue, None) is not None:
            log.info("%s: the queue %s takes jobs again", self._region, queue)


class Jobs:
    """Adds jobs to the queues of one region's master, wherever that is. Connection faults are redis-py's errors.

    If a queue refuses a command, this raises nothing, because bookings and refunds must not fail for it. It is logged
    and counted (``keys.JOBS_NOT_ADDED``), and keepers add the jobs of unfinished tasks again from time to time.
    """

    def __init__(
        self, region: str, master: LockMaster, password: str = "", *, faults: QueueFaults | None = None
    ) -> None:
        """Connects when there is something to add, and again after ``close``. Several ``Jobs`` may share ``faults``."""
        self._region = region
        self._master = master
        self._password = password
        self.faults = faults or QueueFaults(region)
        self._redis: Redis | None = None
        self._queues: dict[Queue, BullQueue] = {}
        self._connecting = asyncio.Lock()

    async def add(self, tasks: Sequence[TaskRow]) -> None:
        """Add the job of each task, unless it is in its queue already, or the queue refuses jobs."""
        if not tasks:
            return
        queues = await self._connected()
        by_queue: dict[Queue, list[TaskRow]] = defaultdict(list)
        for task in tasks:
            by_queue[task.queue].append(task)
        for queue, some in by_queue.items():
            async with self._refusals(queue, len(some)):
                await queues[queue].addBulk([self._job(task) for task in some])

    async def add_anew(self, tasks: Sequence[TaskRow], *, at_once: bool = False) -> None:
        """Add the job of each task, also if its queue has a job that has ended, or that no worker can get.

        A job that is under way, or that a worker has locked, is left as it is. ``at_once``: a job that waits for its
        next attempt is replaced.
        """
        for task in tasks:
            async with self._refusals(task.queue, 1):
                await self._remove(task, at_once=at_once)
        await self.add(tasks)

    async def _remove(self, task: TaskRow, *, at_once: bool) -> None:
        """Remove the job of a task, unless it is under way."""
        await delete_unusable_of_job(self._master, task.queue, task.id)
        queue = (await self._connected())[task.queue]
        state = await queue.getJobState(task.id)
        ended = state in (JobState.COMPLETED.value, JobState.FAILED.value, _IN_NO_LIST)
        if ended or (at_once and state == _DELAYED) or not await self._is_readable(task):
            await queue.remove(task.id)  # which leaves a locked job as it is

    async def _is_readable(self, task: TaskRow) -> bool:
        assert self._redis is not None, "it is connected"
        parts: Any = await self._redis.hmget(keys.queue(task.queue, task.id), *READ)
        return is_readable(parts)

    @contextlib.asynccontextmanager
    async def _refusals(self, queue: Queue, count: int) -> AsyncIterator[None]:
        """Note that a queue refuses ``count`` jobs. Errors of a master that takes no commands at all are raised."""
        try:
            yield
        except ResponseError as error:
            if connect.not_now(error) and not connect.is_full(error):
                raise
            self.faults.refused(queue, count, error)
            with contextlib.suppress(ResponseError):
                await self._master.small_write("INCRBY", keys.JOBS_NOT_ADDED, count)
        else:
            self.faults.taken(queue)

    async def states(self, tasks: Sequence[TaskRow], lists: JobLists | None = None) -> list[JobState]:
        """Return the states of the jobs of some tasks. Workers without access to the ledger report in no other way.

        Several consecutive calls may share ``lists``.
        """
        await self._connected()
        assert self._redis is not None, "it is connected"
        return await job_states(self._redis, tasks, lists or JobLists())

    def _job(self, task: TaskRow) -> dict[str, Any]:
        data = {
            "v": PAYLOAD_VERSION,
            "task": task.id,
            "region": self._region,
            "kind": task.kind,
            "subject": task.subject,
            "created_at": task.created_at,
        }
        return {"name": task.queue.value, "data": data, "opts": {**_OPTIONS[task.queue], "jobId": task.id}}

    async def waiting(self) -> dict[str, int]:
        """Return how many jobs wait for a worker, by queue; 0 for a queue that can't be used."""
        try:
            counts = await self._counts("wait")
        except (RedisError, OSError):
            await self.close()  # another server may be the master by now
            raise
        return {queue: count["wait"] for queue, count in counts.items()}

    async def counts(self) -> dict[str, dict[str, int]]:
        """Return how many jobs wait, run, wait for their next attempt, have failed and are completed, by queue."""
        return await self._counts(*_COUNTED)

    async def _counts(self, *parts: str) -> dict[str, dict[str, int]]:
        await self._connected()
        assert self._redis is not None, "it is connected"
        pipeline = self._redis.pipeline(transaction=False)
        for queue in Queue:
            for part in parts:
                count = pipeline.llen if part in LISTS else pipeline.zcard
                count(keys.queue(queue, part))
        found = iter([0 if each is None else each for each in map(usable, await pipeline.execute(False))])
        return {queue.value: {part: int(next(found)) for part in parts} for queue in Queue}

    async def failed(self, limit: int) -> list[FailedJob]:
        """Return jobs that have failed permanently, those that failed last first, up to ``limit`` of each queue."""
        await self._connected()
        assert self._redis is not None, "it is connected"
        found: list[FailedJob] = []
        for queue in Queue:
            tasks: Any = []
            with contextlib.suppress(ResponseError):  # keepers delete a key that can't be used
                tasks = await self._redis.zrevrange(keys.queue(queue, "failed"), 0, limit - 1)
            # Read without the library's job class, because a job whose data can't be read would hide the others.
            pipeline = self._redis.pipeline(transaction=False)
            for task in tasks:
                pipeline.hmget(keys.queue(queue, task), "failedReason", "atm", "finishedOn")
            for task, answer in zip(tasks, await pipeline.execute(False), strict=True):
                reason, attempts, at = usable(answer) or (None, None, None)
                found.append(FailedJob(queue.value, task, reason or "", connect.count(attempts), connect.count(at)))
        return sorted(found, key=lambda job: job.failed_at, reverse=True)

    async def _connected(self) -> dict[Queue, BullQueue]:
        async with self._connecting:
            if self._redis is None:
                where = await self._master.address()
                self._redis = connect.client(
                    where, self._password, timeout_s=_TIMEOUT_S, connections=_CONNECTIONS, decode=True
                )
                options = {"prefix": keys.JOBS_PREFIX, "connection": self._redis}
                self._queues = {queue: BullQueue(queue.value, options) for queue in Queue}
            return self._queues

    async def close(self) -> None:
        """Drop the connections; the next call locates the master again."""
        redis, self._redis = self._redis, None
        await connect.close(redis)
