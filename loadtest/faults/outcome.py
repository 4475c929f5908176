"""What a run was asked to do, and what it found."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from loadtest.faults.judge.verdict import Verdict
from loadtest.faults.schedule import OPTIONAL, Fault, Kind


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. ``buyers`` is per region."""

    minutes: float
    seed: int
    buyers: int
    kinds: frozenset[Kind] = frozenset(Kind) - OPTIONAL
    edn: Path | None = None
    """Where to write the operations on every seat, for other checkers."""
    previous: Path | None = None
    """A checkout of the previous release, which one keeper of each region runs."""

    @property
    def seats(self) -> int:
        """Seats of a show: enough that shows are not sold out before the end."""
        return max(300, min(20_000, int(self.buyers * self.minutes * 8)))


@dataclass(slots=True)
class Outcome:
    """The result of a run. ``errors`` counts the codes of refusals, ``runner_errors`` are failures of the runner."""

    plan: Plan
    faults: list[Fault]
    verdict: Verdict
    counts: dict[str, int]
    errors: dict[str, int]
    outages: dict[Kind, list[float | None]]
    seats_sold: int
    history: Path
    runner_errors: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether no promise was broken and the runner did its work."""
        return not self.verdict.violations and not self.runner_errors and self.counts.get("bookings", 0) > 0
