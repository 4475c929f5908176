"""Somebody who wants seats: one connection with an identity of its own, and what a group of them asked for and got."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from loadtest.connection import Connection, Endpoint

ANSWER_S = 10.0
"""An answer that takes longer counts as none."""
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


async def join_all(endpoints: Sequence[Endpoint], addresses: Sequence[str]) -> list[Person]:
    """Connect a person from each address, to the nodes in turn. Raises ``OSError``."""
    turns = asyncio.Semaphore(CONNECTING)
    people = [Person(endpoints[n % len(endpoints)]) for n in range(len(addresses))]

    async def join(person: Person, address: str) -> None:
        async with turns:
            await person.join(address)

    await asyncio.gather(*(join(person, address) for person, address in zip(people, addresses, strict=True)))
    return people
