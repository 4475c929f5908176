"""What keepers and operators do on the lock master: settle, reject, cancel, block, sweep, forget."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from redis.exceptions import ResponseError

from realtime import errors, keys, limits
from realtime.locks.answers import Fenced, ShowNotReady
from realtime.locks.master import LockMaster
from realtime.locks.seats import Expired, Fence, Sale, SeatLocks
from realtime.model import HoldState, SalesState, Show
from realtime.wire.shows import decode_show, encode_show
from tests.rebuilds import rebuild_show

from .conftest import SHOW, hold_id
from .seat_state import A, B, C, booked, confirm, lapse, outbox, seat_map


async def test_a_cancelled_booking_frees_its_seats_once_and_they_can_be_sold_again(locks: SeatLocks) -> None:
    sale = await booked(locks, A, "asha", [3, 4], "paid a")
    await locks.cancel(sale)
    assert (await seat_map(locks))[3:5] == "00"
    assert (await locks.get(A))[0].state is HoldState.CANCELLED
    await booked(locks, B, "bala", [4, 5], "paid b")
    # What a keeper that was frozen in between may still send.
    await locks.cancel(sale)
    await locks.settle(SHOW.id, [sale])
    await locks.reject(hold_id("c"), "chitra", {3: A})
    await rebuild_show(locks, SHOW.id, "e2", [sale, Sale(B, "bala", (4, 5), "paid b")])
    assert (await seat_map(locks))[3:6] == "022"
    assert (await locks.get(A))[0].state is HoldState.CANCELLED


async def test_a_cancelled_booking_takes_no_verb_and_returns_another_payment(locks: SeatLocks) -> None:
    await locks.cancel(await booked(locks, A, "asha", [3], "paid a"))
    for verb in (locks.extend(A, "asha"), locks.release(A, "asha"), confirm(locks, A, "asha", "paid a")):
        with pytest.raises(errors.BookingCancelled):
            await verb
    with pytest.raises(errors.RequestReused):
        await locks.hold(A, "asha", [3])
    assert [entry[b"kind"] for entry in await outbox(locks)] == [b"booking"]
    with pytest.raises(errors.BookingCancelled):
        await confirm(locks, A, "asha", "paid twice")
    assert (await outbox(locks))[-1][b"reason"] == b"doubled"


async def test_sweeping_frees_only_what_is_past_its_deadline(locks: SeatLocks) -> None:
    assert await locks.until_due() is None
    await locks.hold(A, "asha", [1])
    await locks.hold(B, "bala", [2])
    assert 0 < (await locks.until_due() or 0) <= SHOW.hold_s * 1000
    await lapse(locks, A)
    assert (await locks.until_due() or 0) <= 0
    assert await locks.due(10) == [A]
    assert (await locks.expire([A, B])).ended == 1
    assert (await seat_map(locks))[:3] == "001"
    assert await locks.due(10) == []


async def test_settled_is_sold_and_settling_twice_changes_nothing(locks: SeatLocks) -> None:
    await locks.hold(A, "asha", [1, 2])
    await confirm(locks, A, "asha", "paid")
    await locks.settle(SHOW.id, [Sale(A, "asha", (1, 2))])
    before = await locks.digest(SHOW.id)
    await locks.settle(SHOW.id, [Sale(A, "asha", (1, 2))])
    assert await locks.digest(SHOW.id) == before
    assert (await seat_map(locks))[:4] == "0220"
    assert (await confirm(locks, A, "asha", "paid")).state is HoldState.BOOKED


async def test_seats_of_a_booking_that_the_ledger_refused_are_free_or_sold_to_the_winner(locks: SeatLocks) -> None:
    await locks.hold(A, "asha", [1, 2])
    await confirm(locks, A, "asha", "paid")
    for _ in range(2):
        await locks.reject(A, "asha", {2: C})
        assert (await seat_map(locks))[:4] == "0020"
    with pytest.raises(errors.BookingRejected):
        await confirm(locks, A, "asha", "paid")


async def test_a_booking_of_the_ledger_outranks_what_the_master_remembers(locks: SeatLocks) -> None:
    await locks.hold(B, "bala", [1, 2])
    await locks.settle(SHOW.id, [Sale(A, "asha", (2, 3))])
    assert (await seat_map(locks))[:5] == "00220"
    with pytest.raises(errors.HoldLost):
        await locks.extend(B, "bala")
    with pytest.raises(errors.BookingRejected):
        await confirm(locks, B, "bala", "paid")
    assert [(entry[b"kind"], entry[b"hold"]) for entry in await outbox(locks)] == [(b"refund", B.encode())]


async def test_blocked_seats_are_not_for_sale(locks: SeatLocks) -> None:
    await locks.hold(A, "asha", [5])
    with pytest.raises(errors.SeatsTaken):
        await locks.block(SHOW.id, [4, 5])
    await locks.block(SHOW.id, [3, 4])
    await locks.block(SHOW.id, [2, 3])
    with pytest.raises(errors.SeatsTaken):
        await locks.hold(B, "bala", [4])
    await locks.unblock(SHOW.id, [2, 3, 5])
    assert (await seat_map(locks))[:7] == "0000310"


def block_calls(master: LockMaster, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, bool]]:
    """Return a list to which each call that blocks or unblocks adds its name, its seats, whether it only checks."""
    calls: list[tuple[str, int, bool]] = []
    call = master.call

    async def counted(function: str, names: list[str], *args: str | int | bytes) -> list[Any]:
        if function in ("tt_block", "tt_unblock"):
            seats = str(args[0] if function == "tt_unblock" else args[1])
            calls.append((function, len(seats.split(",")), args[-1] == "?"))
        reply: list[Any] = await call(function, names, *args)
        return reply

    monkeypatch.setattr(master, "call", counted)
    return calls


async def test_many_seats_are_blocked_in_calls_of_a_bounded_size(
    locks: SeatLocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SEATS_PER_CALL", 10)
    calls = block_calls(locks.master, monkeypatch)
    await locks.block(SHOW.id, range(25))
    await locks.unblock(SHOW.id, range(5, 25))
    assert (await seat_map(locks)) == "3" * 5 + "0" * 35
    checked, blocked = [("tt_block", n, True) for n in (10, 10, 5)], [("tt_block", n, False) for n in (10, 10, 5)]
    assert calls == [*checked, *blocked, ("tt_unblock", 10, False), ("tt_unblock", 10, False)]


async def test_many_seats_are_blocked_all_or_none(locks: SeatLocks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SEATS_PER_CALL", 10)
    await locks.hold(A, "asha", [3, 4])
    await locks.hold(B, "bala", [24])
    await locks.hold(C, "chitra", [12])
    await lapse(locks, C)
    before = await locks.digest(SHOW.id)
    with pytest.raises(errors.SeatsTaken) as refused:
        await locks.block(SHOW.id, range(25))
    assert refused.value.details == {"seats": [3, 4, 24]}
    assert await locks.digest(SHOW.id) == before, "viewers saw nothing"


async def test_a_rebuild_between_the_check_and_the_block_is_noticed(
    locks: SeatLocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It frees what the ledger does not have as blocked yet."""
    monkeypatch.setattr(limits, "SEATS_PER_CALL", 10)
    call, blocks = locks.master.call, 0

    async def call_or_rebuild(function: str, names: list[str], *args: str | int | bytes) -> list[Any]:
        nonlocal blocks
        blocks += function == "tt_block"
        if blocks == 5 and function == "tt_block":
            await rebuild_show(locks, SHOW.id, "epoch-2")
        reply: list[Any] = await call(function, names, *args)
        return reply

    monkeypatch.setattr(locks.master, "call", call_or_rebuild)
    with pytest.raises(ShowNotReady):
        await locks.block(SHOW.id, range(25))
    assert await seat_map(locks) == "0" * 40


async def test_a_keeper_of_the_previous_release_blocks_in_one_call(locks: SeatLocks) -> None:
    reply = await locks.master.call("tt_block", keys.show(SHOW.id), limits.ENDED_KEEP_MS, "2,3")
    assert reply[0] == b"ok"
    assert (await seat_map(locks))[:5] == "00330"


async def test_records_of_ended_holds_are_forgotten_in_time_and_bookings_are_not(locks: SeatLocks) -> None:
    await locks.hold(A, "asha", [1])
    await locks.release(A, "asha")
    await locks.hold(B, "bala", [2])
    await confirm(locks, B, "bala", "paid")
    await locks.settle(SHOW.id, [Sale(B, "bala", (2,))])
    assert await locks.forget(10) == 0
    await locks.master.command("ZADD", keys.ENDED, 1, A)
    assert await locks.forget(10) == 1
    with pytest.raises(errors.HoldNotFound):
        await locks.get(A)
    assert (await locks.get(B))[0].state is HoldState.BOOKED


async def test_the_sweeper_ignores_a_show_that_is_not_rebuilt_yet(locks: SeatLocks) -> None:
    await locks.hold(A, "asha", [1])
    await locks.master.command("HSET", keys.meta(SHOW.id), "process", "another one, before a failover")
    assert await locks.expire([A]) == Expired(ended=0, left=1)
    assert await locks.master.command("ZCARD", keys.DEADLINES) == 1


async def test_terms_of_an_earlier_revision_than_the_known_one_change_nothing(locks: SeatLocks) -> None:
    def listed(sales: SalesState, revision: int) -> tuple[Show, bytes]:
        show = replace(SHOW, sales=sales, revision=revision)
        return show, encode_show(show)

    async def known() -> tuple[str, str]:
        sales: bytes = await locks.master.command("HGET", keys.meta(SHOW.id), "sales")
        record = await locks.master.command("HGET", keys.SHOWS, SHOW.id)
        return sales.decode(), decode_show(record).sales.value

    for sales, revision, left in (
        (SalesState.PAUSED, 7, "paused"),
        (SalesState.OPEN, 6, "paused"),
        (SalesState.CLOSED, 7, "closed"),
        (SalesState.OPEN, 0, "closed"),
        (SalesState.OPEN, 8, "open"),
    ):
        show, record = listed(sales, revision)
        await locks.declare(show, "ignored", record=record)
        assert await known() == (left, left)
    # A keeper of the previous release sends no revision.
    terms = ("ignored", 40, "paused", 480_000, 10, 1, 1, 2)
    await locks.master.call("tt_declare", keys.fenced_show(SHOW.id), *terms)
    assert (await known())[0] == "paused"


async def test_keepers_write_while_memory_is_full_and_buyers_end_their_holds(locks: SeatLocks) -> None:
    write = locks.master.small_write
    for hold, owner, seats in ((A, "asha", [1]), (B, "bala", [2]), (C, "chitra", [3])):
        await locks.hold(hold, owner, seats)
    await lapse(locks, C)
    await locks.master.command("CONFIG", "SET", "maxmemory", 1)
    try:
        assert await locks.master.call("tt_fence", [keys.FENCE], 1) == [b"ok"]
        assert [await write("SET", keys.RECONCILING, "k", "NX", "PX", 9_000) for _ in range(2)] == [b"OK", None]
        assert await write("XGROUP", "CREATE", keys.OUTBOX, keys.OUTBOX_GROUP, "0", "MKSTREAM") == b"OK"
        with pytest.raises(ResponseError, match="BUSYGROUP"):
            await write("XGROUP", "CREATE", keys.OUTBOX, keys.OUTBOX_GROUP, "0", "MKSTREAM")
        with pytest.raises(errors.RegionUnavailable):
            await locks.hold(hold_id("d"), "dev", [4])
        with pytest.raises(errors.RegionUnavailable):
            await locks.extend(B, "bala")
        assert await locks.prolong(B, limits.PROLONG_MS) > 0
        await locks.release(B, "bala")
        await confirm(locks, A, "asha", "paid")
        await locks.settle(SHOW.id, [Sale(A, "asha", (1,), "paid")])
        assert (await locks.expire([C])).ended == 1
        await locks.block(SHOW.id, [5])
        await locks.declare(replace(SHOW, id="west-t"), "epoch-1")
        await rebuild_show(locks, SHOW.id, "e2", [Sale(A, "asha", (1,), "paid")], [5])
        assert (await seat_map(locks))[:6] == "020003"
    finally:
        await locks.master.command("CONFIG", "SET", "maxmemory", 0)


# --- the fence ----------------------------------------------------------------------------------------------------
async def fenced(locks: SeatLocks, number: int = 1) -> SeatLocks:
    """Return the same locks under a fencing token, which begins now."""
    assert await locks.master.call("tt_fence", [keys.FENCE], number) == [b"ok"]
    return SeatLocks(locks.master, fence=Fence(number))


async def test_only_the_newest_fencing_token_in_this_process_writes(locks: SeatLocks) -> None:
    older = await fenced(locks, 1)
    await older.block(SHOW.id, [1])
    newer = await fenced(locks, 2)
    with pytest.raises(Fenced):
        await older.block(SHOW.id, [2])
    assert await locks.master.call("tt_fence", [keys.FENCE], 1) == [b"fenced", b"2"]
    await newer.block(SHOW.id, [3])
    await locks.master.command("SET", keys.FENCE, "2 of-another-process")  # the data of another one was loaded
    with pytest.raises(Fenced):
        await newer.block(SHOW.id, [4])
    assert (await seat_map(locks))[:5] == "03030"


async def test_a_write_that_carries_out_an_entry_which_is_gone_is_refused(locks: SeatLocks) -> None:
    keeper = await fenced(locks)
    entry = await locks.master.command("XADD", keys.OUTBOX, "*", "kind", "command")
    await keeper.block(SHOW.id, [1], entry=entry)
    await locks.master.command("XDEL", keys.OUTBOX, entry)
    with pytest.raises(Fenced):  # another keeper has carried it out, and an operator may have decided otherwise since
        await keeper.block(SHOW.id, [2], entry=entry)
    assert (await seat_map(locks))[:3] == "030"


async def test_a_booking_whose_entry_is_gone_is_not_settled_again(locks: SeatLocks) -> None:
    keeper = await fenced(locks)
    entry = await locks.master.command("XADD", keys.OUTBOX, "*", "kind", "booking")
    await locks.master.command("XDEL", keys.OUTBOX, entry)
    await keeper.settle(SHOW.id, [Sale(A, "asha", (1,), "paid", entry), Sale(B, "bala", (2,), "paid too")])
    assert (await seat_map(locks))[:3] == "002"


async def test_the_position_of_the_ledger_never_falls(locks: SeatLocks) -> None:
    for position, known in ((5, b"5"), (3, b"5"), (6, b"6")):
        await locks.raise_position(position)
        assert await locks.master.command("GET", keys.POSITION) == known


# --- late calls ---------------------------------------------------------------------------------------------------
async def test_a_late_refusal_gives_no_seat_to_a_booking_that_has_moved_since(locks: SeatLocks) -> None:
    sale = await booked(locks, A, "asha", [3], "paid a")
    await locks.reserve(sale, [5])
    await locks.exchange(replace(sale, seats=(5,), exchanges=1))
    await locks.reject(B, "bala", {3: A})
    assert (await seat_map(locks))[:7] == "0000020"


async def test_a_late_refusal_of_a_cancelled_booking_changes_nothing(locks: SeatLocks) -> None:
    await locks.cancel(await booked(locks, A, "asha", [3], "paid a"))
    before = await locks.master.command("HGET", keys.holds(SHOW.id), A)
    await locks.reject(A, "asha", {})
    assert await locks.master.command("HGET", keys.holds(SHOW.id), A) == before


async def test_a_booking_takes_its_seats_from_a_hold_and_not_from_one_that_is_being_booked(locks: SeatLocks) -> None:
    await locks.hold(B, "bala", [1, 2])
    await confirm(locks, B, "bala", "paid b")
    await locks.settle(SHOW.id, [Sale(A, "asha", (2, 3), "paid a")])
    assert (await locks.get(B))[0].state is HoldState.CONFIRMING, "the ledger refuses it"
    assert (await seat_map(locks))[:5] == "01220"
    await locks.reject(B, "bala", {2: A})
    assert (await seat_map(locks))[:5] == "00220"


async def test_a_settled_booking_no_longer_counts_as_held_by_its_owner_and_address(locks: SeatLocks) -> None:
    await locks.hold(A, "asha", [1, 2], "an address")
    await locks.settle(SHOW.id, [Sale(A, "asha", (1, 2), "paid")])
    assert await locks.master.command("HGETALL", keys.show(SHOW.id)[4]) == {}
    assert await locks.master.command("ZSCORE", keys.DEADLINES, A) is None


async def test_a_spell_of_an_address_ends_with_the_deadline_of_its_hold_however_late_that_is_swept(
    locks: SeatLocks,
) -> None:
    await locks.hold(A, "asha", [1], "an address")
    since = (await locks.get(A))[0].expires_at - SHOW.hold_s * 1000
    await lapse(locks, A)
    deadline = (await locks.get(A))[0].expires_at
    await locks.expire([A])
    rests = keys.resting_seats(SHOW.id, "an address")
    assert await locks.master.command("HGET", rests, 1) == f"{since} {deadline}".encode()


@pytest.mark.parametrize(
    "damage",
    [
        ("HDEL", keys.meta(SHOW.id), "version"),
        ("HDEL", keys.meta(SHOW.id), "sales_end"),
        ("HSET", keys.meta(SHOW.id), "process", "another"),
        ("APPEND", keys.seats(SHOW.id), "0"),
        ("DEL", keys.seats(SHOW.id)),
    ],
    ids=["version", "window", "process", "one seat more", "no seats"],
)
async def test_a_show_that_can_not_be_sold_is_found(locks: SeatLocks, damage: tuple[str, ...]) -> None:
    names = [keys.meta(SHOW.id), keys.seats(SHOW.id)]
    assert await locks.master.call("tt_unready", names) == [b"ok", []]
    await locks.master.command(*damage)
    assert await locks.master.call("tt_unready", names) == [b"ok", [0]]


async def test_a_show_with_a_live_hold_is_not_removed(locks: SeatLocks) -> None:
    await locks.hold(A, "asha", [1])
    with pytest.raises(errors.HoldConfirmed):
        await locks.archive(SHOW.id)
    await confirm(locks, A, "asha", "paid")
    with pytest.raises(errors.HoldConfirmed):
        await locks.archive(SHOW.id)
    assert (await seat_map(locks))[:2] == "01"
    await locks.settle(SHOW.id, [Sale(A, "asha", (1,), "paid")])
    await locks.archive(SHOW.id)
    assert await locks.master.command("EXISTS", *keys.show(SHOW.id)[:5]) == 0
