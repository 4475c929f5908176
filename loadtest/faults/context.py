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
RECENT_BOOKINGS = 30
"""Bookings, of all regions, whose seats other buyers try to book again."""
_FREE = STATUS_KEYS.index("free")


@dataclass(slots=True)
class RunContext:
    """Shared by all clients of a run. ``maps`` are those of one viewer, by show; buyers choose seats from them."""

    shows: Sequence[ShowSeats]
    hold_s: int
    think_s: tuple[float, float]
    http: aiohttp.ClientSession
    bank: Bank | None = None
    """None where load tests don't know the bank's secret: then buyers pay in one step."""
    maps: dict[str, SeatMap] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    on_new_epoch: Callable[[ShowSeats], None] = lambda show: None
    """Called when a viewer sees that a show was rebuilt."""
    recent_bookings: deque[tuple[ShowSeats, list[str]]] = field(default_factory=lambda: deque(maxlen=RECENT_BOOKINGS))
    lapsed: deque[tuple[ShowSeats, list[str]]] = field(default_factory=lambda: deque(maxlen=RECENT_BOOKINGS))
    """Seats whose buyer's time is over, and who will pay all the same."""
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set at the end: start no new purchase."""
    deadline: float = float("inf")
    """Loop time after which purchases that are not finished are given up."""

    def choose_sold_seats(self, rng: random.Random) -> tuple[ShowSeats, list[str]] | None:
        """Return seats that were booked a moment ago: a master that lost the booking would sell them again."""
        return rng.choice(self.recent_bookings) if self.recent_bookings else None

    def choose_seats(self, region: str, rng: random.Random) -> tuple[ShowSeats, list[str]]:
        """Return a show, mostly of ``region``, and one to four seats that are free on the map, mostly in front."""
        home = rng.random() < 0.7
        shows = [show for show in self.shows if (show.region == region) == home] or self.shows
        show = rng.choice(shows)
        statuses = self.maps[show.id].statuses
        free = [seat for seat, status in enumerate(statuses) if status == _FREE] or list(range(len(show.seats)))
        start = rng.choice(free[:FRONT_SEATS] if rng.random() < 0.6 else free)
        count = rng.choice((1, 1, 1, 2, 2, 3, 4))
        return show, list(show.seats[start : start + count])

    async def think(self, rng: random.Random, share: float = 1.0) -> None:
        """Pause like a person."""
        await asyncio.sleep(rng.uniform(*self.think_s) * share)
