"""What one network address may hold of a show, however many identities and nodes it uses."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import orjson
import pytest

from realtime import errors, keys, limits
from realtime.locks.holds import PaymentProof
from realtime.locks.master import LockMaster
from realtime.locks.seats import Sale, SeatLocks
from realtime.topology import HoldLimits
from tests.rebuilds import rebuild_show

from .conftest import SHOW, hold_id

BIG = replace(SHOW, seat_count=400, max_seats=10)
BOUNDS = HoldLimits(seats_per_address=30, rest_s=30)
FULL_MS = BIG.hold_s * 1000
REST_MS = 30_000


@pytest.fixture
async def locks(master: LockMaster) -> SeatLocks:
    seat_locks = SeatLocks(master, BOUNDS)
    await seat_locks.declare(BIG, "epoch-1")
    return seat_locks


async def hold(locks: SeatLocks, name: str, seats: list[int], address: str = "house") -> str:
    """Hold seats under a fresh identity; return "ok" or the code of the refusal."""
    try:
        await locks.hold(hold_id(name), f"owner-{name}", seats, address)
    except errors.TicketError as error:
        assert not error.retryable or error.details["retry_after_ms"] > 0
        return error.code
    return "ok"


def run(first: int, count: int = 10) -> list[int]:
    return list(range(first, first + count))


async def time_passes(locks: SeatLocks, name: str, ms: int) -> None:
    """Let time pass during a hold."""
    record = orjson.loads(await locks.master.command("HGET", keys.holds(BIG.id), hold_id(name)))
    record["expires_at"] -= ms
    record["since"] -= ms
    await locks.master.command("HSET", keys.holds(BIG.id), hold_id(name), orjson.dumps(record))
    await locks.master.command("ZADD", keys.DEADLINES, record["expires_at"], hold_id(name))


async def count(locks: SeatLocks, address: str = "house") -> int:
    return int(await locks.master.command("HGET", keys.show(BIG.id)[4], f"@{address}") or 0)


async def test_fresh_identities_of_one_address_share_its_limit_and_others_are_not_limited_by_it(
    locks: SeatLocks, master: LockMaster
) -> None:
    another_node = SeatLocks(master, BOUNDS)
    tries = [hold(locks if n % 2 else another_node, f"n{n}", run(10 * n)) for n in range(8)]
    answers = await asyncio.gather(*tries)
    assert sorted(answers) == ["address_limit"] * 5 + ["ok"] * 3
    assert await count(locks) == 30
    assert await hold(locks, "other", run(100), "another house") == "ok"
    assert await hold(locks, "many", run(200), "") == "ok"
    assert await hold(locks, "scattered", [399, 301], "house") == "address_limit"


@pytest.mark.parametrize(
    ("seats", "max_seats", "most"), [(400, 10, 30), (100, 4, 20), (40, 4, 8), (40, 10, 20), (4000, 10, 30)]
)
async def test_of_a_small_show_an_address_holds_a_fifth_at_most_but_two_full_holds(
    master: LockMaster, seats: int, max_seats: int, most: int
) -> None:
    show = replace(BIG, id="west-other", seat_count=seats, max_seats=max_seats)
    seat_locks = SeatLocks(master, BOUNDS)
    await seat_locks.declare(show, "epoch-1")
    held = 0
    for first in range(0, min(seats, 60) - 1, 2):
        try:
            await seat_locks.hold(hold_id(f"n{first}", show.id), f"o{first}", [first, first + 1], "house")
            held += 2
        except errors.AddressLimit:
            break
    assert held == most


async def test_seats_count_until_they_are_released_booked_lost_or_lapsed(locks: SeatLocks) -> None:
    for n in range(3):
        assert await hold(locks, f"n{n}", run(10 * n)) == "ok"
    await locks.release(hold_id("n0"), "owner-n0", run(0, 4))
    assert await count(locks) == 26
    await locks.release(hold_id("n0"), "owner-n0")
    assert await count(locks) == 20
    await locks.confirm(hold_id("n1"), "owner-n1", PaymentProof("paid", 0), run(10, 3))
    assert await count(locks) == 10, "what is being booked is not held, nor is what the confirm released"
    await locks.settle(BIG.id, [Sale(hold_id("n1"), "owner-n1", tuple(run(10, 3)))])
    await time_passes(locks, "n2", FULL_MS)
    await locks.expire([hold_id("n2")])
    assert await count(locks) == 0
    assert await locks.master.command("HLEN", keys.show(BIG.id)[4]) == 0


@pytest.mark.parametrize("free", [True, False])
async def test_a_late_payment_takes_the_seats_out_of_the_count(locks: SeatLocks, free: bool) -> None:
    assert await hold(locks, "late", run(0)) == "ok"
    await time_passes(locks, "late", 2 * FULL_MS)
    if not free:
        assert await hold(locks, "taker", run(5), "elsewhere") == "ok"
    try:
        await locks.confirm(hold_id("late"), "owner-late", PaymentProof("paid", 0), None, [])
    except errors.BookingRejected:
        assert not free
    assert await count(locks) == 0


async def test_a_rebuild_counts_again_what_stays_held(locks: SeatLocks) -> None:
    assert await hold(locks, "a", run(0)) == "ok"
    assert await hold(locks, "b", run(20)) == "ok"
    await locks.confirm(hold_id("b"), "owner-b", PaymentProof("paid", 0))
    await rebuild_show(locks, BIG.id, "epoch-2")
    assert await count(locks) == 10
    await rebuild_show(locks, BIG.id, "epoch-3", diverged=True)
    assert await count(locks) == 0


async def test_nobody_rests_for_longer_because_the_clock_was_ahead(locks: SeatLocks) -> None:
    assert await hold(locks, "a", [0]) == "ok"
    await time_passes(locks, "a", FULL_MS)
    await locks.expire([hold_id("a")])
    assert await hold(locks, "b", [0]) == "seats_resting"
    rests = keys.resting_seats(BIG.id, "house")
    since, ended = map(int, (await locks.master.command("HGET", rests, 0)).split())
    await locks.master.command("HSET", rests, 0, f"{since + 600_000} {ended + 600_000}")
    assert await hold(locks, "c", [0]) == "ok"


@pytest.mark.parametrize("swept", [True, False])
async def test_an_address_can_not_hold_again_what_it_let_lapse_for_a_short_rest_but_others_can(
    locks: SeatLocks, swept: bool
) -> None:
    assert await hold(locks, "a", run(0)) == "ok"
    await time_passes(locks, "a", FULL_MS)
    if swept:
        await locks.expire([hold_id("a")])
    with pytest.raises(errors.SeatsResting) as refused:
        await locks.hold(hold_id("b"), "owner-b", [8, 9, 10, 11], "house")
    assert refused.value.details["seats"] == [8, 9]
    assert REST_MS - 5_000 < refused.value.details["retry_after_ms"] <= REST_MS
    assert await hold(locks, "c", run(10)) == "ok", "other seats need no rest"
    assert await hold(locks, "d", run(0), "another house") == "ok"


async def test_what_lapsed_longer_ago_may_be_held_again(locks: SeatLocks) -> None:
    assert await hold(locks, "a", run(0)) == "ok"
    await time_passes(locks, "a", FULL_MS + REST_MS)
    assert await hold(locks, "b", run(0)) == "ok"


async def test_a_seat_that_was_released_by_mistake_can_be_held_again_at_once(locks: SeatLocks) -> None:
    assert await hold(locks, "a", run(0)) == "ok"
    await locks.release(hold_id("a"), "owner-a", [3, 4])
    assert await hold(locks, "b", [3, 4]) == "ok"


async def test_nobody_keeps_a_seat_by_releasing_it_just_before_the_deadline(locks: SeatLocks) -> None:
    assert await hold(locks, "a", run(0)) == "ok"
    await time_passes(locks, "a", FULL_MS * 2 // 3)
    await locks.release(hold_id("a"), "owner-a")
    assert await hold(locks, "b", run(0)) == "ok"
    await time_passes(locks, "b", FULL_MS * 2 // 3)
    await locks.release(hold_id("b"), "owner-b", run(0, 5))
    assert await hold(locks, "c", run(0, 5)) == "seats_resting"
    await locks.release(hold_id("b"), "owner-b")
    assert await hold(locks, "d", run(5, 5)) == "seats_resting"


async def test_what_is_remembered_of_an_address_is_bounded_and_expires(locks: SeatLocks) -> None:
    rest = keys.resting_seats(BIG.id, "house")
    assert await hold(locks, "a", run(0)) == "ok"
    await locks.release(hold_id("a"), "owner-a")
    assert 0 < await locks.master.command("PTTL", rest) <= limits.MAX_REST_S * 1000
    await locks.master.command("HSET", rest, *(part for n in range(1000, 2000) for part in (n, "1 2")))
    assert await hold(locks, "b", run(50)) == "address_limit", "it has released too many seats to hold any"
    assert await hold(locks, "b", run(50), "another house") == "ok"
    before = await locks.master.command("HLEN", rest)
    await locks.release(hold_id("b"), "owner-b")
    assert await locks.master.command("HLEN", rest) == before


async def test_nodes_of_the_release_before_hold_without_an_address(locks: SeatLocks) -> None:
    parts = [part for n in range(5) for part in (hold_id(f"n{n}"), "asha", ",".join(map(str, run(10 * n))))]
    reply = await locks.master.call("tt_holds", keys.show(BIG.id), 10, 600_000, *parts)
    assert [answer[0] for answer in reply[1]] == [b"ok"] * 5
    await locks.release(hold_id("n0"), "asha")
    assert await locks.master.command("EXISTS", keys.resting_seats(BIG.id, "")) == 0
