"""The file of a SQLite ledger is deleted or replaced under a keeper: an outage, in which nothing is answered booked."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partial

import pytest

from realtime import keys
from realtime.keeper.compare import Kind
from realtime.ledger import Ledger
from realtime.locks.incidents import Incident
from realtime.model import HoldState, booking_of
from tests.cluster import until

from .conftest import SHOW, Place
from .test_check import sold
from .test_damaged_check import halted, repair, sells
from .test_record_path import all_booked


def delete(place: Place) -> None:
    for each in place.folder.glob("west.db*"):
        each.unlink()


def back_up(place: Place) -> None:
    with closing(sqlite3.connect(place.folder / "west.db")) as ledger:
        ledger.execute(f"VACUUM INTO '{place.folder}/backup.db'")


async def waits(place: Place, hold: str) -> bool:
    """Return whether the outage is noted, and the booking of a hold is in the outbox."""
    noted = await place.master.command("GET", keys.incident(Incident.LEDGER, "west"))
    state = (await place.locks.get(hold))[0].state
    return noted == b"begun" and state is HoldState.CONFIRMING and await place.master.command("XLEN", keys.OUTBOX) == 1


async def recorded(place: Place) -> set[str]:
    ledger = Ledger(f"sqlite:///{place.folder}/west.db")
    try:
        return {booking.id for booking in await ledger.booked(SHOW)}
    finally:
        await ledger.close()


async def test_bookings_wait_until_a_deleted_ledger_is_restored(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    first = await sold(place, "a", [1])
    back_up(place)
    delete(place)

    async def noticed() -> bool:
        return bool(await place.master.command("GET", keys.incident(Incident.LEDGER, "west")) == b"begun")

    await until(noticed)  # although nobody books
    second = await place.confirm("b", [3])
    await until(partial(waits, place, second))
    assert "the file of the ledger is not there" in caplog.text
    assert not (place.folder / "west.db").exists()
    (place.folder / "backup.db").replace(place.folder / "west.db")
    await until(all_booked(place, [first, second]))
    assert await recorded(place) == {booking_of(first), booking_of(second)}
    assert await place.master.command("XLEN", keys.DEAD_LETTERS) == 0


async def test_an_older_ledger_in_its_place_stops_the_sales_until_it_is_repaired(place: Place) -> None:
    back_up(place)
    first = await sold(place, "a", [1])
    (place.folder / "west.db-wal").unlink()
    (place.folder / "backup.db").replace(place.folder / "west.db")
    await until(partial(halted, place))
    assert Kind.LEDGER_BEHIND in await repair(place)
    await until(partial(sells, place, "02"))
    assert await recorded(place) == {booking_of(first)}


async def test_a_new_keeper_begins_an_empty_ledger_and_sells_once_it_is_repaired(place: Place) -> None:
    first = await sold(place, "a", [1])
    delete(place)
    second = await place.confirm("b", [3])
    await until(partial(waits, place, second))
    await place.rest()
    place.keeper("k2")
    await until(partial(halted, place))
    assert Kind.LEDGER_BEHIND in await repair(place)
    await until(all_booked(place, [first, second]))
    assert await recorded(place) == {booking_of(first), booking_of(second)}
