"""Shows that are damaged on the master while they are sold are noticed and rebuilt, and no others."""

from __future__ import annotations

import asyncio
from unittest.mock import AsyncMock, Mock

import orjson
import pytest

from realtime import keys
from realtime.clock import now_ms
from realtime.keeper import comparison
from realtime.keeper.comparison import Comparison
from realtime.keeper.rebuild import Rebuilder
from realtime.ledger.rows import OrderRow, OrderState
from realtime.locks.commands import run_command
from realtime.model import booking_of
from tests.cluster import until

from .conftest import LAYOUT, SHOW, Place, compare_often, hold_id
from .test_record_path import all_booked

_META, SEATS, TAKEN, HOLDS, _OWNERS = keys.show(SHOW)[:5]
OTHER = "west-other"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    compare_often(monkeypatch)


async def sold_show(place: Place) -> str:
    """Sell a seat and hold one; return the show's epoch."""
    booked = await place.confirm("asha", [1])
    await until(all_booked(place, [booked]))
    await until(place.rebuilt)
    await place.hold("bala", [5])
    return (await place.locks.digest(SHOW))[0]


def comparison_of(place: Place) -> Comparison:
    rebuilder = Rebuilder(place.ledger, place.master, place.locks)
    return Comparison(place.ledger, place.master, place.locks, rebuilder, asyncio.Event())


async def test_a_show_that_is_damaged_deep_inside_is_rebuilt_and_no_other(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    show = {"id": OTHER, "theatre": "gateway", "layout": LAYOUT.id, "title": "Another", "prices": {"Gold": 450}}
    await run_command(place.master, "show", show | {"starts_at": "2030-01-01T21:30:00+05:30"})
    before, other = await sold_show(place), await place.locks.digest(OTHER)
    await place.master.command("SETRANGE", SEATS, 1, "02")

    async def healed() -> bool:
        return int(await place.master.command("GET", keys.DAMAGED) or 0) == 1

    await until(healed)
    assert (await place.seats())[:6] == "020001"
    assert (await place.locks.digest(SHOW))[0] > before
    assert await place.locks.extend(hold_id("bala"), "bala"), "the hold survives the damage"
    logged = [record.getMessage() for record in caplog.records if record.getMessage().startswith("west: damaged")]
    seats = "seat 1 is free, not sold, seat 2 is sold, not free"
    assert logged == [f"west: damaged on the lock master, and rebuilt: {SHOW}: {seats}"]
    assert await place.locks.digest(OTHER) == other

    async def reported() -> bool:
        report = await place.master.command("HGET", keys.KEEPERS, "k1")
        return report is not None and orjson.loads(report)["damaged_shows"] == 1

    await until(reported)


async def test_a_hold_that_was_made_while_the_clock_was_ahead_does_not_keep_its_seats_for_as_long(place: Place) -> None:
    await sold_show(place)
    bala = hold_id("bala")
    record = orjson.loads(await place.master.command("HGET", HOLDS, bala))
    deadline = record["expires_at"] + 86_400_000
    await place.master.command("HSET", HOLDS, bala, orjson.dumps(record | {"expires_at": deadline}))
    await place.master.command("ZADD", keys.DEADLINES, deadline, bala)

    async def shortened() -> int:
        # From the record: while the show is rebuilt, nobody is answered about its holds.
        ends_at = orjson.loads(await place.master.command("HGET", HOLDS, bala))["expires_at"]
        return int(ends_at) if ends_at < deadline else 0

    ends_at = await until(shortened)
    assert await place.master.time_ms() < ends_at <= record["expires_at"] + 60_000


async def test_a_booking_that_only_the_master_has_is_reported_once_and_stays(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    await until(place.rebuilt)
    await place.rest()
    hold = hold_id("gone")
    record = {"owner": "gone", "seats": [3], "state": "booked", "expires_at": 1, "extensions": 0, "payment": "p"}
    await place.master.command("HSET", HOLDS, hold, orjson.dumps(record))
    await place.master.command("HSET", TAKEN, 3, hold)
    await place.master.command("SETRANGE", SEATS, 3, "2")
    token = (await place.master.command("GET", keys.RECONCILED)).decode()
    keeper = comparison_of(place)
    digest = await place.locks.digest(SHOW)
    for _ in range(2):
        await place.master.command("DEL", keys.COMPARING)
        await keeper.turn(token)
    lines = [record.getMessage() for record in caplog.records if "not in the ledger" in record.getMessage()]
    assert lines == [f"{SHOW}: booked on the master, and not in the ledger: {hold}"]
    assert await place.locks.digest(SHOW) == digest
    assert booking_of(hold) not in await place.booked()


async def test_what_a_later_look_does_not_see_was_a_change_in_progress(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await sold_show(place)
    await place.rest()
    pauses = 0

    async def settle(_seconds: float, _stopping: asyncio.Event) -> None:
        nonlocal pauses
        pauses += 1
        await place.master.command("SETRANGE", SEATS, pauses, "2" if pauses == 1 else "0")

    monkeypatch.setattr(comparison, "pause", settle)
    monkeypatch.setattr(comparison, "SHORTEST_PAUSE_MS", 60_000)
    keeper = comparison_of(place)
    token = (await place.master.command("GET", keys.RECONCILED)).decode()
    await place.master.command("SETRANGE", SEATS, 1, "0")
    await place.master.command("DEL", keys.COMPARING)
    await keeper.turn(token)
    assert pauses == 1
    assert (await place.locks.digest(SHOW))[0] == before
    await place.master.command("SETRANGE", SEATS, 1, "0")
    await keeper.turn(token)
    assert pauses == 1, "the next look waits, whichever keeper makes it"


async def test_what_each_look_sees_elsewhere_was_no_damage(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    before = await sold_show(place)
    await place.rest()
    pauses = 0

    async def move(_seconds: float, _stopping: asyncio.Event) -> None:
        nonlocal pauses
        pauses += 1
        await place.master.command("SETRANGE", SEATS, 20 + pauses, "02")

    monkeypatch.setattr(comparison, "pause", move)
    await place.master.command("SETRANGE", SEATS, 21, "2")
    await place.master.command("DEL", keys.COMPARING)
    await comparison_of(place).turn((await place.master.command("GET", keys.RECONCILED)).decode())
    assert pauses == 1
    assert (await place.locks.digest(SHOW))[0] == before


async def test_shows_are_compared_in_turn_as_many_as_fit_into_a_look() -> None:
    """A show that can't be read has its place in the order, and one that is too large for a look is compared alone."""
    sizes = {"a": 6_000, "c": 6_000, "d": 12_000, "e": 3_000, "f": 3_000}
    known = {"active_show_ids": ["a", "b", *"cdef"], "shows_of": [Mock(id=n, seat_count=s) for n, s in sizes.items()]}
    ledger = Mock(**{name: AsyncMock(return_value=value) for name, value in known.items()})
    compared: list[str] = []
    master = Mock(
        command=AsyncMock(side_effect=lambda *_: compared[-1].encode() if compared else None),
        small_write=AsyncMock(side_effect=lambda _set, _key, last: compared.append(last)),
    )
    keeper = Comparison(ledger, master, Mock(), Mock(), asyncio.Event())
    looks = [[show.id for show in await keeper._next_shows()] for _ in range(5)]
    assert looks == [["a"], ["c"], ["d"], ["e", "f"], ["a"]]
    assert compared == ["b", "c", "d", "f", "b"]


async def test_a_payment_under_way_for_an_unknown_hold_and_a_show_without_seats_are_no_damage(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The master may never have had the hold; the show is being archived."""
    await until(place.rebuilt)
    await place.rest()
    now = now_ms()
    order = OrderRow("order", hold_id("never"), SHOW, "a", (1,), 450, OrderState.OPEN, now, now + 10_000, 3)
    await place.ledger.save_orders([order])
    assert (await place.ledger.truths([SHOW]))[SHOW].paid
    rebuilder = Rebuilder(place.ledger, place.master, place.locks)
    keeper = Comparison(place.ledger, place.master, place.locks, rebuilder, asyncio.Event())
    shows = await place.ledger.active_shows()
    assert await keeper._look(shows) == {}
    monkeypatch.setattr(rebuilder, "unready", AsyncMock(return_value=[]))
    await place.master.command("DEL", SEATS)
    assert await keeper._look(shows) == {}
    assert keeper._failed == {}
