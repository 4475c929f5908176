"""Fixtures that every room of the tests shares: real servers, started once a session, emptied between tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime.dev import valkey


@pytest.fixture(scope="session")
def master_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[valkey.Valkey]:
    """A lock master shared by the session; use ``master`` for an empty one."""
    server = valkey.start(tmp_path_factory.mktemp("master"))
    try:
        server.wait_ready()
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="session")
def replica_server(master_server: valkey.Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[valkey.Valkey]:
    """A replica of ``master_server``."""
    server = valkey.start(tmp_path_factory.mktemp("replica"), replica_of=master_server.port)
    try:
        server.wait_ready()
        yield server
    finally:
        server.kill()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder."""
    return tmp_path
