"""Payments and refunds. Every payment has one row. It names the payment's booking, or the payment has one refund.

The functions that take a connection belong to the transaction of their caller: a refund is promised in the same
transaction in which its booking is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from realtime import limits
from realtime.ledger import follow_ups, schema
from realtime.ledger.contacts import GivenContact
from realtime.ledger.database import read_rows
from realtime.ledger.fencing import Fencing, check_fencing_token
from realtime.ledger.rows import (
    NewBooking,
    NewRefund,
    OrderState,
    PaymentRow,
    Queue,
    RefundProgress,
    RefundReason,
    RefundRow,
    TaskRow,
)
from realtime.model import hold_of
from realtime.payments.service import refund_key

DETAIL_LENGTH = 500
"""The most characters of a gateway's answer that the row of a refund keeps."""


@dataclass(frozen=True, slots=True)
class Filter:
    """The rows of a listing, newest first: created at ``since`` <= t < ``until`` (ms). Empty fields don't filter."""

    state: str = ""
    show: str = ""
    hold: str = ""
    since: int = 0
    until: int = 0
    limit: int = 100


class Money(Fencing):
    """Reads and records refunds; ``Bookings.record`` records the payments that book."""

    # --- refunds --------------------------------------------------------------------------------------------------
    async def promise_refund(self, refund: NewRefund, token: str | None = None) -> RefundRow | None:
        """Record that a payment has to be returned; return its refund, or None if the payment has a booking.

        Idempotent: a payment has one refund. The task that delivers it is written in the same transaction. ``token`` is
        the fencing token under which the entry was read (None: any); raises ``StaleFencingToken``.
        """
        for race in (1, 2):
            try:
                async with self.transaction() as connection:
                    await check_fencing_token(connection, token)
                    promised = await promise(connection, refund)
                    await self.advance(connection)
                    return promised
            except IntegrityError:
                if race == 2:
                    raise
        raise AssertionError("unreachable")

    async def refund(self, refund_id: str) -> RefundRow | None:
        """Return a refund, None if there is no such refund."""
        table = schema.refunds
        async with self.snapshot() as connection:
            row = (await connection.execute(select(table).where(table.c.id == refund_id))).one_or_none()
            return _refund(row) if row is not None else None

    async def payment(self, payment: str) -> PaymentRow | None:
        """Return a payment, which has its booking or its refund; None if the ledger does not have it."""
        async with self.snapshot() as connection:
            return await payment_in(connection, payment)

    async def refund_of_payment(self, payment: str) -> RefundRow | None:
        """Return the refund of a payment, None if it has none."""
        async with self.snapshot() as connection:
            return await _refund_of(connection, payment)

    async def update_refund(
        self,
        refund_id: str,
        state: RefundProgress,
        at: int,
        *,
        attempt: int | None = None,
        detail: str = "",
        next_attempt: bool = False,
    ) -> list[TaskRow]:
        """Record the progress of a refund, unless it is done; return the tasks that follow from it.

        ``attempt`` is the attempt that the caller asked about (None: any). If another attempt has begun since, only
        ``done`` is recorded. ``next_attempt``: the gateway has refused this attempt; the next one uses another
        idempotency key.
        """
        table = schema.refunds
        values: dict[str, Any] = {"state": state.value, "updated_at": at, "detail": detail[:DETAIL_LENGTH]}
        if next_attempt:
            values["attempt"] = table.c.attempt + 1
        changed = update(table).where(table.c.id == refund_id, table.c.state != RefundProgress.DONE.value)
        if attempt is not None and state is not RefundProgress.DONE:
            changed = changed.where(table.c.attempt == attempt)
        async with self.transaction() as connection:
            await connection.execute(changed.values(values))
            if state is not RefundProgress.DONE:
                return []
            row = (await connection.execute(select(table).where(table.c.id == refund_id))).one_or_none()
            if row is not None:
                await follow_ups.after_refund(connection, _refund(row), at, self.targets)
            return await follow_ups.open_tasks(connection, [refund_id])

    async def retry_refund(self, refund_id: str, at: int) -> RefundRow | None:
        """Have a failed refund tried again; return it, None if there is none. Other states stay as they are.

        Its next attempt has an idempotency key of its own: ``update_refund`` has counted the one that failed.
        """
        table = schema.refunds
        failed = (table.c.id == refund_id, table.c.state == RefundProgress.FAILED.value)
        values = {"state": RefundProgress.PROMISED.value, "updated_at": at, "detail": "retried by an operator"}
        async with self.transaction() as connection:
            await connection.execute(update(table).where(*failed).values(values))
            row = (await connection.execute(select(table).where(table.c.id == refund_id))).one_or_none()
            await self.advance(connection)
            return _refund(row) if row is not None else None

    # --- listings -------------------------------------------------------------------------------------------------
    async def refunds(self, wanted: Filter) -> list[RefundRow]:
        """Return refunds, the newest first; ``wanted.state`` is a ``RefundProgress``."""
        table = schema.refunds
        query = _filtered(select(table), table.c, wanted)
        if wanted.state:
            query = query.where(table.c.state == wanted.state)
        async with self.snapshot() as connection:
            return read_rows(await connection.execute(query), _refund)

    async def payments(self, wanted: Filter) -> list[PaymentRow]:
        """Return payments, the newest first; ``wanted.state`` is ``booked`` or a ``RefundProgress``."""
        table, refunds = schema.payments, schema.refunds
        joined = select(table, refunds.c.state.label("refund_state")).outerjoin(
            refunds, refunds.c.payment_id == table.c.id
        )
        query = _filtered(joined, table.c, wanted)
        if wanted.state == "booked":
            query = query.where(table.c.booking_id.is_not(None), refunds.c.state.is_(None))
        elif wanted.state:
            query = query.where(refunds.c.state == wanted.state)
        async with self.snapshot() as connection:
            return read_rows(await connection.execute(query), _payment)


# --- in the transaction of the caller -------------------------------------------------------------------------------
async def payment_in(connection: AsyncConnection, payment: str) -> PaymentRow | None:
    """Return a payment, None if the ledger does not have it."""
    table = schema.payments
    query = select(table, schema.refunds.c.state.label("refund_state")).outerjoin(
        schema.refunds, schema.refunds.c.payment_id == table.c.id
    )
    row = (await connection.execute(query.where(table.c.id == payment))).one_or_none()
    return _payment(row) if row is not None else None


async def refund_in(connection: AsyncConnection, payment: str, hold: str) -> RefundRow | None:
    """Return the refund of a payment for this hold, None if it has none."""
    found = await _refund_of(connection, payment)
    return found if found is not None and found.hold == hold else None


async def insert_booked(connection: AsyncConnection, bookings: Sequence[NewBooking]) -> None:
    """Insert the payments of bookings, and settle their orders."""
    await connection.execute(
        insert(schema.payments),
        [
            {
                "id": b.payment,
                "order_id": b.order,
                "hold_id": hold_of(b.id),
                "show_id": b.show_id,
                "owner": b.owner,
                "amount": b.amount,
                "booking_id": b.id,
                "created_at": b.confirmed_at,
            }
            for b in bookings
        ],
    )
    await _settle_orders(connection, [b.order for b in bookings if b.order])


async def promise(connection: AsyncConnection, refund: NewRefund) -> RefundRow | None:
    """Insert a payment with its refund and the refund's task; see ``Money.promise_refund``."""
    if refund.contact is not None:
        # The contact is recorded even if the refund is known: the gateway's webhook, which has none, may have come
        # first.
        given = GivenContact(refund.hold, refund.show_id, refund.contact, refund.at)
        await follow_ups.record_contacts(connection, [given])
    if (known := await _refund_of(connection, refund.payment)) is not None:
        if known.state is RefundProgress.DONE:
            await follow_ups.mail_about_refund(connection, known)
        return known
    used = await payment_in(connection, refund.payment)
    if used is not None:
        return None  # it has a booking
    await connection.execute(
        insert(schema.payments).values(
            id=refund.payment,
            order_id=refund.order,
            hold_id=refund.hold,
            show_id=refund.show_id,
            owner=refund.owner,
            amount=refund.amount,
            booking_id=None,
            created_at=refund.at,
        )
    )
    await _settle_orders(connection, [refund.order] if refund.order else [])
    return await insert_refund(connection, refund)


async def insert_refund(connection: AsyncConnection, refund: NewRefund) -> RefundRow:
    """Insert a refund of a payment that is in the ledger, and the refund's task."""
    row = RefundRow(
        id=refund_key(refund.hold, refund.payment),
        payment=refund.payment,
        hold=refund.hold,
        show_id=refund.show_id,
        owner=refund.owner,
        amount=refund.amount,
        reason=refund.reason,
        state=RefundProgress.PROMISED,
        attempt=0,
        detail="",
        created_at=refund.at,
        updated_at=refund.at,
    )
    await connection.execute(
        insert(schema.refunds).values(
            id=row.id,
            payment_id=row.payment,
            hold_id=row.hold,
            show_id=row.show_id,
            owner=row.owner,
            amount=row.amount,
            reason=row.reason.value,
            state=row.state.value,
            attempt=row.attempt,
            detail=row.detail,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
    )
    await follow_ups.write_tasks(connection, [follow_ups.task(Queue.REFUNDS, row.id)])
    return row


async def _settle_orders(connection: AsyncConnection, ids: Sequence[str]) -> None:
    if ids:
        table = schema.orders
        await connection.execute(update(table).where(table.c.id.in_(ids)).values(state=OrderState.SETTLED.value))


async def _refund_of(connection: AsyncConnection, payment: str) -> RefundRow | None:
    table = schema.refunds
    row = (await connection.execute(select(table).where(table.c.payment_id == payment))).one_or_none()
    return _refund(row) if row is not None else None


def _filtered(query: Select[Any], columns: Any, wanted: Filter) -> Select[Any]:
    if wanted.show:
        query = query.where(columns.show_id == wanted.show)
    if wanted.hold:
        query = query.where(columns.hold_id == wanted.hold)
    if wanted.since:
        query = query.where(columns.created_at >= wanted.since)
    if wanted.until:
        query = query.where(columns.created_at < wanted.until)
    return query.order_by(columns.created_at.desc(), columns.id).limit(min(wanted.limit, limits.MAX_LISTED))


def _payment(row: Any) -> PaymentRow:
    refund = RefundProgress(row.refund_state) if row.refund_state is not None else None
    return PaymentRow(
        row.id,
        row.order_id,
        row.hold_id,
        row.show_id,
        row.owner,
        row.amount,
        row.booking_id,
        refund,
        row.created_at,
    )


async def unfinished_refunds(connection: AsyncConnection) -> dict[str, int]:
    """Return how many refunds are not done, by ``RefundProgress``. The cost depends on unfinished tasks only."""
    refunds, tasks = schema.refunds, schema.tasks
    query = (
        select(refunds.c.state, func.count())
        .select_from(tasks.join(refunds, tasks.c.subject == refunds.c.id))
        .where(tasks.c.done_at.is_(None), tasks.c.queue == Queue.REFUNDS.value)
        .group_by(refunds.c.state)
    )
    return {state: int(count) for state, count in await connection.execute(query)}


def _refund(row: Any) -> RefundRow:
    return RefundRow(
        row.id,
        row.payment_id,
        row.hold_id,
        row.show_id,
        row.owner,
        row.amount,
        RefundReason(row.reason),
        RefundProgress(row.state),
        row.attempt,
        row.detail,
        row.created_at,
        row.updated_at,
    )
