"""What a rebuild writes: only what differs from the ledger, in small parts, and the show is on sale after the last."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
import pytest

from realtime import errors, keys
from realtime.ledger.rows import Booked, PaidHold
from realtime.ledger.truth import ShowTruth
from realtime.locks import rebuild_plan
from realtime.locks.answers import Fenced
from realtime.locks.holds import PaymentProof
from realtime.locks.rebuild import read_show
from realtime.locks.rebuild_plan import OnMaster, parts, plan_rebuild
from realtime.locks.seats import Command, Sale, SeatLocks
from tests.rebuilds import booked, rebuild_show

from .conftest import SHOW, hold_id

META, SEATS, TAKEN, HOLDS, OWNERS = keys.show(SHOW.id)[:5]
SOLD = Sale(hold_id("sold"), "asha", (1, 2), "paid sold")
CANCELLED = Sale(hold_id("cancelled"), "bala", (5,), "paid cancelled")
UNPAID = PaidHold(hold_id("unpaid"), "dev", (6,), order="order")
HELD = hold_id("held")
IN_ORDER = "0221100003"


async def rebuild_again(locks: SeatLocks) -> bool:
    """Rebuild the show; return whether it differed from the ledger."""
    written = await rebuild_show(locks, SHOW.id, "epoch-2", [SOLD], [9], paid=[UNPAID], cancelled=[CANCELLED])
    return written.differed


@pytest.fixture
async def sold(locks: SeatLocks) -> SeatLocks:
    """Bring a booking, a cancelled one, a live hold, a blocked seat and an unpaid order to the show."""
    for sale in (SOLD, CANCELLED):
        await locks.hold(sale.hold, sale.owner, sale.seats)
        await locks.confirm(sale.hold, sale.owner, PaymentProof(sale.payment, 100))
        await locks.settle(SHOW.id, [sale])
    await locks.cancel(CANCELLED)
    await locks.hold(HELD, "chitra", [3, 4], "house")
    await locks.block(SHOW.id, [9])
    await rebuild_again(locks)
    return locks


async def in_order(locks: SeatLocks) -> bool:
    return (await read_show(locks.master, SHOW)).seats.startswith(IN_ORDER.encode())


def record_of(sale: Sale, **changes: Any) -> bytes:
    head = {"owner": sale.owner, "seats": sale.seats, "state": "booked", "expires_at": 1, "extensions": 0}
    return orjson.dumps(head | {"payment": sale.payment} | changes)


async def test_of_a_show_that_agrees_with_the_ledger_only_the_epoch_changes(
    sold: SeatLocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await read_show(sold.master, SHOW)
    written: list[Iterable[Command]] = []
    write = SeatLocks.rebuild_part

    async def count(locks: SeatLocks, show_id: str, nonce: str, commands: Iterable[Command]) -> None:
        written.append(commands)
        await write(locks, show_id, nonce, commands)

    monkeypatch.setattr(SeatLocks, "rebuild_part", count)
    assert not await rebuild_again(sold)
    assert [[name for name, *_ in commands] for commands in written] == [["ZADD"]], "the deadline of the live hold"
    after = await read_show(sold.master, SHOW)
    assert (after.seats, after.taken, after.holds, after.owners) == (
        before.seats,
        before.taken,
        before.holds,
        before.owners,
    )
    await sold.extend(HELD, "chitra")
    await sold.hold(hold_id("next"), "esha", [20])


DAMAGES: dict[str, tuple[str | int | bytes, ...]] = {
    "a sold seat is free": ("SETRANGE", SEATS, 1, "0"),
    "a sold seat is held": ("SETRANGE", SEATS, 1, "1"),
    "a free seat is sold": ("SETRANGE", SEATS, 20, "2"),
    "a free seat is held": ("SETRANGE", SEATS, 20, "1"),
    "a held seat is free": ("SETRANGE", SEATS, 4, "0"),
    "a blocked seat is free": ("SETRANGE", SEATS, 9, "0"),
    "a free seat is blocked": ("SETRANGE", SEATS, 20, "3"),
    "seats are missing": ("SET", SEATS, "0221100003"),
    "there are more seats": ("APPEND", SEATS, "0"),
    "nobody has a sold seat": ("HDEL", TAKEN, 1),
    "another hold has a sold seat": ("HSET", TAKEN, 1, HELD),
    "a hold has a free seat": ("HSET", TAKEN, 20, SOLD.hold),
    "the record of a booking is missing": ("HDEL", HOLDS, SOLD.hold),
    "a booking is not booked": ("HSET", HOLDS, SOLD.hold, record_of(SOLD, state="lost")),
    "a booking has other seats": ("HSET", HOLDS, SOLD.hold, record_of(SOLD, seats=[1])),
    "a booking has another owner": ("HSET", HOLDS, SOLD.hold, record_of(SOLD, owner="esha")),
    "the record of a booking can't be read": ("HSET", HOLDS, SOLD.hold, "{"),
    "there is a record that can't be read": ("HSET", HOLDS, hold_id("other"), '{"owner":1}'),
    "the record of a cancelled booking is missing": ("HDEL", HOLDS, CANCELLED.hold),
    "a cancelled booking is booked": ("HSET", HOLDS, CANCELLED.hold, record_of(CANCELLED)),
    "the record of an unpaid order is missing": ("HDEL", HOLDS, UNPAID.hold),
    "an owner has more holds": ("HINCRBY", OWNERS, "chitra", 1),
    "an address holds fewer seats": ("HINCRBY", OWNERS, "@house", -1),
    "a count is left": ("HSET", OWNERS, "esha", 1),
    "no seats": ("DEL", SEATS),
    "no holders": ("DEL", TAKEN),
    "no counts": ("DEL", OWNERS),
}


async def test_a_hold_that_was_made_while_the_clock_was_ahead_ends_as_if_it_were_made_now(sold: SeatLocks) -> None:
    for prolonged_ms in (0, 60_000):
        late = hold_id(f"ahead-{prolonged_ms}")
        hold, now = await sold.hold(late, "esha", [20])
        record = orjson.loads(await sold.master.command("HGET", HOLDS, late))
        for ahead_ms, kept in ((prolonged_ms, True), (prolonged_ms + 600_000, False)):
            deadline = hold.expires_at + ahead_ms
            changed = record | {"expires_at": deadline, "prolonged_ms": prolonged_ms}
            await sold.master.command("HSET", HOLDS, late, orjson.dumps(changed))
            await sold.master.command("ZADD", keys.DEADLINES, deadline, late)
            assert await rebuild_again(sold) is not kept
            (found, now), score = await sold.get(late), await sold.master.command("ZSCORE", keys.DEADLINES, late)
            assert found.expires_at == int(float(score))
            assert (found.expires_at == deadline) is kept
            assert now < found.expires_at <= now + SHOW.hold_s * 1000 + prolonged_ms
            assert not await rebuild_again(sold)
        await sold.release(late, "esha")


async def test_one_difference_from_the_ledger_is_found_and_corrected(sold: SeatLocks) -> None:
    for damage, command in DAMAGES.items():
        await sold.master.command(*command)
        assert await rebuild_again(sold), damage
        assert await in_order(sold), damage
        assert not await rebuild_again(sold), damage
    await sold.extend(HELD, "chitra")


async def test_a_show_without_its_records_loses_its_holds_and_no_booking(sold: SeatLocks) -> None:
    await sold.master.command("DEL", HOLDS)
    assert await rebuild_again(sold)
    assert (await read_show(sold.master, SHOW)).seats.startswith(b"0220000003")
    with pytest.raises(errors.HoldLost):
        await sold.extend(HELD, "chitra")
    assert not await rebuild_again(sold)


async def test_an_empty_list_of_an_earlier_release_is_read(sold: SeatLocks) -> None:
    record = b'{"owner":"esha","seats":{},"state":"lost","expires_at":1,"extensions":0,"void":true}'
    await sold.master.command("HSET", HOLDS, hold_id("lost"), record)
    assert not await rebuild_again(sold)


async def test_what_the_ledger_has_more_or_less_is_found(sold: SeatLocks) -> None:
    late = Sale(hold_id("late"), "esha", (30,), "paid late")
    for sale, blocked, cancelled in (
        ([SOLD, late], [9], [CANCELLED]),
        ([SOLD, late], [9, 10], [CANCELLED]),
        ([SOLD, late], [10], [CANCELLED]),
        ([SOLD], [10], [CANCELLED, late]),
        ([], [10], [CANCELLED, late, SOLD]),
    ):
        differed = [
            (await rebuild_show(sold, SHOW.id, "e", sale, blocked, cancelled=cancelled)).differed for _ in range(2)
        ]
        assert differed == [True, False]
    assert (await read_show(sold.master, SHOW)).seats[:11] == b"00011000003"


async def test_a_half_written_show_is_not_on_sale_and_the_next_keeper_starts_over(
    sold: SeatLocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sold.master.command("DEL", TAKEN, HOLDS, OWNERS)
    monkeypatch.setattr(rebuild_plan, "ARGS_PER_PART", 1)
    truth = ShowTruth([booked(SOLD)], [booked(CANCELLED)], [UNPAID], [9])
    await sold.suspend(SHOW.id, "first")
    master = await read_show(sold.master, SHOW)
    steps = list(parts(plan_rebuild(truth, master).steps))
    assert len(steps) > 3
    for step in steps[:2]:
        await sold.rebuild_part(SHOW.id, "first", step)
        with pytest.raises(errors.RegionUnavailable):
            await sold.hold(hold_id("early"), "esha", [20])
    assert await rebuild_again(sold)
    assert (await read_show(sold.master, SHOW)).seats.startswith(b"0220000003")
    with pytest.raises(Fenced):
        await sold.rebuild_part(SHOW.id, "first", steps[2])
    with pytest.raises(Fenced):
        await sold.finish_rebuild(SHOW.id, "first", "epoch-3", b"")
    assert not await rebuild_again(sold)


def test_every_call_is_small_however_many_seats_are_sold() -> None:
    size = 200_000
    sold = [Booked(f"west-s.b{n:0>22}", f"owner-{n}", tuple(range(n, n + 4)), f"p{n}") for n in range(0, size, 4)]
    plan = plan_rebuild(ShowTruth(sold), OnMaster(size, 480_000, False, b"", {}, {}, {}, 1))
    assert plan.seats == b"2" * size
    calls = list(parts(plan.steps))
    commands = [args for call in calls for _name, _place, args in call]
    assert max(map(len, commands)) <= rebuild_plan.ARGS_PER_COMMAND
    assert sum(map(len, commands)) == 2 * (size + len(sold))
    most = max(sum(len(args) for _name, _place, args in call) for call in calls)
    assert most < rebuild_plan.ARGS_PER_PART + rebuild_plan.ARGS_PER_COMMAND


async def test_a_keeper_of_the_release_before_rebuilds_in_one_call(sold: SeatLocks) -> None:
    await sold.master.command("DEL", TAKEN)
    await sold.suspend(SHOW.id, "nonce")
    sales = [[sale.hold, sale.owner, sale.seats, sale.payment] for sale in (SOLD, CANCELLED)]
    unpaid = [UNPAID.hold, UNPAID.owner, UNPAID.seats, UNPAID.order, False]
    truth = {"sold": sales[:1], "blocked": [9], "paid": [unpaid], "cancelled": sales[1:], "diverged": False}
    reply = await sold.master.call("tt_rebuild", keys.show(SHOW.id), "epoch-2", 1, orjson.dumps(truth), "nonce")
    assert reply == [b"ok", []]
    assert await in_order(sold)
    assert not await rebuild_again(sold)


@pytest.mark.parametrize(("held", "confirming"), [("a", "b"), ("b", "a")])
def test_of_two_live_holds_that_collide_the_one_that_is_paid_for_stays(held: str, confirming: str) -> None:
    records = {
        hold_id(name).encode(): orjson.dumps(
            {"owner": name, "seats": [0], "state": state, "expires_at": 1, "extensions": 0}
        )
        for name, state in ((held, "held"), (confirming, "confirming"))
    }
    taken, owners = {b"0": hold_id(held).encode()}, {b"a": b"1", b"b": b"1"}
    plan = plan_rebuild(ShowTruth([], [], [], []), OnMaster(1, 60_000, False, b"1", taken, records, owners, 0))
    assert plan.lost == [(hold_id(held), held)]
    assert plan.taken == {b"0": hold_id(confirming).encode()}


@pytest.mark.parametrize("payment", ["", "paid"])
def test_a_hold_for_which_the_ledger_has_an_order_or_a_payment_gets_its_record(payment: str) -> None:
    """With a payment the refusal is final; without one, a later payment may take the seats."""
    paid, empty = (
        PaidHold(hold_id("a"), "asha", (0,), order="order", payment=payment),
        OnMaster(1, 60_000, False, b"0", {}, {}, {}, 7),
    )
    plan = plan_rebuild(ShowTruth([], [], [paid], []), empty)
    ((name, _place, (hold, record)),) = plan.steps[0]
    assert (name, hold) == ("HSET", paid.hold.encode())
    state, money = ("rejected", {"payment": "paid"}) if payment else ("lost", {})
    head = {"owner": "asha", "seats": [0], "state": state, "expires_at": 7, "extensions": 0, "order": "order"}
    assert orjson.loads(record) == head | money


def test_a_booking_that_only_the_master_has_keeps_the_seats_that_the_ledger_has_not_sold() -> None:
    here = Sale(hold_id("here"), "bala", (1, 2, 9), "paid here")
    master = OnMaster(4, 60_000, False, b"0220", {}, {here.hold.encode(): record_of(here)}, {}, 0)
    ledgers = Sale(hold_id("ledgers"), "asha", (0, 1), "paid")
    plan = plan_rebuild(ShowTruth([booked(ledgers)], [], [], []), master)
    assert plan.unproved == [here.hold]
    assert bytes(plan.seats) == b"2220"
    taken = {0: ledgers.hold, 1: ledgers.hold, 2: here.hold}
    assert plan.taken == {b"%d" % seat: hold.encode() for seat, hold in taken.items()}


def test_a_booking_that_was_cancelled_after_the_ledger_was_read_stays_cancelled() -> None:
    records = {SOLD.hold.encode(): record_of(SOLD, state="released", cancelled=True)}
    master = OnMaster(4, 60_000, False, b"0000", {}, records, {}, 0)
    plan = plan_rebuild(ShowTruth([booked(SOLD)], [], [], []), master)
    assert (bytes(plan.seats), plan.taken, plan.steps) == (b"0000", {}, [])
