"""Checks what buyers were answered: no seat has two owners at a time, and booked seats are sold at the end. No I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

CLAIMS_PER_SEAT = 32
"""Claims kept for each seat, those that end last. Claims that are further apart can't overlap."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A seat that a buyer was given: requested at ``asked``, acknowledged at ``answered``, certain until ``until``."""

    hold: str
    asked: float
    answered: float
    until: float
    """Infinite when booked."""


@dataclass(slots=True)
class OwnershipCheck:
    """Compares claims with each other, in any order of arrival. Times are monotonic seconds of one machine."""

    checked: int = 0
    violations: list[str] = field(default_factory=list)
    booked: defaultdict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    """By show: the hold that each seat was booked with."""
    _claims: defaultdict[tuple[str, str], list[Claim]] = field(default_factory=lambda: defaultdict(list))

    def add(self, show: str, seats: list[str], claim: Claim) -> None:
        """Compare a claim with those of the same seats."""
        for seat in seats:
            self.checked += 1
            if claim.until == float("inf"):
                self._add_booking(show, seat, claim.hold)
            known = self._claims[show, seat]
            for other in known:
                if other.hold != claim.hold and (_within(claim, other) or _within(other, claim)):
                    self.violations.append(f"{show} {seat}: held by {other.hold} and by {claim.hold} at the same time")
            known.append(claim)
            if len(known) > CLAIMS_PER_SEAT:
                known.remove(min(known, key=lambda each: each.until))

    def _add_booking(self, show: str, seat: str, hold: str) -> None:
        other = self.booked[show].setdefault(seat, hold)
        if other != hold:
            self.violations.append(f"{show} {seat}: booked by {other} and by {hold}")

    def compare_with_map(self, show: str, statuses: Mapping[str, int]) -> None:
        """Check that every booked seat is sold (2) on the map; ``statuses`` by seat id."""
        for seat, hold in self.booked[show].items():
            self.checked += 1
            if statuses.get(seat) != 2:
                self.violations.append(f"{show} {seat}: booked by {hold}, but not sold on the map")


def _within(inner: Claim, outer: Claim) -> bool:
    """Whether ``inner`` was requested and acknowledged while ``outer`` was certain to exist."""
    return outer.answered < inner.asked and inner.answered < outer.until
