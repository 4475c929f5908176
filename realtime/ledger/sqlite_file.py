"""Detects that the file of a SQLite ledger was deleted or replaced while this process has it open.

A connection keeps reading and writing the file that it has opened, even if that was deleted, and SQLite reports no
error. What is committed there is lost when the last connection closes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

_OPENED = "tt_file"
"""The key in a connection's ``info`` for the identity of the file that it has open."""
_Identity = tuple[int, int]
"""Device and inode."""


class SqliteFile:
    """The file at one path, for all connections of an engine. A file that is changed in place stays the same."""

    def __init__(self, engine: AsyncEngine, path: Path) -> None:
        """Connections of ``engine`` that have another file open than the one at ``path`` are replaced before use."""
        self._path = path
        self._was_opened = self._creates = False

        @event.listens_for(engine.sync_engine, "do_connect")
        def do_connect(*_args: Any) -> None:
            if not self._creates and self._identity() is None:
                # SQLite would create an empty file, which could be mistaken for the ledger, or overwritten by a restore
                # while it is open.
                raise FileNotFoundError(f"the file of the ledger is not there: {self._path}")

        @event.listens_for(engine.sync_engine, "connect")
        def connect(_connection: Any, record: Any) -> None:
            record.info[_OPENED] = self._identity()
            self._was_opened = True

        @event.listens_for(engine.sync_engine, "checkout")
        def checkout(_connection: Any, record: Any, _proxy: Any) -> None:
            if record.info.get(_OPENED) != self._identity():
                raise InvalidatePoolError("the file of the ledger was replaced")  # the pool connects anew

    @contextmanager
    def may_create(self) -> Iterator[None]:
        """Let connections create the file and its folder in the context, unless this process had it open before."""
        if not self._was_opened:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._creates = True
        try:
            yield
        finally:
            self._creates = False

    def check_unchanged(self, opened: _Identity | None) -> None:
        """Raise ``OSError`` unless the file at the path is the one that a connection has open (``opened_by``)."""
        if opened is None or opened != self._identity():
            raise FileNotFoundError(f"the file of the ledger was deleted or replaced: {self._path}")

    def _identity(self) -> _Identity | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino


def opened_by(connection: AsyncConnection) -> _Identity | None:
    """Return the identity of the file that a connection has open."""
    found: _Identity | None = connection.info.get(_OPENED)
    return found
