"""``tickingtickets check``: finds nothing in a region in order, busy or not; finds and repairs planted differences."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from redis import Redis

from realtime import keys
from realtime.cli import cli
from realtime.clock import now_ms
from realtime.keeper import check
from realtime.keeper.check import Checker
from realtime.keeper.compare import Difference, Kind
from realtime.ledger import NewBooking
from realtime.ledger.rows import CancelledBy, Queue, TaskRow
from realtime.locks.commands import run_command
from realtime.model import HoldState, booking_of
from realtime.topology import Plain, Region
from tests.cluster import until

from .conftest import SECRET, SHOW, Place, declare_show, hold_id
from .test_record_path import all_booked

META, SEATS, TAKEN, HOLDS = keys.show(SHOW)[:4]


@pytest.fixture(autouse=True)
def look_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.keeper.check.LOOK_AGAIN_S", 0.1)
    # Of what is recorded or lost without its jobs, these are missed only later, however slow the machine is.
    monkeypatch.setattr("realtime.keeper.check.YOUNG_MS", 3_600_000)


async def tickets(place: Place, *args: str) -> tuple[int, str]:
    """Run ``check`` as an operator does; return its exit code and what it printed."""
    topology = place.folder / "check.toml"
    topology.write_text(f'[regions.west]\nmaster = "{place.server.url}"\nledger = "sqlite:///{place.folder}/west.db"\n')
    runner = CliRunner(env={"TICKINGTICKETS_SECRET": SECRET})
    # In a thread: the command runs a loop of its own.
    done = await asyncio.to_thread(runner.invoke, cli, ["--topology", str(topology), "check", *args])
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, done.stdout


async def differences(place: Place) -> list[Difference]:
    checker = Checker(place.settings.topology.regions["west"])
    try:
        return (await checker.compare_all()).differences
    finally:
        await checker.close()


async def after_repair(place: Place) -> list[Difference]:
    checker = Checker(place.settings.topology.regions["west"])
    try:
        await checker.repair((await checker.compare_all()).differences)
        return (await checker.compare_all()).differences
    finally:
        await checker.close()


async def sold(place: Place, name: str, seats: list[int]) -> str:
    hold = await place.confirm(name, seats)
    await until(all_booked(place, [hold]))
    return hold


async def test_a_region_without_differences_is_reported_in_order(place: Place) -> None:
    await sold(place, "a", [1, 2])
    await place.locks.hold(hold_id("b"), "b", [5])
    await run_command(place.master, "block", {"show": SHOW, "seats": ["B-1"]})
    code, said = await tickets(place)
    assert code == 0, said
    assert said.startswith("west: in order (1 shows, 1 bookings, 1 live holds, ")


async def test_the_outbox_is_read_once_and_a_big_show_in_parts(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.locks.rebuild.FIELDS_AT_ONCE", 1)
    await sold(place, "a", [1, 2])
    for other in ("west-t", "west-u"):
        await declare_show(place.master, other)
    await place.rest()
    with Redis(port=place.server.port) as redis:
        redis.config_resetstat()
        assert await differences(place) == []
        calls = {name: each["calls"] for name, each in redis.info("commandstats").items()}
    assert calls["cmdstat_hscan"] == 1, "the two seats that are taken"
    assert calls["cmdstat_xrange"] == 2, "the outbox and the dead letters, both empty"


async def test_a_busy_installation_is_in_order(place: Place) -> None:
    """Holds, confirms, commits and settles under way are no differences."""
    going = True

    async def sell() -> list[str]:
        holds = []
        for n in range(100):
            if not going:
                break
            holds.append(await place.confirm(f"n{n}", [n]))
            await asyncio.sleep(0.01)
        return holds

    selling = asyncio.create_task(sell())
    for _ in range(5):
        assert await differences(place) == []
    going = False
    await until(all_booked(place, await selling))


async def test_a_booking_that_waits_in_the_outbox_is_no_difference(place: Place) -> None:
    await place.rest()
    await place.confirm("a", [1])
    assert await differences(place) == []


async def test_a_seat_sold_in_the_ledger_only_is_found_and_repaired(place: Place) -> None:
    await place.rest()
    await place.locks.hold(hold_id("rival"), "rival", [3])
    booking = NewBooking(booking_of(hold_id("a")), SHOW, "a", (("A-3", 2), ("A-4", 3)), "paid", 900, 1)
    await place.ledger.record([booking])
    code, said = await tickets(place)
    assert code == 1
    assert f"DIFFERS: {SHOW}: A-3, A-4: sold to {hold_id('a')} in the ledger, but not on the master" in said
    code, said = await tickets(place, "--repair")
    assert (code, "repaired: " in said) == (0, True), said
    assert (await place.seats())[:5] == "00220"
    assert (await place.locks.get(hold_id("rival")))[0].state is HoldState.LOST


async def test_a_seat_sold_on_the_master_only_is_found_and_left_to_an_operator(place: Place) -> None:
    hold = await sold(place, "a", [1])
    await place.rest()
    with sqlite3.connect(place.folder / "west.db") as ledger:
        ledger.execute("DELETE FROM booked_seats")
        ledger.execute("DELETE FROM bookings")
    wanted = [Difference(SHOW, Kind.NOT_IN_LEDGER, (1,), hold)]
    assert await differences(place) == wanted
    assert await after_repair(place) == wanted
    code, said = await tickets(place, "--repair", "--json")
    assert code == 1
    document = json.loads(said)
    assert not document["ok"]
    found = document["regions"]["west"]["differences"]
    assert [(each["kind"], each["seats"], each["repaired"]) for each in found] == [("not_in_ledger", ["A-2"], False)]


async def test_a_seat_sold_twice_is_found_in_the_ledger_and_between_ledger_and_master(place: Place) -> None:
    first = await sold(place, "a", [1])
    await place.rest()
    with sqlite3.connect(place.folder / "west.db") as ledger:
        ledger.execute("UPDATE booked_seats SET booking_id = ?", (_other_booking(ledger, first),))
    twice = Difference(SHOW, Kind.SOLD_TWICE, (1,), first, hold_id("z"))
    assert twice in await differences(place)
    assert twice in await after_repair(place)
    with sqlite3.connect(place.folder / "west.db") as ledger:
        # As if the unique key had been dropped: two rows for one seat.
        ledger.executescript(
            "CREATE TABLE keyless AS SELECT * FROM booked_seats; DROP TABLE booked_seats;"
            "ALTER TABLE keyless RENAME TO booked_seats;"
        )
        ledger.execute("INSERT INTO booked_seats VALUES (?, 'A-2', 1, ?)", (SHOW, booking_of(first)))
    kinds = {(d.kind, d.seats) for d in await differences(place)}
    assert (Kind.SOLD_TWICE, (1,)) in kinds


def _other_booking(ledger: sqlite3.Connection, hold: str) -> str:
    other = booking_of(hold_id("z"))
    ledger.execute("CREATE TEMP TABLE copied AS SELECT * FROM bookings")
    ledger.execute("UPDATE copied SET id = ?, owner = 'z', payment = 'paid z', code = NULL", (other,))
    ledger.execute("INSERT INTO bookings SELECT * FROM copied")
    return other


async def _held_by_nobody(place: Place) -> Difference:
    await place.master.command("SETRANGE", SEATS, 7, "1")
    return Difference(SHOW, Kind.HELD_BY_NOBODY, (7,))


async def _taken_without_a_record(place: Place) -> Difference:
    await place.locks.hold(hold_id("a"), "a", [7])
    await place.master.command("HDEL", HOLDS, hold_id("a"))
    return Difference(SHOW, Kind.HELD_BY_NOBODY, (7,), hold_id("a"))


async def _hold_without_seats(place: Place) -> Difference:
    await place.locks.hold(hold_id("a"), "a", [7])
    await place.master.command("HDEL", TAKEN, 7)
    await place.master.command("SETRANGE", SEATS, 7, "0")
    return Difference(SHOW, Kind.HOLD_WITHOUT_SEATS, (7,), hold_id("a"))


async def _overdue(place: Place) -> Difference:
    await place.locks.hold(hold_id("a"), "a", [7])
    record = orjson.loads(await place.master.command("HGET", HOLDS, hold_id("a")))
    record["expires_at"] -= 3_600_000
    await place.master.command("HSET", HOLDS, hold_id("a"), orjson.dumps(record))
    return Difference(SHOW, Kind.OVERDUE, (7,), hold_id("a"))


async def _blocked_in_the_ledger(place: Place) -> Difference:
    await place.ledger.block(SHOW, [("A-8", 7)])
    return Difference(SHOW, Kind.BLOCKED, (7,), other="ledger")


async def _blocked_on_the_master(place: Place) -> Difference:
    await place.locks.block(SHOW, [7])
    return Difference(SHOW, Kind.BLOCKED, (7,), other="master")


async def _sales(place: Place) -> Difference:
    await place.master.command("HSET", META, "sales", "paused")
    return Difference(SHOW, Kind.SALES, other="open")


async def _sales_window(place: Place) -> Difference:
    await place.master.command("HDEL", META, "sales_start", "sales_end")
    return Difference(SHOW, Kind.SALES_WINDOW, other="to 2030-01-01T13:20:00+00:00")


async def _damaged(place: Place) -> Difference:
    await place.master.command("SET", SEATS, "000")
    return Difference(SHOW, Kind.DAMAGED, other="the seat map has the wrong size")


async def _missing_show(place: Place) -> Difference:
    await place.master.command("FLUSHALL")
    return Difference(SHOW, Kind.MISSING_SHOW)


PLANTED = [
    _held_by_nobody,
    _taken_without_a_record,
    _hold_without_seats,
    _overdue,
    _blocked_in_the_ledger,
    _blocked_on_the_master,
    _sales,
    _sales_window,
    _damaged,
    _missing_show,
]


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__.lstrip("_"))
async def test_what_the_ledger_proves_is_repaired(place: Place, plant: Any) -> None:
    booked = await sold(place, "buyer", [20])
    await place.rest()
    planted = await plant(place)
    assert await differences(place) == [planted]
    assert await after_repair(place) == []
    assert (await place.seats())[20] == "2"
    assert (await place.locks.get(booked))[0].state is HoldState.BOOKED


async def test_a_booking_that_is_cancelled_in_the_ledger_only_is_cancelled_on_the_master(place: Place) -> None:
    kept, cancelled = await sold(place, "kept", [20]), await sold(place, "gone", [21, 22])
    await place.rest()
    await place.ledger.cancel(booking_of(cancelled), CancelledBy.OPERATOR, now_ms())
    assert await differences(place) == [Difference(SHOW, Kind.NOT_CANCELLED, (21, 22), cancelled)]
    assert await after_repair(place) == []
    assert (await place.seats())[20:23] == "200"
    assert (await place.locks.get(kept))[0].state is HoldState.BOOKED
    assert (await place.locks.get(cancelled))[0].state is HoldState.CANCELLED


async def test_a_confirm_that_is_not_in_the_outbox_is_stuck_and_dead_letters_are_listed(place: Place) -> None:
    await place.rest()
    hold = await place.confirm("a", [1])
    await place.master.command("XTRIM", keys.OUTBOX, "MAXLEN", 0)
    await place.master.command("XADD", keys.DEAD_LETTERS, "*", "kind", "booking", "hold", hold, "reason", "poison")
    assert await differences(place) == [Difference(SHOW, Kind.STUCK, (1,), hold, payment="paid a")]
    code, said = await tickets(place, "--repair")
    assert code == 1
    assert f"A-2: {hold} is being booked, but it is not in the outbox" in said
    assert "dead letter: " in said and f"booking of {hold}: poison" in said


async def test_a_show_that_is_missing_in_the_ledger_is_found(place: Place) -> None:
    await place.rest()
    await place.master.command("HSET", keys.SHOWS, "west-ghost", "{}")
    assert await differences(place) == [Difference("west-ghost", Kind.UNKNOWN_SHOW)]
    code, said = await tickets(place)
    assert (code, "west-ghost: on the master, but not in the ledger" in said) == (1, True)


async def test_a_region_whose_master_is_unreachable_is_reported_as_not_checked(place: Place) -> None:
    place.server.kill()
    code, said = await tickets(place)
    assert (code, said.strip()) == (1, "west: NOT CHECKED: the lock master is unreachable")


async def test_an_archived_show_that_a_keeper_is_about_to_remove_is_no_difference(place: Place) -> None:
    await run_command(place.master, "sales", {"show": SHOW, "sales": "closed"})
    await run_command(place.master, "archive", {"show": SHOW})
    await place.rest()
    await place.master.command("HSET", keys.SHOWS, SHOW, "{}")
    assert await differences(place) == []


async def test_all_pages_of_unfinished_tasks_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "PAGE", 2)
    tasks = [TaskRow(name, Queue.TICKETS, name, 1) for name in "abcde"]
    checker = Checker(Region("west", "Mumbai", Plain("redis://127.0.0.1:1"), {}, "sqlite:///nothing.db"))

    async def unfinished(_before: int, limit: int, after: str) -> list[TaskRow]:
        return [each for each in tasks if each.id > after][:limit]

    monkeypatch.setattr(checker._ledger, "unfinished_tasks", unfinished)
    assert [len(page) async for page in checker._unfinished()] == [2, 2, 1]
    await checker.close()


async def test_a_refund_that_waits_in_the_outbox_is_not_lost(place: Place) -> None:
    await place.rest()
    hold = hold_id("refused")
    record = {"owner": "a", "seats": [], "state": "rejected", "expires_at": 1, "extensions": 0, "payment": "p"}
    await place.master.command("HSET", keys.holds(SHOW), hold, orjson.dumps(record))
    entry = await place.master.command("XADD", keys.OUTBOX, "*", "kind", "refund", "hold", hold, "payment", "p")
    assert await differences(place) == []
    await place.master.command("XDEL", keys.OUTBOX, entry)
    assert [(each.kind, each.payment) for each in await differences(place)] == [(Kind.REFUND_LOST, "p")]
