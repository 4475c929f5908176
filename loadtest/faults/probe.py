"""Measures an outage: how long, from the beginning of a fault, until a hold or a booking succeeds."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from loadtest.faults.client import Client
from loadtest.faults.shows import ShowSeats

RETRY_S = 0.1
ANSWER_S = 1.5
"""A node answers a hold within a second."""
PAY_S = 10.0
"""A node creates an order within 5 s, or refuses it."""
GIVE_UP_S = 90.0
"""If nothing has succeeded for this long after the last fault, nothing will."""


@dataclass(eq=False, slots=True)
class _Measurement:
    began: float
    served: float | None = None
    """When the first attempt succeeded that was made after ``began``."""


class Probe:
    """A buyer with a show of its own, on one node. Its requests are recorded like everybody's.

    All outages that are measured at a time share its attempts, one with a hold and one with a booking at a time: as
    many buyers would compete for the number of holds that one may have.
    """

    def __init__(self, client: Client, show: ShowSeats, http: aiohttp.ClientSession) -> None:
        """``client`` must have one node only."""
        self._client = client
        self._show = show
        self._http = http
        self._seats = itertools.cycle(show.seats)
        self._requests = itertools.count(1)
        self._measuring: dict[bool, list[_Measurement]] = {False: [], True: []}
        """By whether a booking has to succeed."""
        self._attempting: dict[bool, asyncio.Task[None]] = {}

    async def outage_s(self, *, book: bool, calm_s: Callable[[], float]) -> float | None:
        """Return the time from now until a hold (or, with ``book``, a booking) succeeds.

        ``calm_s`` tells how long no fault has been in force; None once that is ``GIVE_UP_S``.
        """
        loop = asyncio.get_running_loop()
        measurement = _Measurement(loop.time())
        self._measuring[book].append(measurement)
        if book not in self._attempting or self._attempting[book].done():
            self._attempting[book] = asyncio.create_task(self._attempt(book))
        try:
            while measurement.served is None:
                if min(calm_s(), loop.time() - measurement.began) > GIVE_UP_S:
                    return None
                await asyncio.sleep(RETRY_S)
            return measurement.served - measurement.began
        finally:
            self._measuring[book].remove(measurement)

    async def _attempt(self, book: bool) -> None:
        """Try again and again while something is measured."""
        loop = asyncio.get_running_loop()
        payload = self._next_hold()
        while self._measuring[book]:
            began = loop.time()
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                answer = await self._client.request("seats:hold", payload, ANSWER_S)
                # Without an answer it may hold the seat all the same: the same request is repeated, as people's clients
                # do. Other requests would make hold after hold, until it has too many.
                if answer is not None:
                    payload = self._next_hold()
                    if answer["ok"] and await self._use(answer["hold"], book):
                        for each in self._measuring[book]:
                            if each.served is None and each.began <= began:
                                each.served = loop.time()
            await asyncio.sleep(RETRY_S)

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
        url, timeout = f"{self._client.node}/demo/pay", aiohttp.ClientTimeout(total=PAY_S)
        async with self._http.post(url, json={"hold": hold}, timeout=timeout) as response:
            if response.status != 200:
                await self._client.request("seats:release", {"hold": hold})
                return False
            payment = (await response.json())["payment"]
        while True:
            answer = await self._client.request("seats:confirm", {"hold": hold, "payment": payment})
            if answer is not None and answer["ok"] and answer["booking"]["state"] == "booked":
                return True
            if answer is not None and not answer["ok"] and not answer["error"]["retryable"]:
                return False
            await asyncio.sleep(RETRY_S)
