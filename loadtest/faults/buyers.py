"""Buyers: choose, hold, release, extend, pay and confirm, and repeat a request until its answer is final."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import Any

from loadtest.faults.cashier import Cashier
from loadtest.faults.client import Answer, Client
from loadtest.faults.context import RunContext
from loadtest.faults.shows import ShowSeats

HOLD_TRIES_S = 6.0
RETRY_S = (0.3, 1.0)
"""Pause between two attempts of the same request, from and to."""


class Buyer:
    """One buyer at a time, with one identity."""

    def __init__(self, client: Client, region: str, context: RunContext, rng: random.Random) -> None:
        """``region`` is the one whose shows the buyer prefers."""
        self._client = client
        self._region = region
        self._context = context
        self._rng = rng
        self._cashier = Cashier(client, context, rng)
        self._requests = 0
        self._settled: dict[str, asyncio.Event] = {}
        client.on_event = self._on_event

    def _on_event(self, event: str, payload: dict[str, Any]) -> None:
        if event == "booking:settled" and payload["booking"]["hold"] in self._settled:
            self._settled[payload["booking"]["hold"]].set()

    async def run(self) -> None:
        """Buy until ``context.closing`` is set, and finish the purchase that was begun."""
        await asyncio.sleep(self._rng.uniform(0, self._context.think_s[1]))
        while not self._context.closing.is_set():
            await self._buy_once()
            with contextlib.suppress(TimeoutError):
                pause = self._rng.uniform(*self._context.think_s)
                await asyncio.wait_for(self._context.closing.wait(), pause)
        await self._client.close()

    async def _buy_once(self) -> None:
        sold = self._context.choose_taken_seats(self._rng) if self._rng.random() < 0.12 else None
        if self._context.lapsed and self._rng.random() < 0.5:
            show, seats = self._context.lapsed.popleft()
        else:
            show, seats = sold or self._context.choose_seats(self._region, self._rng)
        self._requests += 1
        payload = {"show": show.id, "seats": seats, "request_id": f"{self._client.name}-{self._requests}"}
        answer = await self._request("seats:hold", payload, self._hold_deadline(), twice=0.08)
        if answer is None or not answer["ok"]:
            return
        self._context.counts["holds"] += 1
        hold = answer["hold"]["id"]
        if sold is None:
            kept = await self._decide(hold, show, seats)
            if not kept:
                return
            seats = kept
        await self._confirm(hold, show, seats)

    async def _decide(self, hold: str, show: ShowSeats, seats: list[str]) -> list[str]:
        """Abandon, release (all or one seat), extend, wait, or simply go on; return the seats that will be paid for."""
        choice = self._rng.random()
        if choice < 0.10:
            return []  # abandoned: the hold expires
        await self._context.think(self._rng, 0.5)
        if choice < 0.22:
            await self._request("seats:release", {"hold": hold}, self._context.deadline)
            return []
        if choice < 0.28 and len(seats) > 1:
            answer = await self._request("seats:release", {"hold": hold, "seats": seats[:1]}, self._context.deadline)
            return seats[1:] if answer is not None and answer["ok"] else []
        if choice < 0.36:
            answer = await self._request("seats:extend", {"hold": hold}, self._hold_deadline())
            if answer is not None and answer["ok"]:
                # Until after the first deadline, mostly.
                await asyncio.sleep(self._context.hold_s * self._rng.uniform(0.7, 0.95))
        elif choice < 0.38:
            # Pay at the last moment, or too late.
            await asyncio.sleep(self._context.hold_s + self._rng.uniform(-0.5, 1.0))
        elif choice < 0.42:
            # Pay when somebody else may have the seats already.
            await asyncio.sleep(self._context.hold_s + 0.2)
            self._context.lapsed.append((show, seats))
            await asyncio.sleep(self._rng.uniform(1.0, 4.0))
        return seats

    async def _confirm(self, hold: str, show: ShowSeats, seats: list[str]) -> None:
        payment = await self._cashier.pay(hold, seats)
        if payment is None:
            return
        payload = {"hold": hold, "payment": payment, "seats": seats}
        settled = self._settled[hold] = asyncio.Event()
        pending = False
        try:
            while (
                answer := await self._request("seats:confirm", payload, self._context.deadline, twice=0.1)
            ) is not None:
                if not answer["ok"] or answer["booking"]["state"] == "booked":
                    if answer["ok"]:
                        self._context.counts["bookings"] += 1
                        self._context.recently_taken.append((show, seats))
                    return
                if not pending:
                    pending = True
                    self._context.counts["pending"] += 1
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(settled.wait(), 3.0)
                settled.clear()
        finally:
            self._context.counts["pending"] -= pending
            del self._settled[hold]

    def _hold_deadline(self) -> float:
        return asyncio.get_running_loop().time() + HOLD_TRIES_S

    async def _request(self, event: str, payload: dict[str, Any], until: float, *, twice: float = 0.0) -> Answer | None:
        """Repeat a request until its answer is final; None after ``until`` (loop time).

        With the probability ``twice`` it is sent two times at once, as by a double click.
        """
        loop = asyncio.get_running_loop()
        while True:
            requests = [self._client.request(event, payload)]
            if self._rng.random() < twice:
                requests.append(self._client.request(event, payload))
            answers = [answer for answer in await asyncio.gather(*requests) if answer is not None]
            for answer in answers:
                if not answer["ok"]:
                    self._context.errors[answer["error"]["code"]] += 1
            final = [answer for answer in answers if answer["ok"] or not answer["error"]["retryable"]]
            if final:
                return final[0]
            if not answers:
                self._context.errors["(no answer)"] += 1
            pause = self._rng.uniform(*RETRY_S)
            if loop.time() + pause > min(until, self._context.deadline):
                return None
            await asyncio.sleep(pause)
