"""What a region has declared: repeated commands bring nothing back, and the master has what the ledger has."""

from __future__ import annotations

import asyncio
import contextlib
from unittest.mock import AsyncMock

import pytest
from sqlalchemy import text

from realtime import keys
from realtime.clock import now_ms
from realtime.errors import RegionUnavailable, TheatreNotFound
from realtime.keeper import background, region_keys
from realtime.keeper.rebuild import Rebuilder
from realtime.keeper.region_keys import RegionKeys
from realtime.locks.commands import run_command
from realtime.model import Theatre
from realtime.staff import Role, StaffToken
from realtime.wire.shows import encode_theatre
from tests.cluster import until

from .conftest import SHOW, Place, declare_show
from .test_check import sold

GHOST = Theatre("ghost", "Ghost", "Pune", "west")
EMPTY = {"id": "empty", "name": "Empty", "city": "Pune"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(region_keys, "LOOK_AGAIN_S", 0.05)
    monkeypatch.setattr(background, "REGION_KEYS_EVERY_MS", 500)


async def test_a_show_that_is_declared_again_after_its_master_has_lost_it_sells_no_sold_seat(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await until(place.rebuilt)
    await sold(place, "asha", [1])
    turn = Rebuilder.turn
    monkeypatch.setattr(Rebuilder, "turn", lambda self, token: asyncio.sleep(0, 0))  # it comes later
    await place.master.command("DEL", *keys.show(SHOW)[:5])
    await declare_show(place.master)
    with pytest.raises(RegionUnavailable):
        await place.hold("bala", [1])
    monkeypatch.setattr(Rebuilder, "turn", turn)

    async def rebuilt() -> bool:
        return (await place.seats())[:3] == "020"

    await until(rebuilt)
    await place.hold("bala", [2])


async def test_a_theatre_is_removed_by_another_keeper_if_one_dies_half_way(place: Place) -> None:
    await run_command(place.master, "theatre", EMPTY)
    await place.ledger.remove_theatre("empty")
    assert await run_command(place.master, "remove_theatre", {"id": "empty"}) == {"theatre": "empty"}
    assert not await place.master.command("HEXISTS", keys.THEATRES, "empty")
    with pytest.raises(TheatreNotFound):
        await run_command(place.master, "remove_theatre", {"id": "empty"})


async def test_a_master_that_has_lost_all_shows_is_reconciled(place: Place) -> None:
    """Until then nodes would answer that a show does not exist."""
    await until(place.rebuilt)
    await place.hold("asha", [1])
    mark = await place.master.command("GET", keys.RECONCILED)
    await place.master.command("DEL", keys.SHOWS)

    async def reconciled() -> bool:
        return await place.master.command("GET", keys.RECONCILED) not in (None, mark)

    await until(reconciled)
    await until(place.rebuilt)
    assert await place.master.command("HKEYS", keys.SHOWS) == [SHOW.encode()]
    assert (await place.seats())[:3] == "010"


async def test_a_region_without_shows_is_left_alone(place: Place) -> None:
    await until(place.rebuilt)
    async with place.ledger.transaction() as connection:
        await connection.execute(text("UPDATE shows SET archived_at = 1"))
    await place.master.command("DEL", keys.SHOWS)
    mark = await place.master.command("GET", keys.RECONCILED)
    await asyncio.sleep(3.5)
    assert await place.master.command("GET", keys.RECONCILED) == mark


async def test_theatres_on_the_master_are_those_of_the_ledger(place: Place) -> None:
    await run_command(place.master, "theatre", EMPTY)
    good = await place.master.command("HGETALL", keys.THEATRES)
    await place.master.command("HSET", keys.THEATRES, GHOST.id, encode_theatre(GHOST), b"\xff", b"x", "gateway", "{")
    await place.master.command("HDEL", keys.THEATRES, "empty")

    async def healed() -> bool:
        return bool(await place.master.command("HGETALL", keys.THEATRES) == good)

    await until(healed)


@pytest.mark.parametrize("nonce", [b"a.b", b"a.-1", b"a\xff.1", b"."])
async def test_a_mark_that_no_keeper_has_written_ends_none(place: Place, nonce: bytes) -> None:
    await until(place.rebuilt)
    incarnation, _nonce, number = (await place.master.command("GET", keys.RECONCILED)).split()
    forged = b" ".join((incarnation, nonce, number))
    await place.master.command("SET", keys.RECONCILED, forged)

    async def reconciled() -> bool:
        with contextlib.suppress(RegionUnavailable):
            await sold(place, "asha", [1])
            return True
        return False

    await until(reconciled)
    assert not any(task.done() for task in place.keepers[0].tasks)


async def test_only_a_second_look_under_the_same_token_finds_all_shows_gone(place: Place) -> None:
    await until(place.rebuilt)
    await place.rest()
    token = (await place.master.command("GET", keys.RECONCILED)).decode()
    record = await place.master.command("HGET", keys.SHOWS, SHOW)
    keeper = RegionKeys(place.ledger, place.master, place.locks, asyncio.Event())

    async def look(under: str = token) -> bool:
        await keeper.check_shows(under)
        return bool(await place.master.command("EXISTS", keys.RECONCILED))

    await place.master.command("DEL", keys.SHOWS)
    assert await look()
    await place.master.command("HSET", keys.SHOWS, SHOW, record)
    assert await look()
    await place.master.command("DEL", keys.SHOWS)
    assert await look()
    for _ in range(2):
        assert await look("that of another reconciliation")
    assert await look()
    assert not await look()


async def test_a_theatre_that_differs_at_one_look_only_is_left_alone(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was about to be declared."""
    await until(place.rebuilt)
    await place.rest()
    record = await place.master.command("HGET", keys.THEATRES, "gateway")
    await place.master.command("DEL", keys.THEATRES)

    async def declared(_seconds: float, _stopping: asyncio.Event) -> None:
        await place.master.command("HSET", keys.THEATRES, "gateway", record, GHOST.id, encode_theatre(GHOST))

    monkeypatch.setattr(region_keys, "pause", declared)
    await RegionKeys(place.ledger, place.master, place.locks, asyncio.Event()).compare("")
    assert await place.master.command("HGET", keys.THEATRES, GHOST.id) is not None
    assert await place.master.command("GET", keys.DAMAGED) is None


async def test_a_revoked_token_that_the_master_has_is_taken_away_and_one_that_it_lacks_stays_revoked(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await until(place.rebuilt)
    await place.rest()
    for name in ("asha", "bala", "chitra"):
        await place.ledger.save_staff_token(StaffToken(f"west-{name}", name, Role.GATE, "", 1, 2))
    for name in ("bala", "chitra"):
        await place.ledger.revoke_staff_tokens(name, 5)
    await place.ledger.revoke_guest("a guest", now_ms())
    await place.master.command("HSET", keys.STAFF, "west-bala", "1", "west-unknown", "1")
    monkeypatch.setattr(region_keys, "pause", AsyncMock())
    await RegionKeys(place.ledger, place.master, place.locks, asyncio.Event()).compare("")
    assert await place.master.command("HKEYS", keys.STAFF) == [b"west-asha"]
    assert await place.master.command("HKEYS", keys.REVOKED_GUESTS) == [b"a guest"]
    assert await place.master.command("GET", keys.DAMAGED) == b"4"
