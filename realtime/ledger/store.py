"""What keepers write to the ledger and read back; SQLite where nothing else is configured, PostgreSQL in production.

Every write is idempotent: keepers repeat what they are not sure of. A database that can't be asked right now is
``LedgerUnavailable``; anything else that it refuses is a fault of the data.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

from sqlalchemy import Table, delete, event, func, insert, make_url, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from realtime import wire
from realtime.ledger import migrations, schema
from realtime.model import SalesState, Show, Theatre

_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
_SCHEMA_LOCK = 7_405_926
_BUSY_MS = 5000
"""How long SQLite waits for another process to finish writing."""
_CONNECT_S = 5.0
_WILL_PASS = ("08", "25006", "28", "3D", "40", "53", "55", "57", "58")
"""How PostgreSQL's codes begin that say: not now. No link, read-only, no such user or database (yet), deadlock, full,
locked, shutting down, no disk."""


class LedgerUnavailable(Exception):
    """The database can't be reached or can't write now; the same thing will work later."""


class StaleFencingToken(Exception):
    """The lock master was replaced or reconciled since these bookings were read from its outbox."""


class Recorded(Enum):
    """What became of a booking: new in the ledger, there before, or refused by the key (show, seat)."""

    NEW = "new"
    ALREADY = "already"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class NewBooking:
    """A booking to record. ``seats`` are (id, index); ``amount`` whole rupees; ``confirmed_at`` ms since the epoch."""

    id: str
    show_id: str
    owner: str
    seats: tuple[tuple[str, int], ...]
    payment: str
    amount: int
    confirmed_at: int


@dataclass(frozen=True, slots=True)
class Result:
    """How recording went; when refused, ``sold`` maps the seats (index) in the way to the bookings that have them."""

    recorded: Recorded
    sold: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Booked:
    """A booking as it stands, for a master to be put right."""

    id: str
    owner: str
    seats: tuple[int, ...]


class Ledger:
    """One region's ledger. ``open`` it, ``close`` it."""

    def __init__(self, url: str) -> None:
        """``url`` is ``sqlite:////absolute/path`` or ``postgresql://user:password@host/database``."""
        parsed = make_url(url)
        self._url = parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername))
        sqlite = self._url.drivername.startswith("sqlite")
        within = {} if sqlite else {"timeout": _CONNECT_S}
        self._engine: AsyncEngine = create_async_engine(self._url, pool_pre_ping=True, connect_args=within)
        if sqlite:
            _prepare_sqlite(self._engine)

    async def open(self) -> None:
        """Bring the database's schema up to date; it is made if there is none."""
        if self._url.drivername.startswith("sqlite") and self._url.database:
            Path(self._url.database).parent.mkdir(parents=True, exist_ok=True)
        async with self._transaction() as connection:
            if connection.dialect.name == "postgresql":
                # Two keepers may start at once; SQLite's BEGIN IMMEDIATE is lock enough.
                await connection.execute(select(func.pg_advisory_xact_lock(_SCHEMA_LOCK)))
            await connection.run_sync(migrations.upgrade)

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._engine.begin() as connection:
                yield connection
        except (OSError, PoolTimeout) as error:
            raise LedgerUnavailable(_first_line(error)) from error
        except DBAPIError as error:
            if not _will_pass(error):
                raise
            raise LedgerUnavailable(_first_line(error)) from error

    # --- bookings -------------------------------------------------------------------------------------------------
    async def begin_fencing_token(self, fencing_token: str) -> str:
        """Accept bookings under this fencing token only (at most 128 characters); return the one before, "" for none.

        A reader that reads the bookings after this call sees all that will ever be recorded under earlier tokens: a
        keeper that still has entries confirmed under one of them gets ``StaleFencingToken``.
        """
        async with self._transaction() as connection:
            before: str = (
                await connection.execute(select(schema.fencing_token.c.token).with_for_update())
            ).scalar_one()
            await connection.execute(update(schema.fencing_token).values(token=fencing_token))
            return before

    async def record(self, bookings: Sequence[NewBooking], fencing_token: str | None = None) -> list[Result]:
        """Record bookings in one transaction; where the key refuses one of them, each in its own. In order.

        ``fencing_token`` is the one under which they were read from the outbox (None: any). Raises
        ``StaleFencingToken`` if another one has begun since.
        """
        try:
            async with self._transaction() as connection:
                await _check_fencing_token(connection, fencing_token)
                known = await self._known(connection, bookings)
                new = {b.id: b for b in bookings if b.id not in known}
                await _insert_bookings(connection, list(new.values()))
        except IntegrityError:
            return [await self._record_one(booking, fencing_token) for booking in bookings]
        return [Result(Recorded.NEW if b.id in new else Recorded.ALREADY) for b in bookings]

    async def _record_one(self, booking: NewBooking, fencing_token: str | None) -> Result:
        try:
            async with self._transaction() as connection:
                await _check_fencing_token(connection, fencing_token)
                if await self._known(connection, [booking]):
                    return Result(Recorded.ALREADY)
                await _insert_bookings(connection, [booking])
                return Result(Recorded.NEW)
        except IntegrityError:
            table = schema.booked_seats
            names = [seat for seat, _ in booking.seats]
            async with self._transaction() as connection:
                if await self._known(connection, [booking]):  # another keeper was faster with the same one
                    return Result(Recorded.ALREADY)
                rows = await connection.execute(
                    select(table.c.seat_index, table.c.booking_id).where(
                        table.c.show_id == booking.show_id, table.c.seat.in_(names)
                    )
                )
                sold = {row.seat_index: row.booking_id for row in rows}
            if not sold:
                raise  # not the key: a show that is not there
            return Result(Recorded.REFUSED, sold)

    async def _known(self, connection: AsyncConnection, bookings: Sequence[NewBooking]) -> set[str]:
        ids = [booking.id for booking in bookings]
        rows = await connection.execute(select(schema.bookings.c.id).where(schema.bookings.c.id.in_(ids)))
        return set(rows.scalars())

    async def booked(self, show_id: str) -> list[Booked]:
        """Return all bookings of a show with their seats' indices, ascending."""
        seats, bookings = schema.booked_seats, schema.bookings
        query = (
            select(bookings.c.id, bookings.c.owner, seats.c.seat_index)
            .join(seats, seats.c.booking_id == bookings.c.id)
            .where(bookings.c.show_id == show_id)
            .order_by(bookings.c.id, seats.c.seat_index)
        )
        found: dict[str, Booked] = {}
        async with self._transaction() as connection:
            for booking_id, owner, index in await connection.execute(query):
                known = found.get(booking_id, Booked(booking_id, owner, ()))
                found[booking_id] = replace(known, seats=(*known.seats, index))
        return list(found.values())

    # --- declarations ---------------------------------------------------------------------------------------------
    async def save_theatre(self, theatre: Theatre) -> None:
        """Record a theatre, or its new name and city."""
        values = {"name": theatre.name, "city": theatre.city}
        await self._save(schema.theatres, theatre.id, values)

    async def save_layout(self, layout_id: str, blob: bytes) -> None:
        """Record a layout (``wire.encode_layout``); its id is its content, so there is nothing to change."""
        await self._save(schema.layouts, layout_id, {"blob": blob})

    async def save_show(self, show: Show) -> None:
        """Record a show, or what changed of it."""
        values = {
            "theatre_id": show.theatre,
            "layout_id": show.layout,
            "starts_at": show.starts_at,
            "sales": show.sales.value,
            "body": wire.encode_show(show),
        }
        await self._save(schema.shows, show.id, values)

    async def _save(self, table: Table, key: str, values: dict[str, Any]) -> None:
        async with self._transaction() as connection:
            changed = await connection.execute(update(table).where(table.c.id == key).values(values))
            if changed.rowcount == 0:
                await connection.execute(insert(table).values(id=key, **values))

    async def theatres(self, region: str) -> list[Theatre]:
        """Return all theatres; the ledger is ``region``'s."""
        async with self._transaction() as connection:
            rows = await connection.execute(select(schema.theatres))
            return [Theatre(row.id, row.name, row.city, region) for row in rows]

    async def theatre(self, region: str, theatre_id: str) -> Theatre | None:
        """Return a theatre, None if it is not declared here."""
        return next((theatre for theatre in await self.theatres(region) if theatre.id == theatre_id), None)

    async def layout_ids(self) -> list[str]:
        """Return the ids of all layouts."""
        async with self._transaction() as connection:
            return list((await connection.execute(select(schema.layouts.c.id))).scalars())

    async def layout(self, layout_id: str) -> bytes | None:
        """Return a layout's blob, None if it is not here."""
        query = select(schema.layouts.c.blob).where(schema.layouts.c.id == layout_id)
        async with self._transaction() as connection:
            blob: bytes | None = (await connection.execute(query)).scalar_one_or_none()
            return blob

    async def shows(self) -> list[Show]:
        """Return all shows."""
        async with self._transaction() as connection:
            rows = await connection.execute(select(schema.shows.c.body))
            return [wire.decode_show(body) for body in rows.scalars()]

    async def show(self, show_id: str) -> Show | None:
        """Return a show, None if it is not here."""
        query = select(schema.shows.c.body).where(schema.shows.c.id == show_id)
        async with self._transaction() as connection:
            body = (await connection.execute(query)).scalar_one_or_none()
            return wire.decode_show(body) if body is not None else None

    async def set_sales(self, show_id: str, sales: SalesState) -> Show | None:
        """Record the sales state; return the show as it is now, None if it is not here."""
        show = await self.show(show_id)
        if show is None:
            return None
        changed = replace(show, sales=sales)
        await self.save_show(changed)
        return changed

    # --- blocked seats --------------------------------------------------------------------------------------------
    async def block(self, show_id: str, seats: Sequence[tuple[str, int]]) -> None:
        """Record seats (id, index) as not for sale."""
        await self.unblock(show_id, [seat for seat, _ in seats], add=seats)

    async def unblock(self, show_id: str, seats: Sequence[str], add: Sequence[tuple[str, int]] = ()) -> None:
        """Record seats as for sale again (and ``add`` as not for sale, in the same transaction)."""
        table = schema.blocked_seats
        async with self._transaction() as connection:
            for part in _parts(seats):
                await connection.execute(delete(table).where(table.c.show_id == show_id, table.c.seat.in_(part)))
            if add:
                rows = [{"show_id": show_id, "seat": seat, "seat_index": index} for seat, index in add]
                await connection.execute(insert(table), rows)

    async def blocked(self, show_id: str) -> list[int]:
        """Return the indices of the blocked seats of a show."""
        table = schema.blocked_seats
        async with self._transaction() as connection:
            rows = await connection.execute(select(table.c.seat_index).where(table.c.show_id == show_id))
            return list(rows.scalars())


async def _check_fencing_token(connection: AsyncConnection, fencing_token: str | None) -> None:
    # A shared lock: no other fencing token begins until this transaction has ended.
    current = (await connection.execute(select(schema.fencing_token.c.token).with_for_update(read=True))).scalar_one()
    if fencing_token not in (None, current):
        raise StaleFencingToken("the master was reconciled again since these bookings were read")


async def _insert_bookings(connection: AsyncConnection, bookings: Sequence[NewBooking]) -> None:
    if not bookings:
        return
    await connection.execute(
        insert(schema.bookings),
        [
            {
                "id": b.id,
                "show_id": b.show_id,
                "owner": b.owner,
                "payment": b.payment,
                "amount": b.amount,
                "confirmed_at": b.confirmed_at,
            }
            for b in bookings
        ],
    )
    await connection.execute(
        insert(schema.booked_seats),
        [
            {"show_id": b.show_id, "seat": seat, "seat_index": index, "booking_id": b.id}
            for b in bookings
            for seat, index in b.seats
        ],
    )


def _will_pass(error: DBAPIError) -> bool:
    code = str(getattr(error.orig, "sqlstate", None) or "")
    if isinstance(error, (OperationalError, InterfaceError)) or error.connection_invalidated:
        return True
    return code.startswith(_WILL_PASS)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _parts(seats: Sequence[str], size: int = 500) -> list[Sequence[str]]:
    return [seats[n : n + size] for n in range(0, len(seats), size)]


def _prepare_sqlite(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we begin transactions ourselves, see below
        cursor = connection.cursor()
        # FULL: what was acknowledged must survive a power cut, and WAL alone would not sync each commit.
        for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={_BUSY_MS}", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Any) -> None:
        # IMMEDIATE: a transaction that reads before it writes could otherwise fail half-way for another's write.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
