"""Operators' commands: checked, recorded, written through, and refused with a reason."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest
from sqlalchemy import update

from realtime import keys, limits
from realtime.dev import valkey
from realtime.errors import (
    AlreadyExists,
    BadRequest,
    BookingNotFound,
    NotFound,
    RegionUnavailable,
    SeatsTaken,
    ShowNotFound,
    TheatreNotFound,
    TicketError,
)
from realtime.keeper.check import Checker
from realtime.keeper.commands import Commands
from realtime.keeper.service import Keeper
from realtime.ledger import Ledger, database, schema
from realtime.locks.commands import OPERATORS, run_command
from realtime.locks.master import LockMaster, incarnation_of
from realtime.model import Theatre, booking_of
from realtime.topology import Plain, Region, Topology
from realtime.wire.shows import encode_theatre
from tests.cluster import until

from .conftest import LAYOUT, SHOW, Place, hold_id
from .test_record_path import all_booked

GOOD = {
    "theatre": "gateway",
    "layout": LAYOUT.id,
    "title": "Another",
    "starts_at": "2030-01-02T18:30:00+05:30",
    "prices": {"Gold": 500},
}


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("nonsense", {}, "bad_request"),
    ("theatre", {"id": "Bad Id", "name": "x", "city": "y"}, "bad_request"),
    ("theatre", {"id": "x"}, "bad_request"),
    ("layout", {"id": "0" * 32}, "layout_not_found"),
    ("show", {**GOOD, "theatre": "nowhere"}, "theatre_not_found"),
    ("show", {**GOOD, "layout": "0" * 32}, "layout_not_found"),
    ("show", {**GOOD, "prices": {}}, "bad_request"),
    ("show", {**GOOD, "prices": {"Gold": 1, "Silver": 2}}, "bad_request"),
    ("show", {**GOOD, "prices": {"Gold": -1}}, "bad_request"),
    ("show", {**GOOD, "starts_at": "tomorrow"}, "bad_request"),
    ("show", {**GOOD, "starts_at": "2030-01-02T18:30:00"}, "bad_request"),
    ("show", {**GOOD, "id": "west-named", "starts_at": "tomorrow"}, "bad_request"),
    ("show", {**GOOD, "id": "north-x"}, "bad_request"),
    ("show", {**GOOD, "id": SHOW}, "already_exists"),
    ("show", {**GOOD, "hold_s": 0}, "bad_request"),
    ("show", {**GOOD, "surprise": 1}, "bad_request"),
    ("block", {"show": "west-unknown", "seats": ["A-1"]}, "show_not_found"),
    ("block", {"show": SHOW, "seats": ["Z-1"]}, "seat_not_found"),
    ("sales", {"show": SHOW, "sales": "maybe"}, "bad_request"),
    ("retry_dead_letter", {"id": "1" * 30}, "not_found"),
]
"""Name, body, and the code that it is refused with."""


async def test_bad_commands_are_refused(place: Place) -> None:
    for name, body, code in BAD:
        with pytest.raises(TicketError) as refused:
            await run_command(place.master, name, body)
        assert refused.value.code == code, (name, body)


async def test_a_show_gets_a_name_and_asking_twice_is_harmless(place: Place) -> None:
    first = await run_command(place.master, "show", GOOD)
    assert first["show"]["id"] == "west-gateway-20300102-1830"
    assert await run_command(place.master, "show", GOOD) == first
    assert await place.ledger.show("west-gateway-20300102-1830") is not None


async def test_the_sales_window_is_a_term_that_changes_and_comes_back_from_the_ledger(place: Place) -> None:
    ends = "2030-01-01T18:00:00+05:30"
    changed = await run_command(place.master, "terms", {"show": SHOW, "sales_end": ends})
    assert changed["show"]["sales_end"] == "2030-01-01T12:30:00+00:00"
    assert await place.master.command("HGET", keys.meta(SHOW), "sales_end") == b"1893501000000"
    again = await run_command(place.master, "terms", {"show": SHOW, "sales_start": "2020-01-01T00:00Z"})
    assert again["show"]["sales_end"] == "2030-01-01T12:30:00+00:00", "what is not named stays"
    await place.master.command("FLUSHALL")
    await until(place.rebuilt)
    assert await place.master.command("HMGET", keys.meta(SHOW), "sales_start", "sales_end") == [
        b"1577836800000",
        b"1893501000000",
    ]
    await run_command(place.master, "terms", {"show": SHOW, "sales_start": "", "sales_end": ""})
    stored = await place.ledger.show(SHOW)
    assert stored is not None and (stored.sales_start, stored.sales_end) == ("", "")


async def test_an_impossible_sales_window_is_refused(place: Place) -> None:
    for name, body in (
        ("show", {**GOOD, "sales_start": "soon"}),
        ("show", {**GOOD, "sales_start": "2030-01-02T18:50:00+05:30"}),
        ("show", {**GOOD, "starts_at": "0001-01-01T00:00:00+05:30"}),
        ("show", {**GOOD, "starts_at": "2149-01-01T00:00:00+05:30"}),
        ("terms", {"show": SHOW, "sales_end": "2030-01-02T18:50:00"}),
        ("terms", {"show": SHOW, "sales_start": "2030-02-01T00:00Z", "sales_end": "2030-01-31T00:00Z"}),
    ):
        with pytest.raises(BadRequest):
            await run_command(place.master, name, body)
    with pytest.raises(ShowNotFound):
        await run_command(place.master, "terms", {"show": "west-unknown", "sales_end": ""})


async def test_a_keeper_declares_the_window_of_shows_that_one_of_the_release_before_has_declared(place: Place) -> None:
    await place.rest()
    await place.master.command("HDEL", keys.meta(SHOW), "sales_start", "sales_end")
    place.keeper()
    await until(lambda: place.master.command("HEXISTS", keys.meta(SHOW), "sales_end"))


async def test_a_show_may_be_declared_again_after_its_window_has_changed(place: Place) -> None:
    first = (await run_command(place.master, "show", GOOD))["show"]
    await run_command(place.master, "terms", {"show": first["id"], "sales_end": "2030-01-02T18:00:00+05:30"})
    again = (await run_command(place.master, "show", GOOD))["show"]
    assert (again["id"], again["sales_end"]) == (first["id"], "2030-01-02T12:30:00+00:00")


async def test_two_screens_of_a_theatre_may_begin_at_the_same_time(place: Place) -> None:
    other = {**GOOD, "title": "In the other screen"}
    for _ in range(2):
        assert (await run_command(place.master, "show", GOOD))["show"]["id"] == "west-gateway-20300102-1830"
        assert (await run_command(place.master, "show", other))["show"]["id"] == "west-gateway-20300102-1830-2"


async def test_a_blob_that_is_no_layout_is_refused_and_removed(place: Place) -> None:
    await place.master.command("SET", keys.layout("f" * 32), b"not a layout")
    with pytest.raises(TicketError) as refused:
        await run_command(place.master, "layout", {"id": "f" * 32})
    assert refused.value.code == "invalid_plan"
    assert not await place.master.command("EXISTS", keys.layout("f" * 32))


async def test_a_theatre_of_another_region_is_refused(place: Place, tmp_path: Any) -> None:
    rival = valkey.start(tmp_path / "rival")
    rival.wait_ready()
    south = Region("south", "Bengaluru", Plain(rival.url), {}, "", ("lotus",))
    west = place.settings.topology.regions["west"]
    await place.rest()
    topology = Topology({"west": west, "south": south})
    keeper = Keeper(replace(place.settings, topology=topology), "west", "k9")
    keeper.start()
    link = LockMaster(south)
    try:
        theirs = Theatre("coromandel", "Coromandel", "Chennai", "south")
        await link.command("HSET", keys.THEATRES, theirs.id, encode_theatre(theirs))
        incarnation = incarnation_of(await link.command("INFO", "server", "replication")).decode()
        new = {"id": "new", "name": "New", "city": "Mumbai"}
        for mark in ("", "earlier-process.earlier-data k.0 1"):
            await link.command("SET", keys.RECONCILED, mark)
            with pytest.raises(TicketError) as refused:
                await run_command(place.master, "theatre", new)
            assert refused.value.code == "region_unavailable", "a master that is not reconciled may have lost it"
        await link.command("SET", keys.RECONCILED, f"{incarnation} k.0 1")
        for theatre in ("coromandel", "lotus"):
            with pytest.raises(TicketError) as refused:
                await run_command(place.master, "theatre", {"id": theatre, "name": "Mine", "city": "Mumbai"})
            assert refused.value.code == "theatre_conflict"
        rival.kill()
        with pytest.raises(TicketError) as refused:
            await run_command(place.master, "theatre", new)
        assert refused.value.code == "region_unavailable", "who can't be asked may have it"
        # A theatre of one's own needs nobody's word.
        await run_command(place.master, "theatre", {"id": "gateway", "name": "Gateway Two", "city": "Mumbai"})
    finally:
        await keeper.stop()
        await link.close()
        rival.kill()


async def test_a_show_that_is_over_leaves_the_master_and_stays_in_the_ledger(place: Place) -> None:
    hold = await place.confirm("asha", [1])
    await until(all_booked(place, [hold]))
    with pytest.raises(BadRequest):
        await run_command(place.master, "archive", {"show": SHOW})
    await run_command(place.master, "sales", {"show": SHOW, "sales": "closed"})
    await run_command(place.master, "archive", {"show": SHOW})
    for key in (keys.meta(SHOW), keys.seats(SHOW), keys.holds(SHOW)):
        assert not await place.master.command("EXISTS", key)
    assert not await place.master.command("HEXISTS", keys.SHOWS, SHOW)
    assert list(await place.booked()) == [booking_of(hold)]
    # Commands that were sent a moment before are refused: one that waited would keep all others waiting.
    seats = {"show": SHOW, "seats": ["A-5"]}
    late: dict[str, dict[str, Any]] = {
        "sales": {"show": SHOW, "sales": "open"},
        "terms": {"show": SHOW},
        "block": seats,
        "unblock": seats,
    }
    for name, body in late.items():
        with pytest.raises(ShowNotFound):
            await run_command(place.master, name, body)
    again = {**GOOD, "id": SHOW, "title": "A show", "starts_at": "2030-01-01T18:30:00+05:30", "prices": {"Gold": 450}}
    with pytest.raises(AlreadyExists):
        await run_command(place.master, "show", again)
    await run_command(place.master, "archive", {"show": SHOW})
    await run_command(place.master, "cancel", {"booking": booking_of(hold), "owner": ""})
    assert not await place.master.command("EXISTS", keys.meta(SHOW))
    await place.master.command("FLUSHALL")
    await until(place.rebuilt)
    assert not await place.master.command("EXISTS", keys.meta(SHOW))
    checker = Checker(place.settings.topology.regions["west"])
    assert (await checker.compare_all()).differences == []
    await checker.close()


async def test_a_record_that_can_not_be_read_is_written_again_or_removed(place: Place) -> None:
    async def repair(kind: str, name: str) -> Any:
        return await run_command(place.master, "repair_record", {"region": "west", "kind": kind, "id": name})

    for kind, name, key in (("show", SHOW, keys.SHOWS), ("theatre", "gateway", keys.THEATRES)):
        before = await place.master.command("HGET", key, name)
        with pytest.raises(BadRequest, match="can be read"):
            await repair(kind, name)
        with pytest.raises(NotFound):
            await repair(kind, "west-nothing")
        for broken in (b"{", before.replace(name.encode(), b"west-else")):
            await place.master.command("HSET", key, name, broken)
            assert (await repair(kind, name))["written"]
            assert await place.master.command("HGET", key, name) == before
        for of_nobody in ("west-else", "north-else", 'a"b'):
            await place.master.command("HSET", key, of_nobody, b"[]")
            assert not (await repair(kind, of_nobody))["written"]
            assert await place.master.command("HKEYS", key) == [name.encode()]
    hold = await place.confirm("asha", [1])
    await until(all_booked(place, [hold]))


async def test_a_show_that_the_ledger_can_not_read_hides_no_other_and_can_be_archived(place: Place) -> None:
    hold = await place.confirm("asha", [1])
    await until(all_booked(place, [hold]))
    other = (await run_command(place.master, "show", GOOD))["show"]["id"]
    async with place.ledger.transaction() as connection:
        await connection.execute(update(schema.shows).where(schema.shows.c.id == SHOW).values(body=b"{"))
    assert [show.id for show in await place.ledger.active_shows()] == [other]
    await place.master.command("FLUSHALL")
    await until(place.rebuilt)
    assert await place.master.command("HGET", keys.SHOWS, SHOW) == b"{", "operators see it where they see the others"
    await place.locks.hold(f"{other}.h{'x':_<22}", "asha", [1])
    with pytest.raises(BadRequest, match="can't be read"):
        await run_command(place.master, "sales", {"show": SHOW, "sales": "paused"})
    await run_command(place.master, "cancel", {"booking": booking_of(hold), "owner": ""})
    await run_command(place.master, "archive", {"show": SHOW})
    assert await place.master.command("HKEYS", keys.SHOWS) == [other.encode()]


async def test_a_theatre_is_removed_only_without_shows(place: Place) -> None:
    with pytest.raises(BadRequest, match="1 shows"):
        await run_command(place.master, "remove_theatre", {"id": "gateway"})
    await run_command(place.master, "theatre", {"id": "odeon", "name": "Odeon", "city": "Pune"})
    await run_command(place.master, "remove_theatre", {"id": "odeon"})
    assert await place.master.command("HKEYS", keys.THEATRES) == [b"gateway"]
    with pytest.raises(TheatreNotFound):
        await run_command(place.master, "remove_theatre", {"id": "odeon"})


async def test_a_dead_letter_is_retried_or_its_payment_returned(place: Place) -> None:
    broken = {"kind": "booking", "hold": hold_id("x"), "owner": "x", "seats": "no number", "payment": "paid", "at": "1"}
    flat = [part for pair in broken.items() for part in pair]
    await place.master.command("XADD", keys.OUTBOX, "*", *flat)

    async def letters() -> list[str]:
        return [entry_id.decode() for entry_id, _ in await place.master.command("XRANGE", keys.DEAD_LETTERS, "-", "+")]

    (first,) = await until(letters)
    assert (await run_command(place.master, "retry_dead_letter", {"id": first}))["kind"] == "booking"

    async def again() -> list[str]:
        return [letter for letter in await letters() if letter != first]

    (second,) = await until(again)
    await run_command(place.master, "refund_dead_letter", {"id": second})
    assert await letters() == []

    async def refunded() -> bool:
        return await place.ledger.refund_of_payment("paid") is not None

    await until(refunded)
    with pytest.raises(NotFound):
        await run_command(place.master, "retry_dead_letter", {"id": second})


async def test_a_block_in_parts_that_is_refused_leaves_what_was_blocked_before(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what a keeper that died has blocked in its first parts."""
    monkeypatch.setattr(limits, "SEATS_PER_CALL", 4)
    names = [seat.id for seat in LAYOUT.seats]
    await run_command(place.master, "block", {"show": SHOW, "seats": names[1:2]})
    await place.locks.block(SHOW, range(6))
    hold = await place.hold("asha", [9])
    with pytest.raises(SeatsTaken) as refused:
        await run_command(place.master, "block", {"show": SHOW, "seats": names[:12]})
    assert refused.value.details == {"seats": [names[9]]}
    assert (await place.seats())[:12] == "030000000100"

    await place.locks.block(SHOW, range(6))
    await place.locks.release(hold, "asha")
    await run_command(place.master, "block", {"show": SHOW, "seats": names[:12]})
    assert (await place.seats())[:13] == "3333333333330"
    assert sorted((await place.ledger.truths([SHOW]))[SHOW].blocked) == list(range(12))


async def test_lapsed_holds_of_a_show_that_can_not_be_rebuilt_delay_no_others(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "EXPIRY_LOOK", 2)
    monkeypatch.setattr(limits, "EXPIRY_LOOKS", 1)
    stuck = replace((await place.ledger.active_shows())[0], id="west-stuck")
    await place.locks.declare(stuck, "epoch-1", for_sale=False)
    for n in range(5):
        await place.master.command("ZADD", keys.DEADLINES, n, f"west-stuck.h{n:_<22}")
    hold = await place.hold("asha", [9])
    await lapse(place.master, hold)
    await until(expired(place, 9))
    assert await place.master.command("ZCARD", keys.DEADLINES) == 5


async def lapse(master: LockMaster, hold: str) -> None:
    """Let the clock run past a hold's deadline."""
    record = orjson.loads(await master.command("HGET", keys.holds(SHOW), hold))
    record["expires_at"] -= 3_600_000
    await master.command("HSET", keys.holds(SHOW), hold, orjson.dumps(record))
    await master.command("ZADD", keys.DEADLINES, record["expires_at"], hold)


def expired(place: Place, seat: int) -> Callable[[], Awaitable[bool]]:
    async def is_free() -> bool:
        return (await place.seats())[seat] == "0"

    return is_free


async def test_a_command_does_not_hold_up_the_ledger_while_the_master_is_silent(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    still_ours, asked = Commands._still_ours, asyncio.Event()

    async def silent(commands: Commands) -> None:
        os.kill(place.server.process.pid, signal.SIGSTOP)
        asked.set()
        await still_ours(commands)

    monkeypatch.setattr(Commands, "_still_ours", silent)
    command = asyncio.create_task(run_command(place.master, "sales", {"show": SHOW, "sales": "paused"}))
    try:
        await asked.wait()
        # The keeper waits five seconds for other answers of its master.
        monkeypatch.setattr(database, "BUSY_MS", 2_500)
        other = Ledger(place.settings.topology.regions["west"].ledger)
        await other.save_theatre(Theatre("other", "Other", "Mumbai", "west"))
        await other.close()
    finally:
        monkeypatch.undo()
        os.kill(place.server.process.pid, signal.SIGCONT)
    with contextlib.suppress(RegionUnavailable):
        await command
    await run_command(place.master, "sales", {"show": SHOW, "sales": "closed"})


async def test_refusals_of_buyers_leave_no_row_and_those_of_operators_one(place: Place) -> None:
    hold = await place.confirm("asha", [1])
    await until(place.booked)
    booking = booking_of(hold)
    for number in range(3):
        body = {"booking": booking if number else f"{booking[:-1]}x", "owner": "a stranger"}
        with pytest.raises(BookingNotFound):
            await run_command(place.master, "cancel", body, f"r{number}", "a stranger")
        with pytest.raises(TheatreNotFound):
            await run_command(place.master, "remove_theatre", {"id": "nowhere"}, f"r{number}")
    assert [await place.ledger.outcomes_of(owner) for owner in ("a stranger", OPERATORS)] == [0, 3]


async def test_one_booking_leaves_a_bounded_number_of_rows(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "OUTCOMES_OF_OWNER", 3)
    hold = await place.confirm("asha", [1])
    await until(place.booked)
    body = {"booking": booking_of(hold), "owner": "asha"}
    for number in range(5):
        done = await run_command(place.master, "revoke_links", body, f"r{number}", "asha")
        assert done == {"booking": booking_of(hold)}
    assert await place.ledger.outcomes_of("asha") == 3
