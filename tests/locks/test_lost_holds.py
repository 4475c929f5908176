"""What a rebuild keeps of a show and what it loses, and what clients are answered afterwards."""

from __future__ import annotations

import pytest

from realtime import errors, keys, limits
from realtime.locks.seats import Sale, SeatLocks
from realtime.model import HoldState
from tests.rebuilds import rebuild_show

from .conftest import SHOW, hold_id
from .seat_state import A, B, C, booked, confirm, lapse, outbox, seat_map


async def test_a_rebuild_cancels_what_the_ledger_has_cancelled(locks: SeatLocks) -> None:
    sale = await booked(locks, A, "asha", [3], "paid a")
    await locks.hold(B, "bala", [7])
    await confirm(locks, B, "bala", "paid b")
    never_settled = Sale(B, "bala", (7,), "paid b")
    lost_with_a_wipe = Sale(C, "chitra", (9,), "paid c")
    await rebuild_show(locks, SHOW.id, "e2", cancelled=[sale, never_settled, lost_with_a_wipe])
    assert await seat_map(locks) == "0" * 40
    for hold in (A, B, C):
        assert (await locks.get(hold))[0].state is HoldState.CANCELLED
    assert await locks.master.command("HLEN", keys.show(SHOW.id)[4]) == 0, "nobody has a live hold"


async def test_a_rebuild_keeps_what_can_stand_and_loses_what_collides(locks: SeatLocks) -> None:
    await locks.hold(A, "asha", [1, 2])
    await locks.hold(B, "bala", [3, 4])
    await locks.hold(C, "chitra", [5])
    await confirm(locks, C, "chitra", "paid")
    gone = hold_id("gone")
    lost = (await rebuild_show(locks, SHOW.id, "epoch-2", [Sale(gone, "dev", (4, 7))], [9])).lost
    assert lost == [(B, "bala")]
    assert (await seat_map(locks))[:11] == "01102102030"
    assert (await locks.digest(SHOW.id))[0] == "epoch-2"
    with pytest.raises(errors.HoldLost):
        await locks.extend(B, "bala")
    await locks.release(A, "asha")
    assert (await locks.get(gone))[0].state is HoldState.BOOKED
    for n in range(limits.MAX_HOLDS_PER_OWNER):
        await locks.hold(hold_id(f"n{n}"), "bala", [20 + n])


async def test_a_payment_for_a_lost_hold_books_when_its_seats_are_free_again(locks: SeatLocks) -> None:
    await locks.hold(B, "bala", [3, 4])
    await rebuild_show(locks, SHOW.id, "epoch-2", [Sale(A, "asha", (4,))])
    await rebuild_show(locks, SHOW.id, "epoch-3")
    await locks.master.command("SETRANGE", keys.seats(SHOW.id), 4, "0")
    await locks.master.command("HDEL", keys.show(SHOW.id)[2], "4")
    assert (await confirm(locks, B, "bala", "paid")).state is HoldState.CONFIRMING
    assert (await seat_map(locks))[3:5] == "11"


async def test_what_a_rebuilt_show_never_heard_of_is_lost_but_nobody_can_tell_before_it_is_rebuilt(
    locks: SeatLocks,
) -> None:
    with pytest.raises(errors.HoldNotFound):
        await locks.get(A)
    await locks.master.command("HSET", keys.meta(SHOW.id), "process", "another one, before a failover")
    unknown = (locks.get(A), locks.extend(A, "asha"), confirm(locks, A, "asha", "paid"), locks.hold(A, "asha", [1]))
    for verb in (*unknown, locks.block(SHOW.id, [1]), locks.settle(SHOW.id, [])):
        with pytest.raises(errors.RegionUnavailable):
            await verb
    await rebuild_show(locks, SHOW.id, "epoch-2")
    for verb in (locks.get(A), locks.extend(A, "asha"), locks.release(A, "asha"), confirm(locks, A, "asha", "paid")):
        with pytest.raises(errors.HoldLost):
            await verb
    assert [(entry[b"kind"], entry[b"reason"]) for entry in await outbox(locks)] == [(b"refund", b"lost")]
    await locks.master.command("HINCRBY", keys.meta(SHOW.id), "rebuilt_at", -2 * 3_600_000)
    with pytest.raises(errors.HoldNotFound):
        await locks.get(B)


async def test_a_show_that_is_made_to_be_rebuilt_is_not_for_sale_before(locks: SeatLocks) -> None:
    await locks.master.command("FLUSHDB")
    await locks.declare(SHOW, "epoch-1", for_sale=False)
    with pytest.raises(errors.RegionUnavailable):
        await locks.hold(A, "asha", [1])
    await rebuild_show(locks, SHOW.id, "epoch-2")
    await locks.hold(A, "asha", [1])


async def test_holds_of_a_diverged_master_are_lost_paid_or_not(locks: SeatLocks) -> None:
    await locks.hold(A, "asha", [1, 2])
    await locks.hold(B, "bala", [3])
    await confirm(locks, B, "bala", "paid")
    lost = (await rebuild_show(locks, SHOW.id, "epoch-2", [Sale(C, "chitra", (5,))], diverged=True)).lost
    assert sorted(lost) == sorted([(A, "asha"), (B, "bala")])
    assert (await seat_map(locks))[:7] == "0000020"
    with pytest.raises(errors.HoldLost):
        await locks.extend(A, "asha")


@pytest.mark.parametrize("diverged", [False, True])
async def test_seats_that_diverged_data_has_reserved_for_an_exchange_are_free(locks: SeatLocks, diverged: bool) -> None:
    sale = await booked(locks, A, "asha", [1, 2], "paid a")
    await locks.reserve(sale, [2, 5])
    await rebuild_show(locks, SHOW.id, "epoch-2", [sale], diverged=diverged)
    assert (await seat_map(locks))[:6] == ("022000" if diverged else "022001")
    again = await rebuild_show(locks, SHOW.id, "epoch-3", [sale])
    assert not again.differed
    await locks.exchange(sale)
    assert (await seat_map(locks))[:6] == "022000"


async def test_holds_of_a_diverged_master_can_t_be_paid_for(locks: SeatLocks) -> None:
    """Another master may have answered its buyer `hold_lost`, and earlier requests may arrive late."""
    await locks.hold(A, "asha", [1, 2])
    await locks.hold(B, "bala", [3])
    await lapse(locks, B)
    await locks.expire([B])
    await rebuild_show(locks, SHOW.id, "epoch-2", diverged=True)
    for hold, owner, seat in ((A, "asha", 1), (B, "bala", 3)):
        with pytest.raises(errors.HoldLost):
            await confirm(locks, hold, owner, "paid")
        with pytest.raises(errors.HoldLost):
            await locks.hold(hold, owner, [seat])
    assert [entry[b"kind"] for entry in await outbox(locks)] == [b"refund", b"refund"]
    assert (await seat_map(locks))[:4] == "0000"


async def test_a_master_that_was_rebuilt_has_diverged_no_longer(locks: SeatLocks) -> None:
    await rebuild_show(locks, SHOW.id, "epoch-2", diverged=True)
    await locks.hold(A, "asha", [1, 2])
    assert not (await rebuild_show(locks, SHOW.id, "epoch-3")).lost
    assert (await locks.get(A))[0].state is HoldState.HELD


async def test_a_paid_hold_that_was_answered_as_lost_stays_lost(locks: SeatLocks) -> None:
    """Not even when the request that should have made it, or another confirm, was stuck somewhere and comes now."""
    await rebuild_show(locks, SHOW.id, "epoch-2")
    for _ in range(2):
        with pytest.raises(errors.HoldLost):
            await confirm(locks, A, "asha", "paid")
    with pytest.raises(errors.HoldLost):
        await locks.hold(A, "asha", [1])
    hold, _now = await locks.get(A)
    assert (hold.state, hold.seats) == (HoldState.LOST, ())
    assert [entry[b"kind"] for entry in await outbox(locks)] == [b"refund", b"refund"]
