"""Settles payments that no page has confirmed: from the gateway's webhooks, and by asking about open orders.

The page, a webhook and this module may report one payment at the same time. Each of them ends in a call of
``SeatLocks.confirm`` or of ``Ledger.promise_refund``, and the ledger's keys allow one booking or one refund for the
payment.
"""

from __future__ import annotations

import contextlib
import logging
import random
from collections.abc import Sequence
from dataclasses import replace

from redis.exceptions import RedisError

from realtime import limits
from realtime.clock import now_ms
from realtime.errors import (
    HoldLost,
    HoldNotFound,
    Overloaded,
    PaymentRefused,
    PaymentUnavailable,
    RegionUnavailable,
    SeatNotFound,
    SeatsTaken,
    TicketError,
)
from realtime.keeper.contradictions import Contradictions
from realtime.keeper.refunds import RefundDelivery
from realtime.keeper.side_by_side import side_by_side
from realtime.ledger import Ledger, LedgerUnavailable
from realtime.ledger.orders import NAMED
from realtime.ledger.rows import NewRefund, OrderRow, OrderState, Queue, RefundProgress, RefundReason, task_id
from realtime.ledger.shows import Shows, UnknownShow, seat_indices
from realtime.locks.answers import ShowNotReady
from realtime.locks.deadlines import keep_for_retry, while_kept
from realtime.locks.equal_seats import free_equal_blocks
from realtime.locks.holds import PaymentProof
from realtime.locks.seats import SeatLocks
from realtime.model import Show, is_hold_id, region_of, show_of
from realtime.payments.errors import Refusal
from realtime.payments.ladder import HoldMoney, Rung, must_capture, rungs
from realtime.payments.report import PaymentReport
from realtime.payments.service import PaymentService, refund_key
from realtime.payments.status import PaymentState, PaymentStatus, RefundState

log = logging.getLogger(__name__)
ORDERS_PER_TURN = 20
"""Orders that one keeper asks about in one turn."""
ORDERS_AT_ONCE = 4
"""How many of these are asked about at the same time, because a gateway may be slow."""
CLAIM_MS = 60_000
"""How long a claimed order is left alone by other keepers."""
UNIDENTIFIED_CHECK_MS = 5_000
"""The time until the gateway is asked about an order that only a webhook names."""


class Settlement:
    """Settles the payments of one region."""

    def __init__(
        self,
        ledger: Ledger,
        locks: SeatLocks,
        shows: Shows,
        payments: PaymentService,
        refunds: RefundDelivery,
        contradictions: Contradictions,
    ) -> None:
        """All arguments belong to the same region."""
        self._ledger = ledger
        self._locks = locks
        self._shows = shows
        self._payments = payments
        self._refunds = refunds
        self._contradictions = contradictions

    # --- reports --------------------------------------------------------------------------------------------------
    async def on_report(self, report: PaymentReport, reply: str = "") -> bool | None:
        """Process an authentic webhook, however often it is delivered; return whether it concerns this region.

        When this returns True or False, the ledger has recorded what the webhook says, or that the gateway must be
        asked about it. None: the payment went to the lock master, and ``reply`` is answered when the ledger has its
        booking or refund. Raises a retryable ``TicketError`` if the webhook must be sent again.
        """
        if await self._ledger.knows_webhook(report.event):
            return True
        known, heard = await self._ledger.payment(report.payment), report.payment_status()
        if known is not None and heard is not None:
            await self._contradictions.compare(known, heard)
        ours = await (self._refund_reported(report) if report.refund_key else self._payment_reported(report, reply))
        if ours:
            await self._ledger.new_webhook(report.event, now_ms())
        return ours

    async def _payment_reported(self, report: PaymentReport, reply: str) -> bool | None:
        if await self._ledger.payment(report.payment) is not None:
            return True
        if not self._payments.can_ask:
            return await self._proof_reported(report, reply)
        # The report only names the order. The gateway is asked for the state of the payment.
        order = await self._ledger.order(report.order) if report.order else None
        if order is not None:
            await self._ledger.order_due(order.id, now_ms())
            return bool(order.hold)
        if report.order:
            # Either the ledger has lost the order with its last commits, or the order belongs to another region. The
            # gateway's answer tells which.
            await self._ledger.save_orders([replace(unidentified_order(report.order, now_ms()), checks=NAMED)])
        return False

    async def _proof_reported(self, report: PaymentReport, reply: str) -> bool | None:
        """Settle a payment of a service that can't be asked: nothing but this report will ever be known about it."""
        payment = report.payment_status()
        assert payment is not None, "a report without a refund is of a payment"
        order = await self._order_of_hold(report.hold, report.amount, report.seats)
        return None if await self._settle(order, payment, reply) else True

    async def _order_of_hold(self, hold_id: str, paid: int, named: Sequence[str] = ()) -> OrderRow:
        """Return what ``paid`` paise without an order are for: the ``named`` seats (ids), if there are any.

        Otherwise the seats of an order of this amount, if the hold still has them, or all seats that the hold has now.
        If the hold or a named seat is unknown, the result has no seats, and the payment is returned.
        """
        lost = OrderRow("", hold_id, show_of(hold_id), "", (), 0, OrderState.OPEN, now_ms(), 0, 0)
        orders = await self._ledger.orders_of_hold(hold_id, paid)
        try:
            show = await self._shows.show(lost.show_id)
            if await self._ledger.is_archived(lost.show_id):  # no master knows its holds any more
                return orders[0] if orders else lost
            seats = await self._indices(show, named)
        except (UnknownShow, SeatNotFound):
            return lost
        owner, held, now = "", tuple[int, ...](), 0
        with contextlib.suppress(HoldNotFound, HoldLost):
            hold, now = await self._locks.get(hold_id)
            owner, held = hold.owner, hold.seats
        for order in orders:
            ordered = set(order.seats)
            if ordered == set(seats) if seats else ordered <= set(held or ordered):
                return order
        if not held:
            return replace(lost, owner=owner)
        wanted = seats or held
        due = (await self._shows.prices(show, wanted, now, paid)).total
        return replace(lost, owner=owner, seats=wanted, amount=due)

    async def _indices(self, show: Show, named: Sequence[str]) -> tuple[int, ...]:
        """Return the indices of some seats, ascending. Raises ``UnknownShow`` or ``SeatNotFound``."""
        if not named:
            return ()
        return tuple(sorted(seat_indices(await self._shows.layout(show.layout), named)))

    async def _refund_reported(self, report: PaymentReport) -> bool:
        refund = await self._ledger.refund_of_payment(report.payment)
        if refund is None:
            return False
        state = RefundState(report.refund_state)
        # ``done`` is true whichever attempt it is about, because the money is back. ``failed`` counts for the present
        # attempt only.
        first = 0 if state is RefundState.DONE else refund.attempt
        attempts = range(first, refund.attempt + 1)
        if report.refund_key not in [refund_key(refund.hold, refund.payment, attempt) for attempt in attempts]:
            return True
        if state is RefundState.DONE:
            tasks = await self._ledger.update_refund(refund.id, RefundProgress.DONE, now_ms())
            await self._ledger.finish_task(task_id(Queue.REFUNDS, refund.id), now_ms())
            await self._refunds.add_jobs(tasks)
        elif state is RefundState.FAILED:
            reason = report.refund_reason
            await self._ledger.update_refund(
                refund.id, RefundProgress.FAILED, now_ms(), attempt=refund.attempt, detail=reason, next_attempt=True
            )
        changed = await self._ledger.refund(refund.id)
        if changed is not None and changed.state is not refund.state:
            await self._refunds.notify(changed)
        return True

    # --- orders ---------------------------------------------------------------------------------------------------
    async def check_due_orders(self) -> None:
        """Ask the gateway about the orders whose time has come, and settle what was paid."""
        now = now_ms()
        orders = await self._ledger.claim_due_orders(now, now + CLAIM_MS, ORDERS_PER_TURN)
        await side_by_side(([order] for order in orders), self._check_due, ORDERS_AT_ONCE)

    async def _check_due(self, order: OrderRow) -> None:
        try:
            await self.check_order(order)
        except ShowNotReady:
            # The show has to be rebuilt first. The order is asked about again when its claim ends.
            log.info("order %s waits for its show", order.id)
        except PaymentUnavailable as error:
            # Without an answer an order stays open, however old it is.
            detail = f"no answer: {error.details.get('reason')}"
            await self._ledger.order_checked(order, self._pause(order), detail, answered=False)
        except (RegionUnavailable, LedgerUnavailable, RedisError, OSError):
            raise
        except Exception as error:
            # One order that can't be settled must not delay the others.
            log.warning("order %s: %s: %s", order.id, type(error).__name__, error)
            await self._ledger.order_checked(order, self._next_check(order), f"{type(error).__name__}: {error}")

    async def check_order(self, order: OrderRow) -> None:
        """Ask the gateway about one order, settle its payments, and decide when to ask again."""
        if not self._payments.can_ask:
            await self._ledger.order_checked(order, 0, "this payment service can't be asked")
            return
        found = await self._payments.payments_of(order.id)
        if not order.seats:
            hold = order.hold or next((each.hold for each in found if each.hold), "")
            if not is_hold_id(hold) or region_of(hold) != self._locks.master.region:
                await self._ledger.order_checked(order, 0, "not of this region")
                return
            paid = next((each.amount for each in found if each.state.has_money), 0)
            held = await self._order_of_hold(hold, paid)
            order = replace(
                order, hold=held.hold, show_id=held.show_id, owner=held.owner, seats=held.seats, amount=held.amount
            )
        details, pending = list[str](), False
        for payment in found:
            detail = f"{payment.payment} {payment.state.value}"
            try:
                # A payment that went to the lock master may be lost with it before the ledger has it, so the order
                # stays pending.
                pending |= await self._settle(order, payment)
            except (RegionUnavailable, LedgerUnavailable, RedisError, OSError):
                raise
            except Exception as error:
                # One payment that can't be settled must not delay the others of its order.
                log.warning("payment %s of order %s: %s: %s", payment.payment, order.id, type(error).__name__, error)
                detail, pending = f"{detail} ({type(error).__name__}: {error})", True
            details.append(detail)
        current = await self._ledger.order(order.id) or order
        # A payment that has failed may still be captured. While one may, a settled order is asked about like an open
        # one.
        if any(not (each.state.has_money or each.state is PaymentState.REFUNDED) for each in found):
            current = replace(current, state=OrderState.OPEN)
        next_check = self._pause(current) if pending else self._next_check(current)
        await self._ledger.order_checked(order, next_check, ", ".join(details) or "not paid")

    def _next_check(self, order: OrderRow) -> int:
        """Return when to ask next (ms); 0 if the order has been asked for long enough."""
        open_s = limits.ORDER_OPEN_S if order.state is OrderState.OPEN else limits.ORDER_FOLLOW_UP_S
        return 0 if now_ms() - order.created_at > open_s * 1000 else self._pause(order)

    def _pause(self, order: OrderRow) -> int:
        """Return when to ask next (ms), however old the order is."""
        pause_s = limits.ORDER_CHECK_S[min(order.checks + 1, len(limits.ORDER_CHECK_S) - 1)]
        # Spread at random, so that the orders of one on-sale don't all fall due at the same moment.
        return now_ms() + int(pause_s * 1000 * random.uniform(0.9, 1.1))

    # --- one payment ----------------------------------------------------------------------------------------------
    async def _settle(self, order: OrderRow, payment: PaymentStatus, reply: str = "") -> bool:
        """Settle one payment; return whether it went to the lock master, which sends it to the ledger.

        If False, the ledger has its booking or refund now, or there is no money to settle.
        """
        if (known := await self._ledger.payment(payment.payment)) is not None:
            await self._contradictions.compare(known, payment)
            return False  # it has its booking or its refund
        if payment.state is PaymentState.REFUNDED:
            # The ledger has lost the refund, or an operator made it at the gateway. It is promised again; the refund's
            # job then asks the gateway, which answers that it is done.
            await self._return(order, replace(payment, refunded=0), RefundReason.LOST)
            return False
        try:
            show = await self._shows.show(order.show_id)
            equal_seats = show.equal_seats
        except UnknownShow:
            await self._return(order, payment, RefundReason.NOT_BOOKABLE)
            return False
        if await self._ledger.is_archived(order.show_id):
            await self._return(order, payment, RefundReason.LATE)
            return False
        hold = HoldMoney(order.hold, order.amount, equal_block_allowed=equal_seats)
        steps = rungs(payment, hold)
        if steps == (Rung.REFUND,):
            reason = RefundReason.WRONG_AMOUNT if order.seats else RefundReason.NOT_BOOKABLE
            await self._return(order, payment, reason)
            return False
        if not steps:
            return False
        if must_capture(payment, steps[0]):
            try:
                asking = self._payments.capture(payment.payment, order.amount)
                payment = await while_kept(self._locks, order.hold, asking)
            except PaymentRefused as error:
                if error.details.get("reason") != Refusal.ORDER_PAID:
                    raise
                # Another payment of the order was captured. The gateway returns this one by itself, and our refund
                # waits for that.
                await self._return(order, payment, RefundReason.DOUBLED)
                return False
        await self._book(order, payment, reply, equal_block=Rung.EQUAL_BLOCK in steps)
        return True

    async def _book(self, order: OrderRow, payment: PaymentStatus, reply: str, *, equal_block: bool) -> None:
        proof = PaymentProof(payment.payment, payment.amount, order.id, reply=reply, reply_if_booked=True)
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
                await self._refused(order, payment, error)
        except TicketError as error:
            await self._refused(order, payment, error)

    async def _refused(self, order: OrderRow, payment: PaymentStatus, error: TicketError) -> None:
        if isinstance(error, Overloaded):
            await keep_for_retry(self._locks, order.hold)
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


def unidentified_order(order_id: str, now: int, hold: str = "", owner: str = "") -> OrderRow:
    """Return an order of which only the id, and maybe the hold, is known; the gateway knows the rest. ``now`` is ms.

    If neither the order nor the gateway names a hold of this region, the gateway is not asked again.
    """
    show = show_of(hold) if hold else ""
    return OrderRow(order_id, hold, show, owner, (), 0, OrderState.OPEN, now, now + UNIDENTIFIED_CHECK_MS, 0)
