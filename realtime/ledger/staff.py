"""Staff tokens and who has them, revoked guests, and the audit log of what staff did."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import delete, func, select, update

from realtime.ledger import schema
from realtime.ledger.database import insert_new, read_rows
from realtime.ledger.fencing import Fencing
from realtime.ledger.rows import AuditRow
from realtime.model import DATED_OWNER_LENGTH
from realtime.staff import Role, StaffToken, is_meant


class Staff(Fencing):
    """Reads and records staff tokens, revoked guests and the audit log. Every write may be repeated."""

    async def save_staff_token(self, token: StaffToken) -> None:
        """Record a token; a known token stays as it is."""
        async with self.transaction() as connection:
            await connection.execute(insert_new(connection, schema.staff_tokens).values(asdict(token)))
            await self.advance(connection)

    async def staff_tokens(self) -> list[StaffToken]:
        """Return all tokens, the newest first."""
        table = schema.staff_tokens
        async with self.snapshot() as connection:
            rows = await connection.execute(select(table).order_by(table.c.issued_at.desc(), table.c.id))
            return read_rows(rows, lambda row: StaffToken(**{**row._asdict(), "role": Role(row.role)}))

    async def revoke_staff_tokens(self, who: str, at: int) -> list[str]:
        """Revoke the token with an id, or all tokens of a name; return the ids of those that were not revoked yet."""
        table = schema.staff_tokens
        chosen = ((table.c.id == who) | (table.c.name == who)) & (table.c.revoked_at == 0)
        async with self.transaction() as connection:
            found = await connection.execute(select(table.c.id, table.c.name).where(chosen))
            ids = [row.id for row in found if is_meant(who, row.id, row.name)]
            await connection.execute(update(table).where(table.c.id.in_(ids)).values(revoked_at=at))
            await self.advance(connection)
            return ids

    async def revoke_guest(self, owner: str, at: int) -> None:
        """Record that a guest's tokens are not accepted any more; idempotent."""
        async with self.transaction() as connection:
            await connection.execute(insert_new(connection, schema.revoked_guests).values(owner=owner, at=at))
            await self.advance(connection)

    async def revoked_guests(self, since: int) -> list[str]:
        """Return the guests that were revoked since a time (ms), and all revoked owners whose identity never expires.

        The latter are the customers of shops, and guests of the first releases.
        """
        table = schema.revoked_guests
        wanted = (table.c.at >= since) | (func.length(table.c.owner) != DATED_OWNER_LENGTH)
        async with self.snapshot() as connection:
            return list((await connection.execute(select(table.c.owner).where(wanted))).scalars())

    # --- audit log ------------------------------------------------------------------------------------------------
    async def add_audit(self, row: AuditRow) -> None:
        """Record what somebody did; an entry that exists already stays as it is."""
        async with self.transaction() as connection:
            await connection.execute(insert_new(connection, schema.audit_log).values(asdict(row)))
            await self.advance(connection)

    async def audit_log(self, before: int, limit: int) -> list[AuditRow]:
        """Return the latest entries from before a time (ms), the newest first."""
        table = schema.audit_log
        query = select(table).where(table.c.at < before).order_by(table.c.at.desc(), table.c.id).limit(limit)
        async with self.snapshot() as connection:
            return [AuditRow(**row._asdict()) for row in await connection.execute(query)]

    async def delete_audit(self, before: int) -> None:
        """Delete the entries from before a time (ms)."""
        async with self.transaction() as connection:
            await connection.execute(delete(schema.audit_log).where(schema.audit_log.c.at < before))
