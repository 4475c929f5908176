"""Revokes the links to the ticket of one booking (``tickets.link``)."""

from __future__ import annotations

from sqlalchemy import case, update

from realtime.ledger import schema
from realtime.ledger.fencing import Fencing, check_fencing_token


class TicketLinkRevocations(Fencing):
    """Revokes links."""

    async def revoke_links(self, booking_id: str, at: int, token: str | None = None) -> None:
        """Revoke the links that were made for a booking until now; later links are signed with the new time (ms).

        The recorded time rises with each call, even if the clock went back. ``token`` is the fencing token under which
        the command was read (None: any); raises ``StaleFencingToken``.
        """
        table = schema.bookings
        revoked_at = table.c.links_revoked_at
        later = case((revoked_at < at, at), else_=revoked_at + 1)
        async with self.transaction() as connection:
            await check_fencing_token(connection, token)
            await connection.execute(update(table).where(table.c.id == booking_id).values(links_revoked_at=later))
            await self.advance(connection)
