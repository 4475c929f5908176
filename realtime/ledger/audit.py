"""Finds money rows that contradict each other, and adds the rows that the others prove to be missing.

Each question is one statement, so it sees one moment of the ledger. A payment, its booking or refund and their tasks
are written in one transaction: what a question finds is wrong, not in progress.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Select, String, and_, func, insert, literal, or_, select, update

from realtime import limits
from realtime.ledger import follow_ups, money, schema
from realtime.ledger.database import Database, parts
from realtime.ledger.rows import NewRefund, OrderState, Queue, RefundProgress, RefundReason
from realtime.model import hold_of

OVERDUE_CHECK_MS = 600_000
"""An open order whose time to be asked about is this long past is forgotten: keepers look every second."""
LONGEST_PAUSE_MS = limits.ORDER_CHECK_S[-1] * 1000 * 2
MOST_FINDINGS = 1_000
"""Findings of one question."""


class MoneyFault(StrEnum):
    """What is wrong with a payment, a refund, a task or an order."""

    PAYMENT_WITHOUT_END = "payment_without_end"
    BOOKED_AND_REFUNDED = "booked_and_refunded"
    BOOKED_BY_ANOTHER = "booked_by_another"
    BOOKING_WITHOUT_PAYMENT = "booking_without_payment"
    AMOUNTS_DIFFER = "amounts_differ"
    REFUND_WITHOUT_TASK = "refund_without_task"
    REFUND_FAILED = "refund_failed"
    ORDER_OVERDUE = "order_overdue"
    CANCELLED_WITHOUT_REFUND = "cancelled_without_refund"
    CANCELLED_WITH_SEATS = "cancelled_with_seats"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault. ``subject`` is the id of the booking, refund or order, ``detail`` has figures or a reason."""

    fault: MoneyFault
    show: str
    hold: str
    payment: str = ""
    subject: str = ""
    detail: str = ""


class Audit(Database):
    """Compares bookings, payments, refunds, tasks and orders of one ledger."""

    async def audit_money(self, now: int) -> list[Finding]:
        """Return what is wrong, ``MOST_FINDINGS`` of each kind at most. ``now`` is ms since the epoch."""
        found: list[Finding] = []
        async with self.transaction() as connection:
            for fault, query in _questions(now):
                for row in await connection.execute(query.limit(MOST_FINDINGS)):
                    hold = hold_of(row.hold) if fault is MoneyFault.BOOKING_WITHOUT_PAYMENT else row.hold
                    found.append(Finding(fault, row.show, hold, row.payment, row.subject or "", row.detail or ""))
        return found

    async def count_money(self) -> tuple[int, int]:
        """Return how many payments and refunds there are."""
        async with self.transaction() as connection:
            counts = [
                await connection.scalar(select(func.count()).select_from(table))
                for table in (schema.payments, schema.refunds)
            ]
            return int(counts[0] or 0), int(counts[1] or 0)

    async def known_payments(self, payments: Sequence[str]) -> set[str]:
        """Return those of some payments that the ledger has."""
        table = schema.payments
        found: set[str] = set()
        async with self.transaction() as connection:
            for some in parts(list(payments)):
                found.update((await connection.execute(select(table.c.id).where(table.c.id.in_(some)))).scalars())
        return found

    async def repair_money(self, findings: Sequence[Finding], now: int) -> None:
        """Add the rows that the others prove: payments of bookings, refunds of payments without an end, tasks.

        Orders that nobody asks about are asked about again. Other findings are left alone. Idempotent.
        """
        repairs = {
            MoneyFault.BOOKING_WITHOUT_PAYMENT: _insert_payment,
            MoneyFault.PAYMENT_WITHOUT_END: _end_payment,
            MoneyFault.REFUND_WITHOUT_TASK: _insert_task,
            MoneyFault.ORDER_OVERDUE: _ask_again,
            MoneyFault.CANCELLED_WITHOUT_REFUND: _return_cancelled,
        }
        for finding in findings:
            if finding.fault in repairs:
                async with self.transaction() as connection:
                    await repairs[finding.fault](connection, finding, now)


# --- questions --------------------------------------------------------------------------------------------------------
def _questions(now: int) -> list[tuple[MoneyFault, Select[Any]]]:
    bookings, payments, refunds, tasks = schema.bookings, schema.payments, schema.refunds, schema.tasks
    booked = payments.outerjoin(bookings, bookings.c.payment == payments.c.id)
    returned = booked.outerjoin(refunds, refunds.c.payment_id == payments.c.id)
    has_booking = or_(payments.c.booking_id.is_not(None), bookings.c.id.is_not(None))
    of_payment = tuple(
        column.label(name)
        for name, column in (("show", payments.c.show_id), ("hold", payments.c.hold_id), ("payment", payments.c.id))
    )
    of_refund = (
        refunds.c.show_id.label("show"),
        refunds.c.hold_id.label("hold"),
        refunds.c.payment_id.label("payment"),
    )
    cancelled = RefundReason.CANCELLED.value
    refund_amount = or_(
        and_(refunds.c.reason != cancelled, refunds.c.amount != payments.c.amount),
        and_(refunds.c.reason == cancelled, refunds.c.amount > payments.c.amount),
    )
    tasks_of_refunds = and_(tasks.c.subject == refunds.c.id, tasks.c.queue == Queue.REFUNDS.value)
    return [
        (
            MoneyFault.PAYMENT_WITHOUT_END,
            select(*of_payment, _text(payments.c.id).label("subject"), _text("").label("detail"))
            .select_from(returned)
            # A booking that has this payment, which does not name it, is repaired in the same way.
            .where(payments.c.booking_id.is_(None), refunds.c.id.is_(None)),
        ),
        (
            MoneyFault.BOOKED_AND_REFUNDED,
            select(*of_payment, refunds.c.id.label("subject"), refunds.c.reason.label("detail"))
            .select_from(returned)
            .where(
                has_booking,
                refunds.c.id.is_not(None),
                or_(refunds.c.reason != cancelled, bookings.c.cancelled_at.is_(None)),
            ),
        ),
        (
            MoneyFault.BOOKED_BY_ANOTHER,
            select(*of_payment, payments.c.booking_id.label("subject"), bookings.c.payment.label("detail"))
            .select_from(payments.join(bookings, bookings.c.id == payments.c.booking_id))
            .where(bookings.c.payment != payments.c.id),
        ),
        (
            MoneyFault.BOOKING_WITHOUT_PAYMENT,
            select(
                bookings.c.show_id.label("show"),
                bookings.c.id.label("hold"),
                bookings.c.payment.label("payment"),
                bookings.c.id.label("subject"),
                _text("").label("detail"),
            )
            .select_from(bookings.outerjoin(payments, bookings.c.payment == payments.c.id))
            .where(payments.c.id.is_(None)),
        ),
        (
            MoneyFault.AMOUNTS_DIFFER,
            select(
                *of_payment,
                bookings.c.id.label("subject"),
                (_text(bookings.c.amount) + " paise booked, " + _text(payments.c.amount) + " paid").label("detail"),
            )
            .select_from(booked)
            .where(bookings.c.amount != payments.c.amount),
        ),
        (
            MoneyFault.AMOUNTS_DIFFER,
            select(
                *of_payment,
                refunds.c.id.label("subject"),
                (_text(refunds.c.amount) + " paise to return, " + _text(payments.c.amount) + " paid").label("detail"),
            )
            .select_from(payments.join(refunds, refunds.c.payment_id == payments.c.id))
            .where(refund_amount),
        ),
        (
            MoneyFault.REFUND_WITHOUT_TASK,
            select(*of_refund, refunds.c.id.label("subject"), _text("").label("detail"))
            .select_from(refunds.outerjoin(tasks, tasks_of_refunds))
            .where(tasks.c.id.is_(None), refunds.c.state != RefundProgress.DONE.value),
        ),
        (
            MoneyFault.REFUND_FAILED,
            select(*of_refund, refunds.c.id.label("subject"), refunds.c.detail.label("detail")).where(
                refunds.c.state == RefundProgress.FAILED.value
            ),
        ),
        (MoneyFault.ORDER_OVERDUE, _overdue_orders(now)),
        *_cancellations(),
    ]


def _cancellations() -> list[tuple[MoneyFault, Select[Any]]]:
    bookings, payments, refunds, seats = schema.bookings, schema.payments, schema.refunds, schema.booked_seats
    of_booking = (
        bookings.c.show_id.label("show"),
        payments.c.hold_id.label("hold"),
        bookings.c.payment.label("payment"),
        bookings.c.id.label("subject"),
        _text("").label("detail"),
    )
    paid = bookings.join(payments, payments.c.id == bookings.c.payment)
    cancelled = bookings.c.cancelled_at.is_not(None)
    refunded = paid.outerjoin(refunds, refunds.c.payment_id == payments.c.id)
    seated = paid.join(seats, seats.c.booking_id == bookings.c.id)
    return [
        (
            MoneyFault.CANCELLED_WITHOUT_REFUND,
            select(*of_booking).select_from(refunded).where(cancelled, refunds.c.id.is_(None)),
        ),
        (MoneyFault.CANCELLED_WITH_SEATS, select(*of_booking).select_from(seated).where(cancelled).distinct()),
    ]


def _overdue_orders(now: int) -> Select[Any]:
    orders = schema.orders
    too_old = orders.c.created_at < now - limits.ORDER_OPEN_S * 1000 - LONGEST_PAUSE_MS
    return select(
        orders.c.show_id.label("show"),
        orders.c.hold_id.label("hold"),
        _text("").label("payment"),
        orders.c.id.label("subject"),
        orders.c.detail.label("detail"),
    ).where(
        orders.c.state == OrderState.OPEN.value,
        or_(orders.c.check_at == 0, orders.c.check_at < now - OVERDUE_CHECK_MS, too_old),
    )


def _text(value: Any) -> Any:
    return literal(value, String) if isinstance(value, str) else value.cast(String)


# --- repairs, each in a transaction of its own ------------------------------------------------------------------------
async def _insert_payment(connection: Any, finding: Finding, _now: int) -> None:
    bookings = schema.bookings
    row = (await connection.execute(select(bookings).where(bookings.c.id == finding.subject))).one()
    if await money.payment_in(connection, row.payment) is None:
        await connection.execute(
            insert(schema.payments).values(
                id=row.payment,
                order_id="",
                hold_id=hold_of(row.id),
                show_id=row.show_id,
                owner=row.owner,
                amount=row.amount,
                booking_id=row.id,
                created_at=row.confirmed_at,
            )
        )


async def _end_payment(connection: Any, finding: Finding, now: int) -> None:
    """Name the booking of a payment; one that has none gets its refund."""
    payments, bookings = schema.payments, schema.bookings
    known = await money.payment_in(connection, finding.payment)
    if known is None or known.booking is not None or known.refund is not None:
        return
    booking = await connection.scalar(select(bookings.c.id).where(bookings.c.payment == known.id))
    if booking is not None:
        await connection.execute(update(payments).where(payments.c.id == known.id).values(booking_id=booking))
        return
    refund = NewRefund(
        hold=known.hold,
        show_id=known.show_id,
        owner=known.owner,
        payment=known.id,
        amount=known.amount,
        reason=RefundReason.LOST,
        at=now,
        order=known.order,
    )
    await money.insert_refund(connection, refund)


async def _return_cancelled(connection: Any, finding: Finding, now: int) -> None:
    known = await money.payment_in(connection, finding.payment)
    if known is None or known.refund is not None:
        return
    refund = NewRefund(
        hold=known.hold,
        show_id=known.show_id,
        owner=known.owner,
        payment=known.id,
        amount=known.amount,
        reason=RefundReason.CANCELLED,
        at=now,
        order=known.order,
    )
    await money.insert_refund(connection, refund)


async def _insert_task(connection: Any, finding: Finding, now: int) -> None:
    await follow_ups.write_tasks(connection, [follow_ups.task(Queue.REFUNDS, finding.subject, now)])


async def _ask_again(connection: Any, finding: Finding, now: int) -> None:
    orders = schema.orders
    await connection.execute(update(orders).where(orders.c.id == finding.subject).values(check_at=now))
