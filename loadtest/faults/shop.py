"""The shop's system that webhooks are sent to: checks their signatures, and often does not answer as it should."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator

import orjson
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from loadtest.faults.judge.after_booking import Event
from realtime.ledger.targets import EventType
from realtime.topology import WebhookTarget

NAME = "shop"
"""Of the target in the topology."""
REFUSES, HANGS_UP = 0.05, 0.05
"""Shares of the webhooks that it refuses for now, and that it takes without an answer."""


class Shop:
    """Keeps what it has taken, in order."""

    def __init__(self, port: int, seed: int) -> None:
        """It will listen on ``port`` of loopback."""
        self.arrived: list[Event] = []
        self.forged = 0
        self._port = port
        self._rng = random.Random(seed)
        self._webhook: Webhook | None = None

    @property
    def target(self) -> WebhookTarget:
        """The entry of the topology."""
        events = (EventType.BOOKING_CONFIRMED.value, EventType.REFUND_COMPLETED.value)
        return WebhookTarget(f"http://127.0.0.1:{self._port}/", events, private=True)

    @contextlib.asynccontextmanager
    async def open(self, secret: str) -> AsyncIterator[None]:
        """Take webhooks that are signed with ``secret``, for the duration of the context."""
        self._webhook = Webhook(secret)
        app = web.Application()
        app.router.add_post("/", self._take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", self._port).start()
            yield
        finally:
            await runner.cleanup()

    async def _take(self, request: web.Request) -> web.StreamResponse:
        assert self._webhook is not None, "it listens only while it is open"
        body = await request.text()
        try:
            self._webhook.verify(body, dict(request.headers))
        except WebhookVerificationError:
            self.forged += 1
            return web.Response(status=400)
        chance = self._rng.random()
        if chance < REFUSES:
            return web.Response(status=503)
        read = orjson.loads(body)
        data = read["data"]
        subject = data["booking" if read["type"] == EventType.BOOKING_CONFIRMED else "refund"]
        self.arrived.append(Event(request.headers["webhook-id"], read["type"], data["hold"], subject))
        if chance < REFUSES + HANGS_UP and request.transport is not None:
            request.transport.abort()
        return web.Response()
