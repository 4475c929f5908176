"""Bookings: a row for each, and one for each seat. Each is recorded once, and only under the newest fencing token.

Every write is idempotent, because keepers repeat a write if they don't know whether it succeeded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from realtime.ledger import contacts, follow_ups, money, schema
from realtime.ledger.database import read_rows
from realtime.ledger.fencing import Fencing, check_fencing_token
from realtime.ledger.rows import (
    BookingRow,
    NewBooking,
    NewRefund,
    Recorded,
    RefundReason,
    Result,
    TaskRow,
    seats_of,
)
from realtime.model import hold_of
from realtime.tickets.code import derive_code

MAX_OF_OWNER = 100
"""The most bookings of one owner in one answer."""
RACES = 3
"""How many times a booking is tried if another keeper records the same one at the same time, or its code is taken."""


class Bookings(Fencing):
    """Reads and records bookings."""

    async def record(self, bookings: Sequence[NewBooking], token: str | None = None) -> list[Result]:
        """Record bookings, with their payments and tasks, in one transaction; return their results in order.

        If a unique key refuses one of them, each is recorded in a transaction of its own; a refused booking gets its
        refund in the same transaction. ``token`` is the fencing token under which the bookings were read from the
        outbox (None: any); raises ``StaleFencingToken`` if another token has begun since.
        """
        try:
            async with self.transaction() as connection:
                await check_fencing_token(connection, token)
                known = await _known(connection, bookings)
                new = {b.id: b for b in bookings if b.id not in known}
                if all((new.get(b.id) or known[b.id]).payment == b.payment for b in bookings):
                    await self._insert(connection, list(new.values()))
                    # The page's entry and the webhook's may be in the same batch, and either may be the one with the
                    # contact.
                    repeated = [b for b in bookings if new.get(b.id) is not b]
                    await follow_ups.record_contacts(connection, _contacts(repeated))
                    tasks = await _open_tasks(connection, bookings)
                    await self.advance(connection)
                    return [
                        Result(Recorded.NEW if b.id in new else known[b.id].recorded, tasks=tasks[b.id])
                        for b in bookings
                    ]
        except IntegrityError:
            pass
        return [await self._record_one(booking, token) for booking in bookings]

    async def _record_one(self, booking: NewBooking, token: str | None) -> Result:
        for race in range(RACES):
            try:
                async with self.transaction() as connection:
                    await check_fencing_token(connection, token)
                    result = await self._record_alone(connection, booking, race)
                    await self.advance(connection)
                    return result
            except IntegrityError:
                if race == RACES - 1:
                    raise  # not one of our keys: the show is not in the ledger
        raise AssertionError("unreachable")

    async def _record_alone(self, connection: AsyncConnection, booking: NewBooking, race: int) -> Result:
        known = (await _known(connection, [booking])).get(booking.id)
        if known is not None and known.payment == booking.payment:
            await follow_ups.record_contacts(connection, _contacts([booking]))
            return Result(known.recorded, tasks=(await _open_tasks(connection, [booking]))[booking.id])
        if known is not None:
            return Result(
                known.recorded, refund=await money.promise(connection, _refund(booking, RefundReason.DOUBLED))
            )
        if (used := await money.payment_in(connection, booking.payment)) is not None:
            # The payment has its booking or its refund already. If it belongs to another hold, its refund does too. The
            # holders of the seats are returned again, because a keeper may have died before it notified the master.
            await follow_ups.record_contacts(connection, _contacts([booking]))
            refund = await money.refund_in(connection, booking.payment, used.hold)
            return Result(Recorded.REFUSED, await _sold(connection, booking), refund)
        sold = await _sold(connection, booking)
        if sold:
            refund = await money.promise(connection, _refund(booking, RefundReason.REJECTED))
            return Result(Recorded.REFUSED, sold, refund)
        await self._insert(connection, [booking], race)
        return Result(Recorded.NEW, tasks=(await _open_tasks(connection, [booking]))[booking.id])

    async def _insert(self, connection: AsyncConnection, bookings: Sequence[NewBooking], race: int = 0) -> None:
        if not bookings:
            return
        await connection.execute(
            insert(schema.bookings),
            [
                {
                    "id": b.id,
                    "show_id": b.show_id,
                    "owner": b.owner,
                    "payment": b.payment,
                    "amount": b.amount,
                    "confirmed_at": b.confirmed_at,
                    "prices": b.prices,
                    # A booking that is recorded again gets the same code, because its ticket may be printed.
                    "code": derive_code(self.code_key, f"{b.id} {race}"),
                }
                for b in bookings
            ],
        )
        await connection.execute(
            insert(schema.booked_seats),
            [
                {"show_id": b.show_id, "seat": seat, "seat_index": index, "booking_id": b.id}
                for b in bookings
                for seat, index in b.seats
            ],
        )
        await money.insert_booked(connection, bookings)
        await contacts.save_contacts(connection, _contacts(bookings))
        await follow_ups.after_bookings(connection, bookings, self.targets)

    async def booking(self, booking_id: str) -> BookingRow | None:
        """Return a booking, None if it is not in the ledger."""
        found = await self._booking_rows(schema.bookings.c.id == booking_id)
        return found[0] if found else None

    async def bookings_of(self, owner: str) -> list[BookingRow]:
        """Return the newest ``MAX_OF_OWNER`` bookings of an owner, the newest first."""
        return await self._booking_rows(schema.bookings.c.owner == owner)

    async def _booking_rows(self, condition: ColumnElement[bool]) -> list[BookingRow]:
        """Return the newest bookings that match. A booking that can't be read is logged and does not hide the others.

        Raises ``ValueError`` if it is the only match.
        """
        bookings, seats = schema.bookings, schema.booked_seats
        newest = select(bookings).where(condition).order_by(bookings.c.confirmed_at.desc()).limit(MAX_OF_OWNER)
        async with self.snapshot() as connection:
            rows = (await connection.execute(newest)).all()
            ids = [row.id for row in rows]
            query = select(seats.c.booking_id, seats.c.seat_index).where(seats.c.booking_id.in_(ids))
            of_booking: dict[str, list[int]] = {booking: [] for booking in ids}
            for booking, index in await connection.execute(query):
                of_booking[booking].append(index)
            entered = schema.admissions
            admitted: dict[str, int] = {}
            marks = select(entered.c.booking_id, entered.c.admitted_at).where(entered.c.booking_id.in_(ids))
            for booking, at in await connection.execute(marks):
                admitted[booking] = at

        def read(row: Any) -> BookingRow:
            return _booking(row, of_booking[row.id], admitted.get(row.id))

        return [read(row) for row in rows] if len(rows) == 1 else read_rows(rows, read)


def _booking(row: Any, seats: Iterable[int], admitted_at: int | None) -> BookingRow:
    return BookingRow(
        row.id,
        row.show_id,
        row.owner,
        row.code or "",
        tuple(sorted((*seats, *seats_of(row.cancelled_seats)))),
        row.amount,
        row.prices,
        row.confirmed_at,
        row.payment,
        row.cancelled_at,
        row.cancelled_by or "",
        admitted_at,
        row.sequence,
        row.links_revoked_at,
    )


@dataclass(frozen=True, slots=True)
class _Known:
    payment: str
    recorded: Recorded


async def _known(connection: AsyncConnection, bookings: Sequence[NewBooking]) -> dict[str, _Known]:
    """Return those of some bookings that are in the ledger, by booking id."""
    table = schema.bookings
    ids = [booking.id for booking in bookings]
    rows = await connection.execute(
        select(table.c.id, table.c.payment, table.c.cancelled_at).where(table.c.id.in_(ids))
    )
    return {
        row.id: _Known(row.payment, Recorded.ALREADY if row.cancelled_at is None else Recorded.CANCELLED)
        for row in rows
    }


async def _sold(connection: AsyncConnection, booking: NewBooking) -> dict[int, str]:
    table = schema.booked_seats
    names = [seat for seat, _index in booking.seats]
    query = select(table.c.seat_index, table.c.booking_id)
    rows = await connection.execute(query.where(table.c.show_id == booking.show_id, table.c.seat.in_(names)))
    return {row.seat_index: row.booking_id for row in rows}


def _refund(booking: NewBooking, reason: RefundReason) -> NewRefund:
    return NewRefund(
        hold=hold_of(booking.id),
        show_id=booking.show_id,
        owner=booking.owner,
        payment=booking.payment,
        amount=booking.amount,
        reason=reason,
        at=booking.confirmed_at,
        order=booking.order,
        request_id=booking.request_id,
        contact=booking.contact,
    )


def _contacts(bookings: Sequence[NewBooking]) -> list[contacts.GivenContact]:
    return [
        contacts.GivenContact(hold_of(b.id), b.show_id, b.contact, b.confirmed_at)
        for b in bookings
        if b.contact is not None
    ]


async def _open_tasks(connection: AsyncConnection, bookings: Sequence[NewBooking]) -> dict[str, tuple[TaskRow, ...]]:
    by_booking: dict[str, tuple[TaskRow, ...]] = {b.id: () for b in bookings}
    for task in await follow_ups.open_tasks(connection, list(by_booking)):
        by_booking[task.subject] += (task,)
    return by_booking
