"""When a master is put right: by whom, and again when what a keeper did to its predecessor may be missing."""

from __future__ import annotations

import contextlib
import secrets

from realtime import keys
from realtime.errors import RegionUnavailable
from realtime.keeper.reconcile import Reconciler
from realtime.ledger import NewBooking
from realtime.model import HoldState, booking_of
from tests.cluster import until

from .conftest import SHOW, Place, hold_id


def reconciler(place: Place) -> Reconciler:
    return Reconciler("west", place.ledger, place.master, place.locks)


async def restart_master(place: Place) -> None:
    place.server.kill()
    place.server.restart()
    await place.server.wait_ready_async()

    async def answers() -> bool:
        with contextlib.suppress(RegionUnavailable):
            return bool(await place.master.command("PING"))
        return False

    await until(answers)


async def book_in_the_ledger_only(place: Place) -> str:
    hold = hold_id("a")
    await place.ledger.record([NewBooking(booking_of(hold), SHOW, "a", (("A-2", 1),), "paid", 450, 1)])
    return hold


async def put_right(place: Place, keeper: Reconciler) -> None:
    async def ready() -> bool:
        return await keeper.ready() is not None

    await until(ready)


async def test_a_master_in_order_is_left_alone(place: Place) -> None:
    epoch = (await place.locks.digest(SHOW))[0]
    assert await reconciler(place).ready() is not None
    assert (await place.locks.digest(SHOW))[0] == epoch


async def test_a_keeper_that_served_the_predecessor_puts_the_new_master_right_itself(place: Place) -> None:
    """Another keeper has done so already, but before this one's last booking of the old master was in the ledger."""
    await place.rest()
    late, other = reconciler(place), reconciler(place)
    first = await late.ready()
    await restart_master(place)
    await put_right(place, other)
    hold = await book_in_the_ledger_only(place)
    assert (await place.seats())[1] == "0"
    await put_right(place, late)
    assert await late.ready() != first
    assert (await place.seats())[1] == "2"
    assert (await place.locks.get(hold))[0].state is HoldState.BOOKED


async def test_one_keeper_at_a_time_and_a_dead_one_does_not_stand_in_the_way_for_long(place: Place) -> None:
    await place.rest()
    await restart_master(place)
    await place.master.command("SET", keys.RECONCILING, "dead", "PX", 700)
    keeper = reconciler(place)
    assert await keeper.ready() is None
    await put_right(place, keeper)
    assert await place.master.command("GET", keys.RECONCILING) is None


async def test_a_keeper_that_lost_its_turn_gives_up_without_a_mark(place: Place) -> None:
    """One that was frozen in the middle: another has begun since, and finishes."""
    await place.rest()
    await restart_master(place)
    keeper = reconciler(place)
    rebuild = place.locks.rebuild

    async def frozen_for_long(*args: object) -> object:
        await place.master.command("SET", keys.RECONCILING, secrets.token_hex(8))
        return await rebuild(*args)  # type: ignore[arg-type]

    place.locks.rebuild = frozen_for_long  # type: ignore[method-assign, assignment]
    mark = await place.master.command("GET", keys.RECONCILED)
    assert await keeper.ready() is None
    assert await place.master.command("GET", keys.RECONCILED) == mark
    assert await place.master.command("GET", keys.RECONCILING) is not None, "the other's turn is not ended"
