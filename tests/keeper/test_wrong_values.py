"""Values on a master, or in a ledger, that no function has written: they heal, and keep nothing else from its turn."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

import orjson
import pytest

from realtime import keys
from realtime.errors import TicketError
from realtime.keeper import comparison
from realtime.locks.commands import run_command
from realtime.locks.holds import PaymentProof
from realtime.model import booking_of
from tests.cluster import until

from .conftest import LAYOUT, PRICE, SHOW, Place, compare_often, hold_id

META, SEATS, TAKEN, HOLDS, OWNERS = keys.show(SHOW)[:5]
LAST = "west-t"
"""Its id sorts after all others."""
RECORD = {"owner": "a", "seats": [1], "state": "held", "expires_at": 2**41, "extensions": 0}
DAMAGED = (b"{", b"[]", b'{"owner":5}', b'{"owner":"a","seats":[1],"state":"held"}', b'{"owner":"\xff","seats":[1]}')


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    compare_often(monkeypatch, "REBUILD_EVERY_MS")
    monkeypatch.setattr(comparison, "LOOKS", 2)


async def declare_last(place: Place) -> None:
    terms = {"theatre": "gateway", "layout": LAYOUT.id, "title": "A show", "prices": {"Gold": 450}}
    await run_command(place.master, "show", {**terms, "id": LAST, "starts_at": "2030-01-01T21:30:00+05:30"})
    await until(place.rebuilt)


async def heals(place: Place, seat: int = 50) -> None:
    """Change a seat of the show, and wait until it is as it was."""
    await place.master.command("SETRANGE", SEATS, seat, "2")

    async def healed() -> bool:
        return (await place.seats())[seat] == "0"

    await until(healed, 20)


async def reconcile(place: Place) -> None:
    """Have the master reconciled and all shows rebuilt, as after a failover."""
    before = await place.master.command("GET", keys.RECONCILED)
    await place.master.command("DEL", keys.RECONCILED)

    async def again() -> bool:
        mark = await place.master.command("GET", keys.RECONCILED)
        return mark not in (None, before) and await place.rebuilt()

    await until(again, 20)


async def change_ledger(place: Place, query: str, *values: object) -> None:
    def change() -> None:
        with closing(sqlite3.connect(place.folder / "west.db", isolation_level=None)) as ledger:
            ledger.execute(query, values)

    # In a thread: a transaction of the keeper, which runs in this loop, must be able to end first.
    await asyncio.to_thread(change)


async def test_a_seat_of_an_unknown_status_heals(place: Place) -> None:
    await until(place.rebuilt)
    await place.master.command("SETRANGE", SEATS, 7, "x")
    await heals(place)
    assert (await place.seats())[7] == "0"


async def test_records_that_nobody_can_read_do_not_keep_a_show_from_being_rebuilt(place: Place) -> None:
    await until(place.rebuilt)
    await place.rest()
    states = ("booked", "held", "confirming", "lost")
    odd = {bytes((255, n)): orjson.dumps({**RECORD, "state": state}) for n, state in enumerate(states)}
    odd |= {hold_id(f"n{n}").encode(): record for n, record in enumerate(DAMAGED)}
    late = orjson.dumps(RECORD)
    odd[hold_id("huge").encode()] = late.replace(b"2199023255552", b"9" * 400)
    odd[hold_id("text").encode()] = late.replace(b"2199023255552", b'"5"')
    await place.master.command("HSET", HOLDS, *(part for pair in odd.items() for part in pair))
    await place.master.command("HSET", TAKEN, b"\xff", b"\xff", "-1", "x", "5000", "x")
    await place.master.command("HSET", OWNERS, b"\xff", b"\xff")
    place.keeper("other")
    await reconcile(place)
    await place.hold("bala", [5])
    await heals(place)
    assert await place.master.command("HKEYS", HOLDS) == [hold_id("bala").encode()]


@pytest.mark.parametrize("value", [b"", b"\xff{", b"9" * 30], ids=["empty", "random", "huge"])
async def test_damaged_fields_of_a_show_neither_freeze_its_terms_nor_keep_it_from_being_rebuilt(
    place: Place, value: bytes
) -> None:
    await until(place.rebuilt)
    await place.master.command("HSET", META, "revision", value, "rebuilt_at", value)
    with pytest.raises(TicketError):
        await place.locks.confirm(hold_id("nobody"), "nobody", PaymentProof("p", PRICE))

    async def healed() -> bool:
        fields = await place.master.command("HMGET", META, "revision", "rebuilt_at")
        return all((field or b"").isdigit() and len(field) < 16 for field in fields)

    await until(healed, 20)
    await run_command(place.master, "terms", {"show": SHOW, "sales_end": "2029-01-01T18:30:00+05:30"})
    assert await place.master.command("HGET", META, "sales_end") == b"1861966800000"
    await reconcile(place)
    await place.hold("bala", [5])


async def test_a_hold_has_its_own_deadline_again(place: Place) -> None:
    await until(place.rebuilt)
    hold = await place.hold("bala", [5])
    deadline = await place.master.command("ZSCORE", keys.DEADLINES, hold)
    await place.master.command("ZADD", keys.DEADLINES, "inf", hold)

    async def healed() -> bool:
        return bool(await place.master.command("ZSCORE", keys.DEADLINES, hold) == deadline)

    await until(healed, 20)


async def test_shows_that_can_not_be_read_do_not_end_the_comparison(place: Place) -> None:
    await declare_last(place)
    await change_ledger(place, "UPDATE shows SET body = ? WHERE id = ?", b"{", LAST)
    for seat in (50, 51, 52):
        await heals(place, seat)


async def test_one_show_that_can_not_be_compared_or_rebuilt_keeps_no_other_from_it(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    await declare_last(place)
    booking = (f"{LAST}.b{'x' * 22}", LAST, "x", "paid", 1, 1, 2, "x,y")
    columns = "id, show_id, owner, payment, amount, confirmed_at, cancelled_at, cancelled_seats"
    await change_ledger(place, f"INSERT INTO bookings ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *booking)
    await heals(place, 50)
    await reconcile(place)
    await place.hold("bala", [5])
    await heals(place, 51)
    said = [record.getMessage() for record in caplog.records if record.exc_info and LAST in record.getMessage()]
    assert said == [f"{LAST} can't be compared with the ledger", f"{LAST} can't be rebuilt"]


async def test_seats_in_the_ledger_that_the_plan_does_not_have_do_not_end_the_sales_of_a_show(place: Place) -> None:
    await until(place.rebuilt)
    await change_ledger(place, "INSERT INTO blocked_seats (show_id, seat, seat_index) VALUES (?, 'Z-1', 5000)", SHOW)
    await reconcile(place)
    await place.hold("bala", [5])
    await heals(place)


@pytest.mark.parametrize("record", DAMAGED)
async def test_a_damaged_record_delays_neither_the_end_of_other_holds_nor_their_bookings(
    place: Place, record: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    await until(place.rebuilt)
    await place.rest()
    monkeypatch.setattr(comparison, "LOOKS", 1000)  # it does not heal meanwhile
    lapsed = [await place.hold(f"n{n}", [n]) for n in range(5)]
    for hold in lapsed:
        known = orjson.loads(await place.master.command("HGET", HOLDS, hold))
        await place.master.command("HSET", HOLDS, hold, orjson.dumps({**known, "expires_at": 1}))
        await place.master.command("ZADD", keys.DEADLINES, 1, hold)
    paid = [await place.confirm(f"p{n}", [10 + n]) for n in range(5)]
    await place.master.command("HSET", HOLDS, lapsed[2], record, paid[2], record)
    place.keeper("other")

    async def done() -> bool:
        seats = await place.seats()
        return seats[10:15] == "22222" and seats[:5] == "00100" and not await place.master.command("XLEN", keys.OUTBOX)

    await until(done, 20)
    assert await place.master.command("XLEN", keys.DEAD_LETTERS) == 0
    assert sorted(await place.booked()) == sorted(map(booking_of, paid))
    with pytest.raises(TicketError):  # its seat counts as taken, and the others can be held
        await place.hold("x", [2])
    await place.hold("y", [1, 3])
