"""Settles payments that no page has brought: from the gateway's webhooks, and by asking about open orders.

Page, webhook and this module may report one payment at the same time. All of them end in ``SeatLocks.confirm`` or in
``Ledger.promise_refund``, and the ledger's keys make one booking or one refund of it.
"""

from __future__ import annotations

import logging
import random
from dataclasses import replace

from redis.exceptions import RedisError

from realtime import limits
from realtime.clock import now_ms
from realtime.errors import HoldLost, HoldNotFound, PaymentUnavailable, RegionUnavailable, SeatsTaken, TicketError
from realtime.keeper.refunds import RefundDelivery
from realtime.ledger import Ledger, LedgerUnavailable
from realtime.ledger.rows import NewRefund, OrderRow, OrderState, Queue, RefundProgress, RefundReason, task_id
from realtime.ledger.shows import Shows, UnknownShow
from realtime.locks.equal_seats import free_equal_blocks
from realtime.locks.seats import PaymentProof, SeatLocks
from realtime.model import is_hold_id, region_of, show_of
from realtime.payments.ladder import HoldMoney, Rung, must_capture, rungs
from realtime.payments.report import PaymentReport
from realtime.payments.service import PaymentService, refund_key
from realtime.payments.status import PaymentState, PaymentStatus, RefundState

log = logging.getLogger(__name__)
ORDERS_PER_TURN = 20
"""Orders that one keeper asks about in one turn, one after the other."""
CLAIM_MS = 60_000
"""How long a claimed order is left alone by other keepers."""
UNIDENTIFIED_CHECK_MS = 5_000
"""When the gateway is asked about an order that only a webhook names."""


class Settlement:
    """Settles the payments of one region."""

    def __init__(
        self,
        ledger: Ledger,
        locks: SeatLocks,
        shows: Shows,
        payments: PaymentService,
        refunds: RefundDelivery,
    ) -> None:
        """All of the same region."""
        self._ledger = ledger
        self._locks = locks
        self._shows = shows
        self._payments = payments
        self._refunds = refunds

    # --- reports --------------------------------------------------------------------------------------------------
    async def on_report(self, report: PaymentReport) -> None:
        """Process an authentic webhook once, however often it was delivered. Raises ``PaymentUnavailable``."""
        if await self._ledger.knows_webhook(report.event):
            return
        if report.refund_key:
            await self._refund_reported(report)
        else:
            await self._payment_reported(report)
        await self._ledger.new_webhook(report.event, now_ms())

    async def _payment_reported(self, report: PaymentReport) -> None:
        order = await self._ledger.order(report.order) if report.order else None
        if self._payments.can_ask:
            # The report says where to look; what the payment is, the gateway is asked.
            if order is not None:
                await self.check(order)
            elif report.order:
                # The order was lost with a lock master, or is of another region: the gateway says which.
                await self._ledger.save_order(_unidentified(report.order))
        elif report.hold:
            state = PaymentState(report.state)
            payment = PaymentStatus(report.payment, state, report.amount, order=report.order, hold=report.hold)
            await self._settle(order or await self._order_of_hold(report), payment)

    async def _order_of_hold(self, report: PaymentReport) -> OrderRow:
        """Return what a payment is for where the service has no orders: the hold as it is now."""
        hold, now = await self._locks.get(report.hold)
        show = await self._shows.show(hold.show)
        due = (await self._shows.prices(show, hold.seats, now, report.amount)).total if hold.seats else 0
        return OrderRow("", hold.id, hold.show, hold.owner, hold.seats, due, OrderState.OPEN, now, 0, 0)

    async def _refund_reported(self, report: PaymentReport) -> None:
        refund = await self._ledger.refund_of_payment(report.payment)
        if refund is None or refund_key(refund.hold, refund.payment, refund.attempt) != report.refund_key:
            return
        state = RefundState(report.refund_state)
        if state is RefundState.DONE:
            tasks = await self._ledger.update_refund(refund.id, RefundProgress.DONE, now_ms())
            await self._ledger.finish_task(task_id(Queue.REFUNDS, refund.id), now_ms())
            await self._refunds.add_jobs(tasks)
        elif state is RefundState.FAILED:
            reason = report.refund_reason
            await self._ledger.update_refund(
                refund.id, RefundProgress.FAILED, now_ms(), detail=reason, next_attempt=True
            )
        changed = await self._ledger.refund(refund.id)
        if changed is not None and changed.state is not refund.state:
            await self._refunds.notify(changed)

    # --- orders ---------------------------------------------------------------------------------------------------
    async def check_due_orders(self) -> None:
        """Ask the gateway about the orders whose time has come, and settle what was paid."""
        now = now_ms()
        for order in await self._ledger.claim_due_orders(now, now + CLAIM_MS, ORDERS_PER_TURN):
            try:
                await self.check(order)
            except PaymentUnavailable as error:
                await self._ledger.order_checked(
                    order.id, self._next_check(order), f"no answer: {error.details.get('reason')}"
                )
            except (RegionUnavailable, LedgerUnavailable, RedisError, OSError):
                raise
            except Exception as error:
                # One order that can't be settled must not delay the others.
                log.warning("order %s: %s: %s", order.id, type(error).__name__, error)
                await self._ledger.order_checked(order.id, self._next_check(order), f"{type(error).__name__}: {error}")

    async def check(self, order: OrderRow) -> None:
        """Ask the gateway about one order, settle its payments, and decide when to ask again."""
        if not self._payments.can_ask:
            await self._ledger.order_checked(order.id, 0, "this payment service can't be asked")
            return
        found = await self._payments.payments_of(order.id)
        if not order.hold:
            hold = next((each.hold for each in found if each.hold), "")
            if not is_hold_id(hold) or region_of(hold) != self._locks.master.region:
                await self._ledger.order_checked(order.id, 0, "not of this region")
                return
            order = await self._identify(order, hold)
        for payment in found:
            await self._settle(order, payment)
        detail = ", ".join(f"{each.payment} {each.state.value}" for each in found) or "not paid"
        current = await self._ledger.order(order.id) or order
        await self._ledger.order_checked(order.id, self._next_check(current), detail)

    async def _identify(self, order: OrderRow, hold_id: str) -> OrderRow:
        """Return an order that the ledger has no more than the id of, with its hold as the lock master knows it.

        A hold that is lost too leaves an order without seats: its payment is returned.
        """
        lost = replace(order, hold=hold_id, show_id=show_of(hold_id))
        try:
            hold, now = await self._locks.get(hold_id)
            show = await self._shows.show(hold.show)
            due = (await self._shows.prices(show, hold.seats, now, None)).total if hold.seats else 0
        except (HoldNotFound, HoldLost, UnknownShow):
            return lost
        return replace(lost, owner=hold.owner, seats=hold.seats, amount=due)

    def _next_check(self, order: OrderRow) -> int:
        """Return when to ask next (ms); 0 if the order has been asked for long enough."""
        now = now_ms()
        open_s = limits.ORDER_OPEN_S if order.state is OrderState.OPEN else limits.ORDER_FOLLOW_UP_S
        if now - order.created_at > open_s * 1000:
            return 0
        pause_s = limits.ORDER_CHECK_S[min(order.checks + 1, len(limits.ORDER_CHECK_S) - 1)]
        # Spread, so that orders of one on-sale are not asked for at one moment.
        return now + int(pause_s * 1000 * random.uniform(0.9, 1.1))

    # --- one payment ----------------------------------------------------------------------------------------------
    async def _settle(self, order: OrderRow, payment: PaymentStatus) -> None:
        if await self._ledger.payment(payment.payment) is not None:
            return  # it has its booking or its refund
        try:
            show = await self._shows.show(order.show_id)
            equal_seats = show.equal_seats
        except UnknownShow:
            await self._return(order, payment, RefundReason.NOT_BOOKABLE)
            return
        if await self._ledger.is_archived(order.show_id):
            await self._return(order, payment, RefundReason.LATE)
            return
        hold = HoldMoney(order.hold, order.amount, equal_block_allowed=equal_seats)
        steps = rungs(payment, hold)
        if steps == (Rung.REFUND,):
            reason = RefundReason.WRONG_AMOUNT if order.seats else RefundReason.NOT_BOOKABLE
            await self._return(order, payment, reason)
        elif steps:
            if must_capture(payment, steps[0]):
                payment = await self._payments.capture(payment.payment, order.amount)
            await self._book(order, payment, equal_block=Rung.EQUAL_BLOCK in steps)

    async def _book(self, order: OrderRow, payment: PaymentStatus, *, equal_block: bool) -> None:
        proof = PaymentProof(payment.payment, payment.amount, order.id)
        try:
            blocks = None if equal_block else ()
            await self._locks.confirm(order.hold, order.owner, proof, order.seats, blocks)
        except SeatsTaken:
            show = await self._shows.show(order.show_id)
            layout = await self._shows.layout(show.layout)
            found = await free_equal_blocks(self._locks, order.show_id, layout, order.seats)
            try:
                await self._locks.confirm(order.hold, order.owner, proof, order.seats, found)
            except TicketError as error:
                self._log_refusal(order, payment, error)
        except TicketError as error:
            self._log_refusal(order, payment, error)

    def _log_refusal(self, order: OrderRow, payment: PaymentStatus, error: TicketError) -> None:
        if error.retryable:
            raise error
        # The lock master has sent the payment to the ledger as a refund.
        log.info("payment %s of order %s can't be booked: %s", payment.payment, order.id, error.code)

    async def _return(self, order: OrderRow, payment: PaymentStatus, reason: RefundReason) -> None:
        refund = await self._ledger.promise_refund(
            NewRefund(
                hold=order.hold,
                show_id=order.show_id,
                owner=order.owner,
                payment=payment.payment,
                amount=payment.amount - payment.refunded,
                reason=reason,
                at=now_ms(),
                order=order.id,
            )
        )
        if refund is not None:
            await self._refunds.deliver(refund)


def _unidentified(order_id: str) -> OrderRow:
    now = now_ms()
    return OrderRow(order_id, "", "", "", (), 0, OrderState.OPEN, now, now + UNIDENTIFIED_CHECK_MS, 0)
