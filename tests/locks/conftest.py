"""The seat locks are tried on both servers that they promise to run on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from realtime.dev import valkey
from realtime.locks.master import LockMaster
from realtime.locks.seats import SeatLocks
from realtime.model import Show
from realtime.topology import Plain, Region
from tests.asyncio_debug import asyncio_debug
from tests.programs import find_program

__all__ = ["SHOW", "asyncio_debug", "hold_id", "locks", "master", "region", "server"]

SHOW = Show("west-s", "A show", "gateway", "Gateway", "Mumbai", "west", "layout", 40, "2030-01-01T18:30:00+05:30")


def region(server: valkey.Valkey) -> Region:
    return Region("west", "Mumbai", Plain(server.url), {}, "")


def hold_id(name: str, show: str = SHOW.id) -> str:
    return f"{show}.h{name:_<22}"


@pytest.fixture(scope="session", params=["valkey", "redis"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[valkey.Valkey]:
    binary = find_program("redis-server", "redis-server") if request.param == "redis" else None
    started = valkey.start(tmp_path_factory.mktemp(request.param), server=binary)
    try:
        started.wait_ready()
        yield started
    finally:
        started.kill()


@pytest.fixture
async def master(server: valkey.Valkey) -> AsyncIterator[LockMaster]:
    link = LockMaster(region(server))
    await link.command("FLUSHALL")
    await link.load_functions()
    yield link
    await link.close()


@pytest.fixture
async def locks(master: LockMaster) -> SeatLocks:
    seat_locks = SeatLocks(master)
    await seat_locks.declare(SHOW, "epoch-1")
    return seat_locks
