"""Was what buyers were told true? No seat has two owners at a time, and what was booked is sold in the end. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

KEPT = 32
"""Holds remembered for each seat, the latest; two that are further apart than that don't overlap."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A seat that somebody was told is theirs: given between ``asked`` and ``told``, surely theirs until ``until``."""

    hold: str
    asked: float
    told: float
    until: float
    """Infinite when booked."""


@dataclass(slots=True)
class Judge:
    """Takes claims in any order. Times are monotonic seconds of one machine."""

    checked: int = 0
    violations: list[str] = field(default_factory=list)
    booked: defaultdict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    """By show: the hold that each seat was booked with."""
    _claims: defaultdict[tuple[str, str], list[Claim]] = field(default_factory=lambda: defaultdict(list))

    def take(self, show: str, seats: list[str], claim: Claim) -> None:
        """Hold a claim against those that are known."""
        for seat in seats:
            self.checked += 1
            if claim.until == float("inf"):
                self._book(show, seat, claim.hold)
            known = self._claims[show, seat]
            for other in known:
                if other.hold != claim.hold and (_within(claim, other) or _within(other, claim)):
                    self.violations.append(f"{show} {seat}: held by {other.hold} and by {claim.hold} at a time")
            known.append(claim)
            if len(known) > KEPT:
                known.remove(min(known, key=lambda each: each.until))

    def _book(self, show: str, seat: str, hold: str) -> None:
        other = self.booked[show].setdefault(seat, hold)
        if other != hold:
            self.violations.append(f"{show} {seat}: booked by {other} and by {hold}")

    def sold(self, show: str, statuses: Mapping[str, int]) -> None:
        """Hold what was told booked against the map in the end (2 is sold, by seat id)."""
        for seat, hold in self.booked[show].items():
            self.checked += 1
            if statuses.get(seat) != 2:
                self.violations.append(f"{show} {seat}: told booked to {hold}, but not sold on the map")


def _within(inner: Claim, outer: Claim) -> bool:
    """Whether ``inner`` was given while ``outer`` was surely somebody's."""
    return outer.told < inner.asked and inner.told < outer.until
