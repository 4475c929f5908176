"""A keeper: the background process of a region. Several may run, because each of their steps may be repeated.

``record_path`` records in the ledger what was sold, ``background`` does everything else; ``shared`` has what both use.
"""

from __future__ import annotations

import asyncio

from realtime.jobs import Jobs
from realtime.keeper.background import Background
from realtime.keeper.contradictions import Contradictions
from realtime.keeper.outbox import Outbox
from realtime.keeper.position import Position
from realtime.keeper.record_path import RecordPath
from realtime.keeper.refunds import RefundDelivery
from realtime.keeper.settlement import Settlement
from realtime.keeper.shared import SharedParts
from realtime.keeper.task_keeper import TaskKeeper
from realtime.ledger import Ledger
from realtime.ledger.shows import Shows
from realtime.ledger.targets import Target
from realtime.locks.incidents import Incidents
from realtime.locks.master import LockMaster
from realtime.locks.refund_notices import RefundNotices
from realtime.locks.seats import Fence, SeatLocks
from realtime.payments.factory import payment_service
from realtime.settings import Settings, process_name
from realtime.tickets.code import derive_key
from realtime.topology import TopologyError

CALL_TIMEOUT_S = 5.0
"""Time-out of one call. A call of a stadium's rebuild may take longer than a buyer's call is allowed to."""


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
        self._ledger = ledger = Ledger(known.ledger, targets, derive_key(settings.secret, region), region)
        self._master = master = LockMaster(known, settings.redis_password, timeout_s=CALL_TIMEOUT_S)
        self._payments = payment_service(settings.payments)
        jobs = Jobs(region, master, settings.redis_password)
        locks, shows = SeatLocks(master, fence=Fence()), Shows(ledger)
        ledger.on_commit = Position(ledger, locks).tell
        incidents = Incidents(self.name, master)
        refunds, contradictions = RefundDelivery(jobs, RefundNotices(master)), Contradictions(master, incidents)
        shared = SharedParts(
            ledger,
            master,
            locks,
            shows,
            outbox=Outbox(master, self.name),
            settlement=Settlement(ledger, locks, shows, self._payments, refunds, contradictions),
            task_keeper=TaskKeeper(ledger, jobs),
            incidents=incidents,
        )
        self._stopping = asyncio.Event()
        self._record_path = RecordPath(settings, self.name, shared)
        self._background = Background(settings, self.name, shared, jobs, self._record_path, self._stopping)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to work in the background."""
        recorder = asyncio.create_task(self._record_path.run(self._stopping), name="recorder")
        self._tasks = [recorder, *self._background.start()]

    async def stop(self) -> None:
        """Finish the current batch, then end all tasks and close all connections."""
        self._stopping.set()
        # ``run`` has noticed a task that failed. The other tasks and the connections are ended all the same.
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._background.close()
        await self._record_path.close()
        await self._payments.close()
        await self._master.close()
        await self._ledger.close()

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """The tasks of this keeper; one that ends before ``stop`` has failed."""
        return self._tasks


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
