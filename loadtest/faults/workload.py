"""Who comes to the theatre: buyers with habits, and viewers who keep maps only from what they are sent."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from loadtest.clients import Answer, Client
from loadtest.maps import SeatMap
from realtime.wire import STATUS_KEYS

HOLD_TRIES_S = 6.0
PAUSE_S = (0.3, 1.0)
"""Between two tries of the same request."""
FRONT_ROW = 40
"""Most buyers want one of the first so many free seats: that is where they meet."""
SOLD_LATELY = 30
"""Bookings that others may try to book again, of all regions."""
_FREE = STATUS_KEYS.index("free")


@dataclass(frozen=True, slots=True)
class ShowSeats:
    """A show that is on sale: its seats' ids, in index order."""

    id: str
    region: str
    seats: tuple[str, ...]


@dataclass(slots=True)
class World:
    """What all clients of a run share. ``maps`` are a viewer's, a show each: what buyers see of it."""

    shows: Sequence[ShowSeats]
    hold_s: int
    think_s: tuple[float, float]
    http: aiohttp.ClientSession
    maps: dict[str, SeatMap] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    on_new_epoch: Callable[[ShowSeats], None] = lambda show: None
    """Told when a viewer sees that a show was rebuilt."""
    sold_lately: deque[tuple[ShowSeats, list[str]]] = field(default_factory=lambda: deque(maxlen=SOLD_LATELY))
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set: begin nothing new."""
    deadline: float = float("inf")
    """Loop time after which unfinished business is given up."""

    def sold_wish(self, rng: random.Random) -> tuple[ShowSeats, list[str]] | None:
        """Choose what somebody has just bought: the first thing to be sold twice if a master forgets it."""
        return rng.choice(self.sold_lately) if self.sold_lately else None

    def wish(self, region: str, rng: random.Random) -> tuple[ShowSeats, list[str]]:
        """Choose a show and seats there as a buyer of ``region`` would."""
        home = rng.random() < 0.7
        shows = [show for show in self.shows if (show.region == region) == home] or self.shows
        show = rng.choice(shows)
        statuses = self.maps[show.id].statuses
        wanted = [seat for seat, status in enumerate(statuses) if status == _FREE] or list(range(len(show.seats)))
        near = wanted[:FRONT_ROW] if rng.random() < 0.6 else wanted
        start = rng.choice(near)
        count = rng.choice((1, 1, 1, 2, 2, 3, 4))
        return show, list(show.seats[start : start + count])

    async def think(self, rng: random.Random, share: float = 1.0) -> None:
        """Wait as a person does."""
        await asyncio.sleep(rng.uniform(*self.think_s) * share)


class Buyer:
    """One buyer: chooses, holds, thinks again, pays, confirms; insists until it knows."""

    def __init__(self, client: Client, region: str, world: World, rng: random.Random) -> None:
        """``region`` is where the buyer is at home."""
        self._client = client
        self._region = region
        self._world = world
        self._rng = rng
        self._requests = 0
        self._settled: dict[str, asyncio.Event] = {}
        client.on_news = self._news

    def _news(self, event: str, payload: dict[str, Any]) -> None:
        if event == "booking:settled" and payload["booking"]["hold"] in self._settled:
            self._settled[payload["booking"]["hold"]].set()

    async def run(self) -> None:
        """Buy until the world closes, and finish what was begun."""
        await asyncio.sleep(self._rng.uniform(0, self._world.think_s[1]))
        while not self._world.closing.is_set():
            await self._buy_once()
            with contextlib.suppress(TimeoutError):
                pause = self._rng.uniform(*self._world.think_s)
                await asyncio.wait_for(self._world.closing.wait(), pause)
        await self._client.close()

    async def _buy_once(self) -> None:
        second_hand = self._world.sold_wish(self._rng) if self._rng.random() < 0.12 else None
        show, seats = second_hand or self._world.wish(self._region, self._rng)
        self._requests += 1
        ask = {"show": show.id, "seats": seats, "request_id": f"{self._client.name}-{self._requests}"}
        answer = await self._insist("seats:hold", ask, asyncio.get_running_loop().time() + HOLD_TRIES_S, twice=0.08)
        if answer is None or not answer["ok"]:
            return
        self._world.counts["holds"] += 1
        hold = answer["hold"]
        if second_hand is not None:
            await self._confirm(hold["id"], show, seats)  # no time to lose
            return
        mood = self._rng.random()
        if mood < 0.10:
            return  # goes away without a word
        await self._world.think(self._rng, 0.5)
        if mood < 0.22:
            await self._insist("seats:release", {"hold": hold["id"]}, self._world.deadline)
            return
        if mood < 0.28 and len(seats) > 1:
            answer = await self._insist("seats:release", {"hold": hold["id"], "seats": seats[:1]}, self._world.deadline)
            if answer is None or not answer["ok"]:
                return
            seats = seats[1:]
        elif mood < 0.36:
            await self._insist("seats:extend", {"hold": hold["id"]}, asyncio.get_running_loop().time() + HOLD_TRIES_S)
        elif mood < 0.40:
            await asyncio.sleep(self._world.hold_s + self._rng.uniform(-0.5, 1.0))  # pays at the last moment, or late
        await self._confirm(hold["id"], show, seats)

    async def _confirm(self, hold: str, show: ShowSeats, seats: list[str]) -> None:
        payment = await self._pay(hold)
        if payment is None:
            return
        ask = {"hold": hold, "payment": payment, "seats": seats}
        news = self._settled[hold] = asyncio.Event()
        pending = False
        try:
            while (answer := await self._insist("seats:confirm", ask, self._world.deadline, twice=0.1)) is not None:
                if not answer["ok"] or answer["booking"]["state"] == "booked":
                    self._world.counts["bookings"] += answer["ok"]
                    if answer["ok"]:
                        self._world.sold_lately.append((show, seats))
                    return
                if not pending:
                    pending = True
                    self._world.counts["pending"] += 1
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), 3.0)
                news.clear()
        finally:
            self._world.counts["pending"] -= pending
            del self._settled[hold]

    async def _pay(self, hold: str) -> str | None:
        for _ in range(8):
            url = f"{self._client.node}/demo/pay"
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                async with self._world.http.post(url, json={"hold": hold}) as response:
                    if response.status == 200:
                        return str((await response.json())["payment"])
                    if response.status < 500:
                        return None
            await asyncio.sleep(self._rng.uniform(*PAUSE_S))
            # Another node may be able to.
            await self._client.connected()
        return None

    async def _insist(self, event: str, payload: dict[str, Any], until: float, *, twice: float = 0.0) -> Answer | None:
        """Ask again, as it is, until the answer is definite or it is too late (None); now and then twice at once."""
        loop = asyncio.get_running_loop()
        while True:
            asks = [self._client.ask(event, payload)]
            if self._rng.random() < twice:
                asks.append(self._client.ask(event, payload))
            answers = [answer for answer in await asyncio.gather(*asks) if answer is not None]
            for answer in answers:
                if not answer["ok"]:
                    self._world.errors[answer["error"]["code"]] += 1
            definite = [answer for answer in answers if answer["ok"] or not answer["error"]["retryable"]]
            if definite:
                return definite[0]
            if not answers:
                self._world.errors["(no answer)"] += 1
            pause = self._rng.uniform(*PAUSE_S)
            if loop.time() + pause > min(until, self._world.deadline):
                return None
            await asyncio.sleep(pause)


class Viewer:
    """Watches all shows over one connection at a time; returns with ``since``, and again after a gap."""

    def __init__(self, client: Client, shows: Sequence[ShowSeats], world: World) -> None:
        """At most ``limits.MAX_WATCHES_PER_CONNECTION`` shows."""
        self.maps = {show.id: SeatMap(len(show.seats)) for show in shows}
        self._shows = {show.id: show for show in shows}
        self._client = client
        self._world = world
        self._gaps: asyncio.Queue[str] = asyncio.Queue()
        client.on_news = self._news
        client.on_watched = self._watched

    def _watched(self, answer: Answer) -> None:
        if answer["ok"]:
            self._notice(answer)
            self.maps[answer["show"]].watched(answer)

    def _news(self, event: str, payload: dict[str, Any]) -> None:
        if event == "seats:changed":
            self._notice(payload)
            if not self.maps[payload["show"]].changed(payload):
                self._world.counts["gaps"] += 1
                self._gaps.put_nowait(payload["show"])

    def _notice(self, told: dict[str, Any]) -> None:
        if self.maps[told["show"]].epoch not in ("", told["epoch"]):
            self._world.on_new_epoch(self._shows[told["show"]])

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            if await self._client.connected() and await self._watch_all():
                left = asyncio.ensure_future(self._client.left.wait())
                try:
                    while not left.done():
                        gap = asyncio.ensure_future(self._gaps.get())
                        await asyncio.wait((left, gap), return_when=asyncio.FIRST_COMPLETED)
                        if gap.done() and not await self._watch(gap.result()):
                            break
                        gap.cancel()
                finally:
                    left.cancel()
            await asyncio.sleep(PAUSE_S[0])

    async def _watch_all(self) -> bool:
        return all(await asyncio.gather(*map(self._watch, self.maps)))

    async def _watch(self, show: str) -> bool:
        """Watch a show, as often as it takes; False when the connection was lost over it."""
        known = self.maps[show]
        while not self._client.left.is_set():
            ask: dict[str, Any] = {"show": show}
            if known.epoch:
                ask["since"] = {"epoch": known.epoch, "version": known.version}
            answer = await self._client.ask("show:watch", ask)
            if answer is None:
                return False
            if answer["ok"]:
                return True
            self._world.errors[answer["error"]["code"]] += 1
            await asyncio.sleep(PAUSE_S[0])
        return False
