"""A booking moves to other seats: in one step on the map, once in the ledger, and it stays there after every loss."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
from typing import Any

import orjson
import pytest

from realtime import connect, keys
from realtime.errors import BookingCancelled, SeatsTaken, TicketError
from realtime.keeper.check import Checker
from realtime.ledger import Ledger
from realtime.ledger.rows import CancelledBy
from realtime.locks.commands import run_command
from realtime.locks.seats import Sale
from realtime.model import booking_of, hold_of
from tests.cluster import until

from .conftest import LAYOUT, SHOW, Place, compare_often
from .test_check import differences, look_sooner, sold
from .test_record_path import all_booked

__all__ = ["look_sooner"]


async def move(place: Place, booking: str, *seats: int | str, request: str = "") -> dict[str, Any]:
    ids = [seat if isinstance(seat, str) else LAYOUT.seats[seat].id for seat in seats]
    return await run_command(place.master, "exchange", {"booking": booking, "show": SHOW, "seats": ids}, request)


async def test_the_new_seats_are_sold_and_the_old_ones_free(place: Place) -> None:
    booking = booking_of(await sold(place, "asha", [1, 2]))
    before = await place.ledger.booking(booking)
    done = await move(place, booking, 2, 3, request="r")
    assert done["booking"] == {"id": booking, "show": SHOW, "seats": ["A-3", "A-4"], "exchanges": 1}
    assert (await place.seats())[:5] == "00220"
    assert (await place.locks.get(hold_of(booking)))[0].seats == (2, 3)
    after = await place.ledger.booking(booking)
    assert before is not None and after is not None
    assert (after.seats, after.sequence) == ((2, 3), 1)
    assert (after.code, after.payment, after.amount) == (before.code, before.payment, before.amount)
    assert {task.id for task in await place.ledger.open_tasks(booking)} >= {f"tickets.{booking}.1"}

    assert await move(place, booking, 2, 3, request="r") == done, "a repeated request gets the first answer"
    with pytest.raises(TicketError) as refused:
        await move(place, booking, 7, 8, request="r")
    assert refused.value.code == "request_reused"
    assert (await move(place, booking, 3, 2))["booking"]["exchanges"] == 1, "the seats that it has change nothing"
    assert await differences(place) == []
    other = await sold(place, "ravi", [1])
    assert (await place.booked())[booking_of(other)] == (1,)


async def test_buyers_and_an_exchange_never_get_the_same_seat(place: Place) -> None:
    booking = booking_of(await sold(place, "asha", [1, 2]))
    held = await place.hold("ravi", [5])
    with pytest.raises(SeatsTaken) as refused:
        await move(place, booking, 4, 5)
    assert refused.value.details["seats"] == ["A-6"]
    assert (await place.seats())[:7] == "0220010", "the booking stays, and the hold too"
    await place.locks.release(held, "ravi")

    async def buy(name: str) -> bool:
        try:
            return bool(await place.confirm(name, [5]))
        except SeatsTaken:
            return False

    async def exchanged() -> bool:
        try:
            return bool(await move(place, booking, 4, 5))
        except SeatsTaken:
            return False

    place.keeper("k2")
    won = await asyncio.gather(exchanged(), *(buy(f"buyer{n}") for n in range(5)))
    assert sum(won) == 1
    await until(lambda: settled(place))
    assert len({seat for seats in (await place.booked()).values() for seat in seats}) == (2 if won[0] else 3)
    assert await differences(place) == []


def sale_of(hold: str, seats: tuple[int, ...], exchanges: int = 0) -> Sale:
    return Sale(hold, "asha", seats, "paid asha", exchanges=exchanges)


async def settled(place: Place) -> bool:
    return int(await place.master.command("XLEN", keys.OUTBOX)) == 0


async def test_what_cannot_be_exchanged_is_refused_and_stays(place: Place) -> None:
    booking = booking_of(await sold(place, "asha", [1, 2]))
    await sold(place, "ravi", [3])
    gone = booking_of(await sold(place, "kiran", [8]))
    await run_command(place.master, "block", {"show": SHOW, "seats": ["A-8"]})
    await run_command(place.master, "cancel", {"booking": gone})
    for seats, code in (
        ((1, 3), "seats_taken"),
        ((6, 7), "seats_taken"),
        ((1, "Z-9"), "seat_not_found"),
        ((5,), "bad_request"),
        ((5, 5), "bad_request"),
        ((4, 5, 6), "bad_request"),
    ):
        with pytest.raises(TicketError) as refused:
            await move(place, booking, *seats)
        assert refused.value.code == code, seats
    with pytest.raises(BookingCancelled):
        await move(place, gone, 9)
    for unknown in (f"{SHOW}.b{'x' * 22}", "nonsense"):
        with pytest.raises(TicketError) as refused:
            await move(place, unknown, 9)
        assert refused.value.code == "booking_not_found"
    assert (await place.seats())[:10] == "0222000300"
    assert (await place.ledger.exchanges(booking), (await place.booked())[booking]) == ([], (1, 2))
    assert await differences(place) == []


async def test_a_refusal_of_the_ledger_frees_the_seats_that_were_reserved(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    booking = booking_of(await sold(place, "asha", [1, 2]))
    record = Ledger.exchange

    async def cancelled_meanwhile(ledger: Ledger, *asked: Any) -> None:
        assert (await place.seats())[:6] == "022011"
        await ledger.cancel(booking, CancelledBy.OPERATOR, 7)
        await record(ledger, *asked)

    monkeypatch.setattr(Ledger, "exchange", cancelled_meanwhile)
    with pytest.raises(BookingCancelled):
        await move(place, booking, 4, 5)
    assert (await place.seats())[:6] == "022000", "the keeper that cancelled it frees the others"


async def test_a_cancellation_during_an_exchange_frees_all_seats(place: Place) -> None:
    hold = await sold(place, "asha", [1, 2])
    await place.locks.reserve(sale_of(hold, (1, 2)), [4, 5])
    assert (await place.seats())[:6] == "022011"
    await run_command(place.master, "cancel", {"booking": booking_of(hold)})
    assert (await place.seats())[:6] == "000000"
    await place.locks.exchange(sale_of(hold, (4, 5), 1))
    assert (await place.seats())[:6] == "000000", "a late step of the exchange changes nothing"
    with pytest.raises(BookingCancelled):
        await place.locks.reserve(sale_of(hold, (1, 2)), [4, 5])


async def add_dead_letter(place: Place, booking: str) -> None:
    """Let the dead letters have an exchange of a booking."""
    body = orjson.dumps({"booking": booking, "show": SHOW, "seats": ["A-3", "A-6"]}).decode()
    entry = {"kind": "command", "id": "1", "name": "exchange", "body": body, "entry_id": "1-0", "reason": "a fault"}
    await place.master.command("XADD", keys.DEAD_LETTERS, "*", *connect.flat(entry))


@pytest.mark.parametrize("diverged", [False, True])
async def test_seats_reserved_by_an_exchange_that_is_lost_are_freed(
    place: Place, monkeypatch: pytest.MonkeyPatch, diverged: bool
) -> None:
    """Its command was in the outbox of a master whose data has diverged, or in one that was overwritten."""
    compare_often(monkeypatch)
    hold = await sold(place, "asha", [1, 2])
    if diverged:
        await place.rest()
    await place.locks.reserve(sale_of(hold, (1, 2)), [2, 5])
    assert (await place.seats())[:6] == "022001"
    if diverged:
        await place.ledger.begin_fencing_token("that of another master")
        await place.master.command("DEL", keys.RECONCILED)
        place.keeper("k2")

    async def freed() -> bool:
        return (await place.seats())[:6] == "022000"

    await until(freed)
    assert (await place.locks.get(hold))[0].seats == (1, 2)
    await until(lambda: settled(place))
    assert (await place.booked())[booking_of(hold)] == (1, 2)
    assert await differences(place) == []
    assert (await move(place, booking_of(hold), 2, 5))["booking"]["exchanges"] == 1


async def test_seats_of_an_exchange_among_the_dead_letters_stay_reserved(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits, lost = [await sold(place, name, [seat]) for name, seat in (("asha", 1), ("ravi", 2))]
    await add_dead_letter(place, booking_of(waits))
    for hold, seat in ((waits, 4), (lost, 5)):
        await place.locks.reserve(sale_of(hold, (seat - 3,)), [seat])
    compare_often(monkeypatch)

    async def freed() -> bool:
        return (await place.seats())[5] == "0"

    await until(freed)
    assert (await place.seats())[:6] == "022010"


async def test_a_rebuild_and_a_check_in_the_middle_leave_the_reserved_seats(place: Place) -> None:
    hold = await sold(place, "asha", [1, 2])
    await add_dead_letter(place, booking_of(hold))
    await place.locks.reserve(sale_of(hold, (1, 2)), [2, 5])
    assert await differences(place) == []
    await place.master.command("DEL", keys.RECONCILED)
    await until(place.rebuilt)
    assert (await place.seats())[:6] == "022001"
    assert (await move(place, booking_of(hold), 2, 6))["booking"]["exchanges"] == 1
    assert (await place.seats())[:7] == "0020002", "another exchange replaces the one that was begun"


async def test_a_master_that_lost_everything_gets_the_seats_of_the_ledger(place: Place) -> None:
    booking = booking_of(await sold(place, "asha", [1, 2]))
    await move(place, booking, 4, 5)
    await place.master.command("FLUSHALL")
    await until(place.rebuilt)
    await until(all_booked(place, [hold_of(booking)]))
    assert (await place.seats())[:6] == "000022"
    assert (await move(place, booking, 1, 5))["booking"]["exchanges"] == 2


async def test_a_master_with_data_from_before_an_exchange_is_corrected(place: Place) -> None:
    hold = await sold(place, "asha", [1, 2])
    record = await place.master.command("HGET", keys.holds(SHOW), hold)
    await move(place, booking_of(hold), 4, 5)
    await place.rest()
    await place.master.command("SETRANGE", keys.seats(SHOW), 1, "22011")
    await place.master.command("HSET", keys.holds(SHOW), hold, record)
    await place.master.command("DEL", keys.RECONCILED)
    place.keeper("k2")
    await until(place.rebuilt)
    assert (await place.seats())[:6] == "000022"
    assert (await place.locks.get(hold))[0].seats == (4, 5)
    assert await differences(place) == []


async def test_a_ledger_that_lost_exchanges_gets_them_back_from_the_master(place: Place) -> None:
    one, two = [booking_of(await sold(place, name, seats)) for name, seats in (("asha", [1]), ("ravi", [2]))]
    with contextlib.closing(sqlite3.connect(place.folder / "west.db")) as database:
        database.execute("VACUUM INTO ?", (str(place.folder / "backup.db"),))
    for booking, seat in ((one, 3), (two, 1), (one, 2)):  # in the end they have changed places
        await move(place, booking, seat)
    await place.rest()
    await place.ledger.close()
    for name in ("west.db-wal", "west.db-shm"):
        (place.folder / name).unlink(missing_ok=True)
    shutil.copy(place.folder / "backup.db", place.folder / "west.db")
    checker = Checker(place.settings.topology.regions["west"])
    try:
        await checker.repair((await checker.compare_all()).differences)
    finally:
        await checker.close()
    assert await place.booked() == {one: (2,), two: (1,)}
    place.keeper("k3")
    await until(place.rebuilt)
    assert (await place.seats())[:4] == "0220"
    assert await differences(place) == []
