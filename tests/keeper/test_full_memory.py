"""A master whose memory is full: a keeper that starts then finds it unreconciled, and is the one that frees memory."""

from __future__ import annotations

import pytest

from realtime import keys, limits
from realtime.errors import RegionUnavailable
from realtime.keeper import task_keeper
from realtime.ledger.rows import Queue
from realtime.locks.holds import PaymentProof
from realtime.locks.replies import new_reply_id, result, send_reply, wait_for_result
from realtime.model import booking_of
from tests.cluster import until

from .conftest import PRICE, SHOW, Place
from .test_reconcile import restart_master
from .test_record_path import all_booked, job_ids


async def fill(place: Place) -> None:
    await place.master.command("CONFIG", "SET", "maxmemory", 1)


async def free(place: Place) -> None:
    await place.master.command("CONFIG", "SET", "maxmemory", 0)


async def test_a_keeper_that_starts_on_a_full_master_reconciles_it_and_frees_memory(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_keeper, "YOUNG_MS", 0)
    monkeypatch.setattr(limits, "TASK_RETRY_S", 1.0)
    unfinished = await place.confirm("unfinished", [3])
    await until(all_booked(place, [unfinished]))
    await place.rest()
    await place.master.command("HSET", keys.meta(SHOW), "hold_ms", 300)
    await place.hold("lapses", [0])
    await place.master.command("HSET", keys.meta(SHOW), "hold_ms", 480_000)
    paid = await place.confirm("paid", [1])
    released = await place.hold("released", [2])
    # The keeper finds neither what the ones before it have left, nor the queues.
    queues = await place.master.command("KEYS", f"{keys.JOBS_PREFIX}:*")
    await place.master.command("DEL", keys.KEEPERS, keys.REBUILT, keys.COMPARED, *queues)
    await restart_master(place)
    await fill(place)
    place.keeper("k2")
    await until(place.rebuilt)
    await until(all_booked(place, [paid]))
    await place.locks.release(released, "released")

    async def all_in_order() -> bool:
        return (await place.seats()).startswith("02020") and not await place.master.command("XLEN", keys.OUTBOX)

    await until(all_in_order)
    assert await place.master.command("HEXISTS", keys.KEEPERS, "k2")
    with pytest.raises(RegionUnavailable):
        await place.hold("more", [5])
    assert await job_ids(place, Queue.TICKETS) == []

    await free(place)
    await place.hold("more", [5])
    bookings = sorted(booking_of(hold) for hold in (paid, unfinished))

    async def all_queued() -> bool:
        return await job_ids(place, Queue.TICKETS) == bookings

    await until(all_queued)


async def test_a_full_master_still_takes_the_payment_of_a_hold_and_the_reply_to_its_buyer(place: Place) -> None:
    held = await place.hold("a", [0])
    await fill(place)
    await place.locks.confirm(held, "a", PaymentProof("paid", PRICE))
    await until(all_booked(place, [held]))
    reply = new_reply_id()
    await send_reply(place.master, reply, result("done"))
    assert await wait_for_result(place.master, reply, 5.0) == "done"


async def test_a_full_master_that_lost_its_data_is_filled_from_the_ledger(place: Place) -> None:
    booked = await place.confirm("a", [0, 1])
    await until(all_booked(place, [booked]))
    await place.rest()
    await place.master.command("FLUSHALL")
    await fill(place)
    place.keeper("k2")
    await until(place.rebuilt)
    assert (await place.seats()).startswith("220")
