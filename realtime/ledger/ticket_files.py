"""The tickets that workers have drawn: one PDF for each booking, kept until some time after its show."""

from __future__ import annotations

from sqlalchemy import select

from realtime.ledger import schema
from realtime.ledger.database import Database, insert_new


class TicketFiles(Database):
    """Reads and records ticket files."""

    async def ticket_file(self, booking: str) -> bytes | None:
        """Return the PDF of a booking, None if it has not been drawn (or was deleted)."""
        table = schema.ticket_files
        async with self.transaction() as connection:
            pdf: bytes | None = await connection.scalar(select(table.c.pdf).where(table.c.booking_id == booking))
            return pdf

    async def save_ticket_file(self, booking: str, pdf: bytes, locale: str, at: int, sequence: int = 0) -> None:
        """Record the PDF of a booking; the first one stays."""
        row = {"booking_id": booking, "sequence": sequence, "locale": locale, "pdf": pdf, "made_at": at}
        async with self.transaction() as connection:
            await connection.execute(insert_new(connection, schema.ticket_files).values(row))
