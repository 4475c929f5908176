"""The demo bank on a free port, in this process or as one of its own, and a receiver for its webhooks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from realtime.dev.bank.app import make_app
from realtime.payments.demo import DemoPayments
from realtime.payments.service import WebhookEvent
from realtime.payments.status import PaymentState

SECRET = "the bank's own secret"


@dataclass
class Bank:
    """A bank that runs at a port."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def pay(self, order: str, **how: object) -> list[dict[str, Any]]:
        """Pay without a browser, as load tests do."""
        answer = await self.ask("POST", f"/orders/{order}/pay", json=how)
        return list(answer["payments"])

    async def ask(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {SECRET}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, self.url + path, **more) as answer,
        ):
            body: dict[str, Any] = await answer.json()
            return body


@dataclass
class BankProcess(Bank):
    """A bank that can be killed and started again on the same port and file."""

    data: Path
    webhooks: Sequence[str] = ()
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "realtime.dev.bank", "--port", str(self.port), "--data", str(self.data)),
            *(part for url in self.webhooks for part in ("--webhook", url)),
            env={**os.environ, "TICKINGTICKETS_BANK_SECRET": SECRET},
        )
        async with asyncio.timeout(30), aiohttp.ClientSession() as session:
            while True:
                assert self.process.returncode is None, "the bank has ended"
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"{self.url}/healthz") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@asynccontextmanager
async def running_bank(data: Path, webhooks: Sequence[str] = ()) -> AsyncIterator[Bank]:
    """A bank in this process, over real HTTP all the same: much quicker to start."""
    port = free_port()
    server = TestServer(make_app(data, SECRET, f"http://127.0.0.1:{port}", webhooks), host="127.0.0.1", port=port)
    await server.start_server()
    try:
        yield Bank(port)
    finally:
        await server.close()


@asynccontextmanager
async def bank_process(data: Path, webhooks: Sequence[str] = ()) -> AsyncIterator[BankProcess]:
    bank = BankProcess(free_port(), data, webhooks)
    await bank.start()
    try:
        yield bank
    finally:
        await bank.kill()


@dataclass
class Receiver:
    """A webhook address as a node's: checks the signature, notes the event, answers 200, or as ``answers`` says."""

    answers: list[int] = field(default_factory=list)
    bodies: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    events: list[WebhookEvent] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._service = DemoPayments("http://127.0.0.1:1", SECRET)
        app = web.Application()
        app.add_routes([web.post("/webhook", self._receive)])
        self.server = TestServer(app)

    @property
    def url(self) -> str:
        return str(self.server.make_url("/webhook"))

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until what was received fulfils a condition."""
        async with asyncio.timeout(20):
            while not condition():
                self._news.clear()
                await self._news.wait()

    def states(self) -> set[tuple[str, PaymentState]]:
        """Payments with each state that an event reported."""
        return {(event.payment.payment, event.payment.state) for event in self.events if event.payment is not None}

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.bodies.append((dict(request.headers), body))
        status = self.answers.pop(0) if self.answers else 200
        if status == 200:
            event = self._service.read_webhook(request.headers, body)
            assert event is not None
            self.events.append(event)
        self._news.set()
        return web.Response(status=status)


@asynccontextmanager
async def running_receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    await receiver.server.start_server()
    try:
        yield receiver
    finally:
        await receiver.server.close()
