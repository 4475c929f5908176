"""Carries out a task of the ledger once, however often its job runs and however many workers take it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial

from bullmq import UnrecoverableError

from realtime.clock import now_ms
from realtime.job_states import NO_TASK
from realtime.ledger import Ledger, LedgerUnavailable
from realtime.ledger.rows import Queue, TaskRow
from realtime.workers.payload import Payload

CLAIM_MS = 30_000
"""How long a task belongs to the worker that has claimed it. Its work ends before that; another worker may begin
then."""
FINISH_PAUSE_S = 0.5
"""The pause between attempts to record that a task is done."""
Work = Callable[[TaskRow], Awaitable[str]]


class NotDoneYet(Exception):
    """The job has to be tried again; nothing is wrong with it."""


async def carry_out(ledger: Ledger, task_id: str, work: Callable[[], Awaitable[str]]) -> None:
    """Claim a task, do its ``work``, and record that it is done, with the remark that ``work`` returns.

    Raises ``NotDoneYet`` while another worker has the task. It also raises it if the claim ends before the work does,
    because another worker may have begun, so a worker that was suspended meanwhile stops. The task is tried again if
    ``work`` raises an error, or if the ledger is unavailable from the end of the work until the claim ends.
    """
    loop = asyncio.get_running_loop()
    ends = loop.time() + CLAIM_MS / 1000
    if not await ledger.claim_task(task_id, CLAIM_MS):
        raise NotDoneYet(f"another worker carries out {task_id}")
    claim = asyncio.timeout_at(ends)
    try:
        async with claim:
            detail = await work()
    except BaseException as error:
        if claim.expired():
            raise NotDoneYet(f"{task_id} took longer than its claim") from error
        with contextlib.suppress(LedgerUnavailable):
            await ledger.release_task(task_id)
        raise
    while True:
        try:
            return await ledger.finish_task(task_id, now_ms(), detail)
        except LedgerUnavailable:
            if loop.time() >= ends:
                raise
        await asyncio.sleep(FINISH_PAUSE_S)


class Claims:
    """Claims tasks of one region's ledger."""

    def __init__(self, ledger: Ledger, queue: Queue, work: Work) -> None:
        """``work`` carries out a task and returns a remark for the ledger; what it raises fails the job."""
        self._ledger = ledger
        self._queue = queue
        self._work = work

    async def process(self, payload: Payload) -> None:
        """Carry out the task of a job, unless it is done. If the worker dies meanwhile, the task is carried out again.

        The task is read from the ledger; the job only has its id. Raises ``NotDoneYet`` while another worker has it,
        and ``UnrecoverableError`` if the ledger has no such task.
        """
        task = await self._ledger.task(payload.task)
        if task is None or task.queue is not self._queue:
            raise UnrecoverableError(f"{NO_TASK} {payload.task}")
        if task.done_at is None:
            await carry_out(self._ledger, task.id, partial(self._work, task))
