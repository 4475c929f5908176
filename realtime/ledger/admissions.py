"""Records who was admitted: one row per booking, so that a ticket admits once, at whichever gate it is shown."""

from __future__ import annotations

from sqlalchemy import insert, select

from realtime.errors import AlreadyAdmitted, BookingCancelled
from realtime.ledger import schema
from realtime.ledger.fencing import Fencing, check_fencing_token
from realtime.ledger.gate_leases import check_not_leased, end_lease_of
from realtime.ledger.rows import AdmissionRow


class Admissions(Fencing):
    """Records and reads admissions."""

    async def admit(self, admission: AdmissionRow, token: str | None = None) -> None:
        """Record the admission of a booking that is in the ledger. Recording the same admission again changes nothing.

        Raises ``AlreadyAdmitted`` if it was admitted before, ``BookingCancelled``, and ``TicketLeased`` if another
        lease has the ticket. ``token`` is the fencing token under which the command was read (None: any);
        raises ``StaleFencingToken``.
        """
        bookings, table = schema.bookings, schema.admissions
        async with self.transaction() as connection:
            await check_fencing_token(connection, token)
            # The row is locked so that nobody cancels the booking meanwhile; ``Cancellations.cancel`` locks it too.
            query = select(bookings.c.cancelled_at).where(bookings.c.id == admission.booking).with_for_update()
            if (await connection.execute(query)).scalar_one() is not None:
                raise BookingCancelled()
            known = (
                await connection.execute(select(table).where(table.c.booking_id == admission.booking))
            ).one_or_none()
            if known is None:
                await check_not_leased(connection, admission.booking, admission.at, admission.lease)
                values = {"booking_id": admission.booking, "admitted_at": admission.at, "gate": admission.gate}
                await connection.execute(insert(table).values(**values, lease=admission.lease))
                await end_lease_of(connection, admission.booking)
            elif (known.admitted_at, known.gate, known.lease) != (admission.at, admission.gate, admission.lease):
                raise AlreadyAdmitted(admitted_at=known.admitted_at, gate=known.gate)
            await self.advance(connection)

    async def admission(self, booking_id: str) -> AdmissionRow | None:
        """Return the admission of a booking, None if nobody was admitted with it."""
        table = schema.admissions
        async with self.snapshot() as connection:
            row = (await connection.execute(select(table).where(table.c.booking_id == booking_id))).one_or_none()
            return AdmissionRow(row.booking_id, row.admitted_at, row.gate, row.lease) if row is not None else None
