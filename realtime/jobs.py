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
from enum import StrEnum
from typing import Any

import msgspec
from bullmq import Queue as BullQueue
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from realtime import connect, keys
from realtime.ledger.rows import Queue, TaskRow
from realtime.ledger.webhooks import DELIVERY_MS
from realtime.locks.damage import delete_unusable_of_job
from realtime.locks.master import LockMaster

log = logging.getLogger(__name__)
PAYLOAD_VERSION = 1


class JobState(StrEnum):
    """What a queue says of a task: its job waits or runs (``pending``), has ended, or is not there.

    ``without_task``: it has failed because the ledger had no such task when it ran. A ledger that was set back gets it
    again. ``undeliverable``: it is there, but no worker gets it, because it is in no list of its queue, or can't be
    read. A job that moves at this moment may seem so; ``Jobs.add_anew`` looks again. ``recorded``: it has ended,
    and its worker had recorded in the ledger that the task is done. A ledger that has the task then was set back.
    """

    MISSING = "missing"
    PENDING = "pending"
    COMPLETED = "completed"
    RECORDED = "recorded"
    FAILED = "failed"
    WITHOUT_TASK = "without_task"
    UNDELIVERABLE = "undeliverable"


NO_TASK = "the ledger has no task"
"""How the reason of a job's failure begins for which the ledger had no task."""
RECORDED = "recorded"
"""What our workers return for a job whose task is done in the ledger."""

REFUND_PAUSES = "refunds"
"""The name of the pauses between the attempts of a refund: our workers know it (``workers.refunds.pause_ms``)."""

# Of many attempts only the last traceback is kept: a job is in the memory of the lock master.
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
"""Some calls ask all queues at once, and several users of one ``Jobs`` may do so at the same time."""


_LISTS = ("wait", "paused", "active")
"""In the order in which jobs move through them: one that moves meanwhile is seen, unless it was to be tried again."""
_READ = ("data", "opts", "failedReason", "returnvalue")
_IN_NO_LIST = "unknown"
"""What the library says of a job that is in none of its queue's lists."""
_DELAYED = "delayed"
"""And of one that waits for its next attempt."""
_SETS = ("completed", "failed", "delayed", "prioritized", "waiting-children")
_PAGE = 1_000
"""Jobs of a list that are read at once."""
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
    """Which queues refuse jobs, and why: a cause is logged when it is new, and when it is over."""

    def __init__(self, region: str) -> None:
        """No queue has refused any yet."""
        self._region = region
        self._causes: dict[Queue, str] = {}

    def refused(self, queue: Queue, count: int, error: ResponseError) -> None:
        """Note that a queue has refused some jobs."""
        cause = "the memory of the lock master is full" if connect.is_full(error) else str(error)
        if self._causes.get(queue) != cause:
            self._causes[queue] = cause
            log.error("%s: the queue %s takes no jobs; %d come later: %s", self._region, queue, count, cause)

    def taken(self, queue: Queue) -> None:
        """Note that a queue has taken jobs."""
        if self._causes.pop(queue, None) is not None:
            log.info("%s: the queue %s takes jobs again", self._region, queue)


class Jobs:
    """Adds jobs to the queues of one region's master, wherever that is. Connection faults are redis-py's errors.

    A queue that refuses a command is no fault of what its jobs are about: that is logged and counted
    (``keys.JOBS_NOT_ADDED``), and keepers add the jobs of unfinished tasks again from time to time.
    """

    def __init__(
        self, region: str, master: LockMaster, password: str = "", *, faults: QueueFaults | None = None
    ) -> None:
        """Connects when there is something to add, and anew after ``close``. Several may have the same ``faults``."""
        self._region = region
        self._master = master
        self._password = password
        self.faults = faults or QueueFaults(region)
        self._redis: Redis | None = None
        self._queues: dict[Queue, BullQueue] = {}
        self._connecting = asyncio.Lock()

    async def add(self, tasks: Sequence[TaskRow]) -> None:
        """Add the job of each task, unless it is in its queue, or its queue takes none."""
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
        """Add the job of each task, also where its queue has an ended one, or one that no worker gets.

        One under way is left alone, and so is one that a worker has locked. ``at_once``: one that waits for its next
        attempt is replaced.
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
            await queue.remove(task.id)  # which leaves one alone that is locked

    async def _is_readable(self, task: TaskRow) -> bool:
        assert self._redis is not None, "it is connected"
        parts: Any = await self._redis.hmget(keys.queue(task.queue, task.id), *_READ)
        return _is_readable(parts)

    @contextlib.asynccontextmanager
    async def _refusals(self, queue: Queue, count: int) -> AsyncIterator[None]:
        """Note that a queue refuses ``count`` jobs; a master that takes no commands at all is the caller's."""
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
        """Return what the queues say of some tasks; workers that know no ledger report in no other way.

        Several calls one after the other may have the same ``lists``.
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
            await self.close()  # the master may be another by now
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
                count = pipeline.llen if part in _LISTS else pipeline.zcard
                count(keys.queue(queue, part))
        found = iter([0 if each is None else each for each in map(_usable, await pipeline.execute(False))])
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
            # Not as the library's jobs: one whose data can't be read would hide the others.
            pipeline = self._redis.pipeline(transaction=False)
            for task in tasks:
                pipeline.hmget(keys.queue(queue, task), "failedReason", "atm", "finishedOn")
            for task, answer in zip(tasks, await pipeline.execute(False), strict=True):
                reason, attempts, at = _usable(answer) or (None, None, None)
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


class JobLists:
    """The jobs that wait and run, as they were when a queue was first asked about."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._jobs: dict[Queue, set[str]] = {}

    async def read(self, redis: Redis, queue: Queue) -> set[str]:
        """Return the ids of the jobs in the lists of a queue. Raises redis-py's connection errors."""
        if queue not in self._jobs:
            self._jobs[queue] = found = set()
            for part in _LISTS:
                with contextlib.suppress(ResponseError):  # keepers delete a key that can't be used
                    start = 0
                    while page := await _page(redis, keys.queue(queue, part), start):
                        found.update(page)
                        start += _PAGE
        return self._jobs[queue]


async def _page(redis: Redis, key: str, start: int) -> list[str]:
    # From the end at which jobs are added: one that is taken at the other end moves no other.
    page: Any = await redis.lrange(key, start, start + _PAGE - 1)
    return [job if isinstance(job, str) else job.decode(errors="replace") for job in page]


async def job_states(redis: Redis, tasks: Sequence[TaskRow], lists: JobLists) -> list[JobState]:
    """Return what the queues say of some tasks. Raises redis-py's connection errors."""
    listed = {queue: await lists.read(redis, queue) for queue in {task.queue for task in tasks}}
    pipeline = redis.pipeline(transaction=False)
    for task in tasks:
        job = keys.queue(task.queue, task.id)
        pipeline.exists(job)
        pipeline.hmget(job, *_READ)
        for part in _SETS:
            pipeline.zscore(keys.queue(task.queue, part), task.id)
    answers = [_usable(answer) for answer in await pipeline.execute(False)]
    size = 2 + len(_SETS)
    return [
        _job_state(task.id in listed[task.queue], *answers[n * size : (n + 1) * size]) for n, task in enumerate(tasks)
    ]


def _usable(answer: Any) -> Any:
    """Return an answer; None if the key has another type than the command takes."""
    if isinstance(answer, ResponseError) and not connect.not_now(answer):
        return None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _job_state(listed: bool, exists: int, parts: Any, completed: Any, failed: Any, *others: Any) -> JobState:
    if not exists:
        return JobState.MISSING
    if parts is None or not _is_readable(parts):
        return JobState.UNDELIVERABLE
    reason, returned = (part.decode(errors="replace") if isinstance(part, bytes) else part or "" for part in parts[2:])
    if completed is not None:
        return JobState.RECORDED if returned == f'"{RECORDED}"' else JobState.COMPLETED
    if failed is None:
        is_listed = listed or any(score is not None for score in others)
        return JobState.PENDING if is_listed else JobState.UNDELIVERABLE
    return JobState.WITHOUT_TASK if reason.startswith(NO_TASK) else JobState.FAILED


def _is_readable(parts: Any) -> bool:
    """Return whether the library can read a job: else a worker that takes it fails before it runs."""
    try:
        return all(isinstance(msgspec.json.decode(part or b""), dict) for part in parts[:2])
    except msgspec.MsgspecError:
        return False
