"""Moves bookings to other seats of their show. Seats, price lines, history and follow-ups change in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from realtime.errors import BookingCancelled, SeatsTaken
from realtime.ledger import follow_ups, schema
from realtime.ledger.fencing import Fencing, check_fencing_token
from realtime.ledger.rows import ExchangeRow, NewExchange, seats_of


class Exchanges(Fencing):
    """Records and reads exchanges of seats."""

    async def exchange(self, move: NewExchange, token: str | None = None) -> bool:
        """Move a booking that is in the ledger to other seats; return whether it was moved.

        It is not moved if its number of exchanges is not the one that ``move`` expects: another keeper has moved it.

        Raises ``BookingCancelled``, or ``SeatsTaken`` (details ``seats``: ids) if another booking has one of them.
        ``token`` is the fencing token under which the command was read (None: any); raises ``StaleFencingToken``.
        """
        bookings = schema.bookings
        try:
            async with self.transaction() as connection:
                await check_fencing_token(connection, token)
                query = select(bookings).where(bookings.c.id == move.booking).with_for_update()
                row = (await connection.execute(query)).one()
                if row.cancelled_at is not None:
                    raise BookingCancelled()
                if row.sequence + 1 != move.sequence:
                    return False
                before = await _free(connection, row.id)
                await _take(connection, row, move, before)
                await follow_ups.after_exchange(connection, row, move, before, self.targets)
                await self.advance(connection)
                return True
        except IntegrityError:
            raise SeatsTaken(seats=[seat for seat, _index in move.seats]) from None

    async def exchange_again(self, moves: Sequence[NewExchange]) -> None:
        """Record exchanges that the ledger has lost. Frees all old seats first: one may be another's new seat.

        Writes no tasks and no events, because those of the first time may have been carried out.
        """
        bookings = schema.bookings
        async with self.transaction() as connection:
            rows = {}
            for move in moves:
                row = (await connection.execute(select(bookings).where(bookings.c.id == move.booking))).one()
                rows[move.booking] = row, await _free(connection, move.booking)
            for move in moves:
                await _take(connection, rows[move.booking][0], move, rows[move.booking][1])

    async def exchanges(self, booking: str) -> list[ExchangeRow]:
        """Return the exchanges of a booking, the oldest first."""
        table = schema.exchanges
        query = select(table).where(table.c.booking_id == booking).order_by(table.c.sequence)
        async with self.snapshot() as connection:
            return [
                ExchangeRow(row.sequence, row.at, seats_of(row.seats_before), seats_of(row.seats_after))
                for row in await connection.execute(query)
            ]


async def _free(connection: AsyncConnection, booking: str) -> list[tuple[str, int]]:
    """Delete the seats of a booking; return them (id, index), ascending by index."""
    table = schema.booked_seats
    mine = table.c.booking_id == booking
    query = select(table.c.seat, table.c.seat_index).where(mine).order_by(table.c.seat_index)
    seats = [(row.seat, row.seat_index) for row in await connection.execute(query)]
    await connection.execute(delete(table).where(mine))
    return seats


async def _take(
    connection: AsyncConnection, booking: Any, move: NewExchange, before: Sequence[tuple[str, int]]
) -> None:
    bookings = schema.bookings
    seats = [
        {"show_id": booking.show_id, "seat": seat, "seat_index": index, "booking_id": booking.id}
        for seat, index in move.seats
    ]
    await connection.execute(insert(schema.booked_seats), seats)
    values: dict[str, Any] = {"sequence": move.sequence}
    if move.prices is not None:
        values["prices"] = move.prices
    await connection.execute(update(bookings).where(bookings.c.id == booking.id).values(values))
    row = {
        "booking_id": booking.id,
        "sequence": move.sequence,
        "at": move.at,
        "seats_before": ",".join(str(index) for _seat, index in before),
        "seats_after": ",".join(str(index) for _seat, index in move.seats),
    }
    await connection.execute(insert(schema.exchanges).values(row))
