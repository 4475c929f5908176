"""What a keeper does with a refund that is committed: its job, and a notice to the buyer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from realtime.jobs import Jobs
from realtime.ledger.rows import Queue, RefundProgress, RefundRow, TaskRow, task_id
from realtime.locks.refund_notices import RefundNotices
from realtime.payments.service import refund_key


class RefundDelivery:
    """Delivers committed refunds of one region. Repeating it is harmless."""

    def __init__(self, jobs: Jobs, notices: RefundNotices) -> None:
        """Both arguments belong to the same region."""
        self._jobs = jobs
        self._notices = notices

    async def deliver(self, refund: RefundRow, *, at_once: bool = False) -> None:
        """Add the refund's job and notify the buyer. Raises ``RegionUnavailable`` or redis-py's errors.

        If the refund is not done but its job has ended, the job is replaced: the ledger may have been set back since
        then. With ``at_once`` a job that waits for its next attempt is replaced too.
        """
        if refund.state in (RefundProgress.PROMISED, RefundProgress.SENT):
            await self._jobs.add_anew([_task(refund)], at_once=at_once)
        await self.notify(refund)

    async def add_jobs(self, tasks: Sequence[TaskRow]) -> None:
        """Add the jobs of the tasks that follow a completed refund. Raises what ``deliver`` raises."""
        await self._jobs.add(tasks)

    async def notify(self, refund: RefundRow) -> None:
        """Notify the buyer of the state of the refund. Raises ``RegionUnavailable``."""
        await self._notices.publish(refund)


def listed_refund(refund: RefundRow) -> dict[str, Any]:
    """Return a refund in the form for operators and the shop, with the key of its present attempt."""
    return {**asdict(refund), "key": refund_key(refund.hold, refund.payment, refund.attempt)}


def _task(refund: RefundRow) -> TaskRow:
    return TaskRow(task_id(Queue.REFUNDS, refund.id), Queue.REFUNDS, refund.id, refund.created_at)
