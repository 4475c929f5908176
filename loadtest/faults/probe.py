"""How long a fault is felt: a buyer who tries, again and again, from the moment that it began until it works."""

from __future__ import annotations

import asyncio
import contextlib
import itertools

import aiohttp

from loadtest.clients import Client
from loadtest.faults.workload import ShowSeats

AGAIN_S = 0.1
PATIENCE_S = 1.5
"""A node answers a hold within a second; one that does not is not there."""
GIVE_UP_S = 90.0


class Probe:
    """A buyer with a show of its own, on one node. Its words are on record like everybody's."""

    def __init__(self, client: Client, show: ShowSeats, http: aiohttp.ClientSession) -> None:
        """``client`` must know one node only."""
        self._client = client
        self._show = show
        self._http = http
        self._seats = itertools.cycle(show.seats)
        self._requests = itertools.count(1)

    async def outage_s(self, *, book: bool) -> float | None:
        """Return how long from now until a hold (or, with ``book``, a booking) works; None if it never does."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while loop.time() - began < GIVE_UP_S:
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                if await self._try(book):
                    return loop.time() - began
            await asyncio.sleep(AGAIN_S)
        return None

    async def _try(self, book: bool) -> bool:
        number = next(self._requests)
        ask = {"show": self._show.id, "seats": [next(self._seats)], "request_id": f"{self._client.name}-{number}"}
        answer = await self._client.ask("seats:hold", ask, PATIENCE_S)
        if answer is None or not answer["ok"]:
            return False
        hold = {"hold": answer["hold"]["id"]}
        if not book:
            await self._client.ask("seats:release", hold)
            return True
        async with self._http.post(f"{self._client.node}/demo/pay", json=hold) as response:
            if response.status != 200:
                return False
            payment = (await response.json())["payment"]
        loop = asyncio.get_running_loop()
        until = loop.time() + GIVE_UP_S
        while loop.time() < until:
            answer = await self._client.ask("seats:confirm", {**hold, "payment": payment})
            if answer is not None and answer["ok"] and answer["booking"]["state"] == "booked":
                return True
            if answer is not None and not answer["ok"] and not answer["error"]["retryable"]:
                return False
            await asyncio.sleep(AGAIN_S)
        return False
