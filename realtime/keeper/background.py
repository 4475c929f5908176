"""The periodic work of a keeper, next to its record path.

Each turn of a kind of work is a task of its own, so one kind does not delay another. Turns that are due at the same
time begin in the same iteration of the event loop: their calls to the master share a pipeline, and an idle keeper costs
little.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from redis.exceptions import RedisError

from realtime import limits
from realtime.cancellation import pause
from realtime.errors import TicketError
from realtime.jobs import Jobs
from realtime.keeper.archive import Archiver
from realtime.keeper.comparison import Comparison
from realtime.keeper.expiry import Expiry
from realtime.keeper.heartbeat import Heartbeat
from realtime.keeper.hold_events import HoldEventReader
from realtime.keeper.hour_figures import HourFigures
from realtime.keeper.outbox import Outbox
from realtime.keeper.queries import Queries
from realtime.keeper.queue_keys import QueueKeys
from realtime.keeper.rebuild import Rebuilder
from realtime.keeper.record_path import LONGEST_PAUSE_S, RecordPath
from realtime.keeper.recorder import TRANSIENT
from realtime.keeper.region_keys import RegionKeys
from realtime.keeper.retention import Retention
from realtime.keeper.shared import SharedParts
from realtime.keeper.status_report import StatusReporter
from realtime.settings import Settings

Work: TypeAlias = Callable[[], Awaitable[object]]
WorkUnderToken: TypeAlias = Callable[[str], Awaitable[object]]
"""Work that takes the fencing token under which this keeper serves its master."""
log = logging.getLogger(__name__)
TICK_MS = 500
"""How often the keeper checks which work is due; no work begins more often than this."""
ORDERS_EVERY_MS = 1_000
"""How often the ledger is searched for orders about which the gateway must be asked."""
RETENTION_EVERY_MS = 600_000
"""How often the keeper deletes data whose retention time is over."""
HOLD_EVENTS_EVERY_MS = 1_000
"""How often the logs of shows are read, if a webhook target asks for events about holds."""
ARCHIVE_EVERY_MS = 60_000
"""How often a keeper looks for shows that are over."""
FORGET_EVERY_MS = 10_000
"""How often the records of holds that ended some time ago are deleted."""
REBUILD_EVERY_MS = 500
"""How often a keeper checks whether shows have to be rebuilt, as after each reconciliation."""
ENTRIES_EVERY_MS = 5_000
"""How often a keeper looks for entries of keepers that are not live."""
KEY_TYPES_EVERY_MS = 1_000
"""How often a keeper checks the region's keys: whether any can't be used, and whether all shows are gone."""
QUEUE_KEYS_EVERY_MS = 2_000
"""How often a keeper looks for keys of the job queues that can't be used."""
REGION_KEYS_EVERY_MS = 20_000
"""How often a keeper compares theatres, and the tokens of staff and guests, with the ledger."""
COMPARE_EVERY_MS = 1_000
"""How often a keeper checks whether it is time to compare the next shows with the ledger."""


class Background:
    """The periodic work of one keeper. ``start`` it, set ``stopping``, then ``close`` its connections."""

    def __init__(
        self,
        settings: Settings,
        keeper: str,
        shared: SharedParts,
        jobs: Jobs,
        record_path: RecordPath,
        stopping: asyncio.Event,
    ) -> None:
        """``keeper`` is the name of this keeper. ``jobs`` are closed after a fault; the next use opens them again."""
        ledger, master, locks, settlement = shared.ledger, shared.master, shared.locks, shared.settlement
        self._jobs = jobs
        self._record_path = record_path
        self._stopping = stopping
        self._status_reporter = StatusReporter(keeper, master, jobs, ledger, shared.incidents)
        self._queries = Queries(ledger, master, shared.shows, jobs)
        archiver = Archiver(ledger, master, locks)
        self._expiry = expiry = Expiry(locks)
        heartbeat = Heartbeat(master.region, keeper, master, locks)
        hold_events = HoldEventReader(ledger, master, shared.shows, jobs)
        hour_figures = HourFigures(ledger, master, locks)
        rebuilder = Rebuilder(ledger, master, locks)
        comparison = Comparison(ledger, master, locks, rebuilder, stopping)
        region_keys = RegionKeys(ledger, master, locks, stopping)
        queue_keys = QueueKeys(master, shared.task_keeper)
        retention = Retention(ledger, settings.topology.privacy.contact_days)
        # By name: the interval (ms), and the work.
        always: dict[str, tuple[int, Work]] = {
            "heartbeat": (limits.HEARTBEAT_MS, heartbeat.beat),
            "status_report": (limits.STATUS_REPORT_MS, self._status_reporter.write_report),
            "key_types": (KEY_TYPES_EVERY_MS, region_keys.check_types),
            "incidents": (limits.STATUS_REPORT_MS, shared.incidents.send),
        }
        # The same for work that is done only while this keeper serves a reconciled master, under its fencing token.
        while_serving: dict[str, tuple[int, WorkUnderToken]] = {
            "forget": (FORGET_EVERY_MS, lambda _token: expiry.forget()),
            "rebuild": (REBUILD_EVERY_MS, rebuilder.turn),
            "comparison": (COMPARE_EVERY_MS, comparison.turn),
            "shows_gone": (KEY_TYPES_EVERY_MS, region_keys.check_shows),
            "region_keys": (REGION_KEYS_EVERY_MS, region_keys.compare),
            "archive": (ARCHIVE_EVERY_MS, lambda _token: archiver.turn()),
            "orders": (ORDERS_EVERY_MS, lambda _token: settlement.check_due_orders()),
            "tasks": (int(limits.TASK_RETRY_S * 1000), lambda _token: shared.task_keeper.turn()),
            "due_tasks": (TICK_MS, lambda _token: shared.task_keeper.due_turn()),
            "queue_keys": (QUEUE_KEYS_EVERY_MS, lambda _token: queue_keys.turn()),
            "entries": (ENTRIES_EVERY_MS, lambda _token: self._take_over_entries(shared.outbox)),
            "hold_events": (HOLD_EVENTS_EVERY_MS, hold_events.turn),
            "figures": (limits.VIEWER_COUNTS_MS, hour_figures.turn),
            "retention": (RETENTION_EVERY_MS, lambda _token: retention.turn()),
        }
        self._work = always | {name: (every_ms, self._serve(work)) for name, (every_ms, work) in while_serving.items()}

    def start(self) -> list[asyncio.Task[None]]:
        """Begin to work; the caller awaits the tasks. One that ends before ``stopping`` is set has failed."""
        loops = {"queries": self._queries.run(self._stopping), "expiry": self._expire(), "background": self._run()}
        return [asyncio.create_task(each, name=name) for name, each in loops.items()]

    async def close(self) -> None:
        """Delete the status report of this keeper, and close the connections; all tasks must have ended."""
        with contextlib.suppress(TicketError, RedisError):
            await self._status_reporter.sign_off()
        await self._jobs.close()

    async def _run(self) -> None:
        under_way: dict[str, asyncio.Task[None]] = {}
        ticks = 0
        while not self._stopping.is_set():
            for name, (every_ms, work) in self._work.items():
                is_due = ticks % max(every_ms // TICK_MS, 1) == 0
                if is_due and (name not in under_way or under_way[name].done()):
                    under_way[name] = asyncio.create_task(self._turn(name, work), name=name)
            ticks += 1
            await pause(TICK_MS / 1000, self._stopping)
        await asyncio.gather(*under_way.values())

    def _serve(self, work: WorkUnderToken) -> Work:
        async def turn() -> None:
            if (token := self._record_path.token) is not None:
                await work(token)

        return turn

    async def _take_over_entries(self, outbox: Outbox) -> None:
        if live := self._status_reporter.live_keepers:
            await outbox.take_over(live)

    async def _expire(self) -> None:
        """Sweep whenever the next hold can lapse."""
        sweep = self._serve(lambda _token: self._expiry.turn())
        while not self._stopping.is_set():
            await self._turn("expiry", sweep)
            await pause(self._expiry.wait_s, self._stopping)

    async def _turn(self, name: str, work: Work) -> None:
        try:
            await work()
        except TRANSIENT as error:
            # The record path logs the same fault. The connection of the queues may be broken, so the next use opens a
            # new one.
            log.debug("%s: %s", name, error)
            await self._jobs.close()
        except TicketError as error:
            log.warning("%s: %s", name, error)
        except Exception:
            # A fault in one kind of background work must not end the others.
            log.exception("%s failed", name)
            await pause(LONGEST_PAUSE_S, self._stopping)
