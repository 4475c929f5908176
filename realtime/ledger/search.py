"""Finds bookings, and what belongs to one: its orders, payments, refunds and tasks."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, literal, or_, select, true

from realtime.ledger import schema
from realtime.ledger.bookings import Bookings
from realtime.ledger.contacts import holds_of_person
from realtime.ledger.database import read_rows
from realtime.ledger.follow_ups import task_row
from realtime.ledger.rows import BookingRow, TaskRow
from realtime.model import booking_of

MAX_HOLDS = 500
"""Bookings are searched for the newest so many holds of one person. Most of the holds may not have been paid."""


@dataclass(frozen=True, slots=True)
class Find:
    """Which bookings are wanted: all given fields must match. Times are ms, ``since`` <= booked at < ``until``.

    ``seat`` and ``seat_index`` are the id and index of one seat of ``show``; a cancelled booking is found by the seats
    that it had. ``email`` and ``phone`` are compared with the contact as in ``contacts.holds_of_person``.
    """

    code: str = ""
    booking: str = ""
    payment: str = ""
    owner: str = ""
    show: str = ""
    seat: str = ""
    seat_index: int = -1
    since: int = 0
    until: int = 0
    email: str = ""
    phone: str = ""


class Search(Bookings):
    """Finds bookings of one ledger."""

    async def booking_of_code(self, code: str) -> BookingRow | None:
        """Return the booking with a code (stored form), None if there is none."""
        found = await self._booking_rows(schema.bookings.c.code == code)
        return found[0] if found else None

    async def find_bookings(self, wanted: Find) -> list[BookingRow]:
        """Return the newest bookings that match, at most 100, the newest first."""
        condition = _condition(wanted)
        if wanted.email or wanted.phone:
            async with self.snapshot() as connection:
                holds = await holds_of_person(connection, wanted.email, wanted.phone)
            condition &= schema.bookings.c.id.in_([booking_of(hold) for hold in holds[:MAX_HOLDS]])
        return await self._booking_rows(condition)

    async def tasks_about(self, subjects: list[str]) -> list[TaskRow]:
        """Return all tasks about some bookings and refunds (ids), done or not, the oldest first."""
        table = schema.tasks
        query = select(table).where(table.c.subject.in_(subjects)).order_by(table.c.created_at, table.c.id)
        async with self.snapshot() as connection:
            return read_rows(await connection.execute(query), task_row)

    async def orders_of(self, hold: str) -> list[dict[str, object]]:
        """Return the orders of a hold, the oldest first: id, amount (paise), state, created_at (ms), detail."""
        table = schema.orders
        names = ("id", "amount", "state", "created_at", "detail")
        query = select(*(table.c[name] for name in names)).where(table.c.hold_id == hold).order_by(table.c.created_at)
        async with self.snapshot() as connection:
            return [dict(zip(names, row, strict=True)) for row in await connection.execute(query)]


def _condition(wanted: Find) -> ColumnElement[bool]:
    table, seats = schema.bookings, schema.booked_seats
    exact = {
        table.c.code: wanted.code,
        table.c.id: wanted.booking,
        table.c.payment: wanted.payment,
        table.c.owner: wanted.owner,
        table.c.show_id: wanted.show,
    }
    given: list[ColumnElement[bool]] = [column == value for column, value in exact.items() if value]
    if wanted.seat:
        has_it = select(seats.c.booking_id).where(seats.c.show_id == wanted.show, seats.c.seat == wanted.seat)
        had_it = (literal(",") + table.c.cancelled_seats + ",").like(f"%,{wanted.seat_index},%")
        given.append(or_(table.c.id.in_(has_it), had_it))
    if wanted.since:
        given.append(table.c.confirmed_at >= wanted.since)
    if wanted.until:
        given.append(table.c.confirmed_at < wanted.until)
    return and_(true(), *given)
