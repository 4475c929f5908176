"""A worker: takes jobs of one region from BullMQ queues, follows the region's master, stops gracefully."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from bullmq import Job, UnrecoverableError, Worker
from redis.exceptions import RedisError

from realtime import connect, keys
from realtime.cancellation import cancel_all, pause
from realtime.errors import TicketError
from realtime.job_states import RECORDED
from realtime.jobs import Jobs
from realtime.ledger import Ledger, LedgerUnavailable, WrongRegion
from realtime.ledger.rows import Queue
from realtime.ledger.shows import Shows
from realtime.ledger.targets import Target
from realtime.locks.master import LockMaster
from realtime.locks.refund_notices import RefundNotices
from realtime.payments.factory import payment_service
from realtime.settings import Settings, process_name
from realtime.tickets.data import Seller
from realtime.tickets.link import TicketLinks
from realtime.tickets.mail import Sender
from realtime.tickets.token import derive_key
from realtime.topology import Plain, TopologyError
from realtime.workers.analytics import AnalyticsEntries
from realtime.workers.booked_tickets import BookedTickets
from realtime.workers.claims import Claims, NotDoneYet
from realtime.workers.mails import Mails
from realtime.workers.payload import Payload, read_payload
from realtime.workers.refunds import Refunds, pause_ms
from realtime.workers.smtp import MailNotSent, Smtp
from realtime.workers.webhooks import NotDelivered, Webhooks

log = logging.getLogger(__name__)
QUEUES = tuple(Queue)
"""The queues that this program has a processor for."""
CALL_TIMEOUT_S = 5.0
REPLY_TIMEOUT_S = 30.0
"""BullMQ blocks on a read for up to ten seconds; a shorter time-out would stall an idle worker."""
FOLLOW_S = 1.0
"""How often the worker checks where the master is."""
OTHER_CALLS = 4
"""Connections for a queue's own calls, in addition to one per job, because all jobs may end at the same time."""
PAUSE_S = 0.5
STOP_S = 20.0
"""How long jobs under way may go on when the process is asked to stop; then they are left to another worker."""
LOCK_MS = 15_000
"""How long a job belongs to a worker that has died; a live one renews its lock at half of this. Longer than a call to a
gateway may take, which does not block the renewal."""
STALLED_MS = 5_000
"""How often the worker looks for jobs whose worker has died."""
EXPECTED = (NotDoneYet, NotDelivered, MailNotSent, TicketError, LedgerUnavailable, UnrecoverableError)
"""Failures of a job that need no traceback."""
Processor = Callable[[Payload], Awaitable[None]]


class WorkerProcess:
    """Workers of one region. ``start`` it, ``stop`` it; it reconnects by itself."""

    def __init__(self, settings: Settings, region: str, queues: Sequence[Queue] = QUEUES, concurrency: int = 4) -> None:
        """Raises ``TopologyError`` for a region that is not there or has no ledger."""
        known = settings.topology.regions.get(region)
        if known is None or not known.ledger:
            raise TopologyError(f"there is no region {region} with a ledger in the topology")
        self._region = region
        self._password = settings.redis_password
        self._concurrency = concurrency
        targets = [Target(name, each.events) for name, each in settings.topology.webhooks.items()]
        self._ledger = Ledger(known.ledger, targets, region=region)
        self._master = LockMaster(known, settings.redis_password, timeout_s=CALL_TIMEOUT_S)
        self._payments = payment_service(settings.payments)
        self._webhooks: Webhooks | None = None
        self._jobs = Jobs(region, self._master, settings.redis_password)
        self._processors = self._made_processors(settings, queues)
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def _made_processors(self, settings: Settings, queues: Sequence[Queue]) -> dict[Queue, Processor]:
        found: dict[Queue, Processor] = {}
        if Queue.REFUNDS in queues:
            notices = RefundNotices(self._master)
            found[Queue.REFUNDS] = Refunds(self._ledger, self._payments, notices, self._jobs).process
        if Queue.TICKETS in queues or Queue.MAIL in queues:
            topology, shows = settings.topology, Shows(self._ledger)
            seller = Seller(*(getattr(topology.seller, name) for name in Seller.__slots__))
            key = derive_key(settings.secret, self._region)
            tickets = BookedTickets(self._ledger, shows, seller, key, topology.names)
            server = topology.mail
            smtp = Smtp(server.url, settings.mail_password) if server.url else None
            sender = Sender(server.sender, server.name or seller.name) if server.sender else None
            links = TicketLinks(settings.secrets)
            link_of = partial(links.link, topology.link_origin(self._region))
            mails = Mails(self._ledger, shows, tickets, smtp, sender, seller.name, link_of, topology.names)
            found[Queue.TICKETS] = Claims(self._ledger, Queue.TICKETS, tickets.draw).process
            found[Queue.MAIL] = Claims(self._ledger, Queue.MAIL, mails.send).process
        if Queue.WEBHOOKS in queues:
            self._webhooks = _webhooks(self._ledger, settings)
            found[Queue.WEBHOOKS] = Claims(self._ledger, Queue.WEBHOOKS, self._webhooks.deliver).process
        entries = AnalyticsEntries(self._ledger)
        found[Queue.ANALYTICS] = Claims(self._ledger, Queue.ANALYTICS, entries.enter).process
        return {queue: found[queue] for queue in queues}

    def start(self) -> asyncio.Task[None]:
        """Begin to work in the background; the returned task ends after ``stop`` was called."""
        self._task = asyncio.create_task(self._run(), name=f"worker of {self._region}")
        return self._task

    async def stop(self) -> None:
        """Finish the jobs under way, then close all connections."""
        self._stopping.set()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        await self._jobs.close()
        await self._master.close()
        await self._ledger.close()
        await self._payments.close()
        if self._webhooks is not None:
            await self._webhooks.close()

    async def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                await self._ledger.open()
                await self._serve(await self._master.address())
            except (TicketError, LedgerUnavailable, WrongRegion, RedisError, OSError) as error:
                log.warning("worker of %s: %s; trying again", self._region, error)
                await self._pause(PAUSE_S)

    async def _serve(self, where: Plain) -> None:
        """Process jobs of one master until it is not the master any more, or the process stops."""
        generation = self._master.generation
        connections = self._concurrency + OTHER_CALLS
        clients = [
            connect.client(where, self._password, timeout_s=REPLY_TIMEOUT_S, connections=connections, decode=True)
            for _queue in self._processors
        ]
        workers = [self._worker(queue, client) for queue, client in zip(self._processors, clients, strict=True)]
        running = [asyncio.create_task(worker.run()) for worker in workers]
        log.info("worker of %s: %s, on %s", self._region, ", ".join(self._processors), where.address)
        try:
            while not self._stopping.is_set() and not any(task.done() for task in running):
                await self._pause(FOLLOW_S)
                with contextlib.suppress(TicketError):
                    if await self._master.address() != where or self._master.generation != generation:
                        break
        finally:
            await self._end(workers, running)
            await self._jobs.close()
            for client in clients:
                await connect.close(client)

    async def _end(self, workers: list[Worker], running: list[asyncio.Task[None]]) -> None:
        """If the process stops, let the jobs under way finish within ``STOP_S``; if the master has moved, cancel them.

        While its master is unreachable, a BullMQ worker does not end by itself but repeats its calls without a pause.
        So its tasks are cancelled before the final close.
        """
        if self._stopping.is_set():
            closing = [asyncio.create_task(worker.close()) for worker in workers]
            await asyncio.wait([*closing, *running], timeout=STOP_S)
            for worker in workers:
                await cancel_all(*worker.processing)
        await cancel_all(*running)
        await asyncio.gather(*(worker.close(force=True) for worker in workers))

    def _worker(self, queue: Queue, client: Any) -> Worker:
        process = self._processors[queue]

        async def run(job: Job, _token: str) -> str:
            try:
                payload = read_payload(job.data, self._region)
            except ValueError as error:
                log.error("%s: job %s: %s", queue.value, job.id, error)
                raise UnrecoverableError(str(error)) from None
            try:
                await process(payload)
            except EXPECTED as error:
                log.info("%s: job %s: %s", queue.value, job.id, error)
                raise
            except Exception:
                log.exception("%s: job %s failed", queue.value, job.id)
                raise
            return RECORDED

        options = {
            "connection": client,
            "prefix": keys.JOBS_PREFIX,
            "concurrency": self._concurrency,
            "name": process_name(),
            "autorun": False,
            "runRetryDelay": 500,
            "lockDuration": LOCK_MS,
            "stalledInterval": STALLED_MS,
            # A job whose worker was killed is taken by another one; there is no limit to how often.
            "maxStalledCount": 1_000,
            "settings": {"backoffStrategy": pause_ms},
        }
        worker = Worker(queue.value, run, options)
        worker.on("error", lambda error, *_job: log.warning("%s: %s", queue.value, error))
        return worker

    async def _pause(self, seconds: float) -> None:
        await pause(seconds, self._stopping)


def _webhooks(ledger: Ledger, settings: Settings) -> Webhooks:
    """Raises ``TopologyError`` for a target without a secret, or with a malformed one."""
    missing = sorted(settings.topology.webhooks.keys() - settings.webhook_secrets.keys())
    if missing:
        raise TopologyError(
            f"set TICKINGTICKETS_WEBHOOK_SECRETS_{missing[0].upper()}: the target {missing[0]} needs it"
        )
    try:
        return Webhooks(ledger, settings.topology.webhooks, settings.webhook_secrets)
    except ValueError as error:
        raise TopologyError(f"a secret of a webhook target is not whsec_ and base64: {error}") from None


async def run(
    settings: Settings, region: str, stop: asyncio.Event, queues: Sequence[Queue] = QUEUES, concurrency: int = 4
) -> None:
    """Run a worker until ``stop`` is set; raises what ended it if it was something else."""
    worker = WorkerProcess(settings, region, queues, concurrency)
    working = worker.start()
    waiting = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait([waiting, working], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        waiting.cancel()
        await worker.stop()
