"""Measures an outage: how long, from the beginning of a fault, until a hold or a booking succeeds."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import Any

import aiohttp

from loadtest.faults.client import Client
from loadtest.faults.shows import ShowSeats

RETRY_S = 0.1
ANSWER_S = 1.5
"""A node answers a hold within a second."""
GIVE_UP_S = 90.0


class Probe:
    """A buyer with a show of its own, on one node. Its requests are recorded like everybody's."""

    def __init__(self, client: Client, show: ShowSeats, http: aiohttp.ClientSession) -> None:
        """``client`` must have one node only."""
        self._client = client
        self._show = show
        self._http = http
        self._seats = itertools.cycle(show.seats)
        self._requests = itertools.count(1)

    async def outage_s(self, *, book: bool) -> float | None:
        """Return the time from now until a hold (or, with ``book``, a booking) succeeds; None after ``GIVE_UP_S``."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        payload = self._next_hold()
        while loop.time() - began < GIVE_UP_S:
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                answer = await self._client.request("seats:hold", payload, ANSWER_S)
                # Without an answer it may hold the seat all the same: the same request is repeated, as people's clients
                # do. Other requests would make hold after hold, until it has too many.
                if answer is not None:
                    payload = self._next_hold()
                    if answer["ok"] and await self._use(answer["hold"], book):
                        return loop.time() - began
            await asyncio.sleep(RETRY_S)
        return None

    def _next_hold(self) -> dict[str, Any]:
        request_id = f"{self._client.name}-{next(self._requests)}"
        return {"show": self._show.id, "seats": [next(self._seats)], "request_id": request_id}

    async def _use(self, hold: dict[str, Any], book: bool) -> bool:
        if book:
            return await self._book(hold["id"], hold["seats"])
        await self._client.request("seats:release", {"hold": hold["id"]})
        return True

    async def _book(self, hold: str, seats: list[str]) -> bool:
        # Without an answer it may have been paid all the same, and the bank reports it.
        self._client.record_payment_begun(hold, seats)
        async with self._http.post(f"{self._client.node}/demo/pay", json={"hold": hold}) as response:
            if response.status != 200:
                await self._client.request("seats:release", {"hold": hold})
                return False
            payment = (await response.json())["payment"]
        loop = asyncio.get_running_loop()
        until = loop.time() + GIVE_UP_S
        while loop.time() < until:
            answer = await self._client.request("seats:confirm", {"hold": hold, "payment": payment})
            if answer is not None and answer["ok"] and answer["booking"]["state"] == "booked":
                return True
            if answer is not None and not answer["ok"] and not answer["error"]["retryable"]:
                return False
            await asyncio.sleep(RETRY_S)
        return False
