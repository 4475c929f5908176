"""Cancels bookings: frees their seats and promises the refund, in one transaction.

The row of a cancelled booking stays. Its seats move from ``booked_seats``, whose key decides who has a seat, into a
column of the booking.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from realtime.errors import AlreadyAdmitted
from realtime.ledger import follow_ups, money, schema
from realtime.ledger.fencing import Fencing, check_fencing_token
from realtime.ledger.gate_leases import check_not_leased, end_lease_of
from realtime.ledger.rows import Cancellation, CancelledBy, NewRefund, RefundReason, seats_of
from realtime.model import hold_of


class Cancellations(Fencing):
    """Cancels bookings."""

    async def cancel(self, booking_id: str, by: CancelledBy, at: int, token: str | None = None) -> Cancellation | None:
        """Cancel a booking at a time (ms); return what was cancelled, None if there is no such booking.

        Idempotent: who cancelled it first, and when, is not changed. If the owner cancels, raises ``AlreadyAdmitted``
        if somebody was admitted with the ticket, and ``TicketLeased`` while a gate may admit with it offline. ``token``
        is the fencing token under which the command was read (None: any); raises ``StaleFencingToken``.
        """
        bookings, seats = schema.bookings, schema.booked_seats
        async with self.transaction() as connection:
            await check_fencing_token(connection, token)
            query = select(bookings).where(bookings.c.id == booking_id).with_for_update()
            row = (await connection.execute(query)).one_or_none()
            if row is None:
                return None
            if row.cancelled_at is None:
                if by is CancelledBy.OWNER:
                    await _check_not_admitted(connection, booking_id)
                    await check_not_leased(connection, booking_id, at)
                await end_lease_of(connection, booking_id)
                of_booking = seats.c.booking_id == booking_id
                indices = (await connection.execute(select(seats.c.seat_index).where(of_booking))).scalars()
                csv = ",".join(map(str, sorted(indices)))
                await connection.execute(delete(seats).where(of_booking))
                values = {"cancelled_at": at, "cancelled_by": by.value, "cancelled_seats": csv}
                await connection.execute(update(bookings).where(bookings.c.id == booking_id).values(values))
                row = (await connection.execute(select(bookings).where(bookings.c.id == booking_id))).one()
                await follow_ups.after_cancellation(connection, booking_id, row.show_id, at, self.targets)
            cancellation = await _cancellation(connection, row)
            await self.advance(connection)
            return cancellation


async def _check_not_admitted(connection: AsyncConnection, booking_id: str) -> None:
    table = schema.admissions
    row = (await connection.execute(select(table).where(table.c.booking_id == booking_id))).one_or_none()
    if row is not None:
        raise AlreadyAdmitted(admitted_at=row.admitted_at, gate=row.gate)


async def _cancellation(connection: AsyncConnection, row: Any) -> Cancellation:
    hold = hold_of(row.id)
    refund = await money.refund_in(connection, row.payment, hold)
    if refund is None:
        refund = await money.insert_refund(
            connection,
            NewRefund(
                hold=hold,
                show_id=row.show_id,
                owner=row.owner,
                payment=row.payment,
                amount=row.amount,
                reason=RefundReason.CANCELLED,
                at=row.cancelled_at,
            ),
        )
    seats = seats_of(row.cancelled_seats)
    by = CancelledBy(row.cancelled_by)
    tasks = tuple(await follow_ups.open_tasks(connection, [row.id]))
    return Cancellation(row.id, row.show_id, row.owner, seats, row.payment, row.cancelled_at, by, refund, tasks)
