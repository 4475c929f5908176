"""The fencing token, which names the reconciliation whose writes the ledger accepts, and the ledger's position.

The position rises with every transaction that must not be lost. Keepers copy it to the master. If the ledger's position
is behind the master's copy, the ledger has lost commits: a standby was promoted too early, or an old backup was
restored.

A keeper updates the copy in ``Ledger.on_commit``, before the call that has committed returns. So the master knows of a
commit before anybody is answered, anything is acknowledged, or a job is added because of it. A repeated write counts
again, although it changes nothing: the keeper that made it first may have died before it updated the copy.

Transactions whose work is simply done again after a loss are not counted: the outcomes of jobs, ticket files, the times
at which the gateway was asked about an order. Figures are not counted either.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from realtime.ledger import schema
from realtime.ledger.database import Database, WrongRegion
from realtime.ledger.targets import Target

_BEHIND = "behind"
"""Stands in place of a token while this ledger is known to have lost commits and is not repaired yet."""
_REACHED = "tt_position"
"""The key in a connection's ``info`` for the position that its transaction reaches with the commit."""


class StaleFencingToken(Exception):
    """The lock master was replaced or reconciled since these entries were read from its outbox."""


class LedgerBehind(Exception):
    """The ledger has lost commits: the lock master knows of later ones. ``check --repair`` records them again."""


@dataclass(frozen=True, slots=True)
class FencingState:
    """The newest token, its number, the Sentinels' configuration epoch when it began, and the ledger's position."""

    token: str
    number: int
    config_epoch: int
    region: str
    position: int

    @property
    def behind(self) -> bool:
        """Whether a keeper has recorded that the ledger has lost commits (``mark_behind``)."""
        return self.token == _BEHIND


class Fencing(Database):
    """Begins fencing tokens and counts the position."""

    def __init__(self, url: str, targets: Sequence[Target] = (), code_key: bytes = b"", region: str = "") -> None:
        """See ``Database``."""
        super().__init__(url, targets, code_key, region)
        self.known_position = 0
        """The position that the lock master knows. A transaction that does not get beyond it raises
        ``LedgerBehind``."""
        self.on_commit: Callable[[int], Awaitable[None]] | None = None
        """Called after a commit with the position that was reached. If it raises, the transaction is committed all the
        same."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """See ``Database.transaction``; after the commit also raises what ``on_commit`` raises."""
        async with super().transaction() as connection:
            connection.info.pop(_REACHED, None)  # left by a transaction that was rolled back
            yield connection
            reached = connection.info.pop(_REACHED, None)
        if reached is not None and self.on_commit is not None:
            await self.on_commit(reached)

    async def fencing_state(self) -> FencingState:
        """Return the newest token and the position."""
        table, position = schema.fencing_token, schema.ledger_position
        async with self.snapshot() as connection:
            row = (await connection.execute(select(table))).one()
            reached = (await connection.execute(select(position.c.position))).scalar_one()
            return FencingState(row.token, row.number, row.config_epoch, row.region, reached)

    async def tell_reached(self) -> None:
        """Call ``on_commit`` with the present position, for an answer that follows no commit of this process.

        Another keeper may have made the commits that the answer is about, and may have died before it updated the
        master. Raises ``LedgerBehind`` if the ledger has lost commits, and what ``on_commit`` raises.
        """
        known = self.known_position
        async with self.snapshot() as connection:
            reached = (await connection.execute(select(schema.ledger_position.c.position))).scalar_one()
        if reached < known:
            raise LedgerBehind(f"the ledger is at position {reached}, the lock master knows {known}")
        if self.on_commit is not None:
            await self.on_commit(reached)

    async def begin_fencing_token(
        self, token: str, *, after: FencingState | None = None, region: str = "", config_epoch: int = 0, number: int = 0
    ) -> str:
        """Accept writes under this fencing token only (at most 128 characters); return the one before, or "".

        Its number is ``number`` if that is higher than the last one, otherwise the number after the last one. With
        ``after``, the token begins only if ``after`` is still the newest state; otherwise it raises
        ``StaleFencingToken``, so that a keeper that was frozen after reading the state begins none. Raises
        ``WrongRegion`` if the ledger belongs to another region.

        A reader that reads the bookings after this call sees all that will ever be recorded under earlier tokens: a
        keeper that still has entries from an earlier token gets ``StaleFencingToken``.
        """
        table = schema.fencing_token
        async with self.transaction() as connection:
            now = (await connection.execute(select(table).with_for_update())).one()
            if region and now.region not in ("", region):
                raise WrongRegion(f"this is the ledger of {now.region}, not of {region}")
            if after is not None and (now.token, now.number) != (after.token, after.number):
                raise StaleFencingToken("another keeper has begun a fencing token meanwhile")
            values = {"token": token, "number": max(now.number + 1, number), "config_epoch": config_epoch}
            await connection.execute(update(table).values(values | ({"region": region} if region else {})))
            before: str = now.token
            return before

    async def mark_behind(self, position: int, number: int) -> None:
        """Record that this ledger has lost commits, until ``catch_up``: the master that proves it may lose its data.

        Does nothing if the ledger has reached this position and token number by now. Until ``catch_up``, no write under
        a fencing token is accepted.
        """
        table, reached = schema.fencing_token, schema.ledger_position
        async with self.transaction() as connection:
            now = (await connection.execute(select(table.c.number).with_for_update())).scalar_one()
            if now < number or (await connection.execute(select(reached.c.position))).scalar_one() < position:
                await connection.execute(update(table).values(token=_BEHIND))

    async def catch_up(self, position: int, number: int) -> None:
        """Raise the position and the token's number to at least these values, after what was lost was recorded again.

        The token itself becomes empty, so that the data of the present master counts as current.
        """
        table, token = schema.ledger_position, schema.fencing_token
        async with self.transaction() as connection:
            await connection.execute(update(table).where(table.c.position < position).values(position=position))
            await connection.execute(update(token).where(token.c.number < number).values(number=number))
            await connection.execute(update(token).values(token=""))

    async def advance(self, connection: AsyncConnection) -> int:
        """Count one more transaction; return the position that it reaches. Raises ``LedgerBehind``.

        Lock all other rows before, because other transactions wait for this row until the commit.
        """
        table = schema.ledger_position
        changed = update(table).values(position=table.c.position + 1).returning(table.c.position)
        position = int((await connection.execute(changed)).scalar_one())
        if position <= self.known_position:
            raise LedgerBehind(f"the ledger is at position {position - 1}, the lock master knows {self.known_position}")
        connection.info[_REACHED] = position
        return position


async def check_fencing_token(connection: AsyncConnection, token: str | None, *, alone: bool = False) -> None:
    """Raise ``StaleFencingToken`` unless ``token`` is the newest (or None); no other begins before the commit.

    ``alone``: wait for all other transactions that have checked the token to end, and let later ones wait for this one.
    """
    # The row is locked (shared, unless ``alone``), so ``begin_fencing_token`` waits for the end of this transaction.
    query = select(schema.fencing_token.c.token).with_for_update(read=not alone)
    current = (await connection.execute(query)).scalar_one()
    if token not in (None, current):
        raise StaleFencingToken("the master was reconciled again since these entries were read")
