"""Checks that no seat is held by two at a time, from the answers and requests that clients recorded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from loadtest.faults.judge.verdict import Verdict
from realtime.model import region_of, show_of

RULE = "no seat is held by two at a time"
REBUILT_MS = 5_000
"""Until then a master that lost its data has been reconciled; before, it may give a seat to two owners for a moment."""


@dataclass(slots=True)
class _LastHold:
    """The last acknowledged hold of a seat. It certainly existed from ``since`` to ``until`` (ms)."""

    hold: str
    since: int
    until: float


class SeatHolders:
    """Who holds each seat. A hold counts from its answer until its owner asks to end it, or it expires."""

    def __init__(self, verdict: Verdict) -> None:
        """Violations go to ``verdict``."""
        self._verdict = verdict
        self._holds: dict[tuple[str, str], _LastHold] = {}
        self._data_lost_at: dict[str, int] = {}

    def add_data_loss(self, region: str, at: int) -> None:
        """A region's master may have lost holds at ``at`` (ms)."""
        self._data_lost_at[region] = at

    def add_hold(self, hold: dict[str, Any], requested_at: float, answered_at: int) -> None:
        """A hold was acknowledged (or extended): nobody else may have certainly held its seats meanwhile."""
        lost_at = self._data_lost_at.get(region_of(hold["id"]), float("-inf"))
        for seat in hold["seats"]:
            other = self._holds.get((hold["show"], seat))
            both = (
                other is not None
                and other.hold != hold["id"]
                and other.since < requested_at
                and answered_at < other.until
                and lost_at < other.since - REBUILT_MS
            )
            text = f"{hold['show']} {seat}: held by {other.hold if other else ''} and by {hold['id']}"
            self._verdict.check(RULE, not both, text)
            self._holds[hold["show"], seat] = _LastHold(hold["id"], answered_at, hold["expires_at"])

    def end_hold(self, hold: str, seats: Iterable[str], at: int) -> None:
        """From ``at`` (ms) on, a hold may have ended on these seats."""
        for seat in seats:
            known = self._holds.get((show_of(hold), seat))
            if known is not None and known.hold == hold:
                known.until = min(known.until, at)
