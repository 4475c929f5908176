"""A keeper that was frozen or has the wrong servers changes nothing; a ledger that lost commits stops the sales."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson
import pytest

from realtime import keys
from realtime.errors import RegionUnavailable
from realtime.keeper.check import Checker
from realtime.keeper.compare import Kind
from realtime.keeper.rebuild import Rebuilder
from realtime.keeper.reconcile import Reconciler
from realtime.ledger import LedgerBehind, StaleFencingToken, WrongRegion
from realtime.ledger.rows import Queue, RefundReason
from realtime.ledger.targets import Target
from realtime.ledger.truth import ShowTruth
from realtime.locks.answers import Fenced
from realtime.locks.commands import run_command
from realtime.locks.seats import Fence, Sale, SeatLocks
from realtime.model import SalesState, booking_of, new_epoch
from realtime.tickets.code import derive_key
from tests.cluster import until
from tests.rebuilds import rebuild_show

from .conftest import LAYOUT, SECRET, SHOW, Place, hold_id
from .test_commands import GOOD
from .test_record_path import all_booked


async def test_no_write_of_a_keeper_passes_a_later_fence(place: Place) -> None:
    await until(place.rebuilt)
    hold = await place.hold("asha", [3])
    await place.rest()
    old = SeatLocks(place.master, fence=Fence())
    keeper = Reconciler("west", place.ledger, place.master, old)
    earlier = await keeper.ensure_reconciled()
    new = Reconciler("west", place.ledger, place.master, SeatLocks(place.master, fence=Fence()))
    new.invalidate()
    token = await new.ensure_reconciled()
    assert earlier is not None and token is not None
    show = (await place.ledger.active_shows())[0]
    digest = await place.locks.digest(SHOW)
    writes: list[Callable[[], Awaitable[object]]] = [
        lambda: old.declare(show, new_epoch(1)),
        lambda: old.suspend(SHOW, "nonce"),
        lambda: rebuild_show(old, SHOW, new_epoch(1)),
        lambda: old.settle(SHOW, [Sale(hold, "asha", (3,))]),
        lambda: old.reject(hold, "asha", {}),
        lambda: old.expire([hold]),
        lambda: old.block(SHOW, [9]),
        lambda: old.unblock(SHOW, [9]),
        lambda: old.set_sales(SHOW, SalesState.CLOSED),
        lambda: old.raise_position(10**9),
    ]
    for write in writes:
        with pytest.raises(Fenced):
            await write()
    rebuilder = Rebuilder(place.ledger, place.master, place.locks)
    assert await rebuilder.turn(earlier) == 0, "under a token that is over nothing is rebuilt"
    assert await place.locks.digest(SHOW) == digest
    assert await rebuilder.turn(token) == 1
    assert await place.rebuilt()


async def test_a_keeper_that_sleeps_before_its_rebuild_rebuilds_nothing_behind_anothers_back(place: Place) -> None:
    await until(place.rebuilt)
    show = (await place.ledger.active_shows())[0]
    slow = Rebuilder(place.ledger, place.master, place.locks)
    read, other = place.ledger.truths, Rebuilder(place.ledger, place.master, SeatLocks(place.master))

    async def sleep_meanwhile(shows: Sequence[str]) -> dict[str, ShowTruth]:
        found = await read(shows)
        place.ledger.truths = read  # type: ignore[method-assign]
        await other.rebuild_shows([show])
        await run_command(place.master, "block", {"show": SHOW, "seats": [LAYOUT.seats[7].id]})
        return found

    place.ledger.truths = sleep_meanwhile  # type: ignore[method-assign]
    with pytest.raises(Fenced):
        await slow.rebuild_shows([show])
    assert (await place.seats())[7] == "3"


async def test_the_command_of_an_entry_that_another_keeper_has_finished_is_not_carried_out_again(place: Place) -> None:
    with pytest.raises(Fenced):
        keeper = SeatLocks(place.master, fence=Fence())
        await Reconciler("west", place.ledger, place.master, keeper).ensure_reconciled()
        await keeper.block(SHOW, [1], entry=b"1-1")
    await keeper.settle(SHOW, [Sale(hold_id("gone"), "gone", (2,), entry=b"1-1")])
    assert (await place.seats())[:3] == "000"


async def test_an_epoch_is_never_used_twice(place: Place) -> None:
    """Declared and rebuilt in one millisecond, or after the clock went back."""
    await place.rest()
    before = (await place.locks.digest(SHOW))[0]
    await rebuild_show(place.locks, SHOW, new_epoch(1))
    after = (await place.locks.digest(SHOW))[0]
    await rebuild_show(place.locks, SHOW, after)
    assert before < after < (await place.locks.digest(SHOW))[0]


async def test_a_token_begins_only_after_the_one_that_was_read_and_not_in_another_region(place: Place) -> None:
    read = await place.ledger.fencing_state()
    await place.ledger.begin_fencing_token("between")
    with pytest.raises(StaleFencingToken):
        await place.ledger.begin_fencing_token("frozen", after=read)
    with pytest.raises(WrongRegion):
        await place.ledger.begin_fencing_token("other", region="south")
    other = Reconciler("south", place.ledger, place.master, SeatLocks(place.master))
    with pytest.raises(WrongRegion):
        await other.ensure_reconciled()


async def ticket_code(place: Place, hold: str) -> str:
    booking = await place.ledger.booking(booking_of(hold))
    assert booking is not None
    return booking.code


async def test_a_ledger_that_lost_commits_stops_the_sales_until_it_is_repaired(place: Place) -> None:
    first, cancelled = await place.confirm("first", [1]), await place.confirm("cancelled", [5])
    await until(all_booked(place, [first, cancelled]))
    await run_command(place.master, "block", {"show": SHOW, "seats": [LAYOUT.seats[7].id]})
    for token in ("west-kept", "west-revoked"):
        ask = {"id": token, "name": token, "role": "gate", "issued_at": 1, "expires_at": 2}
        await run_command(place.master, "staff_add", ask)
    await place.rest()
    copy = place.folder / "backup.db"
    with contextlib.closing(sqlite3.connect(place.folder / "west.db")) as database:
        database.execute("VACUUM INTO ?", (str(copy),))
    place.keeper()
    second = await place.confirm("second", [2, 3])
    await run_command(place.master, "cancel", {"booking": booking_of(cancelled), "owner": ""})
    third = await place.confirm("third", [5])
    await until(all_booked(place, [first, second, third]))
    for name, seat in (("unblock", 7), ("block", 6)):
        await run_command(place.master, name, {"show": SHOW, "seats": [LAYOUT.seats[seat].id]})
    await run_command(place.master, "staff_revoke", {"who": "west-revoked"})
    code = await ticket_code(place, second)
    await place.rest()
    await place.ledger.close()
    for name in ("west.db-wal", "west.db-shm"):
        (place.folder / name).unlink(missing_ok=True)
    shutil.copy(copy, place.folder / "west.db")

    place.keeper("again")
    await until(lambda: place.master.command("EXISTS", keys.HALTED))
    with pytest.raises(RegionUnavailable):
        await place.hold("thief", [2])
    checker = Checker(
        place.settings.topology.regions["west"], targets=[Target("shop")], code_key=derive_key(SECRET, "west")
    )
    found = (await checker.compare_all()).differences
    assert found[0].kind is Kind.LEDGER_BEHIND
    await checker.repair(found)
    await until(all_booked(place, [first, second, third]))
    assert await ticket_code(place, second) == code, "its ticket is printed"
    events = await place.ledger.open_tasks(booking_of(second))
    assert Queue.WEBHOOKS in {task.queue for task in events}
    refund = await place.ledger.refund_of_payment("paid cancelled")
    assert refund is not None and refund.reason is RefundReason.CANCELLED
    assert [token.id for token in await place.ledger.staff_tokens() if not token.revoked_at] == ["west-kept"]

    async def sells() -> bool:
        with contextlib.suppress(RegionUnavailable):
            return bool(await place.hold("next", [4]))
        return False

    await until(sells)
    assert (await place.seats())[:8] == "02221230"

    async def in_order() -> bool:
        return (await checker.compare_all()).differences == []

    await until(in_order)
    await checker.close()
    place.ledger.known_position = 10**6
    with pytest.raises(LedgerBehind):
        await place.ledger.save_theatre((await place.ledger.theatres("west"))[0])


async def test_flushed_functions_and_deleted_seats_come_back_without_a_restart(place: Place) -> None:
    hold = await place.confirm("asha", [1])
    await until(all_booked(place, [hold]))
    await until(place.rebuilt)
    epoch = (await place.locks.digest(SHOW))[0]
    await place.master.command("FUNCTION", "FLUSH")

    async def sold() -> bool:
        with contextlib.suppress(RegionUnavailable):
            return (await place.locks.digest(SHOW))[0] == epoch
        return False

    await until(sold)
    waiting = await place.hold("bala", [5])
    await place.master.command("DEL", keys.seats(SHOW))
    with contextlib.suppress(RegionUnavailable):  # never "taken": that would be wrong
        await place.hold("chitra", [6])

    async def healed() -> bool:
        return await place.master.command("GET", keys.seats(SHOW)) is not None and (await place.seats())[:6] == "020001"

    await until(healed)
    assert await place.locks.extend(waiting, "bala"), "a hold survives the damage"


async def carry_out_with_a_frozen_keeper(place: Place, *commands: tuple[str, dict[str, Any]]) -> None:
    """The first command is with a keeper that was frozen after it had read it; another keeper reads the others."""
    await until(place.rebuilt)
    await place.rest()
    for name, body in commands:
        more = ("id", name, "name", name, "body", orjson.dumps(body))
        await place.master.command("XADD", keys.OUTBOX, "*", "kind", "command", *more)
    group = ("GROUP", keys.OUTBOX_GROUP, "frozen", "COUNT", 1, "STREAMS", keys.OUTBOX, ">")
    assert await place.master.command("XREADGROUP", *group)
    place.keeper("k2")
    for name, _body in commands:
        await until(lambda name=name: place.master.command("EXISTS", keys.reply(name)))


async def test_commands_about_one_show_are_carried_out_in_their_order(place: Place) -> None:
    body = {"show": SHOW, "seats": [LAYOUT.seats[3].id]}
    await carry_out_with_a_frozen_keeper(place, ("block", body), ("unblock", body))
    assert (await place.seats())[3] == "0"
    assert (await place.ledger.truths([SHOW]))[SHOW].blocked == []


async def test_a_show_is_declared_before_a_later_command_about_it(place: Place) -> None:
    new = {**GOOD, "id": "west-new"}
    await carry_out_with_a_frozen_keeper(place, ("show", new), ("sales", {"show": "west-new", "sales": "paused"}))
    show = await place.ledger.show("west-new")
    assert show is not None and show.sales is SalesState.PAUSED


async def test_a_theatre_that_is_declared_and_removed_is_gone(place: Place) -> None:
    theatre = {"id": "odeon", "name": "Odeon", "city": "Pune"}
    await carry_out_with_a_frozen_keeper(place, ("theatre", theatre), ("remove_theatre", {"id": "odeon"}))
    assert await place.ledger.theatre("west", "odeon") is None
    assert await place.master.command("HKEYS", keys.THEATRES) == [b"gateway"]
