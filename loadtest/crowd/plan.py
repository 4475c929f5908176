"""What a run is to do: made by the command line, read by every worker process. Times in seconds."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

Share = Annotated[float, Meta(ge=0, le=1)]
GRACE_S = 90.0
"""A run that has not ended by itself this long after its time is ended."""
MAX_VIEWERS_PER_PROCESS = 15_000
"""A process may have 20,000 files open."""


class ShowPlan(Struct, frozen=True):
    """A show that the crowd comes for."""

    id: str
    seats: int
    max_seats: int
    layout: str


class Plan(Struct, frozen=True, kw_only=True):
    """One run. Numbers of people are for the whole run; ``part`` gives each process its own."""

    command: str
    urls: list[str]
    shows: list[ShowPlan]
    seconds: float
    """From the first arrival to the last word, before maps are compared."""
    begin: float = 0.0
    """Monotonic time of the run's beginning; the same clock in all processes of a machine."""
    processes: int = 1
    number: int = 0
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
        """Return the numbers of the people of this process, of so many."""
        return range(self.number, people, self.processes)
