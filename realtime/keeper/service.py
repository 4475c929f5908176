"""A keeper: the background process of a region. Two or more may run: all their steps may be repeated."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import time
from collections.abc import Awaitable, Callable

from redis.exceptions import RedisError

from realtime import limits
from realtime.cancellation import pause
from realtime.clock import now_ms
from realtime.errors import RegionUnavailable, TicketError
from realtime.jobs import Jobs
from realtime.keeper.archive import Archiver
from realtime.keeper.commands import Commands
from realtime.keeper.comparison import Comparison
from realtime.keeper.heartbeat import Heartbeat
from realtime.keeper.hold_events import HoldEventReader
from realtime.keeper.hour_figures import HourFigures
from realtime.keeper.outbox import Outbox
from realtime.keeper.queries import Queries
from realtime.keeper.rebuild import Rebuilder
from realtime.keeper.reconcile import Reconciler
from realtime.keeper.recorder import TRANSIENT, Recorder
from realtime.keeper.refunds import RefundDelivery
from realtime.keeper.settlement import Settlement
from realtime.keeper.status_report import StatusReporter
from realtime.keeper.task_keeper import TaskKeeper
from realtime.ledger import Ledger, LedgerBehind, LedgerUnavailable, StaleFencingToken
from realtime.ledger.shows import Shows
from realtime.ledger.targets import Target
from realtime.locks.answers import Fenced
from realtime.locks.incidents import Incident, Incidents
from realtime.locks.master import LockMaster
from realtime.locks.refund_notices import RefundNotices
from realtime.locks.seats import Fence, SeatLocks
from realtime.payments.factory import payment_service
from realtime.settings import Settings, process_name
from realtime.topology import TopologyError

log = logging.getLogger(__name__)
ORDERS_EVERY_MS = 1_000
"""How often the ledger is searched for orders about which the gateway must be asked."""
CONTACTS_EVERY_MS = 600_000
"""How often contacts are deleted whose time is over."""
DAY_MS = 24 * 3600 * 1000
DELIVERIES_KEPT_MS = 30 * DAY_MS
"""How long the log of webhooks is kept."""
HOLD_EVENTS_EVERY_MS = 1_000
"""How often the logs of shows are read, where a webhook wants to know of holds."""
ARCHIVE_EVERY_MS = 60_000
"""How often a keeper looks for shows that are over."""
FORGET_EVERY_MS = 1_000
"""How often the records of holds are deleted that ended some time ago."""
REBUILD_EVERY_MS = 500
"""How often a keeper looks for shows that must be rebuilt."""
COMPARE_EVERY_MS = 1_000
"""How often a keeper looks whether it is time to compare the next shows with the ledger."""
PAUSE_S = 0.25
"""Pause after a transient fault; it doubles up to ``LONGEST_PAUSE_S`` while the fault lasts."""
LONGEST_PAUSE_S = 2.0
CALL_TIMEOUT_S = 5.0
"""Time-out of one call. The rebuild of a stadium takes longer than a buyer's call may."""


class Keeper:
    """One keeper of one region. ``start`` it, ``stop`` it; it reconnects by itself."""

    def __init__(self, settings: Settings, region: str, name: str | None = None) -> None:
        """Raises ``TopologyError`` for a region that is not there or has no ledger."""
        known = settings.topology.regions.get(region)
        if known is None:
            raise TopologyError(f"there is no region {region} in the topology")
        if not known.ledger:
            raise TopologyError(f"regions.{region} has no ledger")
        self.name = name or process_name()
        targets = [Target(name, each.events) for name, each in settings.topology.webhooks.items()]
        self._ledger = Ledger(known.ledger, targets)
        self._master = LockMaster(known, settings.redis_password, timeout_s=CALL_TIMEOUT_S)
        self._locks = SeatLocks(self._master, fence=Fence())
        self._shows = Shows(self._ledger)
        self._outbox = Outbox(self._master, self.name)
        # The recorder drops its connections after a fault; the background work keeps its own.
        self._jobs, self._background_jobs = (Jobs(region, self._master, settings.redis_password) for _ in range(2))
        notices = RefundNotices(self._master)
        self._commands = Commands(
            settings.topology,
            region,
            settings.redis_password,
            self._ledger,
            self._master,
            self._locks,
            self._shows,
            RefundDelivery(self._jobs, notices),
            self._jobs,
        )
        self._incidents = Incidents(self.name, self._master)
        self._reconciler = Reconciler(region, self._ledger, self._master, self._locks)
        self._rebuilder = Rebuilder(self._ledger, self._master, self._locks)
        self._archiver = Archiver(self._ledger, self._master, self._locks)
        self._heartbeat = Heartbeat(region, self.name, self._master, self._locks)
        self._payments = payment_service(settings.payments)
        self._status_reporter = StatusReporter(
            self.name, self._master, self._background_jobs, self._ledger, self._incidents
        )
        self._settlement = Settlement(
            self._ledger, self._locks, self._shows, self._payments, RefundDelivery(self._background_jobs, notices)
        )
        self._recorder = Recorder(
            self._outbox,
            self._ledger,
            self._locks,
            self._jobs,
            self._shows,
            self._commands,
            self._settlement,
            RefundDelivery(self._jobs, notices),
        )
        self._queries = Queries(self._ledger, self._master, self._shows, self._background_jobs)
        self._task_keeper = TaskKeeper(self._ledger, self._background_jobs)
        self._hold_events = HoldEventReader(self._ledger, self._master, self._shows, self._background_jobs)
        self._hour_figures = HourFigures(self._ledger, self._master, self._locks)
        self._contact_days = settings.topology.privacy.contact_days
        self._served: str | None = None
        self._compare_at = 0.0
        self._sweep_at = 0.0
        self._left = 0
        """Lapsed holds that this round of sweeps has left where they are."""
        self._stopping = asyncio.Event()
        self._comparison = Comparison(self._ledger, self._master, self._rebuilder, self._stopping)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to work in the background."""
        work = {
            "recorder": self._keep_recording(),
            "expiry": self._serve_every(limits.EXPIRY_POLL_MS, self._sweep),
            "forget": self._serve_every(FORGET_EVERY_MS, self._forget),
            "rebuild": self._serve_every(REBUILD_EVERY_MS, self._rebuilder.turn),
            "comparison": self._serve_every(COMPARE_EVERY_MS, self._comparison.turn),
            "archive": self._serve_every(ARCHIVE_EVERY_MS, self._archive),
            "heartbeat": self._every(limits.HEARTBEAT_MS, self._heartbeat.beat),
            "status_report": self._every(limits.STATUS_REPORT_MS, self._status_reporter.write_report),
            "incidents": self._every(limits.STATUS_REPORT_MS, self._incidents.send),
            "queries": self._queries.run(self._stopping),
            "orders": self._serve_every(ORDERS_EVERY_MS, self._check_orders),
            "tasks": self._serve_every(int(limits.TASK_RETRY_S * 1000), self._look_after_tasks),
            "hold_events": self._serve_every(HOLD_EVENTS_EVERY_MS, self._hold_events.turn),
            "figures": self._serve_every(limits.VIEWER_COUNTS_MS, self._hour_figures.turn),
            "contacts": self._serve_every(CONTACTS_EVERY_MS, self._delete_old_contacts),
        }
        self._tasks = [asyncio.create_task(each, name=name) for name, each in work.items()]

    async def stop(self) -> None:
        """Finish the current batch, then end all tasks and close all connections."""
        self._stopping.set()
        # A task that failed was noticed by ``run``; the others and the connections are ended all the same.
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(TicketError, RedisError):
            await self._status_reporter.sign_off()
        await self._disconnect()
        await self._background_jobs.close()
        await self._payments.close()
        await self._master.close()
        await self._ledger.close()

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """The tasks of this keeper; one that ends before ``stop`` has failed."""
        return self._tasks

    # --- the record path ------------------------------------------------------------------------------------------
    async def _keep_recording(self) -> None:
        opened = False
        pause_s = PAUSE_S
        while not self._stopping.is_set():
            try:
                if not opened:
                    await self._ledger.open()
                    opened = True
                await self._record_once()
            except TRANSIENT as error:
                log.warning("recorder: %s: %s; trying again", type(error).__name__, error)
                if isinstance(error, LedgerUnavailable):
                    self._incidents.set(Incident.LEDGER, self._master.region, True)
                elif isinstance(error, Fenced | StaleFencingToken):
                    self._incidents.happened(Incident.FENCED, self._master.region, self.name)
                if isinstance(error, StaleFencingToken):
                    self._reconciler.invalidate()
                elif isinstance(error, LedgerBehind):
                    await self._halt()
                await self._disconnect()
                await self._pause(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            else:
                self._incidents.set(Incident.LEDGER, self._master.region, False)
                pause_s = PAUSE_S

    async def _record_once(self) -> None:
        served = await self._reconciler.ensure_reconciled()
        if served is None:
            self._served = None
            await self._pause(PAUSE_S)
            return
        if served != self._served:
            # A connection that outlived a failover would read the outbox of a former master; the queues may be lost.
            await self._disconnect()
            await self._task_keeper.add_all()
            self._served = served
            self._incidents.happened(Incident.RECONCILED, self._master.region, served.split()[-1])
        await self._compare_positions()
        entries = await self._outbox.read()
        if entries:
            await self._recorder.process(entries, served)

    async def _compare_positions(self) -> None:
        """Raise ``LedgerBehind`` if the ledger has lost commits; record its position on the master."""
        now = time.monotonic()
        if now < self._compare_at:
            return
        self._compare_at = now + limits.HEARTBEAT_MS / 1000
        known = self._ledger.known_position
        reached = (await self._ledger.fencing_state()).position
        if reached < known:
            raise LedgerBehind(f"the ledger is at position {reached}, the lock master knows {known}")
        if reached > known:
            await self._locks.raise_position(reached)

    async def _halt(self) -> None:
        with contextlib.suppress(RegionUnavailable, RedisError):
            await self._reconciler.halt()

    async def _disconnect(self) -> None:
        await self._outbox.close()
        await self._jobs.close()

    # --- background work ------------------------------------------------------------------------------------------
    async def _archive(self, _token: str) -> None:
        await self._archiver.turn()

    async def _sweep(self, _token: str) -> None:
        now = time.monotonic()
        if now < self._sweep_at:
            return
        due_ms = await self._locks.until_due()
        if due_ms is not None and due_ms <= 0:
            await self._expire_due()
        else:
            # A hold that is made meanwhile lasts as long as this pause, or longer.
            longest_ms = limits.MIN_HOLD_S * 1000
            self._sweep_at = now + min(due_ms or longest_ms, longest_ms) / 1000

    async def _expire_due(self) -> None:
        """End the lapsed holds of one turn; the next turn goes on where this one ends."""
        for _ in range(limits.EXPIRY_LOOKS):
            due = await self._locks.due(limits.EXPIRY_LOOK, self._left)
            self._left += (await self._locks.expire(due)).left
            if len(due) < limits.EXPIRY_LOOK:
                self._left = 0
                return

    async def _forget(self, _token: str) -> None:
        while await self._locks.forget(limits.KEEPER_BATCH) == limits.KEEPER_BATCH:
            pass

    async def _check_orders(self, _token: str) -> None:
        await self._settlement.check_due_orders()

    async def _look_after_tasks(self, _token: str) -> None:
        await self._task_keeper.turn()
        await self._outbox.remove_dead_consumers()

    async def _delete_old_contacts(self, _token: str) -> None:
        kept_ms = self._contact_days * DAY_MS
        unpaid_ms = limits.ORDER_OPEN_S * 1000 + DAY_MS
        deleted = await self._ledger.delete_old_contacts(now_ms() - kept_ms, now_ms() - unpaid_ms)
        await self._ledger.delete_old_deliveries(now_ms() - DELIVERIES_KEPT_MS)
        await self._ledger.delete_figure_batches(now_ms() - DAY_MS)
        if deleted:
            log.info("%d contacts were deleted: their time was over", deleted)

    async def _serve_every(self, interval_ms: int, work: Callable[[str], Awaitable[object]]) -> None:
        """Do some work regularly while this keeper serves a reconciled master, under its fencing token."""

        @functools.wraps(work)
        async def turn() -> None:
            if self._served is not None:
                await work(self._served)

        await self._every(interval_ms, turn)

    async def _every(self, interval_ms: int, work: Callable[[], Awaitable[None]]) -> None:
        while not self._stopping.is_set():
            try:
                await work()
            except TRANSIENT as error:
                # Raised or logged by the record path as well; the redis errors may leave a broken connection.
                log.debug("%s: %s", getattr(work, "__name__", work), error)
                await self._background_jobs.close()
            except TicketError as error:
                log.warning("%s", error)
            except Exception:
                # A fault in one kind of background work must not end the others.
                log.exception("%s failed", getattr(work, "__qualname__", work))
                await self._pause(LONGEST_PAUSE_S)
            await self._pause(interval_ms / 1000)

    async def _pause(self, seconds: float) -> None:
        await pause(seconds, self._stopping)


async def run(settings: Settings, region: str, stop: asyncio.Event, name: str | None = None) -> None:
    """Run a keeper until ``stop`` is set; raises what ended it if it was something else."""
    keeper = Keeper(settings, region, name)
    keeper.start()
    waiting = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait([waiting, *keeper.tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        waiting.cancel()
        await keeper.stop()
