"""A keeper that is stopped at its most delicate points, and wakes up after another one has taken over."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sqlite3
from pathlib import Path

import pytest

from realtime import keys
from realtime.dev.fork_server import Fork
from realtime.keeper.points import POINTS
from realtime.locks.commands import run_command
from realtime.model import booking_of
from tests.cluster import until

from .conftest import LAYOUT, SHOW, Place
from .test_check import sold
from .test_record_path import all_booked, keeper_process


async def stopped_keeper(place: Place, point: str) -> Fork:
    process = keeper_process(place, "sleeper", TICKINGTICKETS_STOP_AT=point)

    async def stopped() -> bool:
        stat = await asyncio.to_thread(Path(f"/proc/{process.pid}/stat").read_text)
        return stat.rpartition(")")[2].split()[0] == "T"

    await until(stopped)
    return process


def holds_the_ledger(place: Place) -> bool:
    with contextlib.closing(sqlite3.connect(place.folder / "west.db", timeout=1.0, isolation_level=None)) as ledger:
        try:
            ledger.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        ledger.execute("ROLLBACK")
        return False


@pytest.mark.parametrize("point", [point for point in POINTS if not point.startswith("exchange")])
async def test_a_keeper_that_wakes_up_late_changes_nothing(place: Place, point: str) -> None:
    await until(place.rebuilt)
    await place.rest()
    early = await place.confirm("early", [1])
    if not point.startswith("record"):
        await place.master.command("DEL", keys.RECONCILED)
    sleeper = await stopped_keeper(place, point)
    try:
        while holds_the_ledger(place):  # another of its tasks was in a transaction, which SQLite waits for
            sleeper.kill()
            sleeper.wait()
            sleeper = await stopped_keeper(place, point)
        place.keeper("other")
        await until(place.rebuilt)
        await until(all_booked(place, [early]))
        held = await place.hold("held", [3])
        booked = await place.confirm("booked", [5])
        await until(all_booked(place, [booked]))
        await run_command(place.master, "block", {"show": SHOW, "seats": [LAYOUT.seats[7].id]})
        assert (await place.seats())[:8] == "02010203"

        sleeper.send_signal(signal.SIGCONT)
        await place.rest()
        late = await place.confirm("late", [6])  # nobody but the sleeper is there to record it
        await until(all_booked(place, [late]))
        assert (await place.seats())[:8] == "02010223"
        assert await place.locks.extend(held, "held"), "a live hold is not lost"
        assert sorted(await place.booked()) == sorted(map(booking_of, (early, booked, late)))
    finally:
        sleeper.kill()
        sleeper.wait()


@pytest.mark.parametrize("point", [point for point in POINTS if point.startswith("exchange")])
async def test_an_exchange_is_finished_by_another_keeper_and_not_repeated_by_the_late_one(
    place: Place, point: str
) -> None:
    booking = booking_of(await sold(place, "asha", [1, 2]))
    await place.rest()

    async def move_to(*seats: int) -> dict[str, object]:
        return await run_command(
            place.master,
            "exchange",
            {"booking": booking, "show": SHOW, "seats": [LAYOUT.seats[seat].id for seat in seats]},
        )

    moving = asyncio.create_task(move_to(4, 5))
    sleeper = await stopped_keeper(place, point)
    try:
        while holds_the_ledger(place):
            sleeper.kill()
            sleeper.wait()
            sleeper = await stopped_keeper(place, point)
        assert (await place.seats())[:6] == "022011", "nobody else can have either seats"
        place.keeper("other")

        async def moved() -> bool:
            return (await place.seats())[:6] == "000022"

        await until(moved)
        await asyncio.gather(moving, return_exceptions=True)  # it may have waited for too long
        await move_to(1, 2)

        sleeper.send_signal(signal.SIGCONT)
        await place.rest()
        late = await place.confirm("late", [6])  # nobody but the sleeper is there to record it
        await until(all_booked(place, [late]))
        assert (await place.seats())[:7] == "0220002"
        assert (await place.booked())[booking] == (1, 2)
        assert [(each.before, each.after) for each in await place.ledger.exchanges(booking)] == [
            ((1, 2), (4, 5)),
            ((4, 5), (1, 2)),
        ]
    finally:
        sleeper.kill()
        sleeper.wait()
