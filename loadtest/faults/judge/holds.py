"""What the history proves about each hold: who asked for what, when, and how long the hold was granted."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from realtime.errors import SalesPaused
from realtime.model import region_of

TOLERANCE_MS = 150
"""Added to every deadline before a hold counts as ended early or kept late. Deadlines are compared with the time of the
request and of the answer on the runner's clock: the master sends its own time with each deadline, so clocks may differ,
but not run at different speeds. This covers rounding, and a clock that is being corrected."""


@dataclass(slots=True)
class Attempt:
    """One request: ``end`` is infinite, and ``answer`` None, if no answer arrived."""

    client: str
    event: str
    payload: dict[str, Any]
    start: float
    end: float = math.inf
    answer: dict[str, Any] | None = None

    @property
    def ok(self) -> bool:
        """Whether it was answered, and carried out."""
        return self.answer is not None and bool(self.answer["ok"])

    @property
    def code(self) -> str:
        """The code of a final refusal; empty if there was none."""
        if self.answer is None or self.answer["ok"] or self.answer["error"]["retryable"]:
            return ""
        return str(self.answer["error"]["code"])

    @property
    def unknown(self) -> bool:
        """Whether it may have been carried out or not."""
        if self.answer is None:
            return True
        return not self.answer["ok"] and self.answer["error"]["code"] in ("internal", "region_unavailable")


@dataclass(frozen=True, slots=True)
class Notice:
    """An event about a hold: ``became`` is the reason why it ended, or ``booked``."""

    at: float
    became: str
    seats: frozenset[str]


@dataclass(slots=True)
class HoldHistory:
    """Everything that the history has about one hold. Without any answer its ``id`` is not the server's."""

    id: str
    show: str
    seats: frozenset[str]
    requested_at: float
    """When it was first asked for (ms); the hold can't be older."""
    answered_at: float = math.inf
    first_end: float = math.inf
    """Its deadline if the master granted it when it was asked for (ms, runner's clock), without extensions."""
    earliest_end: float = math.inf
    """The same with the acknowledged extensions."""
    latest_end: float = math.inf
    """Its deadline if the master granted it when the answer arrived. Infinite if an extension is unknown."""
    attempts: list[Attempt] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    booked_at: float = math.inf
    """When a client first heard that it is booked."""

    @property
    def region(self) -> str:
        """The region that owns the show."""
        return region_of(self.show)

    @property
    def granted(self) -> bool:
        """Whether any client was answered that it has this hold."""
        return self.answered_at != math.inf

    @property
    def rejected(self) -> bool:
        """Whether a client heard that the ledger refused its booking."""
        return any(each.code == "booking_rejected" for each in self.attempts) or any(
            each.became == "rejected" for each in self.notices
        )

    @property
    def lost(self) -> bool:
        """Whether a client heard that the hold was lost."""
        return any(each.code == "hold_lost" for each in self.attempts) or any(
            each.became == "lost" for each in self.notices
        )

    def grant(self, attempt: Attempt) -> None:
        """Take the deadline of an acknowledged hold or extension.

        The answer to a repeated request has the deadline of the first, so only a later deadline counts.
        """
        assert attempt.answer is not None
        hold, now = attempt.answer["hold"], attempt.answer.get("server_time")
        earliest = latest = float(hold["expires_at"])
        if now is not None:
            earliest = attempt.start + hold["expires_at"] - now
            latest = attempt.end + hold["expires_at"] - now
        if self.earliest_end == math.inf or earliest > self.earliest_end:
            self.earliest_end = earliest
        if attempt.event == "seats:hold":
            self.first_end = min(self.first_end, earliest)
        if attempt.event == "seats:extend" or self.latest_end == math.inf or latest > self.latest_end:
            self.latest_end = latest
        self.answered_at = min(self.answered_at, attempt.end)


class HoldBook:
    """Collects the holds of a history, and the refusals that show that seats were taken."""

    def __init__(self) -> None:
        """Empty; call ``ask``, ``answer`` and ``notice`` in the order of the history."""
        self.refusals: list[tuple[HoldHistory, Attempt]] = []
        """Requests that were answered ``seats_taken``, and the hold that the same request made at another time."""
        self.paused: list[Attempt] = []
        """Requests for holds that were answered ``sales_paused``."""
        self._by_request: dict[tuple[str, str], HoldHistory] = {}
        self._by_id: dict[str, HoldHistory] = {}

    @property
    def holds(self) -> list[HoldHistory]:
        """All holds that may have existed."""
        return [hold for hold in self._by_request.values() if hold.attempts]

    def find(self, hold: str) -> HoldHistory | None:
        """Return a hold by its id, if any client got that id in an answer."""
        return self._by_id.get(hold)

    def ask(self, attempt: Attempt) -> None:
        """Take a request; its answer is set later."""
        payload = attempt.payload
        if attempt.event == "seats:hold":
            key = attempt.client, payload["request_id"]
            name = f"{payload['show']}.(no answer to {payload['request_id']} of {attempt.client})"
            made = HoldHistory(name, payload["show"], frozenset(payload["seats"]), attempt.start)
            self._by_request.setdefault(key, made).attempts.append(attempt)
        elif attempt.event in ("seats:release", "seats:extend", "seats:confirm"):
            known = self._by_id.get(payload["hold"])
            if known is not None:
                known.attempts.append(attempt)

    def pay(self, attempt: Attempt) -> None:
        """Take a payment as a confirm that nobody is answered. While the bank is asked, the hold may be prolonged."""
        known = self._by_id.get(attempt.payload["hold"])
        if known is not None:
            known.attempts.append(attempt)
            known.latest_end = math.inf

    def answer(self, attempt: Attempt) -> None:
        """Take the answer to a request that was asked before."""
        assert attempt.answer is not None
        if attempt.event == "seats:hold":
            hold = self._by_request[attempt.client, attempt.payload["request_id"]]
            if attempt.ok:
                if not hold.granted:
                    hold.id = attempt.answer["hold"]["id"]
                    self._by_id[hold.id] = hold
                hold.grant(attempt)
            elif attempt.answer["error"]["code"] == SalesPaused.code:
                self.paused.append(attempt)
            elif attempt.code not in ("", "hold_expired", "hold_lost", "request_reused"):
                # It made no hold, so the request says something about the seats only.
                hold.attempts.remove(attempt)
                if attempt.code == "seats_taken":
                    self.refusals.append((hold, attempt))
            return
        known = self._by_id.get(attempt.payload["hold"])
        if known is None or not attempt.ok:
            return
        if attempt.event == "seats:extend":
            known.grant(attempt)
        elif attempt.event == "seats:confirm" and attempt.answer["booking"]["state"] == "booked":
            known.booked_at = min(known.booked_at, attempt.end)

    def notice(self, hold: str, at: float, became: str, seats: Iterable[str] | None = None) -> None:
        """Take an event about a hold; ``seats`` are those of a booking."""
        known = self._by_id.get(hold)
        if known is None:
            return
        known.notices.append(Notice(at, became, known.seats if seats is None else frozenset(seats)))
        if became == "booked":
            known.booked_at = min(known.booked_at, at)
