"""What a keeper does with a refund that is committed: its job, and a notice to the buyer."""

from __future__ import annotations

from realtime.keeper.jobs import Jobs
from realtime.ledger.rows import Queue, RefundRow, TaskRow, task_id
from realtime.locks.refund_notices import RefundNotices


class RefundDelivery:
    """Delivers committed refunds of one region. Repeating it is harmless."""

    def __init__(self, jobs: Jobs, notices: RefundNotices) -> None:
        """Both of the same region."""
        self._jobs = jobs
        self._notices = notices

    async def deliver(self, refund: RefundRow) -> None:
        """Add the refund's job and notify the buyer. Raises ``RegionUnavailable`` or redis-py's errors."""
        task = TaskRow(task_id(Queue.REFUNDS, refund.id), Queue.REFUNDS, refund.id, refund.created_at)
        await self._jobs.add([task])
        await self.notify(refund)

    async def notify(self, refund: RefundRow) -> None:
        """Tell the buyer how far the refund is. Raises ``RegionUnavailable``."""
        await self._notices.publish(refund)
