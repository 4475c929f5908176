"""Jobs: tasks of the ledger, delivered through BullMQ queues on the region's own master.

A queue has the name of its tasks (``ledger.rows.Queue``), the prefix ``tt-jobs``, and one job for each task, whose
``jobId`` is the task id. So adding a job again is harmless while it is in the queue, and a job that was lost with its
master is added again from the ledger. The payload is described in docs/workers.md.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bullmq import Queue as BullQueue
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from realtime import connect, keys
from realtime.ledger.rows import Queue, TaskRow
from realtime.ledger.webhooks import DELIVERY_MS
from realtime.locks.master import LockMaster

log = logging.getLogger(__name__)
PAYLOAD_VERSION = 1


class JobState(StrEnum):
    """What a queue says of a task: its job waits or runs (``pending``), has ended, or is not there.

    ``without_task``: it has failed because the ledger had no such task when it ran. A ledger that was set back gets it
    again.
    """

    MISSING = "missing"
    PENDING = "pending"
    COMPLETED = "completed"
    FAILED = "failed"
    WITHOUT_TASK = "without_task"


NO_TASK = "the ledger has no task"
"""How the reason of a job's failure begins for which the ledger had no task."""

_KEPT: dict[str, Any] = {"removeOnComplete": {"age": 7 * 24 * 3600, "count": 20_000}, "removeOnFail": False}
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
    Queue.REFUNDS: {**_KEPT, "attempts": 50_000, "backoff": {"type": "fixed", "delay": 15_000}},
}
_TIMEOUT_S = 5.0
_CONNECTIONS = 16
"""Some calls ask all queues at once, and several users of one ``Jobs`` may do so at the same time."""


@dataclass(frozen=True, slots=True)
class FailedJob:
    """A job that is not tried any more; times are ms since the epoch."""

    queue: str
    task: str
    reason: str
    attempts: int
    failed_at: int


class Jobs:
    """Adds jobs to the queues of one region's master, wherever that is. Connection faults are redis-py's errors."""

    def __init__(self, region: str, master: LockMaster, password: str = "") -> None:
        """Connects when there is something to add, and anew after ``close``."""
        self._region = region
        self._master = master
        self._password = password
        self._redis: Redis | None = None
        self._queues: dict[Queue, BullQueue] = {}
        self._connecting = asyncio.Lock()

    async def add(self, tasks: Sequence[TaskRow]) -> None:
        """Add the job of each task, unless it is in its queue.

        A master whose memory is full takes none: keepers add the jobs of unfinished tasks again from time to time.
        """
        if not tasks:
            return
        queues = await self._connected()
        by_queue: dict[Queue, list[TaskRow]] = defaultdict(list)
        for task in tasks:
            by_queue[task.queue].append(task)
        for queue, some in by_queue.items():
            try:
                await queues[queue].addBulk([self._job(task) for task in some])
            except ResponseError as error:
                if not connect.is_full(error):
                    raise
                log.warning("%s: the memory of the lock master is full: jobs of %s come later", self._region, queue)

    async def add_anew(self, tasks: Sequence[TaskRow]) -> None:
        """Add the job of each task, also where its queue has an ended one; one under way is left alone."""
        queues = await self._connected()
        for task in tasks:
            state = await queues[task.queue].getJobState(task.id)
            if state in (JobState.COMPLETED.value, JobState.FAILED.value):
                await queues[task.queue].remove(task.id)
        await self.add(tasks)

    async def states(self, tasks: Sequence[TaskRow]) -> list[JobState]:
        """Return what the queues say of some tasks; workers that know no ledger report in no other way."""
        await self._connected()
        assert self._redis is not None, "it is connected"
        return await job_states(self._redis, tasks)

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
        """Return how many jobs wait for a worker, by queue."""
        await self._connected()
        assert self._redis is not None, "it is connected"
        pipeline = self._redis.pipeline(transaction=False)
        for queue in Queue:
            pipeline.llen(f"{keys.JOBS_PREFIX}:{queue.value}:wait")
        try:
            counts = await pipeline.execute()
        except (RedisError, OSError):
            await self.close()  # the master may be another by now
            raise
        return {queue.value: count for queue, count in zip(Queue, counts, strict=True)}

    async def counts(self) -> dict[str, dict[str, int]]:
        """Return how many jobs wait, run, wait for their next attempt, have failed and are completed, by queue."""
        queues = await self._connected()
        states = ("wait", "active", "delayed", "failed", "completed")
        counts = await asyncio.gather(*(queue.getJobCounts(*states) for queue in queues.values()))
        return {
            queue.value: {state: int(count[state]) for state in states}
            for queue, count in zip(queues, counts, strict=True)
        }

    async def failed(self, limit: int) -> list[FailedJob]:
        """Return jobs that have failed permanently, those that failed last first, up to ``limit`` of each queue."""
        await self._connected()
        assert self._redis is not None, "it is connected"
        found: list[FailedJob] = []
        for queue in Queue:
            name = f"{keys.JOBS_PREFIX}:{queue.value}"
            tasks: Any = await self._redis.zrevrange(f"{name}:failed", 0, limit - 1)
            # Not as the library's jobs: one whose data can't be read would hide the others.
            pipeline = self._redis.pipeline(transaction=False)
            for task in tasks:
                pipeline.hmget(f"{name}:{task}", "failedReason", "atm", "finishedOn")
            for task, (reason, attempts, at) in zip(tasks, await pipeline.execute(), strict=True):
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
        """Drop the connections; the next job looks for the master again."""
        redis, self._redis = self._redis, None
        await connect.close(redis)


async def job_states(redis: Redis, tasks: Sequence[TaskRow]) -> list[JobState]:
    """Return what the queues say of some tasks, in one round trip. Raises redis-py's errors."""
    pipeline = redis.pipeline(transaction=False)
    for task in tasks:
        queue = f"{keys.JOBS_PREFIX}:{task.queue.value}"
        pipeline.exists(f"{queue}:{task.id}")
        pipeline.zscore(f"{queue}:completed", task.id)
        pipeline.zscore(f"{queue}:failed", task.id)
        pipeline.hget(f"{queue}:{task.id}", "failedReason")
    answers = await pipeline.execute()
    return [_job_state(*answers[n : n + 4]) for n in range(0, len(answers), 4)]


def _job_state(exists: int, completed: float | None, failed: float | None, reason: str | bytes | None) -> JobState:
    if not exists:
        return JobState.MISSING
    if completed is not None:
        return JobState.COMPLETED
    if failed is None:
        return JobState.PENDING
    text = reason.decode(errors="replace") if isinstance(reason, bytes) else reason or ""
    return JobState.WITHOUT_TASK if text.startswith(NO_TASK) else JobState.FAILED
