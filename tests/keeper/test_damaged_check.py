"""``check --repair`` of a region whose keepers wait for it, and of which some keys are damaged."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partial

import orjson
import pytest

from realtime import keys
from realtime.keeper.check import Checker
from realtime.keeper.compare import Kind
from realtime.locks.commands import run_command
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
        found = (await checker.compare_all()).differences
        await checker.repair(found)
        return {each.kind for each in found}
    finally:
        await checker.close()


async def lose_commits(place: Place, *tables: str) -> None:
    """Empty some tables of the ledger; return when a keeper has stopped the sales for that."""
    await place.rest()
    with closing(sqlite3.connect(place.folder / "west.db", isolation_level=None)) as ledger:
        for table in tables:
            ledger.execute(f"DELETE FROM {table}")
        ledger.execute("UPDATE ledger_position SET position = position - 1")
    place.keeper("other")
    await until(partial(halted, place))


async def halted(place: Place) -> bool:
    return bool(await place.master.command("EXISTS", keys.HALTED))


async def sells(place: Place, seats: str) -> bool:
    return not await halted(place) and await place.rebuilt() and (await place.seats()).startswith(seats)


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_ledger_that_has_lost_commits_is_repaired_although_a_show_is_damaged(place: Place, damage: str) -> None:
    await until(place.rebuilt)
    await sold(place, "asha", [1])
    await place.hold("bala", [3])
    await lose_commits(place, "tasks", "booked_seats", "bookings", "payments")
    for command in DAMAGES[damage]:
        await place.master.command(*command)
    assert {Kind.LEDGER_BEHIND, Kind.DAMAGED} <= await repair(place)
    await until(partial(sells, place, "020"))
    assert list(await place.booked()) == [booking_of(hold_id("asha"))]
    await place.hold("chitra", [5])


BOOKED = {"owner": "troll", "state": "booked", "expires_at": 1, "extensions": 0, "payment": "paid troll"}
FOREIGN: dict[str, tuple[str | bytes, ...]] = {
    "a booking of another show": ("HSET", HOLDS, f"west-other.h{'troll':_<22}", orjson.dumps({**BOOKED, "seats": [4]})),
    "a booking of seats that the hall does not have": (
        *("HSET", HOLDS, hold_id("troll")),
        orjson.dumps({**BOOKED, "seats": [999]}),
    ),
}


@pytest.mark.parametrize("foreign", FOREIGN)
async def test_what_no_function_has_written_is_not_recorded(place: Place, foreign: str) -> None:
    await until(place.rebuilt)
    await sold(place, "asha", [1])
    await lose_commits(place, "tasks", "booked_seats", "bookings", "payments")
    await place.master.command(*FOREIGN[foreign])
    assert Kind.LEDGER_BEHIND in await repair(place)
    await until(partial(sells, place, "020"))
    assert list(await place.booked()) == [booking_of(hold_id("asha"))]


async def test_a_master_whose_records_are_lost_too_proves_nothing_and_sells_again(place: Place) -> None:
    await until(place.rebuilt)
    await sold(place, "asha", [1])
    await lose_commits(place, "tasks", "booked_seats", "bookings", "payments")
    await place.master.command("DEL", HOLDS)
    await place.master.command("SET", HOLDS, "x")
    assert Kind.LEDGER_BEHIND in await repair(place)
    await until(partial(sells, place, "000"))
    assert await place.booked() == {}


@pytest.mark.parametrize("damage", [("DEL", keys.STAFF), ("SET", keys.STAFF, "x")])
async def test_a_master_that_has_lost_the_staff_tokens_revokes_none(place: Place, damage: tuple[str, ...]) -> None:
    for name in ("asha", "bala"):
        ask = {"id": f"west-{name}", "name": name, "role": "gate", "issued_at": 1, "expires_at": 2}
        await run_command(place.master, "staff_add", ask)
    await run_command(place.master, "guest_revoke", {"owner": "troll"})
    await lose_commits(place, "revoked_guests")
    await place.master.command("DEL", keys.STAFF)
    await place.master.command(*damage)
    assert Kind.LEDGER_BEHIND in await repair(place)
    assert {token.id for token in await place.ledger.staff_tokens() if not token.revoked_at} == {
        "west-asha",
        "west-bala",
    }
    assert await place.ledger.revoked_guests(0) == ["troll"]

    async def accepted() -> bool:
        return await place.rebuilt() and int(await place.master.command("HLEN", keys.STAFF)) == 2

    await until(accepted)


async def test_damaged_shows_are_found_and_repaired_without_a_keeper(place: Place) -> None:
    await until(place.rebuilt)
    await sold(place, "asha", [1])
    await place.rest()
    for commands in DAMAGES.values():
        for command in commands:
            await place.master.command(*command)
        assert Kind.DAMAGED in await repair(place)
        assert await differences(place) == []
