"""Finds money rows that contradict each other, and adds missing rows that the others prove.

The queries are in ``money_questions``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from realtime.ledger import follow_ups, money, schema
from realtime.ledger.database import Database, parts
from realtime.ledger.money_questions import MoneyFault, question_of_orders, questions, shows_in_question
from realtime.ledger.rows import NewRefund, Queue, RefundReason
from realtime.model import hold_of

MOST_FINDINGS = 1_000
"""The most findings of one question."""


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
        """Return what is wrong, at most ``MOST_FINDINGS`` per question. ``now`` is ms since the epoch.

        Payments for archived shows are left out, unless they are recent (``money_questions.shows_in_question``).
        """
        async with self.snapshot() as connection:
            asked = [question_of_orders(now)]
            for shows in parts(await _shows_in_question(connection, now)):
                asked += questions(shows)
            found: list[Finding] = []
            for fault, query in asked:
                for row in await connection.execute(query.limit(MOST_FINDINGS)):
                    hold = hold_of(row.hold) if fault is MoneyFault.BOOKING_WITHOUT_PAYMENT else row.hold
                    found.append(Finding(fault, row.show, hold, row.payment, row.subject or "", row.detail or ""))
        return found

    async def count_money(self, now: int) -> tuple[int, int]:
        """Return how many payments and refunds ``audit_money`` examines."""
        payments, refunds = schema.payments, schema.refunds
        refunded = payments.join(refunds, refunds.c.payment_id == payments.c.id)
        counts = [0, 0]
        async with self.snapshot() as connection:
            for shows in parts(await _shows_in_question(connection, now)):
                for place, rows in enumerate((payments, refunded)):
                    query = select(func.count()).select_from(rows).where(payments.c.show_id.in_(shows))
                    counts[place] += int(await connection.scalar(query) or 0)
        return counts[0], counts[1]

    async def known_payments(self, payments: Sequence[str]) -> set[str]:
        """Return those of some payments that the ledger has."""
        table = schema.payments
        found: set[str] = set()
        async with self.snapshot() as connection:
            for some in parts(list(payments)):
                found.update((await connection.execute(select(table.c.id).where(table.c.id.in_(some)))).scalars())
        return found

    async def repair_money(self, findings: Sequence[Finding], now: int) -> None:
        """Add the rows that others prove: payments of bookings, refunds of payments without an outcome, tasks.

        Makes orders due that nobody asks the gateway about any more. Other findings are left alone. Idempotent.
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


async def _shows_in_question(connection: AsyncConnection, now: int) -> list[str]:
    return sorted((await connection.execute(shows_in_question(now))).scalars())


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
    """Write the booking's id into its payment; a payment without a booking gets a refund."""
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
    await follow_ups.write_tasks(connection, [follow_ups.task(Queue.REFUNDS, finding.subject)])


async def _ask_again(connection: Any, finding: Finding, now: int) -> None:
    orders = schema.orders
    await connection.execute(update(orders).where(orders.c.id == finding.subject).values(check_at=now))
