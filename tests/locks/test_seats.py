"""What each verb of buyers does, and what it refuses."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

import orjson
import pytest

from realtime import connect, errors, keys, limits
from realtime.errors import BookingRejected
from realtime.locks import library
from realtime.locks.hold_batcher import MAX_HOLDS_PER_CALL
from realtime.locks.holds import PaymentProof
from realtime.locks.master import LockMaster
from realtime.locks.seats import SeatLocks
from realtime.model import HoldState, SalesState

from .conftest import SHOW, hold_id
from .seat_state import A, B, C, confirm, lapse, outbox, seat_map, version


def test_every_code_that_the_library_returns_is_in_the_closed_list() -> None:
    lua = library.source()
    codes = set(re.findall(r"return (?:nil, nil, )?{ '(\w+)' *[,}]", lua)) - {"ok", "fenced"}
    (ended,) = re.findall(r"local ENDED = {(.*)}", lua)
    codes |= set(re.findall(r"= '(\w+)'", ended)) | {f"sales_{state.value}" for state in SalesState} - {"sales_open"}
    assert codes <= set(errors.CODES)
    assert len(codes) > 12


async def test_a_hold_is_all_or_nothing_and_names_the_seats_in_its_way(locks: SeatLocks) -> None:
    hold, now = await locks.hold(A, "asha", [5, 3, 4])
    assert hold.seats == (3, 4, 5)
    assert hold.state is HoldState.HELD
    assert hold.expires_at == now + SHOW.hold_s * 1000
    with pytest.raises(errors.SeatsTaken) as refused:
        await locks.hold(B, "bala", [2, 3, 30, 5])
    assert refused.value.details == {"seats": [3, 5]}
    assert (await seat_map(locks))[:7] == "0001110"


async def test_a_hundred_takers_of_one_seat_make_one_holder(locks: SeatLocks) -> None:
    tries = [locks.hold(hold_id(f"n{n}"), f"owner{n}", [7, 8]) for n in range(100)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(r, errors.SeatsTaken) for r in results) == 99


async def test_holds_of_one_moment_are_decided_one_after_the_other(locks: SeatLocks) -> None:
    before = await version(locks)
    asks = [(A, "asha", [1, 2]), (B, "bala", [2, 3]), (C, "asha", [3]), (A, "asha", [2, 1]), (A, "asha", [5])]
    one, other, third, again, reused = await asyncio.gather(*(locks.hold(*ask) for ask in asks), return_exceptions=True)
    assert isinstance(one, tuple) and one[0].seats == (1, 2)
    assert isinstance(other, errors.SeatsTaken) and other.details == {"seats": [2]}
    assert isinstance(third, tuple) and third[0].seats == (3,)
    assert again == one
    assert isinstance(reused, errors.RequestReused)
    assert (await seat_map(locks))[:6] == "011100"
    assert await version(locks) == before + 2
    assert await locks.master.command("HGET", keys.show(SHOW.id)[4], "asha") == b"2"


async def test_many_holds_of_one_moment_are_few_changes(locks: SeatLocks) -> None:
    count = 2 * MAX_HOLDS_PER_CALL + 10
    large = replace(SHOW, id="west-large", seat_count=count)
    await locks.declare(large, "epoch-1")
    ids = [hold_id(f"n{n}", large.id) for n in range(count)]
    made = await asyncio.gather(*(locks.hold(each, f"owner{n}", [n]) for n, each in enumerate(ids)))
    assert [hold.seats for hold, _now in made] == [(n,) for n in range(count)]
    assert await locks.master.command("GET", keys.seats(large.id)) == b"1" * count
    assert int(await locks.master.command("HGET", keys.meta(large.id), "version")) == 1 + 3
    noted = [
        fields[b"hold"].decode() for _id, fields in await locks.master.command("XRANGE", keys.log(large.id), "-", "+")
    ]
    assert " ".join(noted).split() == ids
    assert await locks.master.command("ZCARD", keys.DEADLINES) == count


async def test_one_owner_gets_no_more_holds_in_one_moment_than_one_by_one(locks: SeatLocks) -> None:
    tries = [locks.hold(hold_id(f"n{n}"), "asha", [2 * n]) for n in range(limits.MAX_HOLDS_PER_OWNER + 2)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    refused = [n for n, each in enumerate(results) if isinstance(each, errors.TooManyHolds)]
    assert refused == [limits.MAX_HOLDS_PER_OWNER, limits.MAX_HOLDS_PER_OWNER + 1]


async def test_what_is_asked_after_a_hold_comes_after_it(locks: SeatLocks) -> None:
    held = asyncio.ensure_future(locks.hold(A, "asha", [1, 2]))
    released = asyncio.ensure_future(locks.release(A, "asha"))
    assert (await held)[0].state is HoldState.HELD
    assert (await released).state is HoldState.RELEASED


async def test_who_gives_up_at_once_holds_nothing_and_takes_nothing_from_others(locks: SeatLocks) -> None:
    gone = asyncio.ensure_future(locks.hold(A, "asha", [1]))
    other = asyncio.ensure_future(locks.hold(B, "bala", [2]))
    asyncio.get_running_loop().call_soon(gone.cancel)
    assert (await other)[0].seats == (2,)
    assert gone.cancelled()
    await locks.master.close()
    with pytest.raises(errors.RegionUnavailable):
        await locks.hold(C, "asha", [3])


async def test_the_same_request_finds_its_own_hold_again(locks: SeatLocks) -> None:
    first, _ = await locks.hold(A, "asha", [1, 2])
    again, _ = await locks.hold(A, "asha", [2, 1])
    assert again == first
    await locks.release(A, "asha", [1])
    assert (await locks.hold(A, "asha", [1, 2]))[0].seats == (2,)
    with pytest.raises(errors.RequestReused):
        await locks.hold(A, "asha", [1])
    await locks.release(A, "asha")
    with pytest.raises(errors.RequestReused):
        await locks.hold(A, "asha", [1, 2])


@pytest.mark.parametrize("seats", [[40], [0, 39, 100_000]])
async def test_a_seat_that_the_show_does_not_have_is_refused(locks: SeatLocks, seats: list[int]) -> None:
    with pytest.raises(errors.SeatNotFound):
        await locks.hold(A, "asha", seats)
    assert await seat_map(locks) == "0" * 40


async def test_no_seats_or_more_than_the_show_allows_is_refused(locks: SeatLocks) -> None:
    await locks.declare(replace(SHOW, max_seats=2), "ignored")
    for seats in ([], [1, 2, 3]):
        with pytest.raises(errors.BadRequest, match="1 to 2 seats"):
            await locks.hold(A, "asha", seats)


async def test_a_show_that_the_master_does_not_have_yet_is_out_of_reach(locks: SeatLocks) -> None:
    with pytest.raises(errors.RegionUnavailable):
        await locks.hold(hold_id("a", "west-other"), "asha", [1])


async def test_an_owner_can_only_hold_so_much(locks: SeatLocks) -> None:
    for n in range(limits.MAX_HOLDS_PER_OWNER):
        await locks.hold(hold_id(f"n{n}"), "asha", [n])
    with pytest.raises(errors.TooManyHolds):
        await locks.hold(A, "asha", [30])
    await locks.release(hold_id("n0"), "asha")
    await locks.hold(A, "asha", [30])


async def test_paused_and_closed_shows_sell_nothing_but_let_holders_pay(locks: SeatLocks) -> None:
    await locks.hold(A, "asha", [1])
    for state, refusal in ((SalesState.PAUSED, errors.SalesPaused), (SalesState.CLOSED, errors.SalesClosed)):
        await locks.set_sales(SHOW.id, state)
        with pytest.raises(refusal):
            await locks.hold(B, "bala", [2])
    assert (await confirm(locks, A, "asha", "paid")).state is HoldState.CONFIRMING


async def test_a_lapsed_hold_is_free_to_the_next_taker_before_any_sweep(locks: SeatLocks) -> None:
    await locks.hold(A, "asha", [1, 2])
    await lapse(locks, A)
    assert (await locks.get(A))[0].state is HoldState.EXPIRED
    await locks.hold(B, "bala", [2, 3])
    assert (await seat_map(locks))[:5] == "00110"
    for verb in (locks.extend(A, "asha"), locks.release(A, "asha"), locks.hold(A, "asha", [1, 2])):
        with pytest.raises(errors.HoldExpired):
            await verb


async def test_a_hold_is_extended_once(locks: SeatLocks) -> None:
    await locks.hold(A, "asha", [1])
    hold, now = await locks.extend(A, "asha")
    assert (hold.extensions, hold.expires_at) == (1, now + SHOW.hold_s * 1000)
    with pytest.raises(errors.ExtendLimit) as refused:
        await locks.extend(A, "asha")
    assert refused.value.details == {"expires_at": hold.expires_at}


async def test_nobody_can_touch_the_hold_of_another(locks: SeatLocks) -> None:
    await locks.hold(A, "asha", [1])
    for verb in (locks.extend(A, "eve"), locks.release(A, "eve"), confirm(locks, A, "eve", "x")):
        with pytest.raises(errors.NotYourHold):
            await verb
    with pytest.raises(errors.HoldNotFound):
        await locks.extend(B, "asha")


async def test_seats_are_given_back_one_by_one_or_all_at_once(locks: SeatLocks) -> None:
    await locks.hold(A, "asha", [1, 2, 3])
    assert (await locks.release(A, "asha", [2])).seats == (1, 3)
    assert (await locks.release(A, "asha", [2])).seats == (1, 3), "a lost ack is answered again"
    with pytest.raises(errors.SeatNotFound):
        await locks.release(A, "asha", [1, 9])
    assert (await seat_map(locks))[:5] == "01010"
    for _ in range(2):
        assert (await locks.release(A, "asha")).state is HoldState.RELEASED
    with pytest.raises(errors.HoldEnded):
        await confirm(locks, A, "asha", "paid")


async def test_a_confirm_makes_one_outbox_entry_however_often_it_is_asked(locks: SeatLocks) -> None:
    await locks.hold(A, "asha", [1, 2])
    states = await asyncio.gather(*(confirm(locks, A, "asha", "paid") for _ in range(20)))
    assert {hold.state for hold in states} == {HoldState.CONFIRMING}
    (entry,) = await outbox(locks)
    assert (entry[b"kind"], entry[b"hold"], entry[b"seats"]) == (b"booking", A.encode(), b"1,2")
    assert (await seat_map(locks))[:4] == "0110", "to viewers a confirming seat is still held"
    assert await locks.due(10) == []
    assert await locks.master.command("ZSCORE", keys.DEADLINES, A) is None
    for verb in (locks.extend(A, "asha"), locks.release(A, "asha")):
        with pytest.raises(errors.HoldConfirmed):
            await verb


async def test_a_late_payment_takes_the_seats_again_when_they_are_free(locks: SeatLocks) -> None:
    await locks.hold(A, "asha", [1, 2])
    await lapse(locks, A)
    await locks.expire([A])
    assert (await confirm(locks, A, "asha", "paid")).state is HoldState.CONFIRMING
    assert (await seat_map(locks))[:4] == "0110"
    assert [entry[b"kind"] for entry in await outbox(locks)] == [b"booking"]


async def test_a_late_payment_for_seats_that_are_gone_is_refunded_once(locks: SeatLocks) -> None:
    await locks.hold(A, "asha", [1, 2])
    await lapse(locks, A)
    await locks.hold(B, "bala", [2])
    for _ in range(3):
        with pytest.raises(errors.BookingRejected):
            await confirm(locks, A, "asha", "paid")
    assert [entry[b"kind"] for entry in await outbox(locks)] == [b"refund"]
    assert (await seat_map(locks))[:4] == "0010"


async def test_a_payment_books_exactly_what_it_is_for(locks: SeatLocks) -> None:
    await locks.hold(A, "asha", [1, 2, 3])
    with pytest.raises(errors.SeatNotFound) as refused:
        await confirm(locks, A, "asha", "paid", [2, 4])
    assert refused.value.details == {"seats": [4]}
    booked = await confirm(locks, A, "asha", "paid again", [3, 2])
    assert booked.seats == (2, 3)
    assert (await seat_map(locks))[:5] == "00110"
    refund, booking = await outbox(locks)
    assert (refund[b"kind"], refund[b"payment"], refund[b"reason"]) == (b"refund", b"paid", b"not_bookable")
    assert (booking[b"kind"], booking[b"payment"], booking[b"seats"]) == (b"booking", b"paid again", b"2,3")
    assert (await confirm(locks, A, "asha", "paid", [2, 3])).seats == (2, 3)


async def test_a_hold_that_a_release_before_has_ordered_is_ordered_and_confirmed(locks: SeatLocks) -> None:
    """Its record has the last order only."""
    await locks.hold(A, "asha", [1, 2])
    record = orjson.loads(await locks.master.command("HGET", keys.holds(SHOW.id), A))
    await locks.master.command("HSET", keys.holds(SHOW.id), A, orjson.dumps({**record, "order": "order-0"}))
    for number in range(limits.MAX_ORDERS_PER_HOLD):
        hold = await locks.order(A, "asha", f"order-{number}", [1], 100, reply="reply", request_id=f"r{number}")
        assert hold.orders == ("1",) * (number + 1)
    with pytest.raises(errors.TooManyHolds, match="different choices"):
        await locks.order(A, "asha", "another", [2], 100, reply="reply")
    again = await locks.order(A, "asha", "order-1", [1], 100, reply="reply", request_id="again")
    assert len(again.orders) == limits.MAX_ORDERS_PER_HOLD
    requests = [entry.get(b"request") for entry in await outbox(locks)]
    assert requests == [b"r0", b"r1", b"r2", b"r3", b"r4", None], "one outcome of each order"
    assert (await confirm(locks, A, "asha", "paid")).orders == ()
    record = orjson.loads(await locks.master.command("HGET", keys.holds(SHOW.id), A))
    assert record["order"] == "order-1" and "orders" not in record


async def test_a_refused_confirm_leaves_the_count_of_its_address(locks: SeatLocks) -> None:
    await locks.hold(A, "asha", [1, 2], "an address")
    await locks.release(A, "asha", [2])
    proof = PaymentProof("paid", 100, request_id="r")
    with pytest.raises(errors.SeatNotFound):
        await locks.confirm(A, "asha", proof, [1, 2])
    counts = keys.show(SHOW.id)[4]
    assert await locks.master.command("HGET", counts, "@an address") == b"1"
    await locks.release(A, "asha")
    assert await locks.master.command("HGET", counts, "@an address") is None


async def test_a_full_outbox_refuses_before_anything_is_written(locks: SeatLocks) -> None:
    await locks.hold(A, "asha", [1])
    reply = await locks.master.call("tt_confirm", keys.show(SHOW.id), A, "asha", "paid", 0, 1000, "")
    assert reply == [b"overloaded"]
    assert (await locks.get(A))[0].state is HoldState.HELD


async def test_a_full_outbox_takes_no_order(locks: SeatLocks) -> None:
    await locks.hold(A, "asha", [1])
    order = (A, "asha", "order-1", "1", 100)
    assert await locks.master.call("tt_order", keys.show(SHOW.id), *order, 0, "", "reply") == [b"overloaded"]
    assert await outbox(locks) == []
    record = orjson.loads(await locks.master.command("HGET", keys.holds(SHOW.id), A))
    assert "order" not in record and "orders" not in record


async def test_a_late_payment_ends_a_lapsed_hold_on_its_seats_that_nobody_has_swept(locks: SeatLocks) -> None:
    await locks.hold(A, "asha", [1])
    await lapse(locks, A)
    await locks.hold(B, "bala", [1, 2])
    await lapse(locks, B)
    assert (await confirm(locks, A, "asha", "paid")).state is HoldState.CONFIRMING
    assert (await seat_map(locks))[:4] == "0100"
    assert await locks.master.command("HGET", keys.show(SHOW.id)[4], "bala") is None
    assert await locks.master.command("ZSCORE", keys.DEADLINES, B) is None


async def test_the_library_is_loaded_once_and_an_older_one_is_replaced(master: LockMaster) -> None:
    await master.load_functions()
    current = library.source()
    found = re.search(r"VERSION = (\d+)", current)
    assert found is not None
    older = current.replace(found[0], "VERSION = 0")
    await master.command("FUNCTION", "LOAD", "REPLACE", older)
    await master.load_functions()
    assert int(await master.command("FCALL", "tt_version", 0)) == int(found[1])


async def test_a_client_that_passes_no_log_key_is_served(locks: SeatLocks) -> None:
    """While an installation is updated, nodes of the version before call the new functions."""
    known = keys.show(SHOW.id)
    before = [key for key in known if key != keys.log(SHOW.id)]
    assert (await locks.master.call("tt_hold", before, A, "asha", "3", 10, 1000))[0] == b"ok"
    assert (await locks.master.call("tt_extend", before, A, "asha", 1))[0] == b"ok"
    assert (await locks.master.call("tt_release", before, A, "asha", "", 1000))[0] == b"ok"
    assert await locks.master.command("XLEN", keys.log(SHOW.id)) == 0
    assert (await locks.master.call("tt_hold", known, B, "asha", "3", 10, 1000))[0] == b"ok"
    assert await locks.master.command("XLEN", keys.log(SHOW.id)) == 1


async def test_outcomes_are_not_appended_to_a_full_outbox(locks: SeatLocks) -> None:
    fill = "for n = 1, ARGV[1] do redis.call('XADD', KEYS[1], '*', 'kind', 'x') end"
    missing = limits.OUTBOX_LIMIT - 1
    for start in range(0, missing, 5_000):  # one call for all of them could take too long
        await locks.master.command("EVAL", fill, 1, keys.OUTBOX, min(5_000, missing - start))
    await locks.hold(hold_id("a"), "a", [1, 2])
    for seats in ([1], [2]):
        await locks.release(hold_id("a"), "a", seats, f"request-{seats[0]}")
    assert await locks.master.command("XLEN", keys.OUTBOX) == limits.OUTBOX_LIMIT
    assert await locks.free_seats(SHOW.id) == set(range(SHOW.seat_count))


async def test_releases_of_released_seats_leave_nothing_in_the_outbox(locks: SeatLocks) -> None:
    await locks.hold(hold_id("a"), "a", [1, 2])
    for number in range(5):
        assert (await locks.release(hold_id("a"), "a", [1], f"request-{number}")).seats == (2,)
    assert await locks.master.command("XLEN", keys.OUTBOX) == 1
    for number in range(5, 10):
        await locks.release(hold_id("a"), "a", None, f"request-{number}")
    assert await locks.master.command("XLEN", keys.OUTBOX) == 2


async def test_a_payment_for_a_lost_hold_of_which_no_seats_are_known_is_returned(locks: SeatLocks) -> None:
    record = b'{"owner":"a","seats":[],"state":"lost","expires_at":1,"extensions":0,"order":"o"}'
    await locks.master.command("HSET", keys.holds(SHOW.id), hold_id("a"), record)
    with pytest.raises(BookingRejected):
        await locks.confirm(hold_id("a"), "a", PaymentProof("p", 900))
    entries = await locks.master.command("XRANGE", keys.OUTBOX, "-", "+")
    assert [connect.text_fields(fields)["reason"] for _id, fields in entries] == ["late"]
