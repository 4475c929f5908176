"""Somebody who asks and waits for answers: a light connection with a coroutine's view. Buyers and probers are such.

A request whose answer is lost is asked again as it is, with the same ``request_id``; ``rate_limited`` is waited for as
long as the server says, and counted like every refusal.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from loadtest.crowd.board import MapState
from loadtest.crowd.plan import ShowPlan
from loadtest.crowd.viewers import CHANGED, SESSION, Stage
from loadtest.link import Link

PATIENCE_S = 6.0
"""A node answers a confirm within 5 s (``pending`` at the latest)."""
TRIES = 8
_numbers = itertools.count(1)
Answer = dict[str, Any]


@dataclass(slots=True)
class Grip:
    """What one was told about seats of a show: surely one's own from ``told`` to ``until``. Monotonic seconds."""

    show: str
    seats: list[str]
    hold: str
    asked: float
    told: float
    until: float
    booked: bool = False

    def document(self) -> list[Any]:
        """Return it as plain JSON values."""
        until = None if self.booked else self.until
        return [self.show, self.seats, self.hold, self.asked, self.told, until, self.booked]


class Layouts:
    """Seat ids of layouts, read once a process."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        """Read from the node at ``url``."""
        self._url = url
        self._http = http
        self._reading: dict[str, asyncio.Task[list[str]]] = {}

    async def seat_ids(self, show: ShowPlan) -> list[str]:
        """Return a show's seat ids in index order."""
        if show.layout not in self._reading:
            self._reading[show.layout] = asyncio.get_running_loop().create_task(self._read(show.layout))
        return await asyncio.shield(self._reading[show.layout])

    async def _read(self, layout: str) -> list[str]:
        async with self._http.get(f"{self._url}/api/v1/layouts/{layout}") as response:
            response.raise_for_status()
            body = orjson.loads(await response.read())
        return [seat["id"] for seat in body["seats"]]


class Person:
    """One identity over one connection at a time."""

    def __init__(self, stage: Stage, layouts: Layouts, name: str, turn: int) -> None:
        """``turn`` spreads people over nodes."""
        self.stage = stage
        self.name = name
        self.link: _PersonLink | None = None
        self.states: dict[str, MapState] = {}
        self.grips: dict[str, Grip] = {}
        self.ended: list[Grip] = []
        self.confirming: set[str] = set()
        """Holds that may be bookings by now: they can't be let go any more."""
        self._layouts = layouts
        self._turn = turn
        self._token: str | None = None

    @property
    def node(self) -> str:
        """The URL of the node that it is on."""
        return self.stage.endpoint(self._turn).url

    async def seat_ids(self, show: ShowPlan) -> list[str]:
        """Return a show's seat ids in index order."""
        return await self._layouts.seat_ids(show)

    async def ready(self) -> bool:
        """Make sure that there is a connection; False when this try failed."""
        if self.link is not None and self.link.is_joined and not self.link.is_over:
            return True
        self.link = _PersonLink(self, self._token)
        self.stage.now.counts["connects"] += 1
        self.stage.open(self.link)
        try:
            async with asyncio.timeout(2 * PATIENCE_S):
                await self.link.settled.wait()
        except TimeoutError:
            self.link.abort("timeout")
        if self.link.is_joined and not self.link.is_over:
            return True
        self._turn += 1
        await asyncio.sleep(self.stage.rng.uniform(0.3, 1.5))
        return False

    def session(self, text: bytes) -> None:
        """Keep the identity."""
        self._token = orjson.loads(text[2:])[1]["token"]

    def become_new(self) -> None:
        """Close the tab; whoever comes next is somebody else."""
        self.close()
        self.ended += self.grips.values()
        self.grips.clear()
        self._token = None
        self.states.clear()

    def close(self) -> None:
        """Leave."""
        if self.link is not None:
            self.link.close()
            self.link = None

    # --- asking ---------------------------------------------------------------------------------------------------
    async def ask(self, event: str, payload: dict[str, Any], *, new: bool = False, tries: int = TRIES) -> Answer | None:
        """Ask until the answer is definite; None when there is none. ``new``: with a ``request_id`` of its own."""
        if new:
            payload = {**payload, "request_id": f"{self.name}-{next(_numbers)}"}
        begun = time.monotonic()
        for _ in range(tries):
            if not await self.ready():
                continue
            answer = await self._ask_once(event, payload)
            if answer is None:
                self.stage.error("no answer")
                continue
            if answer["ok"]:
                now = time.monotonic()
                self.stage.now.times[event.partition(":")[2]].add((now - begun) * 1000)
                if event == "seats:hold":
                    self._held(answer, begun, now)
                return answer
            self.stage.error(answer["error"]["code"])
            if not answer["error"]["retryable"]:
                return answer
            wait_s = answer["error"].get("retry_after_ms", 300) / 1000
            await asyncio.sleep(wait_s * self.stage.rng.uniform(1.0, 1.5))
        return None

    async def _ask_once(self, event: str, payload: dict[str, Any]) -> Answer | None:
        link = self.link
        assert link is not None
        answered: asyncio.Future[Answer | None] = self.stage.loop.create_future()
        link.waiting.add(answered)
        link.ask(event, payload, lambda answer: None if answered.done() else answered.set_result(answer))
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await answered
        except TimeoutError:
            link.abort("timeout")
            return None
        finally:
            link.waiting.discard(answered)

    # --- holds ----------------------------------------------------------------------------------------------------
    def _held(self, answer: Answer, asked: float, told: float) -> None:
        hold = answer["hold"]
        # By the master's clock alone: it was made after we asked, and lives so long from then on.
        until = asked + (hold["expires_at"] - answer["server_time"]) / 1000
        self.grips[hold["id"]] = Grip(hold["show"], hold["seats"], hold["id"], asked, told, until)

    async def let_go(self, hold: str) -> None:
        """Give a hold back."""
        self.end_grip(hold)
        await self.ask("seats:release", {"hold": hold})

    def end_grip(self, hold: str) -> None:
        """From now on a hold may be gone."""
        grip = self.grips.pop(hold, None)
        if grip is not None:
            grip.until = min(grip.until, time.monotonic())
            self.ended.append(grip)

    def booked(self, hold: str) -> None:
        """A hold became a booking: it is for ever."""
        grip = self.grips.pop(hold, None)
        if grip is not None:
            grip.booked = True
            self.ended.append(grip)

    # --- the map --------------------------------------------------------------------------------------------------
    async def look(self, show: ShowPlan) -> MapState | None:
        """Return the map of a show as this person sees it; watch it first if need be."""
        if show.id not in self.states:
            answer = await self.ask("show:watch", {"show": show.id})
            if answer is None or not answer["ok"]:
                return None
            self.states[show.id] = self.stage.board.watched(show.id, None, answer)
        return self.states[show.id]

    def heard(self, text: bytes, now: float) -> None:
        """Take an event."""
        if text.startswith(CHANGED):
            frame = self.stage.board.frame(text, now)
            state = self.states.get(frame.show)
            if state is None:
                return
            after, _ = self.stage.board.changed(state, frame)
            if after is None:
                del self.states[frame.show]  # a gap: look again
            else:
                self.states[frame.show] = after
        elif text.startswith(SESSION):
            self.session(text)

    def left(self, link: Link, reason: str) -> None:
        """The connection is over: maps are read anew."""
        if link is self.link:
            self.states.clear()
            if reason:
                self.stage.error(reason)


class _PersonLink(Link):
    def __init__(self, person: Person, token: str | None) -> None:
        super().__init__(person.stage.endpoint(person._turn), token)
        self._person = person
        self.settled = asyncio.Event()
        self.waiting: set[asyncio.Future[Answer | None]] = set()
        self.heard = person.heard  # type: ignore[method-assign]

    def joined(self) -> None:
        self.settled.set()

    def left(self, reason: str) -> None:
        self.settled.set()
        self._person.stage.now.counts["bytes"] += self.bytes
        for answered in self.waiting:
            if not answered.done():
                answered.set_result(None)
        self._person.left(self, reason)
