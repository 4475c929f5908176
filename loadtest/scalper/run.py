"""One address with many connections and fresh identities tries to hold a whole show, while others buy.

Buyers come from loopback addresses of their own (``127.1.x.y``), the scalper from ``127.9.9.9``: of all addresses of a
machine, a node exempts only ``127.0.0.1`` (``limits.shared_networks``). Nobody pays; what was held is released.
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from loadtest.connection import Connection, Endpoint

SCALPER = "127.9.9.9"
ANSWER_S = 10.0
"""An answer that takes longer counts as none."""
BUYER_SEATS = 2
BUYER_PAUSE_S = 1.0
SCALPER_PAUSE_S = 0.5
CONNECTING = 50
"""Connections that are being opened at a time."""


@dataclass(slots=True)
class Holds:
    """What a group asked for and got; ``answer_ms`` of every request that was answered."""

    answer_ms: list[float] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    granted: int = 0
    seats: int = 0
    """Seats held now."""
    most_seats: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run: the buyers alone, the buyers during the attack, the scalper."""

    quiet: Holds
    buyers: Holds
    scalper: Holds


class Person(Connection):
    """One connection with an identity of its own."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Connect with ``join``."""
        super().__init__(endpoint)
        self._joined: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def join(self, address: str) -> None:
        """Connect from an address of this machine; raises ``ConnectionError`` if the node does not accept it."""
        await self.connect(address)
        async with asyncio.timeout(ANSWER_S):
            await self._joined

    def on_joined(self) -> None:
        """Finish ``join``."""
        if not self._joined.done():
            self._joined.set_result(None)

    def on_closed(self, reason: str) -> None:
        """Fail ``join`` if it waits."""
        if not self._joined.done():
            self._joined.set_exception(ConnectionError(reason))

    async def ask(self, event: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to an event; raises ``TimeoutError``."""
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.request(event, payload, lambda body: None if answer.done() else answer.set_result(body))
        async with asyncio.timeout(ANSWER_S):
            return await answer

    async def hold(self, show: str, seats: Sequence[str], holds: Holds) -> str | None:
        """Try to hold seats; return the hold's id, None if it was refused."""
        begun = time.perf_counter()
        ask = {"show": show, "seats": list(seats), "request_id": uuid.uuid4().hex}
        try:
            answer = await self.ask("seats:hold", ask)
        except TimeoutError:
            holds.refused["no answer"] = holds.refused.get("no answer", 0) + 1
            return None
        holds.answer_ms.append((time.perf_counter() - begun) * 1000)
        if not answer["ok"]:
            code = answer["error"]["code"]
            holds.refused[code] = holds.refused.get(code, 0) + 1
            return None
        holds.granted += 1
        holds.seats += len(seats)
        holds.most_seats = max(holds.most_seats, holds.seats)
        return str(answer["hold"]["id"])

    async def release(self, hold: str, seats: int, holds: Holds) -> None:
        """Release a hold."""
        holds.seats -= seats
        await self.ask("seats:release", {"hold": hold})


@dataclass(frozen=True, slots=True)
class Plan:
    """A run: the nodes, the show with its seats in order, and how many take part for how long (s)."""

    endpoints: Sequence[Endpoint]
    show: str
    seats: Sequence[str]
    max_seats: int
    connections: int
    buyers: int
    seconds: float


async def run(plan: Plan) -> Outcome:
    """Let the buyers buy alone, then beside the scalper. Raises ``OSError`` if a node can't be reached."""
    buyers = await _join(plan, [f"127.1.{n // 250}.{n % 250 + 1}" for n in range(plan.buyers)])
    quiet, beside, scalper = Holds(), Holds(), Holds()
    try:
        await asyncio.gather(*(_buy(person, plan, quiet, n) for n, person in enumerate(buyers)))
        crowd = await _join(plan, [SCALPER] * plan.connections)
        try:
            taken: list[tuple[Person, str, int]] = []
            await asyncio.gather(
                *(_buy(person, plan, beside, n) for n, person in enumerate(buyers)),
                *(_scalp(person, plan, scalper, n, taken) for n, person in enumerate(crowd)),
            )
            await asyncio.gather(*(person.release(hold, seats, scalper) for person, hold, seats in taken))
        finally:
            for person in crowd:
                person.close()
    finally:
        for person in buyers:
            person.close()
    return Outcome(quiet, beside, scalper)


async def _join(plan: Plan, addresses: Sequence[str]) -> list[Person]:
    turns = asyncio.Semaphore(CONNECTING)
    people = [Person(plan.endpoints[n % len(plan.endpoints)]) for n in range(len(addresses))]

    async def join(person: Person, address: str) -> None:
        async with turns:
            await person.join(address)

    await asyncio.gather(*(join(person, address) for person, address in zip(people, addresses, strict=True)))
    return people


async def _buy(person: Person, plan: Plan, holds: Holds, number: int) -> None:
    """Hold two seats beside each other, release them, again and again; another pair each time."""
    dice = random.Random(number)
    until = time.monotonic() + plan.seconds
    await asyncio.sleep(dice.uniform(0, BUYER_PAUSE_S))
    while time.monotonic() < until:
        first = dice.randrange(len(plan.seats) // BUYER_SEATS) * BUYER_SEATS
        hold = await person.hold(plan.show, plan.seats[first : first + BUYER_SEATS], holds)
        if hold is not None:
            await person.release(hold, BUYER_SEATS, holds)
        await asyncio.sleep(BUYER_PAUSE_S)


async def _scalp(person: Person, plan: Plan, holds: Holds, number: int, taken: list[tuple[Person, str, int]]) -> None:
    """Try to hold one full hold after another and keep all of them."""
    until = time.monotonic() + plan.seconds
    first = number * plan.max_seats
    while time.monotonic() < until:
        block = plan.seats[first % len(plan.seats) :][: plan.max_seats]
        hold = await person.hold(plan.show, block, holds)
        if hold is not None:
            taken.append((person, hold, len(block)))
        first += plan.max_seats * plan.connections + plan.max_seats
        await asyncio.sleep(SCALPER_PAUSE_S)
