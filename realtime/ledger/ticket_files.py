"""The tickets that workers have drawn: one PDF for each booking, kept until some time after its show."""

from __future__ import annotations

from sqlalchemy import delete, select

from realtime.ledger import schema
from realtime.ledger.database import Database, insert_new


class TicketFiles(Database):
    """Reads and records ticket files."""

    async def ticket_file(self, booking: str, sequence: int = 0, locale: str = "") -> bytes | None:
        """Return the PDF of a booking with ``sequence`` exchanges, None if it has not been drawn or was deleted.

        With ``locale``, only a PDF in that language.
        """
        table = schema.ticket_files
        query = select(table.c.pdf).where(table.c.booking_id == booking, table.c.sequence == sequence)
        if locale:
            query = query.where(table.c.locale == locale)
        async with self.snapshot() as connection:
            pdf: bytes | None = await connection.scalar(query)
            return pdf

    async def save_ticket_file(self, booking: str, pdf: bytes, locale: str, at: int, sequence: int = 0) -> None:
        """Record the PDF of a booking. The first one is kept until there is one after a later exchange."""
        table = schema.ticket_files
        row = {"booking_id": booking, "sequence": sequence, "locale": locale, "pdf": pdf, "made_at": at}
        async with self.transaction() as connection:
            await connection.execute(delete(table).where(table.c.booking_id == booking, table.c.sequence < sequence))
            await connection.execute(insert_new(connection, table).values(row))
