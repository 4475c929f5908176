"""The database of one region's ledger: connections, transactions, and which errors are temporary.

SQLite by default, PostgreSQL in production.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Insert,
    Table,
    cast,
    event,
    extract,
    func,
    literal,
    make_url,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from realtime.clock import now_ms
from realtime.ledger import migrations
from realtime.ledger.sqlite_file import SqliteFile, opened_by
from realtime.ledger.targets import Target
from realtime.topology import LEDGER_FORMS, TopologyError

log = logging.getLogger(__name__)
# The driver's debug messages contain the parameters of every statement, including buyers' contacts.
logging.getLogger("aiosqlite").setLevel(logging.INFO)
_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
_SCHEMA_LOCK = 7_405_926
BUSY_MS = 5000
"""How long SQLite waits for another process to finish writing."""
CONNECT_S = 5.0
COMMAND_S = 10.0
"""The time-out of one command on PostgreSQL. Without it, a half-open connection hangs for many minutes."""
PING_S = 3.0
"""How long a connection from the pool may take to answer a check before it is used. If it takes longer, it is
replaced."""
LOCK_MS = 4000
"""How long a command waits for a lock, and after how long PostgreSQL ends an idle transaction, so that a keeper that is
frozen inside a transaction loses its locks."""
_WILL_PASS = ("08", "25006", "25P03", "28", "3D", "40", "42P01", "53", "55", "57", "58")
"""First characters of PostgreSQL's codes for temporary errors: no connection, read-only, transaction idle for too long,
no such user, database or table (yet), deadlock, out of resources, locked, shutting down, disk full."""
_POSTGRES: dict[str, Any] = {
    "timeout": CONNECT_S,
    "command_timeout": COMMAND_S,
    "server_settings": {
        "lock_timeout": str(LOCK_MS),
        "idle_in_transaction_session_timeout": str(LOCK_MS),
        "synchronous_commit": "on",
    },
}
_NEW = "new"
"""The key in a connection's ``info`` that says whether it was made for the call that gets it."""
Value = TypeVar("Value")


class LedgerUnavailable(Exception):
    """The database can't be reached or can't write now; the same call will work later."""


class WrongRegion(Exception):
    """The ledger or the lock master belongs to another region; the topology of this process is wrong."""


class Database:
    """Connections to one ledger. ``open`` it, ``close`` it."""

    def __init__(self, url: str, targets: Sequence[Target] = (), code_key: bytes = b"", region: str = "") -> None:
        """``url`` is ``sqlite:////absolute/path`` or ``postgresql://user:password@host/database``.

        Events are written for ``targets`` (``ledger.webhooks``). ``code_key`` is the key of the region's ticket codes
        (``tickets.code.derive_key``); without it, a booking gets another code when it is recorded again. If ``region``
        is given, calls raise ``WrongRegion`` if the ledger belongs to another region. Raises ``TopologyError`` for an
        invalid address.
        """
        self.targets = targets
        self.code_key = code_key or secrets.token_bytes(32)
        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError):
            # The message leaves out the address, which may contain a password.
            raise TopologyError(f"the address of the ledger is not valid: set {LEDGER_FORMS}") from None
        self._url = parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername))
        embedded = self._url.drivername.startswith("sqlite")
        self._engine: AsyncEngine = create_async_engine(
            # Errors are logged, and must not contain what a buyer has typed.
            self._url,
            hide_parameters=True,
            connect_args={} if embedded else _POSTGRES,
        )
        self._idle = set[Any]()
        """PostgreSQL connections that are idle in the pool."""
        self._file: SqliteFile | None = None
        if embedded:
            _prepare_sqlite(self._engine)
            if self._url.database and self._url.database != ":memory:":
                self._file = SqliteFile(self._engine, Path(self._url.database))
        else:
            _check_before_use(self._engine, self._idle)
        if region:
            _refuse_other_regions(self._engine, region)
        # The same pool of connections.
        options: dict[str, Any] = {"reads_only": True} if embedded else {"isolation_level": "REPEATABLE READ"}
        self._reader = self._engine.execution_options(**options)

    async def open(self) -> None:
        """Create the schema, or migrate it to the newest revision. Raises ``LedgerUnavailable``.

        A missing SQLite file is created, unless this process has had it open before: then it was deleted, and somebody
        may be restoring it.
        """
        with contextlib.ExitStack() as stack:
            if self._file is not None:
                stack.enter_context(self._file.may_create())
            await self._migrate()

    async def _migrate(self) -> None:
        async with self.transaction() as connection:
            if connection.dialect.name == "postgresql":
                # Two keepers may start at once, so this is locked. On SQLite, BEGIN IMMEDIATE is the lock.
                await connection.execute(select(func.pg_advisory_xact_lock(_SCHEMA_LOCK)))
            await connection.run_sync(migrations.upgrade)

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """One transaction: committed at the end, rolled back by an exception. Raises ``LedgerUnavailable``.

        It is also raised if the commit went into a SQLite file that was deleted or replaced in the meantime.
        """
        async with self._unavailable():
            async with self._engine.begin() as connection:
                opened = opened_by(connection)
                yield connection
            if self._file is not None:
                self._file.check_unchanged(opened)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """One transaction that reads the ledger as of one moment, without waiting for writers.

        It must write nothing. Raises ``LedgerUnavailable``.
        """
        async with self._unavailable(), self._reader.begin() as connection:
            yield connection

    @asynccontextmanager
    async def _unavailable(self) -> AsyncIterator[None]:
        try:
            yield
        except (OSError, PoolTimeout) as error:
            if isinstance(error, TimeoutError):
                _end(self._idle)
            raise LedgerUnavailable(_first_line(error)) from error
        except DBAPIError as error:
            if not _will_pass(error):
                raise
            raise LedgerUnavailable(_first_line(error)) from error


def clock_ms(connection: AsyncConnection) -> ColumnElement[int]:
    """Return the time (ms) by one clock for all processes that use the ledger: that of the database's machine.

    A SQLite file is used on one machine only, which is this one.
    """
    if connection.dialect.name == "postgresql":
        return cast(extract("epoch", func.clock_timestamp()) * 1000, BigInteger)
    return literal(now_ms(), BigInteger)


def insert_new(connection: AsyncConnection, table: Table) -> Insert:
    """Return an INSERT that does nothing for a row whose key exists already."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


def parts(values: Sequence[Value], size: int = 500) -> list[Sequence[Value]]:
    """Split values into lists that each fit into one statement."""
    return [values[n : n + size] for n in range(0, len(values), size)]


def read_rows(rows: Iterable[Any], read: Callable[[Any], Value]) -> list[Value]:
    """Return rows as values. A row that ``read`` can't read (``ValueError``) is logged once and left out.

    Such a row was written by a later release or by a person. The first column must be the row's id.
    """
    found = []
    for row in rows:
        try:
            found.append(read(row))
        except ValueError as error:
            _report_once(row[0], str(error))
    return found


@lru_cache(1024)
def _report_once(row_id: str, reason: str) -> None:
    log.error("the row %r of the ledger can't be read: %s", row_id, reason)


def _will_pass(error: DBAPIError) -> bool:
    code = str(getattr(error.orig, "sqlstate", None) or "")
    if isinstance(error, (OperationalError, InterfaceError)) or error.connection_invalidated:
        return True
    return code.startswith(_WILL_PASS)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _end(connections: set[Any]) -> None:
    """End the connections that were idle together with one that hangs, so that no caller waits for them."""
    for connection in tuple(connections):
        connection.terminate()


def _check_before_use(engine: AsyncEngine, idle: set[Any]) -> None:
    """Collect the driver's idle connections in ``idle``; replace those that don't answer when they are used again."""

    @event.listens_for(engine.sync_engine, "checkin")
    def checkin(connection: Any, _record: Any) -> None:
        if connection is not None:  # it was invalidated
            idle.add(connection.driver_connection)

    @event.listens_for(engine.sync_engine, "checkout")
    def checkout(connection: Any, record: Any, _proxy: Any) -> None:
        driver = connection.driver_connection
        idle.discard(driver)
        if record.info.pop(_NEW, False):
            return
        # SQLAlchemy's own ping is not used: it takes three round trips, each with the time-out of a command.
        try:
            connection.run_async(lambda driver: driver.execute(";", timeout=PING_S))
        except Exception as error:  # of the driver, or of the operating system
            _end(idle | {driver})
            raise InvalidatePoolError from error  # the pool connects anew

    @event.listens_for(engine.sync_engine, "connect")
    def connect(_connection: Any, record: Any) -> None:
        record.info[_NEW] = True

    @event.listens_for(engine.sync_engine, "close")
    def close(connection: Any, _record: Any) -> None:
        idle.discard(connection.driver_connection)


def _refuse_other_regions(engine: AsyncEngine, region: str) -> None:
    """Refuse connections that lead to the ledger of another region.

    Otherwise a keeper or ``check --repair`` would mistake what is missing there for lost commits, and mix two regions.
    """

    @event.listens_for(engine.sync_engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        try:
            cursor.execute("SELECT region FROM fencing_token")
            row = cursor.fetchone()
        except engine.dialect.loaded_dbapi.Error:  # no tables yet; another fault shows again at the next use
            row = None
        cursor.close()
        connection.rollback()
        if row is not None and row[0] not in ("", region):
            connection.close()
            raise WrongRegion(f"this is the ledger of {row[0]}, not of {region}")


def _prepare_sqlite(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself, see below
        cursor = connection.cursor()
        # FULL, because what was acknowledged must survive a power cut; WAL by default does not sync each commit.
        for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY_MS}", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Any) -> None:
        # IMMEDIATE, because a transaction that reads before it writes could otherwise fail half-way if another one
        # writes.
        mode = "DEFERRED" if connection.get_execution_options().get("reads_only") else "IMMEDIATE"
        connection.exec_driver_sql(f"BEGIN {mode}")
