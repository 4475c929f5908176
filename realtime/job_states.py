"""Reads the states of tasks' jobs: whether each waits, runs, has ended, is missing, or can't be delivered.

The library's own calls return the state of one job, and fail if the job can't be read. The functions here read
thousands of jobs in a few pipelines, and a damaged job or list does not hide the others.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from realtime import connect, keys
from realtime.ledger.rows import Queue, TaskRow

LISTS = ("wait", "paused", "active")
"""In the order in which jobs move through them, so that a job that moves meanwhile is seen, unless it is to be
retried."""
READ = ("data", "opts", "failedReason", "returnvalue")
_SETS = ("completed", "failed", "delayed", "prioritized", "waiting-children")
_PAGE = 1_000
"""How many jobs of a list are read at once."""


class JobState(StrEnum):
    """The state of a task's job: it waits or runs (``pending``), has ended, or is not there (``missing``).

    ``without_task``: it has failed because the ledger did not have the task when it ran; a ledger that was set back may
    get the task again. ``undeliverable``: it is there, but no worker can get it, because it is in no list of its queue,
    or can't be read. A job that is being moved may seem so; ``Jobs.add_anew`` checks again. ``recorded``: it has ended,
    after its worker had recorded in the ledger that the task is done; if the ledger still has the task as open, it was
    set back.
    """

    MISSING = "missing"
    PENDING = "pending"
    COMPLETED = "completed"
    RECORDED = "recorded"
    FAILED = "failed"
    WITHOUT_TASK = "without_task"
    UNDELIVERABLE = "undeliverable"


NO_TASK = "the ledger has no task"
"""The beginning of the failure reason of a job whose task the ledger did not have."""
RECORDED = "recorded"
"""The value that our workers return for a job whose task is done in the ledger."""


class JobLists:
    """The jobs that wait and run, as of the first time that each queue was read."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._jobs: dict[Queue, set[str]] = {}

    async def read(self, redis: Redis, queue: Queue) -> set[str]:
        """Return the ids of the jobs in the lists of a queue. Raises redis-py's connection errors."""
        if queue not in self._jobs:
            self._jobs[queue] = found = set()
            for part in LISTS:
                with contextlib.suppress(ResponseError):  # keepers delete a key that can't be used
                    start = 0
                    while page := await _page(redis, keys.queue(queue, part), start):
                        found.update(page)
                        start += _PAGE
        return self._jobs[queue]


async def _page(redis: Redis, key: str, start: int) -> list[str]:
    # Read from the end at which jobs are added, so that jobs taken from the other end don't shift the rest.
    page: Any = await redis.lrange(key, start, start + _PAGE - 1)
    return [job if isinstance(job, str) else job.decode(errors="replace") for job in page]


async def job_states(redis: Redis, tasks: Sequence[TaskRow], lists: JobLists) -> list[JobState]:
    """Return the states of the jobs of some tasks. Raises redis-py's connection errors."""
    listed = {queue: await lists.read(redis, queue) for queue in {task.queue for task in tasks}}
    pipeline = redis.pipeline(transaction=False)
    for task in tasks:
        job = keys.queue(task.queue, task.id)
        pipeline.exists(job)
        pipeline.hmget(job, *READ)
        for part in _SETS:
            pipeline.zscore(keys.queue(task.queue, part), task.id)
    answers = [usable(answer) for answer in await pipeline.execute(False)]
    size = 2 + len(_SETS)
    return [
        _job_state(task.id in listed[task.queue], *answers[n * size : (n + 1) * size]) for n, task in enumerate(tasks)
    ]


def usable(answer: Any) -> Any:
    """Return an answer; None if the key has another type than the command takes."""
    if isinstance(answer, ResponseError) and not connect.not_now(answer):
        return None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _job_state(listed: bool, exists: int, parts: Any, completed: Any, failed: Any, *others: Any) -> JobState:
    if not exists:
        return JobState.MISSING
    if parts is None or not is_readable(parts):
        return JobState.UNDELIVERABLE
    reason, returned = (part.decode(errors="replace") if isinstance(part, bytes) else part or "" for part in parts[2:])
    if completed is not None:
        return JobState.RECORDED if returned == f'"{RECORDED}"' else JobState.COMPLETED
    if failed is None:
        is_listed = listed or any(score is not None for score in others)
        return JobState.PENDING if is_listed else JobState.UNDELIVERABLE
    return JobState.WITHOUT_TASK if reason.startswith(NO_TASK) else JobState.FAILED


def is_readable(parts: Any) -> bool:
    """Return whether the library can read a job. If not, a worker that takes it fails before it runs the job."""
    try:
        return all(isinstance(msgspec.json.decode(part or b""), dict) for part in parts[:2])
    except msgspec.MsgspecError:
        return False
