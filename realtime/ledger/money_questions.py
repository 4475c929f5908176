"""The queries that find contradictory money rows in a ledger.

Each question is one statement, so it sees the ledger as of one moment. A payment, its booking or refund and their tasks
are written in one transaction, so what a question finds is wrong, and not merely in progress.

Questions are asked about ``shows_in_question`` only, so the cost does not grow with the age of an installation.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, TypeAlias

from sqlalchemy import CompoundSelect, Select, String, and_, literal, or_, select, union

from realtime import limits
from realtime.ledger import schema
from realtime.ledger.rows import OrderState, Queue, RefundProgress, RefundReason

OVERDUE_CHECK_MS = 600_000
"""If an open order was due longer ago than this, nobody asks about it any more: keepers look for due orders every
second."""
LONGEST_PAUSE_MS = limits.ORDER_CHECK_S[-1] * 1000 * 2


LATE_MS = 7 * 24 * 3_600_000
"""For how long payments for archived shows are examined."""


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


Question: TypeAlias = tuple[MoneyFault, Select[Any]]
"""What is wrong, and a query for the rows: ``show, hold, payment, subject, detail`` of a ``Finding``."""


def shows_in_question(now: int) -> CompoundSelect[Any]:
    """Return the shows to examine: those that are not archived, or have recent payments or unfinished refunds.

    Recent means within the last ``LATE_MS``.
    """
    shows, payments, refunds, tasks = schema.shows, schema.payments, schema.refunds, schema.tasks
    open_refunds = tasks.join(refunds, tasks.c.subject == refunds.c.id)
    return union(
        select(shows.c.id).where(shows.c.archived_at.is_(None)),
        select(payments.c.show_id).where(payments.c.created_at > now - LATE_MS),
        select(refunds.c.show_id)
        .select_from(open_refunds)
        .where(tasks.c.done_at.is_(None), tasks.c.queue == Queue.REFUNDS.value),
    )


def questions(shows: Sequence[str]) -> list[Question]:
    """Return all questions about the money of some shows."""
    of_payments, of_bookings = schema.payments.c.show_id.in_(shows), schema.bookings.c.show_id.in_(shows)
    return [
        *((fault, query.where(of_payments)) for fault, query in (*_of_payments(), *_of_amounts(), *_of_refunds())),
        *((fault, query.where(of_bookings)) for fault, query in (*_of_bookings(), *_of_cancellations())),
    ]


def _of_payments() -> list[Question]:
    bookings, payments, refunds = schema.bookings, schema.payments, schema.refunds
    returned = _booked().outerjoin(refunds, refunds.c.payment_id == payments.c.id)
    has_booking = or_(payments.c.booking_id.is_not(None), bookings.c.id.is_not(None))
    still_booked = or_(refunds.c.reason != RefundReason.CANCELLED.value, bookings.c.cancelled_at.is_(None))
    return [
        (
            MoneyFault.PAYMENT_WITHOUT_END,
            select(*_payment_columns(), _text(payments.c.id).label("subject"), _text("").label("detail"))
            .select_from(returned)
            # The repair is the same if a booking has this payment, but the payment does not name the booking.
            .where(payments.c.booking_id.is_(None), refunds.c.id.is_(None)),
        ),
        (
            MoneyFault.BOOKED_AND_REFUNDED,
            select(*_payment_columns(), refunds.c.id.label("subject"), refunds.c.reason.label("detail"))
            .select_from(returned)
            .where(has_booking, refunds.c.id.is_not(None), still_booked),
        ),
        (
            MoneyFault.BOOKED_BY_ANOTHER,
            select(*_payment_columns(), payments.c.booking_id.label("subject"), bookings.c.payment.label("detail"))
            .select_from(payments.join(bookings, bookings.c.id == payments.c.booking_id))
            .where(bookings.c.payment != payments.c.id),
        ),
    ]


def _of_bookings() -> list[Question]:
    bookings, payments = schema.bookings, schema.payments
    return [
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
    ]


def _of_amounts() -> list[Question]:
    bookings, payments, refunds = schema.bookings, schema.payments, schema.refunds
    cancelled = RefundReason.CANCELLED.value
    wrong_refund = or_(
        and_(refunds.c.reason != cancelled, refunds.c.amount != payments.c.amount),
        and_(refunds.c.reason == cancelled, refunds.c.amount > payments.c.amount),
    )
    return [
        (
            MoneyFault.AMOUNTS_DIFFER,
            select(
                *_payment_columns(),
                bookings.c.id.label("subject"),
                (_text(bookings.c.amount) + " paise booked, " + _text(payments.c.amount) + " paid").label("detail"),
            )
            .select_from(_booked())
            .where(bookings.c.amount != payments.c.amount),
        ),
        (
            MoneyFault.AMOUNTS_DIFFER,
            select(
                *_payment_columns(),
                refunds.c.id.label("subject"),
                (_text(refunds.c.amount) + " paise to return, " + _text(payments.c.amount) + " paid").label("detail"),
            )
            .select_from(payments.join(refunds, refunds.c.payment_id == payments.c.id))
            .where(wrong_refund),
        ),
    ]


def _of_refunds() -> list[Question]:
    payments, refunds, tasks = schema.payments, schema.refunds, schema.tasks
    paid = payments.join(refunds, refunds.c.payment_id == payments.c.id)
    columns = (
        refunds.c.show_id.label("show"),
        refunds.c.hold_id.label("hold"),
        refunds.c.payment_id.label("payment"),
        refunds.c.id.label("subject"),
    )
    tasks_of_refunds = and_(tasks.c.subject == refunds.c.id, tasks.c.queue == Queue.REFUNDS.value)
    return [
        (
            MoneyFault.REFUND_WITHOUT_TASK,
            select(*columns, _text("").label("detail"))
            .select_from(paid.outerjoin(tasks, tasks_of_refunds))
            .where(tasks.c.id.is_(None), refunds.c.state != RefundProgress.DONE.value),
        ),
        (
            MoneyFault.REFUND_FAILED,
            select(*columns, refunds.c.detail.label("detail"))
            .select_from(paid)
            .where(refunds.c.state == RefundProgress.FAILED.value),
        ),
    ]


def _of_cancellations() -> list[Question]:
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


def question_of_orders(now: int) -> Question:
    """Return the question about all open orders (there are few); ``now`` is ms since the epoch."""
    orders = schema.orders
    too_old = orders.c.created_at < now - limits.ORDER_OPEN_S * 1000 - LONGEST_PAUSE_MS
    overdue = select(
        orders.c.show_id.label("show"),
        orders.c.hold_id.label("hold"),
        _text("").label("payment"),
        orders.c.id.label("subject"),
        orders.c.detail.label("detail"),
    ).where(
        orders.c.state == OrderState.OPEN.value,
        or_(orders.c.check_at == 0, orders.c.check_at < now - OVERDUE_CHECK_MS, too_old),
    )
    return MoneyFault.ORDER_OVERDUE, overdue


def _booked() -> Any:
    """Payments with the bookings that have them."""
    bookings, payments = schema.bookings, schema.payments
    return payments.outerjoin(bookings, bookings.c.payment == payments.c.id)


def _payment_columns() -> tuple[Any, ...]:
    payments = schema.payments
    return (
        payments.c.show_id.label("show"),
        payments.c.hold_id.label("hold"),
        payments.c.id.label("payment"),
    )


def _text(value: Any) -> Any:
    return literal(value, String) if isinstance(value, str) else value.cast(String)
