"""Reads what the ledger proves about the seats of shows, for a rebuild or a comparison with the lock master.

Several shows are read at once, with one row per booking, because one row per seat would be many more for a big show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import String, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from realtime.ledger import schema
from realtime.ledger.database import Database
from realtime.ledger.rows import Booked, PaidHold, seats_of
from realtime.model import hold_of


@dataclass(frozen=True, slots=True)
class ShowTruth:
    """What the ledger has of one show: bookings, cancelled bookings, holds that were paid for, blocked seats."""

    booked: list[Booked] = field(default_factory=list)
    cancelled: list[Booked] = field(default_factory=list)
    paid: list[PaidHold] = field(default_factory=list)
    blocked: list[int] = field(default_factory=list)


class Truths(Database):
    """Reads what is proved about shows."""

    async def truths(self, shows: Sequence[str]) -> dict[str, ShowTruth]:
        """Return what the ledger proves about some shows (at most 500) at one moment, by show."""
        async with self.snapshot() as connection:
            return await truths_in(connection, shows)

    async def booked(self, show_id: str) -> list[Booked]:
        """Return all bookings of a show that are not cancelled, with their seats' indices, ascending."""
        return (await self.truths([show_id]))[show_id].booked


async def truths_in(connection: AsyncConnection, shows: Sequence[str]) -> dict[str, ShowTruth]:
    """Do what ``Truths.truths`` does, in the snapshot of the caller."""
    found = {show: ShowTruth() for show in shows}
    for show, booking, owner, payment, cancelled_at, sequence, csv in await connection.execute(_bookings(shows)):
        if csv is None:
            continue  # it has no seats and proves none
        lists = found[show].booked if cancelled_at is None else found[show].cancelled
        lists.append(Booked(booking, owner, tuple(sorted(seats_of(csv))), payment, sequence))
    blocked = schema.blocked_seats
    for show, index in await connection.execute(
        select(blocked.c.show_id, blocked.c.seat_index).where(blocked.c.show_id.in_(shows))
    ):
        found[show].blocked.append(index)
    for show, holds in (await _paid_holds(connection, shows)).items():
        done = {hold_of(booking.id) for booking in (*found[show].booked, *found[show].cancelled)}
        found[show].paid.extend(each for hold, each in sorted(holds.items()) if hold not in done)
    return found


def _bookings(shows: Sequence[str]) -> Any:
    bookings, seats = schema.bookings, schema.booked_seats
    # A subquery per booking makes the database use the index of seats, whatever sizes it assumes for the tables.
    of_booking = select(func.aggregate_strings(cast(seats.c.seat_index, String), ",")).where(
        seats.c.booking_id == bookings.c.id
    )
    columns = (
        bookings.c.show_id,
        bookings.c.id,
        bookings.c.owner,
        bookings.c.payment,
        bookings.c.cancelled_at,
        bookings.c.sequence,
    )
    query = select(*columns, func.coalesce(of_booking.scalar_subquery(), bookings.c.cancelled_seats))
    return query.where(bookings.c.show_id.in_(shows)).order_by(bookings.c.id)


async def _paid_holds(connection: AsyncConnection, shows: Sequence[str]) -> dict[str, dict[str, PaidHold]]:
    """Return every hold that has an order or a payment, by show and hold."""
    orders, payments = schema.orders, schema.payments
    found: dict[str, dict[str, PaidHold]] = {}
    of_orders = select(orders).where(orders.c.show_id.in_(shows)).order_by(orders.c.created_at)
    for row in await connection.execute(of_orders):
        hold = PaidHold(row.hold_id, row.owner, seats_of(row.seats), order=row.id)
        found.setdefault(row.show_id, {})[row.hold_id] = hold
    for row in await connection.execute(select(payments).where(payments.c.show_id.in_(shows))):
        hold = PaidHold(row.hold_id, row.owner, payment=row.id)
        found.setdefault(row.show_id, {})[row.hold_id] = hold
    return found
