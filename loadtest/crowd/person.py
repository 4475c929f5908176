"""A simulated person who sends requests and waits for the answers, as a coroutine. Buyers and the prober use it.

A request without an answer is repeated unchanged, with the same ``request_id``. After ``rate_limited`` the person waits
as long as the server says. Every refusal is counted.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from loadtest.connection import Connection
from loadtest.crowd.context import CHANGED, SESSION, WorkerContext
from loadtest.crowd.map_store import MapState
from loadtest.crowd.plan import ShowPlan

ANSWER_S = 6.0
"""A node answers a confirm within 5 s (``pending`` at the latest)."""
TRIES = 8
_request_numbers = itertools.count(1)
Answer = dict[str, Any]


@dataclass(slots=True)
class HeldSeats:
    """An acknowledged hold. It certainly existed from ``answered`` to ``until``. Monotonic seconds."""

    show: str
    seats: list[str]
    hold: str
    asked: float
    answered: float
    until: float
    booked: bool = False

    def document(self) -> list[Any]:
        """Return it as plain JSON values."""
        until = None if self.booked else self.until
        return [self.show, self.seats, self.hold, self.asked, self.answered, until, self.booked]


class Layouts:
    """Seat ids of layouts, each read once a process."""

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
    """One identity with at most one connection at a time."""

    def __init__(self, context: WorkerContext, layouts: Layouts, name: str, turn: int) -> None:
        """``name`` is unique in the run, because request ids are made from it; ``turn`` spreads people over nodes."""
        self.context = context
        self.name = name
        self.connection: _PersonConnection | None = None
        self.states: dict[str, MapState] = {}
        self.held: dict[str, HeldSeats] = {}
        self.ended: list[HeldSeats] = []
        """Holds that have ended and were not yet reported."""
        self.confirming: set[str] = set()
        """Holds that may be bookings by now, so they are not released at the end."""
        self._layouts = layouts
        self._turn = turn
        self._token: str | None = None

    @property
    def node(self) -> str:
        """The URL of the current node."""
        return self.context.endpoint(self._turn).url

    async def seat_ids(self, show: ShowPlan) -> list[str]:
        """Return a show's seat ids in index order."""
        return await self._layouts.seat_ids(show)

    async def ensure_connected(self) -> bool:
        """Connect if necessary. Returns False, after a pause, if this attempt failed; the next tries another node."""
        if self.connection is not None and self.connection.is_joined and not self.connection.is_closed:
            return True
        self.connection = _PersonConnection(self, self._token)
        self.context.bin.counts["connects"] += 1
        self.context.open(self.connection)
        try:
            async with asyncio.timeout(2 * ANSWER_S):
                await self.connection.settled.wait()
        except TimeoutError:
            self.connection.abort("timeout")
        if self.connection.is_joined and not self.connection.is_closed:
            return True
        self._turn += 1
        await asyncio.sleep(self.context.rng.uniform(0.3, 1.5))
        return False

    def become_new(self) -> None:
        """Close the tab. The next request is sent by a new identity."""
        self.close()
        self.ended += self.held.values()
        self.held.clear()
        self._token = None
        self.states.clear()

    def close(self) -> None:
        """Disconnect."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    # --- requests -------------------------------------------------------------------------------------------------
    async def request(
        self, event: str, payload: dict[str, Any], *, new: bool = False, tries: int = TRIES
    ) -> Answer | None:
        """Repeat a request until its answer is final; None if none is. ``new`` adds a new ``request_id``."""
        if new:
            payload = {**payload, "request_id": f"{self.name}-{next(_request_numbers)}"}
        begun = time.monotonic()
        for _ in range(tries):
            if not await self.ensure_connected():
                continue
            answer = await self._request_once(event, payload)
            if answer is None:
                self.context.count_error("no answer")
                continue
            if answer["ok"]:
                now = time.monotonic()
                self.context.bin.times[event.partition(":")[2]].add((now - begun) * 1000)
                if event == "seats:hold":
                    self._add_hold(answer, begun, now)
                return answer
            self.context.count_error(answer["error"]["code"])
            if not answer["error"]["retryable"]:
                return answer
            wait_s = answer["error"].get("retry_after_ms", 300) / 1000
            await asyncio.sleep(wait_s * self.context.rng.uniform(1.0, 1.5))
        return None

    async def _request_once(self, event: str, payload: dict[str, Any]) -> Answer | None:
        connection = self.connection
        assert connection is not None
        answered: asyncio.Future[Answer | None] = self.context.loop.create_future()
        connection.waiting.add(answered)
        connection.request(event, payload, lambda answer: None if answered.done() else answered.set_result(answer))
        try:
            async with asyncio.timeout(ANSWER_S):
                return await answered
        except TimeoutError:
            connection.abort("timeout")
            return None
        finally:
            connection.waiting.discard(answered)

    # --- holds ----------------------------------------------------------------------------------------------------
    def _add_hold(self, answer: Answer, asked: float, answered: float) -> None:
        hold = answer["hold"]
        # The duration is by the master's clock alone. The hold began after the request, so this end is not too late.
        until = asked + (hold["expires_at"] - answer["server_time"]) / 1000
        self.held[hold["id"]] = HeldSeats(hold["show"], hold["seats"], hold["id"], asked, answered, until)

    async def release(self, hold: str) -> None:
        """Release a hold."""
        self.end_hold(hold)
        await self.request("seats:release", {"hold": hold})

    def end_hold(self, hold: str) -> None:
        """Record that a hold may have ended by now."""
        held = self.held.pop(hold, None)
        if held is not None:
            held.until = min(held.until, time.monotonic())
            self.ended.append(held)

    def mark_booked(self, hold: str) -> None:
        """Record that a hold became a booking, which does not end."""
        held = self.held.pop(hold, None)
        if held is not None:
            held.booked = True
            self.ended.append(held)

    # --- the map --------------------------------------------------------------------------------------------------
    async def current_map(self, show: ShowPlan) -> MapState | None:
        """Return this person's map of a show; watch the show first if necessary. None if that was refused."""
        if show.id not in self.states:
            answer = await self.request("show:watch", {"show": show.id})
            if answer is None or not answer["ok"]:
                return None
            self.states[show.id] = self.context.maps.apply_watch(show.id, None, answer)
        return self.states[show.id]

    def on_event(self, packet: bytes, now: float) -> None:
        """Apply a change to the map, or keep the identity of a session."""
        if packet.startswith(CHANGED):
            frame = self.context.maps.frame(packet, now)
            state = self.states.get(frame.show)
            if state is None:
                return
            after, _ = self.context.maps.apply_change(state, frame)
            if after is None:
                del self.states[frame.show]  # versions are missing: watch the show again when it is needed
            else:
                self.states[frame.show] = after
        elif packet.startswith(SESSION):
            self._token = orjson.loads(packet[2:])[1]["token"]

    def on_closed(self, connection: Connection, reason: str) -> None:
        """A connection has ended: maps are read again on the next one."""
        if connection is self.connection:
            self.states.clear()
            if reason:
                self.context.count_error(reason)


class _PersonConnection(Connection):
    def __init__(self, person: Person, token: str | None) -> None:
        super().__init__(person.context.endpoint(person._turn), token)
        self._person = person
        self.settled = asyncio.Event()
        """Set when the connection was accepted or has ended."""
        self.waiting: set[asyncio.Future[Answer | None]] = set()
        self.on_event = person.on_event  # type: ignore[method-assign]  # saves a call for each frame

    def on_joined(self) -> None:
        self.settled.set()

    def on_closed(self, reason: str) -> None:
        self.settled.set()
        self._person.context.bin.counts["bytes"] += self.bytes_received
        for answered in self.waiting:
            if not answered.done():
                answered.set_result(None)
        self._person.on_closed(self, reason)
