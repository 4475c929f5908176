"""A master whose memory is full: a keeper that starts then finds it unreconciled, and is the one that frees memory."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import orjson
import pytest

from realtime import keys, limits
from realtime.contact import Contact, encode_contact
from realtime.errors import RegionUnavailable
from realtime.keeper import region_keys, task_keeper
from realtime.keeper.dead_letters import DeadLetters
from realtime.keeper.erasure import Erasure
from realtime.ledger.rows import Queue
from realtime.locks.commands import run_command
from realtime.locks.holds import PaymentProof
from realtime.locks.replies import new_reply_id, result, send_reply, wait_for_result
from realtime.model import booking_of
from tests.cluster import until

from .conftest import LAYOUT, PRICE, SHOW, Place, compare_often, hold_id
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


async def test_a_full_master_whose_data_has_diverged_returns_the_payments_in_its_outbox(place: Place) -> None:
    await place.rest()
    await place.confirm("paid", [1])
    await place.ledger.begin_fencing_token("of another master")
    await place.master.command("DEL", keys.RECONCILED)
    await fill(place)
    place.keeper("k2")

    async def returned() -> bool:
        return await place.ledger.refund_of_payment("paid paid") is not None

    await until(returned)
    await until(place.rebuilt)
    assert (await place.seats()).startswith("00")


async def test_the_sales_of_a_full_master_are_stopped_if_its_ledger_has_lost_commits(place: Place) -> None:
    await place.rest()
    with closing(sqlite3.connect(place.folder / "west.db", isolation_level=None)) as ledger:
        ledger.execute("UPDATE ledger_position SET position = position - 1")
    await fill(place)
    place.keeper("k2")
    await until(lambda: place.master.command("EXISTS", keys.HALTED))


async def test_a_full_master_is_compared_with_the_ledger_and_healed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare_often(monkeypatch, "KEY_TYPES_EVERY_MS", "REGION_KEYS_EVERY_MS")
    monkeypatch.setattr(region_keys, "LOOK_AGAIN_S", 0.05)
    token = {"id": "west-asha", "name": "asha", "role": "gate", "issued_at": 1, "expires_at": 2**42}
    await run_command(place.master, "staff_add", token)
    await run_command(place.master, "guest_revoke", {"owner": "guest"})
    sold = await place.confirm("a", [1])
    await until(all_booked(place, [sold]))
    await until(place.rebuilt)
    await place.rest()
    await place.master.command("DEL", keys.STAFF, keys.REVOKED_GUESTS, keys.layout(LAYOUT.id), keys.INCIDENTS)
    await place.master.command("SET", keys.INCIDENTS, "of another type")
    await place.master.command("HDEL", keys.show(SHOW)[2], 1)
    await fill(place)
    place.keeper("k2")

    async def healed() -> bool:
        counts = [
            await place.master.command(*command)
            for command in (
                ("HEXISTS", keys.STAFF, "west-asha"),
                ("HEXISTS", keys.REVOKED_GUESTS, "guest"),
                ("HEXISTS", keys.show(SHOW)[2], 1),
                ("EXISTS", keys.layout(LAYOUT.id)),
                ("EXISTS", keys.COMPARED),
            )
        ]
        return all(counts)

    await until(healed)
    # The key of another type, the token, the guest, and the show with its layout.
    await until(lambda: _at_least(place, keys.DAMAGED, 4))


async def _at_least(place: Place, key: str, count: int) -> bool:
    return int(await place.master.command("GET", key) or 0) >= count


async def test_dead_letters_of_a_full_master_are_made_retried_and_stripped_of_contacts(place: Place) -> None:
    await place.rest()
    contact = encode_contact(Contact("asha@example.in"))
    entry = ("kind", "nonsense", "hold", hold_id("asha"), "contact", contact)
    await place.master.command("XADD", keys.OUTBOX, "*", *entry)
    await fill(place)
    place.keeper("k2")
    await until(lambda: place.master.command("XLEN", keys.DEAD_LETTERS))
    await place.rest()
    erased = await Erasure(place.ledger, place.master).erase(orjson.dumps({"email": "asha@example.in"}))
    assert erased == {"erased": 1}
    ((entry_id, _fields),) = await place.master.command("XRANGE", keys.DEAD_LETTERS, "-", "+")
    await DeadLetters(place.master).retry(orjson.dumps({"id": entry_id.decode()}))
    assert int(await place.master.command("XLEN", keys.OUTBOX)) == 1
