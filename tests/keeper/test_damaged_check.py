"""``check --repair`` of a region whose keepers wait for it, and of which some keys are damaged."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from realtime import keys
from realtime.keeper.check import Checker
from realtime.keeper.compare import Kind
from realtime.model import booking_of
from tests.cluster import until

from .conftest import SHOW, Place, hold_id
from .test_check import differences, sold
from .test_check import look_sooner as look_sooner  # a fixture

_META, SEATS, TAKEN, HOLDS, OWNERS = keys.show(SHOW)[:5]
DAMAGES: dict[str, tuple[tuple[str | bytes, ...], ...]] = {
    "a record": (("HSET", HOLDS, hold_id("bala"), b"{"),),
    "a record that is no text": (("HSET", HOLDS, hold_id("bala"), b'{"owner":"\xff"}'),),
    "the id of a record": (("HSET", HOLDS, b"\xff", b"{}"),),
    "the number of a seat": (("HSET", TAKEN, "x", "y"),),
    "types": (("DEL", TAKEN, OWNERS), ("SET", TAKEN, "x"), ("SET", OWNERS, "x")),
    "the type of the seats": (("DEL", SEATS), ("RPUSH", SEATS, "x")),
}


async def repair(place: Place) -> set[Kind]:
    """Check and repair the region; return the kinds of what was found."""
    checker = Checker(place.settings.topology.regions["west"])
    try:
        found = (await checker.check()).differences
        await checker.repair(found)
        return {each.kind for each in found}
    finally:
        await checker.close()


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_ledger_that_has_lost_commits_is_repaired_although_a_show_is_damaged(place: Place, damage: str) -> None:
    await until(place.rebuilt)
    await sold(place, "asha", [1])
    await place.hold("bala", [3])
    await place.rest()
    with closing(sqlite3.connect(place.folder / "west.db", isolation_level=None)) as ledger:
        for table in ("tasks", "booked_seats", "bookings", "payments"):
            ledger.execute(f"DELETE FROM {table}")
        ledger.execute("UPDATE ledger_position SET position = position - 1")
    place.keeper("other")

    async def halted() -> bool:
        return bool(await place.master.command("EXISTS", keys.HALTED))

    await until(halted)
    for command in DAMAGES[damage]:
        await place.master.command(*command)
    assert {Kind.LEDGER_BEHIND, Kind.DAMAGED} <= await repair(place)

    async def sells() -> bool:
        return not await halted() and await place.rebuilt() and (await place.seats())[:3] == "020"

    await until(sells)
    assert list(await place.booked()) == [booking_of(hold_id("asha"))]
    await place.hold("chitra", [5])


async def test_damaged_shows_are_found_and_repaired_without_a_keeper(place: Place) -> None:
    await until(place.rebuilt)
    await sold(place, "asha", [1])
    await place.rest()
    for commands in DAMAGES.values():
        for command in commands:
            await place.master.command(*command)
        assert Kind.DAMAGED in await repair(place)
        assert await differences(place) == []
