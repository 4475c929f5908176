"""Carries out a task of the ledger once, however often its job runs and however many workers have it."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable

from bullmq import UnrecoverableError

from realtime.clock import now_ms
from realtime.ledger import Ledger, LedgerUnavailable
from realtime.ledger.rows import Queue, TaskRow
from realtime.workers.payload import Payload

CLAIM_MS = 30_000
"""How long a task belongs to the worker that has claimed it. Work must end before: another worker begins after it."""
Work = Callable[[TaskRow], Awaitable[str]]


class NotDoneYet(Exception):
    """The job has to be tried again; nothing is wrong with it."""


class Claims:
    """Claims tasks of one region's ledger."""

    def __init__(self, ledger: Ledger, queue: Queue, work: Work) -> None:
        """``work`` carries out a task and returns a remark for the ledger; what it raises fails the job."""
        self._ledger = ledger
        self._queue = queue
        self._work = work

    async def process(self, payload: Payload) -> None:
        """Carry out the task of a job, unless it is done. A worker that dies meanwhile leaves it to be done again.

        The ledger says what the task is, the job only its id. Raises ``NotDoneYet`` while another worker has it, and
        ``UnrecoverableError`` if the ledger has no such task.
        """
        task = await self._ledger.task(payload.task)
        if task is None or task.queue is not self._queue:
            raise UnrecoverableError(f"the ledger has no task {payload.task}")
        if task.done_at is not None:
            return
        now = now_ms()
        if not await self._ledger.claim_task(task.id, now, now + CLAIM_MS):
            raise NotDoneYet(f"another worker carries out {task.id}")
        try:
            detail = await self._work(task)
        except BaseException:
            with contextlib.suppress(LedgerUnavailable):
                await self._ledger.release_task(task.id)
            raise
        await self._ledger.finish_task(task.id, now_ms(), detail)
