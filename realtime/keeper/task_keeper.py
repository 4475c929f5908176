"""Keeps a job in its queue for every unfinished task of the ledger, and records in the ledger which tasks are done.

A queue may be lost with its master, or a keeper may die after a commit and before it has added the jobs. So the jobs of
all unfinished tasks are added again after every reconciliation, and from time to time.
"""

from __future__ import annotations

from collections.abc import Sequence

from realtime import limits
from realtime.clock import now_ms
from realtime.job_states import JobLists, JobState
from realtime.jobs import Jobs
from realtime.ledger import Ledger
from realtime.ledger.rows import ANY_TIME, Queue, RefundProgress, TaskRow

PAGE = 500
PAGES_PER_TURN = 10
"""Bounds one turn. If many tasks are unfinished, the next turn continues where this one ended."""
FOREIGN = (Queue.TICKETS, Queue.MAIL)
"""Queues whose jobs may be taken by a worker without access to the ledger: a completed job means that the task is done.
For the other queues the ledger says whether a task is done."""
YOUNG_MS = 10_000
"""A task younger than this has just been added by its keeper."""


class TaskKeeper:
    """Keeps the tasks of one region and their jobs in line."""

    def __init__(self, ledger: Ledger, jobs: Jobs) -> None:
        """Both arguments belong to the same region."""
        self._ledger = ledger
        self._jobs = jobs
        self.faults = jobs.faults
        self._after = ""
        self.all_due = False
        """Whether the jobs of all tasks must be checked soon, because the master or a queue may have lost some."""

    async def due_turn(self) -> None:
        """Check all unfinished tasks if ``all_due`` is set."""
        if self.all_due:
            self.all_due = False
            try:
                await self.add_all()
            except BaseException:
                self.all_due = True
                raise

    async def add_all(self) -> None:
        """Check all unfinished tasks, also young ones: the master may have lost its queues."""
        after, lists = "", JobLists()
        while tasks := await self._ledger.unfinished_tasks(ANY_TIME, PAGE, after):
            await self._look_after(tasks, lists)
            after = tasks[-1].id

    async def turn(self) -> None:
        """Check the next unfinished tasks: record those that are done, add the jobs that are missing."""
        before, lists = now_ms() - YOUNG_MS, JobLists()
        for _page in range(PAGES_PER_TURN):
            tasks = await self._ledger.unfinished_tasks(before, PAGE, self._after)
            await self._look_after(tasks, lists)
            self._after = tasks[-1].id if len(tasks) == PAGE else ""
            if not self._after:
                break
        await self._ledger.delete_old(now_ms() - limits.COMMANDS_KEPT_S * 1000)
        await self._ledger.delete_audit(now_ms() - limits.AUDIT_KEPT_S * 1000)

    async def _look_after(self, tasks: Sequence[TaskRow], lists: JobLists) -> None:
        lost, other = list[TaskRow](), list[TaskRow]()
        for task, state in zip(tasks, await self._jobs.states(tasks, lists), strict=True):
            if state is JobState.COMPLETED and task.queue in FOREIGN:
                await self._ledger.finish_task(task.id, now_ms())
            elif state in (JobState.COMPLETED, JobState.RECORDED, JobState.WITHOUT_TASK, JobState.UNDELIVERABLE):
                # Either no worker can get the job, or it has ended while its task is unfinished. Our workers write to
                # the ledger before they complete a job, so in the second case the ledger was set back. The task has to
                # run again.
                lost.append(task)
            elif state is JobState.FAILED and await self._is_unrefused_refund(task):
                lost.append(task)
            elif state is JobState.MISSING:
                other.append(task)
        await self._jobs.add_anew(lost)
        await self._jobs.add(other)

    async def _is_unrefused_refund(self, task: TaskRow) -> bool:
        """Return whether a task is a refund that the gateway has not refused. Such a refund is tried until it is done.

        Its job may have used up its attempts, or may have failed while an operator was retrying it.
        """
        refund = await self._ledger.refund(task.subject) if task.queue is Queue.REFUNDS else None
        return refund is not None and refund.state is not RefundProgress.FAILED
