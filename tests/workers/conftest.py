"""A region with a real master, a SQLite ledger, keepers in this process, workers as processes, and the demo bank."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from bullmq import Queue as BullQueue

from realtime import connect, keys
from realtime.contact import Contact
from realtime.dev import valkey
from realtime.dev.fork_server import Fork
from realtime.jobs import Jobs
from realtime.keeper.service import Keeper
from realtime.ledger import Ledger
from realtime.ledger.rows import NewRefund, Queue, RefundProgress, RefundReason, RefundRow, TaskRow, task_id
from realtime.locks.master import LockMaster
from realtime.payments.demo import DemoPayments
from realtime.payments.factory import PaymentConfig
from realtime.payments.service import OrderRequest
from realtime.settings import Settings
from realtime.topology import Plain, Region, Topology
from tests.cluster import until
from tests.ledgers import new_ledger
from tests.payments.bank import SECRET as BANK_SECRET
from tests.payments.bank import Bank, running_bank

SECRET = "a secret for the tests"
AMOUNT = 45_000
HOOK_SECRET = "whsec_bmV3IHNlY3JldCBvZiB0aGUgc2hvcA=="
PUBLIC = "https://tickets.example"
FAR = 4_000_000_000_000
"""The end of an order, long after the tests."""


@dataclass
class Gate:
    """What stands between a worker and the bank: it passes requests on, unless a test lets it do something else."""

    bank: Bank
    refunds_asked: int = 0
    down: bool = False
    refusal: dict[str, Any] | None = None
    """A definite no, which is answered instead of the bank."""
    before_answer: Callable[[], Awaitable[None]] | None = None
    """Called when the bank has returned the money, before the worker hears of it."""
    url: str = ""

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        refund = request.method == "POST" and request.path.endswith("/refunds")
        self.refunds_asked += refund
        if self.down:
            return web.Response(status=503)
        if refund and self.refusal is not None:
            return web.json_response({"error": self.refusal}, status=400)
        body = await request.read()
        headers = {name: request.headers[name] for name in ("Authorization", "Content-Type") if name in request.headers}
        async with (
            aiohttp.ClientSession() as session,
            session.request(request.method, self.bank.url + request.path, data=body, headers=headers) as answer,
        ):
            status, blob = answer.status, await answer.read()
        if refund and self.before_answer is not None:
            await self.before_answer()
        return web.Response(status=status, body=blob, content_type="application/json")


@dataclass
class Desk:
    """One region in which refunds are made."""

    server: valkey.Valkey
    settings: Settings
    master: LockMaster
    ledger: Ledger
    jobs: Jobs
    gate: Gate
    payments: DemoPayments
    folder: Path
    keepers: list[Keeper] = field(default_factory=list)
    workers: list[Fork] = field(default_factory=list)

    def keeper(self) -> Keeper:
        keeper = Keeper(self.settings, "west", f"k{len(self.keepers)}")
        keeper.start()
        self.keepers.append(keeper)
        return keeper

    def worker(self, mail: str = "", queues: str = "", hooks: str = "") -> Fork:
        """Start a worker as an operator does; ``mail`` is the URL of its mail server, ``hooks`` that of the shop."""
        topology = self.folder / "topology.toml"
        topology.write_text(
            f'public = ["{PUBLIC}"]\n'
            f'[payments]\nservice = "demo"\nurl = "{self.gate.url}"\n[regions.west]\nmaster = "{self.server.url}"\n'
            f'ledger = "sqlite:///{self.folder}/west.db"\n'
            + (f'[webhooks.shop]\nurl = "{hooks}"\nprivate = true\n' if hooks else "")
            + (f'[mail]\nurl = "{mail}"\nsender = "tickets@hall.example"\n' if mail else "")
        )
        env = {
            **os.environ,
            "TICKINGTICKETS_SECRET": SECRET,
            "TICKINGTICKETS_BANK_SECRET": BANK_SECRET,
            "TICKINGTICKETS_WEBHOOK_SECRETS_SHOP": HOOK_SECRET,
            "TICKINGTICKETS_ALLOW_DEMO_PAYMENTS": "yes",
        }
        args = ["realtime", "--topology", str(topology), "worker", "--region", "west"]
        args += ["--queues", queues] if queues else []
        process = Fork("worker", args, Path.cwd(), self.folder / "worker.log", env)
        self.workers.append(process)
        return process

    async def paid(self, hold: str) -> str:
        """Pay an order of a hold at the bank; return the payment's id."""
        order = await self.payments.create_order(OrderRequest(hold, ("A-1",), AMOUNT, FAR, f"order-{hold}"))
        await self.payments.pay(order.id)
        (payment,) = await self.payments.payments_of(order.id)
        return payment.payment

    async def promised(self, name: str, contact: Contact | None = None) -> RefundRow:
        """Promise the refund of a payment of its own; its job is added too."""
        hold = f"west-s.h{name:_<22}"
        payment = await self.paid(hold)
        refund = await self.ledger.promise_refund(
            NewRefund(hold, "west-s", "owner", payment, AMOUNT, RefundReason.LATE, at=1, contact=contact)
        )
        assert refund is not None
        await self.jobs.add([refund_task(refund)])
        return refund

    async def state(self, refund: RefundRow) -> RefundProgress:
        row = await self.ledger.refund(refund.id)
        assert row is not None
        return row.state

    async def until_state(self, refund: RefundRow, wanted: RefundProgress, timeout_s: float = 60) -> RefundRow:
        async def reached() -> RefundRow | None:
            row = await self.ledger.refund(refund.id)
            return row if row is not None and row.state is wanted else None

        found: RefundRow = await until(reached, timeout_s)
        return found

    async def returned(self) -> list[tuple[str, int]]:
        """What the bank has returned: payment and amount of each refund."""
        audit = await self.gate.bank.ask("GET", "/audit")
        return [(each["payment"], each["amount"]) for each in audit["refunds"]]

    async def job_state(self, queue: Queue, job: str) -> str:
        redis = connect.client(Plain(self.server.url), decode=True)
        try:
            return str(await BullQueue(queue.value, {"prefix": keys.JOBS_PREFIX, "connection": redis}).getJobState(job))
        finally:
            await connect.close(redis)


def refund_task(refund: RefundRow) -> TaskRow:
    return TaskRow(task_id(Queue.REFUNDS, refund.id), Queue.REFUNDS, refund.id, refund.created_at)


def end(process: Fork, how: signal.Signals = signal.SIGTERM) -> int:
    if process.poll() is None:
        process.send_signal(how)
    return process.wait(timeout=60)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    server = valkey.start(tmp_path / "master")
    server.wait_ready()
    region = Region("west", "Mumbai", Plain(server.url), {}, new_ledger(tmp_path / "west.db"))
    master, ledger = LockMaster(region, timeout_s=5.0), Ledger(region.ledger)
    await ledger.open()
    async with running_bank(tmp_path / "bank.db") as bank:
        gate = Gate(bank)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", gate.pass_on)
        front = TestServer(app)
        await front.start_server()
        gate.url = str(front.make_url("")).rstrip("/")
        payments = PaymentConfig(
            "demo", {"url": gate.url}, {"TICKINGTICKETS_BANK_SECRET": BANK_SECRET}, demo_allowed=True
        )
        settings = Settings(Topology({"west": region}), SECRET, payments=payments)
        jobs, service = Jobs("west", master), DemoPayments(bank.url, BANK_SECRET)
        here = Desk(server, settings, master, ledger, jobs, gate, service, tmp_path)
        try:
            yield here
        finally:
            gate.before_answer = None
            for process in here.workers:
                await asyncio.to_thread(end, process, signal.SIGKILL)
            await asyncio.gather(*(keeper.stop() for keeper in here.keepers))
            for part in (service, jobs, master, ledger):
                with suppress(Exception):
                    await part.close()
            await front.close()
            server.kill()
