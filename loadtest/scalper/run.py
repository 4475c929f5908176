"""One address with many connections and fresh identities tries to hold a whole show, while others buy.

Buyers come from loopback addresses of their own (``127.1.x.y``), the scalper from ``127.9.9.9``: of all addresses of a
machine, a node exempts only ``127.0.0.1`` (``limits.shared_networks``). Nobody pays; what was held is released.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass

from loadtest.connection import Endpoint
from loadtest.scalper.attack import Order, attacker
from loadtest.scalper.person import Holds, Person, join_all

BUYER_SEATS = 2
BUYER_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run: the buyers alone before the attack, during it and after it, and the scalper."""

    quiet: Holds
    beside: Holds
    after: Holds
    scalper: Holds


async def run(order: Order, buyers: int) -> Outcome:
    """Let ``buyers`` buy alone, beside the scalper, and alone again. Raises ``OSError`` if a node can't be reached."""
    endpoints = [Endpoint.of(url) for url in order.urls]
    addresses = [f"127.1.{n // 250}.{n % 250 + 1}" for n in range(buyers)]
    people = await join_all(endpoints, addresses)
    try:
        async with attacker(order) as attack:
            quiet = await _buy(people, order)
            await attack.begin()
            beside = await _buy(people, order)
            scalper = await attack.outcome()
        return Outcome(quiet, beside, await _buy(people, order), scalper)
    finally:
        for person in people:
            person.close()


async def _buy(people: list[Person], order: Order) -> Holds:
    holds = Holds()
    await asyncio.gather(*(_buy_again(person, order, holds, n) for n, person in enumerate(people)))
    return holds


async def _buy_again(person: Person, order: Order, holds: Holds, number: int) -> None:
    """Hold two seats beside each other, release them, again and again; another pair each time."""
    dice = random.Random(number)
    until = time.monotonic() + order.seconds
    await asyncio.sleep(dice.uniform(0, BUYER_PAUSE_S))
    while time.monotonic() < until:
        first = dice.randrange(len(order.seats) // BUYER_SEATS) * BUYER_SEATS
        hold = await person.hold(order.show, order.seats[first : first + BUYER_SEATS], holds)
        if hold is not None:
            await person.release(hold, BUYER_SEATS, holds)
        await asyncio.sleep(BUYER_PAUSE_S)
