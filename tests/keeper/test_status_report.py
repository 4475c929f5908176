"""Status reports: a keeper deletes those that stopped changing, by its own clock and whatever time stands in them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import orjson
import pytest

from realtime import connect, keys, limits
from realtime.clock import now_ms
from realtime.dev import valkey
from realtime.jobs import Jobs
from realtime.keeper import status_report
from realtime.keeper.status_report import StatusReporter
from realtime.ledger import Ledger
from realtime.ledger.rows import Queue, TaskRow
from realtime.locks.incidents import Incidents
from realtime.locks.master import LockMaster
from realtime.topology import Plain, Region
from tests.ledgers import new_ledger

GONE_S = limits.STATUS_REPORT_GONE_MS / 1000


async def test_a_node_with_a_wrong_clock_stays_and_one_that_stopped_is_deleted(
    master_server: valkey.Valkey, tmp_path: Path
) -> None:
    master = LockMaster(Region("west", "Mumbai", Plain(master_server.url), {}, ""), timeout_s=5.0)
    ledger = Ledger(new_ledger(tmp_path / "ledger.db"))
    await ledger.open()
    await master.load_functions()
    now_s = 100.0
    jobs = Jobs("west", master)
    reporter = StatusReporter("keeper", master, jobs, ledger, Incidents("keeper", master), clock=lambda: now_s)
    await master.command("DEL", keys.NODES, keys.KEEPERS)
    for beat in range(3):
        # One clock is a day behind, the other a day ahead of ours; only the first node still reports.
        await master.command("HSET", keys.NODES, "slow-clock", orjson.dumps({"time": 1_000_000 + beat}))
        await master.command("HSET", keys.NODES, "stopped", orjson.dumps({"time": 9_000_000_000_000}))
        await reporter.write_report()
        now_s += GONE_S * 0.6
    assert set(dict(await master.command("HGETALL", keys.NODES))) == {b"slow-clock"}
    assert set(dict(await master.command("HGETALL", keys.KEEPERS))) == {b"keeper"}
    assert reporter.live_keepers == {"keeper"}
    await master.command("HSET", keys.KEEPERS, "frozen", "a report")
    await reporter.write_report()
    assert reporter.live_keepers == {"keeper", "frozen"}
    now_s += limits.STATUS_REPORT_OLD_MS / 1000 + 1
    await reporter.write_report()
    assert reporter.live_keepers == {"keeper"}
    assert set(dict(await master.command("HGETALL", keys.KEEPERS))) == {b"keeper", b"frozen"}, "it may wake up"
    await master.command("DEL", keys.NODES, keys.KEEPERS)
    await jobs.close()
    await master.close()
    await ledger.close()


async def test_the_report_counts_the_jobs_that_wait_for_a_worker_and_notes_what_is_wrong(
    master_server: valkey.Valkey, tmp_path: Path
) -> None:
    master = LockMaster(Region("west", "Mumbai", Plain(master_server.url), {}, ""), timeout_s=5.0)
    await master.command("FLUSHALL")
    await master.load_functions()
    ledger = Ledger(new_ledger(tmp_path / "ledger.db"))
    await ledger.open()
    jobs = Jobs("west", master)
    await jobs.add([TaskRow(f"tickets.{n}", Queue.TICKETS, f"west-s.b{n}", 1) for n in range(3)])
    await jobs.add([TaskRow("refunds.1", Queue.REFUNDS, "refund-1", 1)])
    await master.command("XADD", keys.DEAD_LETTERS, "*", "kind", "booking")
    incidents = Incidents("keeper", master)
    reporter = StatusReporter("keeper", master, jobs, ledger, incidents)
    await reporter.write_report()
    report = orjson.loads(await master.command("HGET", keys.KEEPERS, "keeper"))
    assert report["jobs"] == {"tickets": 3, "mail": 0, "refunds": 1, "webhooks": 0, "analytics": 0}
    with sqlite3.connect(tmp_path / "ledger.db") as file:
        file.execute("ALTER TABLE orders RENAME TO gone")
    await reporter.write_report()
    later = orjson.loads(await master.command("HGET", keys.KEEPERS, "keeper"))
    assert later["time"] > report["time"], "a keeper without its ledger reports all the same"
    await incidents.send()
    ((_id, fields),) = await master.command("XRANGE", keys.INCIDENTS, "-", "+")
    assert connect.text_fields(fields)["kind"] == "dead_letters"
    await reporter.sign_off()
    assert await master.command("HLEN", keys.KEEPERS) == 0
    await master.command("FLUSHALL")
    await jobs.close()
    await master.close()
    await ledger.close()


async def test_the_oldest_entry_is_as_old_as_the_master_says_whatever_the_clock_of_the_keeper_says(
    master_server: valkey.Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    master = LockMaster(Region("west", "Mumbai", Plain(master_server.url), {}, ""), timeout_s=5.0)
    await master.command("FLUSHALL")
    await master.load_functions()
    ledger = Ledger(new_ledger(tmp_path / "ledger.db"))
    await ledger.open()
    jobs, incidents = Jobs("west", master), Incidents("keeper", master)
    monkeypatch.setattr(status_report, "now_ms", lambda: now_ms() + 3_600_000)
    await master.command("XADD", keys.OUTBOX, "*", "kind", "outcome")
    await StatusReporter("keeper", master, jobs, ledger, incidents).write_report()
    report = orjson.loads(await master.command("HGET", keys.KEEPERS, "keeper"))
    assert (report["outbox"], report["oldest_ms"] < 60_000) == (1, True)
    await incidents.send()
    ((_id, fields),) = await master.command("XRANGE", keys.INCIDENTS, "-", "+")
    assert connect.text_fields(fields)["kind"] == "clock", "and no booking is said to wait"
    await master.command("FLUSHALL")
    await jobs.close()
    await master.close()
    await ledger.close()
