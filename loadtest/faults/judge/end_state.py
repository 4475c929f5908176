"""The state of ledgers, lock masters and outboxes at the end of a run, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

from loadtest.faults.judge.after_booking import AfterBooking
from loadtest.faults.judge.payments import Money
from realtime.model import SalesState


@dataclass(frozen=True, slots=True)
class Booking:
    """A booking in the ledger, with the hold that it was made from. ``seats`` are indices."""

    hold: str
    owner: str
    seats: tuple[int, ...]


@dataclass(slots=True)
class ShowState:
    """One show at the end: ``bookings``, ``blocked`` (indices) and ``ledger_sales`` are the ledger's, the rest is the
    master's.

    ``digits`` has a status digit for each seat, ``taken`` the hold of each taken seat, ``live`` the state of each hold
    that has not ended.
    """

    seat_ids: tuple[str, ...]
    bookings: list[Booking]
    epoch: str
    version: int
    digits: str
    taken: dict[int, str]
    live: dict[str, str]
    blocked: frozenset[int] = frozenset()
    sales: str = SalesState.OPEN.value
    ledger_sales: str = SalesState.OPEN.value


@dataclass(slots=True)
class Rogue:
    """What the ledgers did with a rogue keeper: for each attempt, whether it was refused.

    ``rebooking_refused``: to book sold seats; ``old_token_refused``: to book under an old fencing token.
    """

    rebooking_refused: list[bool] = field(default_factory=list)
    old_token_refused: list[bool] = field(default_factory=list)


@dataclass(slots=True)
class FinalState:
    """The end of a run: shows by id, and for each region how many outbox entries and dead letters are left."""

    shows: dict[str, ShowState]
    outbox: dict[str, int] = field(default_factory=dict)
    dead_letters: dict[str, int] = field(default_factory=dict)
    rogue: Rogue = field(default_factory=Rogue)
    money: Money | None = None
    """None where no bank was asked."""
    after: AfterBooking | None = None
    """What followed the bookings; None where that was not looked at."""

    @property
    def settled(self) -> bool:
        """Whether every outbox is empty and no hold is live."""
        return not any(self.outbox.values()) and not any(show.live for show in self.shows.values())
