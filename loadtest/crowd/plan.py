"""What a run does: made by the command line, read by every worker process. Times are in seconds."""

from __future__ import annotations

import random
from typing import Annotated

from msgspec import Meta, Struct

Share = Annotated[float, Meta(ge=0, le=1)]
GRACE_S = 90.0
"""A run that is still going this long after its planned end is stopped."""
MAX_VIEWERS_PER_PROCESS = 15_000
"""A process may have 20,000 files open."""


class ShowPlan(Struct, frozen=True):
    """A show of the target that the crowd uses."""

    id: str
    seats: int
    max_seats: int
    layout: str


class Plan(Struct, frozen=True, kw_only=True):
    """One run. Numbers of people are totals of the run; ``share`` gives each process its part."""

    command: str
    urls: list[str]
    shows: list[ShowPlan]
    seconds: float
    """From the first arrival until people stop; the comparison of maps comes after it."""
    begin: float = 0.0
    """Monotonic time of the run's beginning; all processes of a machine read the same clock."""
    processes: int = 1
    number: int = 0
    """Which of the processes this is, from 0."""
    seed: int = 0
    connects_per_s: float = 1000.0
    demo_payments: bool = False

    viewers: int = 0
    arrive_s: float = 10.0
    curve: str = "even"
    refresh_s: float = 0.0
    reload_s: float = 0.0
    stay_s: float = 0.0
    probe_s: float = 1.0

    buyers: int = 0
    think_s: tuple[float, float] = (1.0, 4.0)
    pay: Share = 0.6
    release: Share = 0.3
    doors_s: float = 0.0

    pollers: int = 0
    poll_s: float = 1.0

    slow: int = 0
    stall_s: float = 20.0
    ask_s: float = 0.05

    def share(self, people: int) -> range:
        """Return the numbers of those of ``people`` that this process simulates."""
        return range(self.number, people, self.processes)


def arrivals(count: int, over_s: float, curve: str, rng: random.Random) -> list[float]:
    """Return ``count`` arrival times (s from the beginning, ascending) within ``over_s``.

    ``curve`` is ``even``, or ``rush``: half of the people come in the first fifth.
    """
    if curve == "rush":
        return sorted(min(rng.expovariate(3.5), 1.0) * over_s for _ in range(count))
    return sorted(rng.random() * over_s for _ in range(count))
