"""What all clients of a run share: shows, maps, counters, and when to stop."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import aiohttp

from loadtest.faults.bank import Bank
from loadtest.faults.shows import ShowSeats
from loadtest.maps import SeatMap
from realtime.wire.maps import STATUS_KEYS

FRONT_SEATS = 40
"""Most buyers want one of the first so many free seats, so that they compete for them."""
RECENTLY_TAKEN = 30
"""Bookings and blocks, of all regions, whose seats buyers try to book."""


@dataclass(slots=True)
class RunContext:
    """Shared by all clients of a run. ``maps`` are those of one viewer, by show; buyers choose seats from them."""

    shows: Sequence[ShowSeats]
    hold_s: int
    think_s: tuple[float, float]
    http: aiohttp.ClientSession
    operator_key: str = ""
    """Empty where load tests don't know it: then there are no operators."""
    bank: Bank | None = None
    """None where load tests don't know the bank's secret: then buyers pay in one step."""
    maps: dict[str, SeatMap] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    on_new_epoch: Callable[[ShowSeats], None] = lambda show: None
    """Called when a viewer sees that a show was rebuilt."""
    recently_taken: deque[tuple[ShowSeats, list[str]]] = field(default_factory=lambda: deque(maxlen=RECENTLY_TAKEN))
    lapsed: deque[tuple[ShowSeats, list[str]]] = field(default_factory=lambda: deque(maxlen=RECENTLY_TAKEN))
    """Seats whose buyer's time is over, and who will pay all the same."""
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set at the end: start no new purchase."""
    deadline: float = float("inf")
    """Loop time after which purchases that are not finished are given up."""

    def choose_taken_seats(self, rng: random.Random) -> tuple[ShowSeats, list[str]] | None:
        """Return seats that were booked or blocked a moment ago: a master that has lost this would sell them."""
        return rng.choice(self.recently_taken) if self.recently_taken else None

    def choose_seats(self, region: str, rng: random.Random) -> tuple[ShowSeats, list[str]]:
        """Return a show, mostly of ``region``, and one to four seats that are free on the map, mostly in front."""
        home = rng.random() < 0.7
        shows = [show for show in self.shows if (show.region == region) == home] or self.shows
        show = rng.choice(shows)
        return show, self.pick_seats(show, "free", (1, 1, 1, 2, 2, 3, 4), rng)

    def pick_seats(self, show: ShowSeats, status: str, counts: Sequence[int], rng: random.Random) -> list[str]:
        """Return neighbouring seats, mostly in front, of which the first has this status on the map if any has."""
        wanted = STATUS_KEYS.index(status)
        found = [seat for seat, each in enumerate(self.maps[show.id].statuses) if each == wanted]
        found = found or list(range(len(show.seats)))
        start = rng.choice(found[:FRONT_SEATS] if rng.random() < 0.6 else found)
        return list(show.seats[start : start + rng.choice(counts)])

    async def think(self, rng: random.Random, share: float = 1.0) -> None:
        """Pause like a person."""
        await asyncio.sleep(rng.uniform(*self.think_s) * share)
