"""The queue ``analytics``: writes an entry for each booking, cancellation and refund, from which figures are made."""

from __future__ import annotations

from bullmq import UnrecoverableError

from realtime.ledger import Ledger
from realtime.ledger.rows import AnalyticsKind, TaskRow


class AnalyticsEntries:
    """Writes the entries of one region."""

    def __init__(self, ledger: Ledger) -> None:
        """``ledger`` is that of the region."""
        self._ledger = ledger

    async def enter(self, task: TaskRow) -> str:
        """Write the entry of a task. Raises ``UnrecoverableError`` if its subject is not in the ledger."""
        if task.kind == AnalyticsKind.REFUNDED.value:
            known = await self._ledger.enter_refund(task.subject)
        elif task.kind == AnalyticsKind.CANCELLED.value:
            known = await self._ledger.enter_cancellation(task.subject, task.created_at)
        else:
            known = await self._ledger.enter_booking(task.subject)
        if not known:
            raise UnrecoverableError(f"the ledger has no {task.subject}")
        return task.kind
