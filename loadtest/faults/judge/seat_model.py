"""One seat as a register: free, held by a hold, firmly taken by a hold that is being booked, or blocked.

What clients ask for are operations (``Act``). What nobody is answered happens quietly: a hold past its deadline ends,
and while a master may be losing data, the seat may become free, or go back to a hold that it had a moment ago.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from loadtest.faults.judge.holds import TOLERANCE_MS, HoldHistory
from loadtest.faults.judge.losses import Window

OLD_DATA_MS = 5_000
"""A master may come back with data that is this old: a seat may go back to a hold that ended no longer ago."""


class Act(StrEnum):
    """What an operation does to a seat, or shows about it."""

    HOLD = "hold"
    """The seat becomes held; a repeated request finds its own hold."""
    RELEASE = "release"
    CONFIRM = "confirm"
    """The seat becomes firmly taken, also after its deadline if it is free."""
    ALIVE = "alive"
    """The hold has the seat and is not confirmed."""
    FIRM = "firm"
    """The seat is firmly taken by this hold."""
    ENDED = "ended"
    """The hold does not have the seat."""
    SEE_TAKEN = "see-taken"
    """Somebody else has the seat, and not only because a lapsed hold was not removed. A repeated request finds its own
    hold, so it never sees its own seats as taken."""
    SEE_FREE = "see-free"
    """Nobody else has the seat."""
    BLOCK = "block"
    """The seat becomes blocked. Only a free one can; a repeated command finds its own block."""
    UNBLOCK = "unblock"
    """A blocked seat becomes free; any other stays as it is."""


class SeatAction(NamedTuple):
    """An operation of one hold on one seat; those of operators have ``BLOCKED.hold``.

    ``since`` is when it was asked for (ms).
    """

    act: Act
    hold: str
    since: float = 0.0


class SeatState(NamedTuple):
    """Who has the seat: ``hold`` is empty if it is free; ``firm`` if the hold can't end any more."""

    hold: str = ""
    firm: bool = False

    def __str__(self) -> str:
        """Return it in words."""
        if not self.hold or self == BLOCKED:
            return self.hold or "free"
        return f"{'taken' if self.firm else 'held'} by {self.hold}"


FREE = SeatState()
BLOCKED = SeatState("blocked", True)


@dataclass(frozen=True, slots=True)
class SeatModel:
    """The rules of one seat. ``holds`` are those that ever asked for it, ``losses`` the windows of its region.

    ``blocks`` are the times from the request to the answer of each command to block it: until then the ledger may not
    have it. In the windows ``clock_steps`` no hold is certainly past its deadline.
    """

    holds: Mapping[str, HoldHistory]
    losses: list[Window]
    blocks: Sequence[Window] = ()
    clock_steps: Sequence[Window] = ()

    def initial(self) -> SeatState:
        """Return a free seat."""
        return FREE

    def moments(self) -> Iterable[float]:
        """Return the ends of the windows in which data may be lost."""
        return [end for _start, end in self.losses if end != math.inf]

    def step(self, state: SeatState, action: SeatAction, at: float) -> Iterable[SeatState]:
        """Return the state after an action, if the action is possible."""
        mine = state.hold == action.hold
        match action.act:
            case Act.HOLD:
                possible, after = mine or state == FREE, state if mine else SeatState(action.hold)
            case Act.RELEASE:
                possible, after = mine and not state.firm, FREE
            case Act.CONFIRM:
                late = state == FREE and self._may_be_over(SeatState(action.hold), at)
                possible, after = mine or late, SeatState(action.hold, True)
            case Act.ALIVE:
                possible, after = mine and not state.firm, state
            case Act.FIRM:
                possible, after = mine and state.firm, state
            case Act.ENDED:
                possible, after = not mine, state
            case Act.SEE_TAKEN:
                possible, after = state != FREE and not mine and not self._lapsed(state, action.since), state
            case Act.SEE_FREE:
                possible, after = state == FREE or mine, state
            case Act.BLOCK:
                possible, after = state == FREE or mine, BLOCKED
            case Act.UNBLOCK:
                possible, after = True, FREE if mine else state
        return (after,) if possible else ()

    def quiet(self, state: SeatState, at: float) -> Iterable[SeatState]:
        """Return what may become of the seat without a request."""
        after: set[SeatState] = set()
        if state != FREE and self._may_be_over(state, at):
            after.add(FREE)
        for start, end in self.losses:
            if start > at:
                break
            if at <= end and not self._is_kept(state, start, at):
                after |= self._after_loss(start, at)
        return after

    def _may_be_over(self, state: SeatState, at: float) -> bool:
        """Return whether a hold may have ended by itself, or (``firm``) because the ledger refused it."""
        if state == BLOCKED:
            return False
        hold = self.holds[state.hold]
        lost = any(start <= at and end >= hold.requested_at for start, end in self.losses)
        if state.firm:
            return lost and hold.rejected
        # A master that lost data may have lost the extension.
        deadline = hold.first_end if lost else hold.earliest_end
        return at >= (deadline if deadline != math.inf else hold.requested_at) - TOLERANCE_MS

    def _lapsed(self, state: SeatState, since: float) -> bool:
        """Return whether the seat's hold was certainly past its deadline at ``since``."""
        if state.firm or any(start <= since <= end for start, end in self.clock_steps):
            return False
        return since > self.holds[state.hold].latest_end + TOLERANCE_MS

    def _is_kept(self, state: SeatState, start: float, at: float) -> bool:
        """Return whether the ledger had the seat's booking or block before a loss began: then nothing takes it away."""
        if state == BLOCKED:
            return not any(begun <= at and answered >= start for begun, answered in self.blocks)
        return state.firm and self.holds[state.hold].booked_at <= start

    def _after_loss(self, start: float, at: float) -> set[SeatState]:
        found = {FREE}
        for hold in self.holds.values():
            if hold.requested_at <= at and hold.latest_end >= start - OLD_DATA_MS:
                found.add(SeatState(hold.id))
                if any(attempt.event == "seats:confirm" and attempt.start <= at for attempt in hold.attempts):
                    found.add(SeatState(hold.id, True))
        return found
