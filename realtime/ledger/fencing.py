"""The fencing token: which reconciliation of the lock master the ledger accepts writes from."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from realtime.ledger import schema
from realtime.ledger.database import Database


class StaleFencingToken(Exception):
    """The lock master was replaced or reconciled since these entries were read from its outbox."""


class Fencing(Database):
    """Begins fencing tokens."""

    async def begin_fencing_token(self, token: str) -> str:
        """Accept writes under this fencing token only (at most 128 characters); return the one before, "" for none.

        A reader that reads the bookings after this call sees all that will ever be recorded under earlier tokens: a
        keeper that still has entries confirmed under one of them gets ``StaleFencingToken``.
        """
        async with self.transaction() as connection:
            query = select(schema.fencing_token.c.token).with_for_update()
            before: str = (await connection.execute(query)).scalar_one()
            await connection.execute(update(schema.fencing_token).values(token=token))
            return before


async def check_fencing_token(connection: AsyncConnection, token: str | None) -> None:
    """Raise ``StaleFencingToken`` unless ``token`` is the newest (or None); no other begins before the commit."""
    # A shared lock: until this transaction has ended, ``begin_fencing_token`` waits.
    query = select(schema.fencing_token.c.token).with_for_update(read=True)
    current = (await connection.execute(query)).scalar_one()
    if token not in (None, current):
        raise StaleFencingToken("the master was reconciled again since these entries were read")
