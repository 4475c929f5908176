"""Buyers: look at the map, choose seats side by side, hold them, think, then pay, release, or close the tab."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import aiohttp
import orjson

from loadtest.crowd.map_store import MapState
from loadtest.crowd.person import Person
from loadtest.crowd.plan import ShowPlan

SEATS_WANTED = (1, 2, 2, 2, 3, 4)
PAY_TRIES = 5
CONFIRM_TRIES = 10
SOLD_OUT_S = 1.0
"""Pause when no seat was free."""


class Buyer:
    """Buys again and again. After closing the tab it continues with a new identity."""

    def __init__(self, person: Person, show: ShowPlan, http: aiohttp.ClientSession) -> None:
        """``http`` is for the payment service."""
        self.person = person
        self._show = show
        self._http = http
        self._context = person.context
        self._rng = person.context.rng

    async def run(self) -> None:
        """Buy until the run ends or this is cancelled."""
        await asyncio.sleep(self._rng.uniform(0, self._context.plan.think_s[1]))
        while not self._context.ending:
            await self._buy_once()
            await self._think()

    async def _think(self) -> None:
        low, high = self._context.plan.think_s
        await asyncio.sleep(self._rng.uniform(low, high) / 2)

    def _choose(self, state: MapState) -> list[int]:
        """Choose free seats side by side, from a random place on; one free seat if there are none side by side."""
        count = min(self._rng.choice(SEATS_WANTED), self._show.max_seats)
        free = bytes(count)
        at = state.statuses.find(free, self._rng.randrange(len(state.statuses)))
        at = at if at >= 0 else state.statuses.find(free)
        if at < 0:
            at = state.statuses.find(0)
            count = 1
        return list(range(at, at + count)) if at >= 0 else []

    async def _buy_once(self) -> None:
        state = await self.person.current_map(self._show)
        if state is None:
            return
        seats = self._choose(state)
        if not seats:
            self._context.bin.counts["no free seats"] += 1
            await asyncio.sleep(SOLD_OUT_S)
            return
        ids = await self.person.seat_ids(self._show)
        payload = {"show": self._show.id, "seats": [ids[seat] for seat in seats]}
        answer = await self.person.request("seats:hold", payload, new=True)
        if answer is None or not answer["ok"]:
            return
        self._context.bin.counts["holds"] += 1
        await self._think()
        await self._decide(answer["hold"]["id"])

    async def _decide(self, hold: str) -> None:
        """Pay, release or close the tab, in the plan's shares."""
        plan = self._context.plan
        choice = self._rng.random()
        if choice < plan.pay and plan.demo_payments:
            await self._book(hold)
        elif choice < plan.pay + plan.release:
            await self.person.release(hold)
            self._context.bin.counts["releases"] += 1
        else:
            # The seats become free when the hold expires.
            self._context.bin.counts["abandoned"] += 1
            self.person.become_new()

    async def _book(self, hold: str) -> None:
        payment = await self._pay(hold)
        if payment is None:
            await self.person.release(hold)
            return
        held = self.person.held.get(hold)
        self.person.confirming.add(hold)
        for _ in range(CONFIRM_TRIES):
            answer = await self.person.request("seats:confirm", {"hold": hold, "payment": payment})
            if answer is None or not answer["ok"]:
                break
            if answer["booking"]["state"] == "booked":
                self.person.mark_booked(hold)
                self.person.confirming.discard(hold)
                self._context.bin.counts["bookings"] += 1
                self._context.bin.counts["seats sold"] += len(held.seats) if held is not None else 0
                return
            self._context.bin.counts["pending"] += 1
            await asyncio.sleep(0.5)
        self.person.end_hold(hold)

    async def _pay(self, hold: str) -> Any:
        """Pay at the demo payment service; None if it was refused or all attempts failed."""
        for _ in range(PAY_TRIES):
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                async with self._http.post(f"{self.person.node}/demo/pay", json={"hold": hold}) as response:
                    body = orjson.loads(await response.read())
                    if response.status == 200:
                        return body["payment"]
                    self._context.count_error(body["error"]["code"])
                    wait_s = body["error"].get("retry_after_ms", 300) / 1000
                    if not body["error"]["retryable"]:
                        return None
                    await asyncio.sleep(wait_s)
                    continue
            self._context.count_error("no answer")
            await asyncio.sleep(0.5)
        return None
