"""outbox -> ledger -> settle -> jobs: once, whatever dies in between."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from bullmq import Queue as BullQueue
from bullmq import Worker
from redis.exceptions import ResponseError

from realtime import connect, keys, limits
from realtime.connect import client
from realtime.dev.fork_server import Fork
from realtime.errors import BookingRejected, RegionUnavailable
from realtime.keeper.outbox import Outbox
from realtime.ledger import LedgerUnavailable, NewBooking, StaleFencingToken
from realtime.ledger.rows import Queue, task_id
from realtime.locks.commands import run_command
from realtime.locks.holds import PaymentProof
from realtime.locks.master import LockMaster
from realtime.locks.seats import Sale, SeatLocks
from realtime.model import HoldState, booking_of
from realtime.payments.service import refund_key
from realtime.topology import Plain
from tests.cluster import grid, until

from .conftest import PRICE, SECRET, SHOW, Place, hold_id


async def job_ids(place: Place, queue: Queue) -> list[str]:
    """Return the subjects of all jobs in a queue: bookings, or refunds."""
    redis = client(Plain(place.server.url), decode=True)
    jobs_of = BullQueue(queue.value, {"prefix": keys.JOBS_PREFIX, "connection": redis})
    try:
        jobs = await jobs_of.getJobs(["wait", "active", "completed", "failed", "delayed"])
        assert all(job.id == task_id(queue, job.data["subject"]) for job in jobs)
        return sorted(job.data["subject"] for job in jobs)
    finally:
        await jobs_of.close()
        await redis.aclose()


def all_booked(place: Place, holds: list[str]) -> Any:
    async def check() -> bool:
        try:
            states = [(await place.locks.get(hold))[0].state for hold in holds]
        except RegionUnavailable:
            return False  # the master is being reconciled
        return all(state is HoldState.BOOKED for state in states)

    return check


async def test_a_confirm_becomes_a_row_a_sold_seat_and_one_job(place: Place) -> None:
    holds = [await place.confirm(f"n{n}", [2 * n, 2 * n + 1]) for n in range(20)]
    await until(all_booked(place, holds))
    assert await place.booked() == {booking_of(hold): (2 * n, 2 * n + 1) for n, hold in enumerate(holds)}
    assert (await place.seats()).startswith("2" * 40 + "0")

    async def emptied() -> bool:
        return int(await place.master.command("XLEN", keys.OUTBOX)) == 0

    await until(emptied)
    assert await job_ids(place, Queue.TICKETS) == sorted(booking_of(hold) for hold in holds)


async def test_nothing_is_sold_before_the_ledger_has_it(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    other = sqlite3.connect(place.folder / "west.db", isolation_level=None, check_same_thread=False)
    # In a thread: a transaction of the keeper, which runs in this loop, must be able to end first.
    await asyncio.to_thread(other.execute, "BEGIN EXCLUSIVE")
    hold = await place.confirm("a", [1])

    async def tried() -> bool:
        return "database is locked" in caplog.text

    await until(tried)
    assert (await place.locks.get(hold))[0].state is HoldState.CONFIRMING
    assert (await place.seats())[1] == "1"
    other.execute("ROLLBACK")
    other.close()
    await until(all_booked(place, [hold]))
    assert await place.booked() == {booking_of(hold): (1,)}


async def test_what_the_key_refuses_is_rejected_and_refunded_and_the_rest_of_the_batch_passes(place: Place) -> None:
    rival = NewBooking(f"{SHOW}.b{'rival':_<22}", SHOW, "rival", (("A-3", 2),), "paid", PRICE, 1)
    await place.rest()
    await place.ledger.record([rival])
    bad = await place.confirm("bad", [1, 2])
    good = await place.confirm("good", [5])
    place.keeper("k2")
    await until(all_booked(place, [good]))

    async def rejected() -> bool:
        return (await place.locks.get(bad))[0].state is HoldState.REJECTED

    await until(rejected)
    assert (await place.seats())[:6] == "002002"
    assert set(await place.booked()) == {rival.id, booking_of(good)}
    try:
        await place.locks.confirm(bad, "bad", PaymentProof("paid bad", PRICE))
        raise AssertionError("a rejected hold was confirmed")
    except BookingRejected:
        pass

    async def refunded() -> bool:
        return await job_ids(place, Queue.REFUNDS) == [refund_key(bad, "paid bad")]

    await until(refunded)


async def test_an_entry_that_cannot_be_processed_becomes_a_dead_letter_and_blocks_nothing(place: Place) -> None:
    for fields in (
        ("kind", "nonsense"),
        ("kind", "booking"),
        ("kind", "booking", "hold", hold_id("x"), "owner", "x", "seats", "99999", "payment", "p", "at", "1"),
        ("kind", "booking", "hold", "west-unknown.h" + "x" * 22, "owner", "x", "seats", "1", "payment", "p", "at", "1"),
        ("kind", "command", "id", "1"),
    ):
        await place.master.command("XADD", keys.OUTBOX, "*", *fields)
    hold = await place.confirm("good", [5])
    await until(all_booked(place, [hold]))

    async def in_dead_letters() -> bool:
        return int(await place.master.command("XLEN", keys.DEAD_LETTERS)) == 5

    await until(in_dead_letters)
    for _id, entry in await place.master.command("XRANGE", keys.DEAD_LETTERS, "-", "+"):
        assert entry[b"reason"]


async def test_an_entry_that_the_master_refuses_becomes_a_dead_letter_and_blocks_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await place.rest()
    poison, good = await place.confirm("poison", [1]), await place.confirm("good", [5])
    settle = SeatLocks.settle

    async def refuse(locks: SeatLocks, show_id: str, sales: Sequence[Sale]) -> None:
        if any(sale.hold == poison for sale in sales):
            raise ResponseError("a damaged value that no function can read")
        await settle(locks, show_id, sales)

    monkeypatch.setattr(SeatLocks, "settle", refuse)
    place.keeper("k2")
    await until(all_booked(place, [good]))

    async def in_dead_letters() -> bool:
        return int(await place.master.command("XLEN", keys.DEAD_LETTERS)) == 1

    await until(in_dead_letters)
    ((_id, entry),) = await place.master.command("XRANGE", keys.DEAD_LETTERS, "-", "+")
    assert entry[b"hold"].decode() == poison

    await until(all_booked(place, [await place.confirm("later", [7])]))


async def test_another_keeper_takes_over_what_a_dead_one_left(place: Place) -> None:
    await place.rest()
    hold = await place.confirm("a", [1])
    # A keeper that died right after it had read the entry.
    await place.master.command(
        "XREADGROUP", "GROUP", keys.OUTBOX_GROUP, "dead", "COUNT", 10, "STREAMS", keys.OUTBOX, ">"
    )
    place.keeper("k2")
    place.keeper("k3")
    await until(all_booked(place, [hold]))

    async def added() -> bool:
        return await job_ids(place, Queue.TICKETS) == [booking_of(hold)]

    await until(added)


async def test_a_worker_gets_one_job_a_booking_even_if_the_entry_is_read_again(place: Place) -> None:
    hold = await place.confirm("a", [1, 2])
    await until(all_booked(place, [hold]))
    done: list[dict[str, Any]] = []

    async def work(job: Any, _token: str) -> None:
        done.append(job.data)

    redis = client(Plain(place.server.url), timeout_s=30, decode=True)
    connection = {"port": place.server.port, "socket_timeout": 30}
    worker = Worker(Queue.TICKETS.value, work, {"prefix": keys.JOBS_PREFIX, "connection": connection})

    async def worked() -> bool:
        return len(done) == 1

    await until(worked)
    # The same entry once more, as after a crash between settle and acknowledge.
    entry = ("kind", "booking", "hold", hold, "owner", "a", "seats", "1,2", "payment", "paid a", "at", "1")
    await place.master.command("XADD", keys.OUTBOX, "*", *entry)
    later = await place.confirm("b", [7])
    await until(all_booked(place, [later]))

    async def second() -> bool:
        return len(done) >= 2

    await until(second)
    assert [data["subject"] for data in done] == [booking_of(hold), booking_of(later)]
    assert done[0].keys() == {"v", "task", "region", "kind", "subject", "created_at"}
    await worker.close()
    await redis.aclose()


def keeper_process(place: Place, name: str, **environ: str) -> Fork:
    topology = place.folder / "topology.toml"
    topology.write_text(
        f'[payments]\nservice = "signed"\n[regions.west]\nmaster = "{place.server.url}"\n'
        f'ledger = "sqlite:///{place.folder}/west.db"\n'
    )
    env = {**os.environ, "TICKINGTICKETS_SECRET": SECRET, "TICKINGTICKETS_SIGNED_SECRET": "s" * 32, **environ}
    args = ["realtime", "--topology", str(topology), "keeper", "--region", "west", "--name", name]
    return Fork(name, args, Path.cwd(), place.folder / "keeper.log", env)


async def test_killing_keepers_again_and_again_loses_and_doubles_nothing(place: Place) -> None:
    await place.rest()
    dice = random.Random(5)
    holds: list[str] = []
    seat = iter(range(len(grid().seats)))
    for round_ in range(4):
        process = keeper_process(place, f"mortal{round_}")
        try:
            for n in range(12):
                holds.append(await place.confirm(f"r{round_}n{n}", [next(seat), next(seat)]))
                await asyncio.sleep(dice.random() * 0.12)  # the moment of death is what varies
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    place.keeper("last")
    await until(all_booked(place, holds))
    rows = await place.booked()
    assert sorted(rows) == sorted(booking_of(hold) for hold in holds)
    assert (await place.seats())[: 2 * len(holds)] == "2" * 2 * len(holds)
    with contextlib.closing(sqlite3.connect(place.folder / "west.db")) as ledger:
        (count,) = ledger.execute("SELECT count(*) FROM booked_seats").fetchone()
    assert count == 2 * len(holds)

    async def one_job_each() -> bool:
        return await job_ids(place, Queue.TICKETS) == sorted(rows)

    await until(one_job_each)


async def test_an_entry_of_a_former_master_is_not_acknowledged_on_its_successor(place: Place) -> None:
    """Another entry may have the same id there."""
    await place.rest()
    await place.confirm("a", [1])
    outbox = Outbox(place.master, "k9")
    (entry,) = [each for each in await outbox.read() if each.kind == "booking"]
    await place.master._lost()  # as after a failover: the next call finds the master again
    await until(lambda: _pings(place.master))
    with pytest.raises(RegionUnavailable):
        await outbox.acknowledge([entry])
    assert int(await place.master.command("XLEN", keys.OUTBOX)) == 1
    await outbox.close()


async def test_an_entry_of_a_former_master_is_not_processed_on_its_successor(place: Place) -> None:
    await place.rest()
    await place.confirm("a", [1])
    outbox = Outbox(place.master, "k9")
    await outbox.open()
    await place.master._lost()
    await until(lambda: _pings(place.master))
    with pytest.raises(RegionUnavailable):
        await outbox.read()
    await outbox.close()
    assert [entry.kind for entry in await outbox.read()] == ["booking"], "now from the present master"
    await outbox.close()


async def test_an_acknowledgement_of_which_the_master_lost_the_end_leaves_no_entry(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await place.rest()
    await place.confirm("a", [1])
    outbox, other = Outbox(place.master, "k2"), Outbox(place.master, "k3")
    entries = await outbox.read()
    command, sent = place.master.command, list[str]()

    async def only_the_first(name: str, *args: Any) -> Any:
        if name in ("XACK", "XDEL"):
            sent.append(name)
            if len(sent) > 1:
                return None
        return await command(name, *args)

    with monkeypatch.context() as patch:
        patch.setattr(place.master, "command", only_the_first)
        await outbox.acknowledge(entries)
    assert await place.master.command("XLEN", keys.OUTBOX) == 0
    monkeypatch.setattr("realtime.keeper.outbox.CLAIM_IDLE_MS", 0)
    assert await other.read() == []
    assert (await place.master.command("XPENDING", keys.OUTBOX, keys.OUTBOX_GROUP))["pending"] == 0
    for each in (outbox, other):
        await each.close()


async def test_an_entry_that_may_not_be_deleted_is_not_acknowledged_either(place: Place) -> None:
    """It would stay in the stream forever. Access rules of a master can be wrong for a while."""
    await place.rest()
    await place.confirm("a", [1])
    outbox, command = Outbox(place.master, "k2"), place.master.command
    entries = await outbox.read()
    await command("ACL", "SETUSER", "default", "-xdel")
    with pytest.raises((RegionUnavailable, ResponseError)):
        await outbox.acknowledge(entries)
    await command("ACL", "SETUSER", "default", "+xdel")
    assert (await command("XPENDING", keys.OUTBOX, keys.OUTBOX_GROUP))["pending"] == 1
    await outbox.acknowledge(entries)
    assert await command("XLEN", keys.OUTBOX) == 0
    await outbox.close()


async def test_entries_of_a_dead_keeper_are_claimed_behind_thousands_of_a_live_one(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle_ms = 3_600_000
    monkeypatch.setattr("realtime.keeper.outbox.CLAIM_EVERY_S", 0.0)
    monkeypatch.setattr("realtime.keeper.outbox.CLAIM_IDLE_MS", idle_ms)
    await place.rest()
    command = place.master.command
    # One call of XAUTOCLAIM looks at ten times as many entries as it may claim.
    count = 10 * limits.KEEPER_BATCH + 1
    await asyncio.gather(*(command("XADD", keys.OUTBOX, "*", "kind", "in work") for _ in range(count)))
    await command("XREADGROUP", "GROUP", keys.OUTBOX_GROUP, "live", "COUNT", count, "STREAMS", keys.OUTBOX, ">")
    left = await command("XADD", keys.OUTBOX, "*", "kind", "left")
    await command("XREADGROUP", "GROUP", keys.OUTBOX_GROUP, "dead", "STREAMS", keys.OUTBOX, ">")
    await command("XCLAIM", keys.OUTBOX, keys.OUTBOX_GROUP, "dead", 0, left, "IDLE", idle_ms)
    third = Outbox(place.master, "third")
    found = await third.read() or await third.read()
    assert [entry.kind for entry in found] == ["left"]
    await third.close()


async def test_entries_of_a_keeper_that_is_not_live_are_claimed_whatever_the_clock_says(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the master's clock was set back, they do not become idle."""
    monkeypatch.setattr("realtime.keeper.outbox.CLAIM_IDLE_MS", 3_600_000)
    monkeypatch.setattr("realtime.keeper.outbox.CONSUMER_GONE_MS", -1)
    await place.rest()
    command = place.master.command
    for keeper in ("live", "dead", "third"):
        await command("XADD", keys.OUTBOX, "*", "kind", f"read by {keeper}")
        await command("XREADGROUP", "GROUP", keys.OUTBOX_GROUP, keeper, "STREAMS", keys.OUTBOX, ">")
    third = Outbox(place.master, "third")
    assert [entry.kind for entry in await third.read()] == ["read by third"]
    await third.take_over({"live"})
    found = await third.read()
    assert [entry.kind for entry in found] == ["read by dead", "read by third"], "its own are not acknowledged either"
    await third.acknowledge(found)
    await third.take_over({"live"})
    left = await command("XINFO", "CONSUMERS", keys.OUTBOX, keys.OUTBOX_GROUP)
    assert {dict(connect.pairs(each))[b"name"] for each in left} == {b"live", b"third"}
    await third.close()


async def test_a_keeper_books_what_one_without_a_status_report_has_read(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.keeper.outbox.CLAIM_IDLE_MS", 3_600_000)
    monkeypatch.setattr("realtime.keeper.background.ENTRIES_EVERY_MS", 500)
    await place.rest()
    holds = [await place.confirm("a", [1])]
    await place.master.command("XREADGROUP", "GROUP", keys.OUTBOX_GROUP, "dead", "STREAMS", keys.OUTBOX, ">")
    place.keeper("k2")
    await until(all_booked(place, holds))


async def _pings(master: LockMaster) -> bool:
    try:
        return bool(await master.command("PING"))
    except RegionUnavailable:
        return False


async def test_a_master_that_is_killed_and_comes_back_goes_on(place: Place) -> None:
    # On a busy disk a server postpones its writes for up to two seconds, and a kill would lose them.
    await place.master.command("CONFIG", "SET", "appendfsync", "always")
    holds = [await place.confirm("a", [1])]
    live = hold_id("live")
    await place.locks.hold(live, "live", [9])
    place.server.kill()
    place.server.restart()
    await place.server.wait_ready_async()

    async def answers() -> bool:
        with contextlib.suppress(Exception):
            holds.append(await place.confirm("b", [2]))
            return True
        return False

    await until(answers)
    await until(all_booked(place, holds))
    assert (await place.locks.get(live))[0].state is HoldState.HELD
    assert set(await place.booked()) == {booking_of(hold) for hold in holds}


async def test_an_emptied_master_is_rebuilt_from_the_ledger(place: Place) -> None:
    hold = await place.confirm("a", [1, 2])
    await until(all_booked(place, [hold]))
    await run_command(place.master, "block", {"show": SHOW, "seats": ["B-1"]})
    epoch = (await place.locks.digest(SHOW))[0]
    await place.master.command("FLUSHALL")
    await place.master.command("FUNCTION", "FLUSH")

    async def rebuilt() -> bool:
        with contextlib.suppress(Exception):
            return await place.seats() == "022" + "0" * 17 + "3" + "0" * 99
        return False

    await until(rebuilt)
    assert (await place.locks.digest(SHOW))[0] > epoch
    await until(all_booked(place, [hold]))
    assert await place.master.command("HKEYS", keys.SHOWS) == [SHOW.encode()]
    again = await place.confirm("b", [3])
    await until(all_booked(place, [again]))

    async def undelivered_jobs_are_back() -> bool:
        return await job_ids(place, Queue.TICKETS) == sorted(map(booking_of, (hold, again)))

    await until(undelivered_jobs_are_back)


async def test_holds_expire_by_the_keeper(place: Place) -> None:
    await place.master.command("HSET", keys.meta(SHOW), "hold_ms", 300)
    await place.locks.hold(hold_id("a"), "a", [1])

    async def freed() -> bool:
        return (await place.seats())[1] == "0"

    await until(freed)


def fail_once(place: Place, monkeypatch: pytest.MonkeyPatch, error: Exception) -> list[str]:
    """Let the keeper's next use of its ledger fail; return the list to which its later calls are added."""
    ledger = place.keepers[0]._record_path._shared.ledger
    reached, opening, calls = ledger.tell_reached, ledger.open, list[str]()

    async def tell_reached() -> None:
        calls.append("use")
        if calls == ["use"]:
            raise error
        await reached()

    async def open_again() -> None:
        calls.append("open")
        await opening()

    monkeypatch.setattr(ledger, "tell_reached", tell_reached)
    monkeypatch.setattr(ledger, "open", open_again)
    return calls


async def test_a_ledger_that_was_away_is_opened_again_before_it_is_used(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may come back empty, or as an older one, which has to be migrated."""
    calls = fail_once(place, monkeypatch, LedgerUnavailable("away"))

    async def used_again() -> bool:
        return len(calls) >= 3

    await until(used_again)
    assert calls[:3] == ["use", "open", "use"]


async def test_a_keeper_whose_token_the_ledger_refuses_reconciles_the_master_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await place.master.command("GET", keys.RECONCILED)
    calls = fail_once(place, monkeypatch, StaleFencingToken("another one has begun"))

    async def used_again() -> bool:
        return calls.count("use") >= 2

    await until(used_again)
    assert await place.master.command("GET", keys.RECONCILED) != before
    assert place.keepers[0]._record_path.token == (await place.master.command("GET", keys.RECONCILED)).decode()
