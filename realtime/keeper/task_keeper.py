"""Keeps every unfinished task of the ledger in its queue, and writes back which of them are done.

A queue may be lost with its master, or a keeper may die between a commit and its jobs. So all unfinished tasks are
added again after every reconciliation, and from time to time.
"""

from __future__ import annotations

from collections.abc import Sequence

from realtime import limits
from realtime.clock import now_ms
from realtime.jobs import JobLists, Jobs, JobState
from realtime.ledger import Ledger
from realtime.ledger.rows import ANY_TIME, Queue, RefundProgress, TaskRow

PAGE = 500
PAGES_PER_TURN = 10
"""Bounds one turn: with many tasks that nobody works on, the next turn goes on where this one ended."""
FOREIGN = (Queue.TICKETS, Queue.MAIL)
"""Queues in which a worker that knows no ledger may take jobs: a completed job is a done task.
For the other queues the ledger says whether a task is done."""
YOUNG_MS = 10_000
"""A task younger than this has just been added by its keeper."""


class TaskKeeper:
    """Looks after the tasks of one region."""

    def __init__(self, ledger: Ledger, jobs: Jobs) -> None:
        """Both of the same region."""
        self._ledger = ledger
        self._jobs = jobs
        self.faults = jobs.faults
        self._after = ""
        self.all_due = False
        """Whether the jobs of all tasks must be looked after soon: the master, or a queue, may have lost some."""

    async def due_turn(self) -> None:
        """Look after all unfinished tasks if that is due."""
        if self.all_due:
            self.all_due = False
            try:
                await self.add_all()
            except BaseException:
                self.all_due = True
                raise

    async def add_all(self) -> None:
        """Look after all unfinished tasks, also young ones: the master may have lost its queues."""
        after, lists = "", JobLists()
        while tasks := await self._ledger.unfinished_tasks(ANY_TIME, PAGE, after):
            await self._look_after(tasks, lists)
            after = tasks[-1].id

    async def turn(self) -> None:
        """Look after the next unfinished tasks: write back what is done, add what is not in its queue."""
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
                # No worker gets the job. Or it has ended, although our workers write to the ledger before their jobs
                # are completed: so the ledger was set back, after this job or before it, and has the task again.
                lost.append(task)
            elif state is JobState.FAILED and await self._is_unrefused_refund(task):
                lost.append(task)
            elif state is JobState.MISSING:
                other.append(task)
        await self._jobs.add_anew(lost)
        await self._jobs.add(other)

    async def _is_unrefused_refund(self, task: TaskRow) -> bool:
        """Return whether a task is a refund that the gateway has not refused: it is asked for until that is known.

        Its job may have come to the end of its attempts, or have failed while an operator had it tried again.
        """
        refund = await self._ledger.refund(task.subject) if task.queue is Queue.REFUNDS else None
        return refund is not None and refund.state is not RefundProgress.FAILED
