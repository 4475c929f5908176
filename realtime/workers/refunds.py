"""The queue ``refunds``: returns a payment through its gateway, once, and records the progress."""

from __future__ import annotations

import logging
from typing import Any

from bullmq import UnrecoverableError

from realtime.clock import now_ms
from realtime.errors import PaymentRefused, PaymentUnavailable
from realtime.job_states import NO_TASK
from realtime.jobs import Jobs
from realtime.ledger import Ledger
from realtime.ledger.money import DETAIL_LENGTH
from realtime.ledger.rows import RefundProgress, RefundRow, TaskRow
from realtime.locks.refund_notices import RefundNotices
from realtime.payments.errors import Refusal
from realtime.payments.service import PaymentService, refund_key
from realtime.payments.status import RefundState
from realtime.workers.claims import NotDoneYet
from realtime.workers.payload import Payload

log = logging.getLogger(__name__)
FIRST_PAUSE_MS = 15_000
"""The pause after a first attempt that did not finish a refund; each later pause is twice as long."""
LONGEST_PAUSE_MS = 600_000
"""The longest pause while the gateway answers "not yet", or the shop carries out the refund: a webhook reports the end
too."""
LONGEST_OUTAGE_PAUSE_MS = 60_000
"""The longest pause while the gateway does not answer, so that the refund is made soon after it has recovered."""


def pause_ms(attempts: int, _type: str | None, error: Any, _job: Any) -> int:
    """Return how long to wait (ms) after an attempt (from 1) that has raised ``error``. BullMQ calls this."""
    longest = LONGEST_PAUSE_MS if isinstance(error, NotDoneYet) else LONGEST_OUTAGE_PAUSE_MS
    pause: int = FIRST_PAUSE_MS * 2 ** min(attempts - 1, 6)
    return min(pause, longest)


class Refunds:
    """Processes refunds of one region."""

    def __init__(self, ledger: Ledger, payments: PaymentService, notices: RefundNotices, jobs: Jobs) -> None:
        """All arguments belong to the same region; the tasks that follow a refund are added to ``jobs``."""
        self._jobs = jobs
        self._ledger = ledger
        self._payments = payments
        self._notices = notices

    async def process(self, payload: Payload) -> None:
        """Return the payment, or learn that it was returned. Safe to repeat: the gateway gets one key per attempt.

        Raises ``NotDoneYet`` (the gateway has not finished it) or ``PaymentUnavailable`` if it must be tried again, and
        ``UnrecoverableError`` if an operator must act.
        """
        refund = await self._ledger.refund(payload.subject)
        if refund is None:
            raise UnrecoverableError(f"{NO_TASK} {payload.task}")
        if refund.state is RefundProgress.FAILED:
            # The refund waits for an operator. A job that was added again, or is retried, must not continue by itself.
            raise UnrecoverableError(f"refund {refund.id} has failed: {refund.detail}")
        if refund.state is not RefundProgress.DONE:
            state, detail = await self._ask(refund)
            changed = await self._record(refund, state, detail)
            if changed.state is RefundProgress.FAILED:
                raise UnrecoverableError(f"the gateway refused refund {refund.id}: {changed.detail}")
            if changed.state is not RefundProgress.DONE:
                raise NotDoneYet(f"refund {refund.id}: {detail or 'not done yet'}")
        await self._ledger.finish_task(payload.task, now_ms())

    async def _ask(self, refund: RefundRow) -> tuple[RefundProgress, str]:
        if refund.amount == 0:
            return RefundProgress.DONE, "nothing was paid"
        key = refund_key(refund.hold, refund.payment, refund.attempt)
        try:
            status = await self._payments.refund(refund.payment, refund.amount, key)
        except PaymentUnavailable as error:
            why = f"no answer: {error.details.get('reason')}"
            await self._update(refund, refund.state, why)
            raise
        except PaymentRefused as error:
            reason = str(error.details.get("reason", error.message))
            done = reason == Refusal.ALREADY_REFUNDED.value
            return RefundProgress.DONE if done else RefundProgress.FAILED, reason
        if status.state is RefundState.DONE:
            return RefundProgress.DONE, status.refund
        if status.state is RefundState.FAILED:
            return RefundProgress.FAILED, status.reason
        return RefundProgress.SENT, status.reason or status.state.value

    async def _record(self, refund: RefundRow, state: RefundProgress, detail: str) -> RefundRow:
        """Record the gateway's answer; return the refund, which a webhook may have changed since."""
        await self._jobs.add(await self._update(refund, state, detail))
        changed = await self._ledger.refund(refund.id)
        assert changed is not None, "refunds are never deleted"
        if changed.state is not refund.state:
            log.info("refund %s: %s %s", refund.id, changed.state.value, changed.detail)
            await self._notices.publish(changed)
        return changed

    async def _update(self, refund: RefundRow, state: RefundProgress, detail: str) -> list[TaskRow]:
        """Write the answer if it is new, because a refund may be asked about for days; return the tasks that follow."""
        if (state, detail[:DETAIL_LENGTH]) == (refund.state, refund.detail):
            return []
        failed = state is RefundProgress.FAILED
        return await self._ledger.update_refund(
            refund.id, state, now_ms(), attempt=refund.attempt, detail=detail, next_attempt=failed
        )
