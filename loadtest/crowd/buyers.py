"""Buyers: look at the map, choose seats side by side, hold them, think, then pay, let go, or close the tab."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import aiohttp
import orjson

from loadtest.crowd.board import MapState
from loadtest.crowd.person import Person
from loadtest.crowd.plan import ShowPlan

SEATS_WANTED = (1, 2, 2, 2, 3, 4)
PAY_TRIES = 5
CONFIRM_TRIES = 10
SOLD_OUT_S = 1.0


class Buyer:
    """One buyer after another at one screen."""

    def __init__(self, person: Person, show: ShowPlan, http: aiohttp.ClientSession) -> None:
        """``http`` is for the payment service."""
        self.person = person
        self._show = show
        self._http = http
        self._stage = person.stage
        self._rng = person.stage.rng

    async def run(self) -> None:
        """Buy until the run ends or this is cancelled."""
        await asyncio.sleep(self._rng.uniform(0, self._stage.plan.think_s[1]))
        while not self._stage.ending:
            await self._buy_once()
            await self._think()

    async def _think(self) -> None:
        low, high = self._stage.plan.think_s
        await asyncio.sleep(self._rng.uniform(low, high) / 2)

    def _choose(self, state: MapState) -> list[int]:
        """Choose free seats side by side, where a random finger lands."""
        count = min(self._rng.choice(SEATS_WANTED), self._show.max_seats)
        free = bytes(count)
        at = state.statuses.find(free, self._rng.randrange(len(state.statuses)))
        at = at if at >= 0 else state.statuses.find(free)
        if at < 0:
            at = state.statuses.find(0)
            count = 1
        return list(range(at, at + count)) if at >= 0 else []

    async def _buy_once(self) -> None:
        state = await self.person.look(self._show)
        if state is None:
            return
        seats = self._choose(state)
        if not seats:
            self._stage.now.counts["found nothing free"] += 1
            await asyncio.sleep(SOLD_OUT_S)
            return
        ids = await self.person.seat_ids(self._show)
        ask = {"show": self._show.id, "seats": [ids[seat] for seat in seats]}
        answer = await self.person.ask("seats:hold", ask, new=True)
        if answer is None or not answer["ok"]:
            return
        self._stage.now.counts["holds"] += 1
        hold = answer["hold"]["id"]
        await self._think()
        plan = self._stage.plan
        mood = self._rng.random()
        if mood < plan.pay and plan.demo_payments:
            await self._book(hold)
        elif mood < plan.pay + plan.release:
            await self.person.let_go(hold)
            self._stage.now.counts["releases"] += 1
        else:
            # The seats come back when the time of the hold is over.
            self._stage.now.counts["abandoned"] += 1
            self.person.become_new()

    async def _book(self, hold: str) -> None:
        payment = await self._pay(hold)
        if payment is None:
            await self.person.let_go(hold)
            return
        grip = self.person.grips.get(hold)
        self.person.confirming.add(hold)
        for _ in range(CONFIRM_TRIES):
            answer = await self.person.ask("seats:confirm", {"hold": hold, "payment": payment})
            if answer is None or not answer["ok"]:
                break
            if answer["booking"]["state"] == "booked":
                self.person.booked(hold)
                self.person.confirming.discard(hold)
                self._stage.now.counts["bookings"] += 1
                self._stage.now.counts["seats sold"] += len(grip.seats) if grip is not None else 0
                return
            self._stage.now.counts["pending"] += 1
            await asyncio.sleep(0.5)
        self.person.end_grip(hold)

    async def _pay(self, hold: str) -> Any:
        for _ in range(PAY_TRIES):
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                async with self._http.post(f"{self.person.node}/demo/pay", json={"hold": hold}) as response:
                    body = orjson.loads(await response.read())
                    if response.status == 200:
                        return body["payment"]
                    self._stage.error(body["error"]["code"])
                    wait_s = body["error"].get("retry_after_ms", 300) / 1000
                    if not body["error"]["retryable"]:
                        return None
                    await asyncio.sleep(wait_s)
                    continue
            self._stage.error("no answer")
            await asyncio.sleep(0.5)
        return None
