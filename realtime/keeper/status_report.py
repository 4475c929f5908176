"""The status report of a keeper: how much work its region has pending, and how old the oldest of it is, for operators.

Keepers also delete the reports of nodes and keepers that have stopped writing them, and record faults as incidents.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from realtime import connect, keys, limits
from realtime.clock import now_ms
from realtime.jobs import Jobs
from realtime.ledger import Ledger, LedgerUnavailable
from realtime.ledger.gate_leases import count_gate_conflicts
from realtime.ledger.money import unfinished_refunds
from realtime.ledger.orders import open_orders
from realtime.locks.incidents import Incident, Incidents
from realtime.locks.master import LockMaster
from realtime.locks.report_ages import Age, ReportAges

log = logging.getLogger(__name__)
SETTINGS = {"maxmemory-policy": "noeviction", "appendonly": "yes"}
"""Settings that a lock master needs to keep its data, with the required values."""
MIN_REPLICAS = "min-replicas-to-write"
"""Must be 1 or more behind Sentinels: otherwise a master that was replaced keeps taking writes, which are lost."""
COMPLAIN_EVERY_S = 60.0
PENDING_MS = 5_000
"""If a booking waits longer than this for the ledger, that is an incident."""
CLOCK_OFFSET_MS = 500
"""A larger difference of the two clocks is logged, because the deadlines and dates that people read come from both."""

_REPORTS = (keys.NODES, keys.KEEPERS, keys.VIEWERS)
"""The hashes in which processes write reports. A process deletes its own when it ends."""


def _unchanged(ages: Mapping[bytes, Age], for_ms: int) -> set[bytes]:
    """Return the names whose report has not changed for ``for_ms``, whatever time its process has written into it."""
    return {name for name, age in ages.items() if age.least_s > for_ms / 1000}


class StatusReporter:
    """Writes the status report of one keeper, and deletes those of nodes and keepers that are gone."""

    def __init__(
        self,
        name: str,
        master: LockMaster,
        jobs: Jobs,
        ledger: Ledger,
        incidents: Incidents,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``name`` is the keeper's; ``clock`` is any monotonic clock (s)."""
        self._name = name
        self._master = master
        self._jobs = jobs
        self._ledger = ledger
        self._incidents = incidents
        self._clock = clock
        self._look_at = self._complain_at = clock()
        self._wrong: list[str] = []
        self._ages = {key: ReportAges() for key in _REPORTS}
        self.live_keepers = frozenset[str]()
        """The names of keepers whose reports had changed lately when this keeper last wrote its own; empty before."""
        self._of_ledger: dict[str, Any] = {}

    async def write_report(self) -> None:
        """Write the report once; raises ``RegionUnavailable``."""
        command = self._master.command
        before = now_ms()
        time_reply, oldest, outbox, dead_letters, halted, counts, live_holds, *reports = await asyncio.gather(
            command("TIME"),
            command("XRANGE", keys.OUTBOX, "-", "+", "COUNT", 1),
            command("XLEN", keys.OUTBOX),
            command("XLEN", keys.DEAD_LETTERS),
            command("EXISTS", keys.HALTED),
            command("MGET", keys.DAMAGED, keys.CONTRADICTIONS, keys.JOBS_NOT_ADDED),
            command("ZCARD", keys.DEADLINES),
            *(command("HGETALL", key) for key in _REPORTS),
        )
        now, master_time = now_ms(), connect.time_ms(time_reply)
        jobs = await self._jobs.waiting()
        with contextlib.suppress(LedgerUnavailable):
            # A keeper without its ledger still reports, with the figures that it read last.
            self._of_ledger = await self._read_ledger(now, master_time)
        report = {
            "time": now,
            "outbox": outbox,
            # The id of an entry has the master's time.
            "oldest_ms": max(0, master_time - int(oldest[0][0].partition(b"-")[0])) if oldest else 0,
            "dead_letters": dead_letters,
            "halted": int(halted > 0),
            "damaged_shows": int(counts[0] or 0),
            "contradictions": int(counts[1] or 0),
            "jobs_not_added": int(counts[2] or 0),
            "misconfigured": len(await self._misconfigured()),
            "clock_offset_ms": master_time - (before + now) // 2,
            "live_holds": live_holds,
            "jobs": jobs,
            **self._of_ledger,
        }
        self._watch_clock(report["clock_offset_ms"])
        self._note_incidents(report)
        await self._master.small_write("HSET", keys.KEEPERS, self._name, orjson.dumps(report))
        await self._look_at_others(dict(zip(_REPORTS, reports, strict=True)))

    def _note_incidents(self, report: Mapping[str, Any]) -> None:
        wrong = {
            Incident.PENDING: report["outbox"] > 0 and report["oldest_ms"] > PENDING_MS,
            Incident.DEAD_LETTERS: report["dead_letters"] > 0,
            Incident.REFUNDS: report.get("refunds", {}).get("failed", 0) > 0,
            Incident.HALTED: report["halted"] > 0,
            Incident.MISCONFIGURED: report["misconfigured"] > 0,
            Incident.CLOCK: abs(report["clock_offset_ms"]) > CLOCK_OFFSET_MS,
        }
        for kind, is_wrong in wrong.items():
            self._incidents.set(kind, self._master.region, is_wrong)

    async def _look_at_others(self, replies: Mapping[str, Any]) -> None:
        """Note which keepers are live, and delete the reports of processes that are gone; each is an incident."""
        for key, reply in replies.items():
            ages = self._ages[key].look(dict[bytes, bytes](connect.pairs(reply)), self._clock())
            if key == keys.KEEPERS:
                live = ages.keys() - _unchanged(ages, limits.STATUS_REPORT_OLD_MS)
                self.live_keepers = frozenset(name.decode(errors="replace") for name in live) | {self._name}
            for name in _unchanged(ages, limits.STATUS_REPORT_GONE_MS):
                # A node that is gone is found twice, by its report in ``NODES`` and in ``VIEWERS``; it is one incident.
                if await self._master.command("HDEL", key, name) and key != keys.VIEWERS:
                    self._incidents.happened(Incident.GONE, self._master.region, name.decode(errors="replace"))

    async def _read_ledger(self, now: int, master_time: int) -> dict[str, Any]:
        """Return what is pending in the ledger. ``now`` (ms) is by this machine's clock, like the ledger's times."""
        async with self._ledger.snapshot() as connection:
            open_count, oldest_order = await open_orders(connection)
            return {
                "open_orders": open_count,
                "oldest_order_ms": max(0, now - oldest_order) if oldest_order else 0,
                "refunds": await unfinished_refunds(connection),
                "gate_conflicts": await count_gate_conflicts(connection, master_time - limits.GATE_CONFLICT_RECENT_MS),
            }

    async def sign_off(self) -> None:
        """Delete the report: this keeper stops. Raises ``RegionUnavailable``."""
        await self._master.command("HDEL", keys.KEEPERS, self._name)

    def _watch_clock(self, offset_ms: int) -> None:
        if abs(offset_ms) > CLOCK_OFFSET_MS and self._clock() >= self._complain_at:
            self._complain_at = self._clock() + COMPLAIN_EVERY_S
            log.error("the clock of the lock master differs from this machine's by %d ms", offset_ms)

    async def _misconfigured(self) -> list[str]:
        """Return the settings of the master that can lose data; they are logged once a minute."""
        now = self._clock()
        if now >= self._look_at:
            self._look_at = now + COMPLAIN_EVERY_S
            wanted = SETTINGS | ({MIN_REPLICAS: "1"} if self._master.behind_sentinels else {})
            replies = await asyncio.gather(
                *(self._master.command("CONFIG", "GET", name) for name in wanted), return_exceptions=True
            )
            # A managed server may forbid CONFIG. The settings are unknown then, and none is reported.
            known = [dict(connect.pairs(reply)) for reply in replies if not isinstance(reply, BaseException)]
            found = {name.decode(): value.decode() for each in known for name, value in each.items()}
            self._wrong = [name for name, value in found.items() if not _keeps_data(name, value, wanted[name])]
            for name in self._wrong:
                log.error("the lock master has %s %s; set it to %s, or data is lost", name, found[name], wanted[name])
        return self._wrong


def _keeps_data(name: str, value: str, wanted: str) -> bool:
    return int(value) >= int(wanted) if name == MIN_REPLICAS else value == wanted
