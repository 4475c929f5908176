"""A topology that names another region's ledger or lock master: neither region is stopped, changed or mixed up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from realtime import keys
from realtime.keeper.check import Checker
from realtime.keeper.service import Keeper
from realtime.ledger import Ledger, WrongRegion
from realtime.topology import Topology
from tests.cluster import until
from tests.keeper.conftest import SHOW, Place, hold_id
from tests.ledgers import new_ledger


@pytest.fixture
async def foreign(tmp_path: Path) -> AsyncIterator[Ledger]:
    """The ledger of another region. It has come less far than that of the place, so its commits would seem lost."""
    ledger = Ledger(new_ledger(tmp_path / "south.db"), region="south")
    await ledger.begin_fencing_token("south's", region="south")
    yield ledger
    await ledger.close()


async def test_a_keeper_with_another_regions_ledger_stops_neither(place: Place, foreign: Ledger) -> None:
    before = await foreign.fencing_state()
    region = replace(place.settings.topology.regions["west"], ledger=f"sqlite:///{place.folder}/south.db")
    wrong = Keeper(replace(place.settings, topology=Topology({"west": region})), "west", "wrong")
    wrong.start()
    try:
        for number in range(3):
            await place.confirm(f"a{number}", [number])
            await until(lambda number=number: _booked(place, f"a{number}"))
        await asyncio.sleep(1.5)  # a heartbeat, a comparison and a look at the orders
        assert await place.master.command("GET", keys.HALTED) is None
        assert await foreign.fencing_state() == before
        await place.hold("b", [10])
    finally:
        await wrong.stop()


async def _booked(place: Place, name: str) -> bool:
    return hold_id(name).replace(".h", ".b") in await place.booked()


async def test_check_and_repair_refuse_another_regions_ledger(place: Place, foreign: Ledger) -> None:
    await place.confirm("a", [1])
    await until(lambda: _booked(place, "a"))
    region = replace(place.settings.topology.regions["west"], ledger=f"sqlite:///{place.folder}/south.db")
    checker = Checker(region)
    try:
        with pytest.raises(WrongRegion, match="ledger of south, not of west"):
            await checker.compare_all()
        with pytest.raises(WrongRegion):
            await checker.repair([])
    finally:
        await checker.close()
    assert await foreign.booked(SHOW) == []


async def test_check_names_a_lock_master_of_another_region(place: Place) -> None:
    await place.master.command("SET", keys.REGION, "so\nuth")
    checker = Checker(place.settings.topology.regions["west"])
    try:
        with pytest.raises(WrongRegion, match=r"lock master of so\\nuth, not of west"):
            await checker.compare_all()
    finally:
        await checker.close()
