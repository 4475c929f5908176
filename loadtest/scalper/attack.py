"""The scalper, in a process that gets only the CPU time that others leave: a real one has a machine of its own.

``python -m loadtest.scalper.attack`` reads an order as JSON, says ``ready``, waits for a line, attacks, and prints what
it got as JSON.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from loadtest.connection import Endpoint
from loadtest.scalper.person import Holds, Person, join_all

ADDRESS = "127.9.9.9"
PAUSE_S = 0.5


class Order(msgspec.Struct, frozen=True):
    """What the scalper has to do: where, which seats of which show, with how many connections, for how long (s)."""

    urls: list[str]
    show: str
    seats: list[str]
    max_seats: int
    connections: int
    seconds: float


class Attack:
    """A scalper that is ready to begin."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Made by ``attacker``."""
        self._process = process

    async def begin(self) -> None:
        """Let it connect and hold, for the seconds of its order."""
        assert self._process.stdin is not None, "it is a pipe"
        self._process.stdin.write(b"go\n")
        await self._process.stdin.drain()

    async def outcome(self) -> Holds:
        """Return what it got, once it has ended. Raises ``ConnectionError`` if it has failed."""
        assert self._process.stdout is not None, "it is a pipe"
        output = await self._process.stdout.read()
        if await self._process.wait():
            raise ConnectionError("the scalper has failed")
        return msgspec.json.decode(output, type=Holds)


@asynccontextmanager
async def attacker(order: Order) -> AsyncIterator[Attack]:
    """Start a scalper, and end it with the context. Raises ``ConnectionError`` if it does not start."""
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "loadtest.scalper.attack")
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    assert process.stdin is not None and process.stdout is not None, "they are pipes"
    try:
        process.stdin.write(msgspec.json.encode(order) + b"\n")
        if await process.stdout.readline() != b"ready\n":
            raise ConnectionError("the scalper does not start")
        yield Attack(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _scalp(order: Order) -> Holds:
    """Connect from one address, hold as much as possible until the time is over, then release it."""
    until = asyncio.get_running_loop().time() + order.seconds
    endpoints = [Endpoint.of(url) for url in order.urls]
    crowd = await join_all(endpoints, [ADDRESS] * order.connections)
    holds, taken = Holds(), list[tuple[Person, str, int]]()
    await asyncio.gather(*(_hold_on(person, order, until, holds, n, taken) for n, person in enumerate(crowd)))
    await asyncio.gather(*(person.release(hold, seats, holds) for person, hold, seats in taken))
    for person in crowd:
        person.close()
    return holds


async def _hold_on(
    person: Person, order: Order, until: float, holds: Holds, number: int, taken: list[tuple[Person, str, int]]
) -> None:
    """Try to hold one full hold after another, one at least, and keep all of them."""
    first, step = number * order.max_seats, (order.connections + 1) * order.max_seats
    while True:
        block = order.seats[first % len(order.seats) :][: order.max_seats]
        hold = await person.hold(order.show, block, holds)
        if hold is not None:
            taken.append((person, hold, len(block)))
        if asyncio.get_running_loop().time() >= until:
            return
        first += step
        await asyncio.sleep(PAUSE_S)


def _main() -> None:
    os.nice(19)
    order = msgspec.json.decode(sys.stdin.readline(), type=Order)
    print("ready", flush=True)
    sys.stdin.readline()
    print(msgspec.json.encode(asyncio.run(_scalp(order))).decode())


if __name__ == "__main__":
    _main()
