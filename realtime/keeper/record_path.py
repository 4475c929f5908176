"""The loop of the record path: reconcile the master when that is necessary, then record the next entries of its outbox.

What is done with an entry, and why it may be repeated: ``keeper.recorder``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

from redis.exceptions import RedisError

from realtime import limits
from realtime.cancellation import pause
from realtime.errors import RegionUnavailable
from realtime.jobs import Jobs
from realtime.keeper.commands import Commands
from realtime.keeper.reconcile import Reconciler
from realtime.keeper.recorder import TRANSIENT, Recorder
from realtime.keeper.refunds import RefundDelivery
from realtime.keeper.shared import SharedParts
from realtime.ledger import LedgerBehind, LedgerUnavailable, StaleFencingToken, WrongRegion
from realtime.locks.answers import Fenced
from realtime.locks.incidents import Incident
from realtime.locks.refund_notices import RefundNotices
from realtime.settings import Settings

log = logging.getLogger(__name__)
PAUSE_S = 0.25
"""Pause after a transient fault; it doubles up to ``LONGEST_PAUSE_S`` while the fault lasts."""
LONGEST_PAUSE_S = 2.0


class RecordPath:
    """The record path of one keeper. ``run`` it in one task, then ``close`` its connections."""

    def __init__(self, settings: Settings, keeper: str, shared: SharedParts) -> None:
        """``keeper`` is the name of this keeper. ``run`` opens the ledger; the caller closes it."""
        master, password = shared.master, settings.redis_password
        self._keeper = keeper
        self._shared = shared
        # A link of its own, because it is closed after every fault, which must not disturb the background work.
        self._jobs = Jobs(master.region, master, password, faults=shared.task_keeper.faults)
        refunds = RefundDelivery(self._jobs, RefundNotices(master))
        commands = Commands(
            settings.topology,
            master.region,
            password,
            shared.ledger,
            master,
            shared.locks,
            shared.shows,
            refunds,
            self._jobs,
        )
        self._recorder = Recorder(
            shared.outbox,
            shared.ledger,
            shared.locks,
            self._jobs,
            shared.shows,
            commands,
            shared.settlement,
            refunds,
        )
        self._reconciler = Reconciler(master.region, shared.ledger, master, shared.locks)
        self._compare_at = 0.0
        self.token: str | None = None
        """The fencing token under which this keeper serves its master; None while another keeper reconciles it."""

    async def run(self, stopping: asyncio.Event) -> None:
        """Record the entries of the outbox until ``stopping`` is set; finishes the batch that it has begun."""
        opened = False
        pause_s = PAUSE_S
        ledger, incidents, region = self._shared.ledger, self._shared.incidents, self._shared.master.region
        while not stopping.is_set():
            try:
                if not opened:
                    await ledger.open()
                    opened = True
                if await self._reconciled():
                    await self._record_once()
                else:
                    await pause(PAUSE_S, stopping)
            except TRANSIENT as error:
                log.warning("record path: %s: %s; trying again", type(error).__name__, error)
                if isinstance(error, LedgerUnavailable):
                    opened = False  # it may come back as an older or an empty ledger, which has to be migrated
                    incidents.set(Incident.LEDGER, region, True)
                elif isinstance(error, Fenced | StaleFencingToken):
                    incidents.happened(Incident.FENCED, region, self._keeper)
                if isinstance(error, StaleFencingToken):
                    self._reconciler.invalidate()
                elif isinstance(error, LedgerBehind):
                    await self._halt()
                await self.close()
                await pause(pause_s, stopping)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            else:
                incidents.set(Incident.LEDGER, region, False)
                pause_s = PAUSE_S

    async def close(self) -> None:
        """Close the connections; the next entry opens them again."""
        await self._shared.outbox.close()
        await self._jobs.close()

    async def _reconciled(self) -> bool:
        """Reconcile the master if that is necessary; False while another keeper does it. Sets ``token``."""
        token = await self._reconciler.ensure_reconciled()
        if token is not None and token != self.token:
            # A connection that has survived a failover would still read the outbox of the former master, and the queues
            # may be lost.
            await self.close()
            self._shared.task_keeper.all_due = True
            self._shared.incidents.happened(Incident.RECONCILED, self._shared.master.region, token.split()[-1])
        self.token = token
        return token is not None

    async def _record_once(self) -> None:
        assert self.token is not None, "the master is reconciled"
        await self._compare_positions()
        entries = await self._shared.outbox.read()
        if entries:
            await self._recorder.process(entries, self.token)

    async def _compare_positions(self) -> None:
        """Once per heartbeat, raise ``LedgerBehind`` if the ledger has lost commits, even if nobody writes to it."""
        now = time.monotonic()
        if now >= self._compare_at:
            self._compare_at = now + limits.HEARTBEAT_MS / 1000
            await self._shared.ledger.tell_reached()

    async def _halt(self) -> None:
        with contextlib.suppress(RegionUnavailable, WrongRegion, RedisError):
            await self._reconciler.halt(self._shared.ledger.known_position)
