"""What the owner of each hold was answered, and whether the ledger agrees at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loadtest.faults.judge.verdict import Verdict

LedgerRow = tuple[str, frozenset[str]]
"""Owner and seats of a booking."""


@dataclass(slots=True)
class Promise:
    """What a hold's owner was answered, and asked for."""

    hold: str
    client: str
    owner: str
    seats: frozenset[str] = frozenset()
    released: frozenset[str] = frozenset()
    booked: frozenset[str] | None = None
    failed: str = ""
    """The code of a final refusal."""
    released_all: bool = False
    confirm_requested: bool = False
    paid: bool = False
    pending: bool = False
    returned: bool = False
    """Its payment was refused because the money had been returned already."""

    def add_release(self, payload: dict[str, Any], answer: dict[str, Any], verdict: Verdict) -> None:
        """A release was acknowledged, of some seats or of all."""
        seats = frozenset(payload.get("seats", self.seats))
        kept = seats.intersection(answer["hold"]["seats"]) if "hold" in answer else frozenset()
        text = f"{self.hold}: the release of {sorted(seats)} was answered with {sorted(kept)} still held"
        verdict.check("a released seat leaves its hold", not kept, text)
        self.released |= seats
        self.released_all = "hold" not in answer

    def add_booking(self, booking: dict[str, Any], verdict: Verdict) -> None:
        """The client was answered ``booked``."""
        seats = frozenset(booking["seats"])
        same = self.booked in (None, seats)
        verdict.check("a booking does not change", same, f"{self.hold}: {self.booked} became {seats}")
        self.booked = seats

    def check_outcome(self, row: LedgerRow | None, verdict: Verdict) -> None:
        """Compare with the ledger's row of this hold."""
        if self.booked is not None:
            text = f"{self.hold}: {self.client} was answered {sorted(self.booked)}; the ledger has {row}"
            verdict.check("every acknowledged booking is in the ledger", row == (self.owner, self.booked), text)
            text = f"{self.hold}: {self.client} was answered booked and {self.failed}"
            verdict.check("no hold is reported both booked and failed", not self.failed, text)
        if self.released:
            bad = row is not None and bool(self.released_all or row[1] & self.released)
            text = f"{self.hold}: {sorted(self.released)} released, but booked: {row}"
            verdict.check("no released seat is booked", not bad, text)
        if self.failed:
            text = f"{self.hold}: {self.client} was answered {self.failed}; the ledger has {row}"
            verdict.check("no failed hold is booked", row is None, text)
        if self.pending:
            done = self.booked is not None or bool(self.failed) or self.returned
            text = f"{self.hold}: {self.client} was answered pending, and nothing after it"
            verdict.check("every pending booking settles", done, text)
