"""The judge: was what everybody was told true? Reads a history and the end state; no clocks, no sockets.

It knows that an answer that never came, or was ``retryable``, says nothing: it may have happened or not. And that a
master which lost its memory (a fault with ``memory``) may have forgotten holds and confirms that were told
``pending``, but nothing that was told ``booked``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from loadtest.faults.final import Final, ShowState
from loadtest.faults.history import Record
from loadtest.maps import SeatMap
from realtime.model import region_of, show_of

REBUILT_MS = 5_000
"""A master that lost its memory has been put right by then; until then it may give a seat to two for a moment."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken promise: which rule, and the evidence in words."""

    rule: str
    text: str


@dataclass(slots=True)
class Verdict:
    """What was checked (how often, by rule) and what was found."""

    checks: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)

    def check(self, rule: str, good: bool, text: str) -> None:
        """Count a check; note a violation."""
        self.checks[rule] += 1
        if not good:
            self.violations.append(Violation(rule, text))


@dataclass(slots=True)
class _Told:
    """What the owner of a hold was told about it."""

    client: str
    owner: str
    seats: frozenset[str] = frozenset()
    released: frozenset[str] = frozenset()
    booked: frozenset[str] | None = None
    failed: str = ""
    released_all: bool = False
    confirm_asked: bool = False
    pending: bool = False


@dataclass(slots=True)
class _Grip:
    """The last acknowledged hold on a seat: sure from ``since`` until ``until`` (ms)."""

    hold: str
    since: int
    until: float


def check(history: Iterable[Record], final: Final) -> Verdict:
    """Check everything that was told against itself and against the end state."""
    judge = _Judge(final)
    for record in history:
        judge.take(record)
    return judge.verdict()


class _Judge:
    def __init__(self, final: Final) -> None:
        self._final = final
        self._verdict = Verdict()
        self._owners: dict[str, str] = {}
        self._asks: dict[tuple[str, int], tuple[int, dict[str, Any]]] = {}
        self._holds: dict[str, _Told] = {}
        self._requests: dict[tuple[str, str], str] = {}
        self._grips: dict[tuple[str, str], _Grip] = {}
        self._forgot: dict[str, int] = {}
        self._maps: dict[tuple[str, str], SeatMap] = {}

    def take(self, record: Record) -> None:
        kind = record["k"]
        if kind == "fault":
            if record["memory"]:
                self._forgot[record["region"]] = record["t"]
        elif kind == "conn":
            self._owners[record["c"]] = record["owner"]
        elif kind == "ask":
            self._asks[record["c"], record["n"]] = record["t"], record["p"]
            self._asked(record)
        elif kind == "lost":
            self._asks.pop((record["c"], record["n"]), None)
        elif kind == "told":
            asked = self._asks.pop((record["c"], record["n"]), None)
            if asked is not None:
                self._told(record, *asked)
        elif kind == "news":
            self._news(record)

    # --- holds and bookings ---------------------------------------------------------------------------------------
    def _of(self, record: Record, hold: str) -> _Told:
        return self._holds.setdefault(hold, _Told(record["c"], self._owners.get(record["c"], "")))

    def _asked(self, record: Record) -> None:
        event, payload = record["e"], record["p"]
        if event == "seats:confirm":
            self._of(record, payload["hold"]).confirm_asked = True
            self._let_go(payload["hold"], None, record["t"])
        elif event == "seats:release":
            self._let_go(payload["hold"], payload.get("seats"), record["t"])

    def _told(self, record: Record, asked_at: int, payload: dict[str, Any]) -> None:
        event, answer = record["e"], record["a"]
        if event == "show:watch":
            if answer["ok"]:
                self._map(record["c"], answer["show"]).watched(answer)
        elif event == "seats:hold" and answer["ok"]:
            self._held(record, asked_at, payload, answer["hold"])
        elif event == "seats:extend" and answer["ok"]:
            self._grip(answer["hold"], record, asked_at)
        elif event == "seats:release" and answer["ok"]:
            mine = self._of(record, payload["hold"])
            mine.released |= frozenset(payload.get("seats", mine.seats))
            mine.released_all = "hold" not in answer
        elif event == "seats:confirm":
            self._confirmed(record, payload["hold"], answer)

    def _held(self, record: Record, asked_at: int, payload: dict[str, Any], hold: dict[str, Any]) -> None:
        rule = "the same request makes the same hold"
        known = self._requests.setdefault((record["c"], payload["request_id"]), hold["id"])
        self._verdict.check(rule, known == hold["id"], f"{payload['request_id']} made {known} and {hold['id']}")
        mine = self._of(record, hold["id"])
        if not mine.seats:
            mine.seats = frozenset(payload["seats"])
            self._grip(hold, record, asked_at)

    def _grip(self, hold: dict[str, Any], record: Record, asked_at: int) -> None:
        """Note who has seats; nobody else may have been sure of them all the while."""
        region = region_of(hold["id"])
        rule = "no seat is held by two at a time"
        for seat in hold["seats"]:
            other = self._grips.get((hold["show"], seat))
            both = (
                other is not None
                and other.hold != hold["id"]
                and other.since < asked_at
                and record["t"] < other.until
                and self._forgot.get(region, float("-inf")) < other.since - REBUILT_MS
            )
            words = f"{hold['show']} {seat}: held by {other.hold if other else ''} and by {hold['id']}"
            self._verdict.check(rule, not both, words)
            self._grips[hold["show"], seat] = _Grip(hold["id"], record["t"], hold["expires_at"])

    def _let_go(self, hold: str, seats: list[str] | None, at: int) -> None:
        mine = self._holds.get(hold)
        if mine is None:
            return
        for seat in mine.seats if seats is None else seats:
            grip = self._grips.get((show_of(hold), seat))
            if grip is not None and grip.hold == hold:
                grip.until = min(grip.until, at)

    def _confirmed(self, record: Record, hold: str, answer: dict[str, Any]) -> None:
        mine = self._of(record, hold)
        if answer["ok"]:
            if answer["booking"]["state"] == "booked":
                self._booked(mine, hold, answer["booking"])
            else:
                mine.pending = True
        elif not answer["error"]["retryable"]:
            mine.failed = answer["error"]["code"]

    def _booked(self, mine: _Told, hold: str, booking: dict[str, Any]) -> None:
        seats = frozenset(booking["seats"])
        same = mine.booked in (None, seats)
        self._verdict.check("a booking stays what it was", same, f"{hold}: {mine.booked} became {seats}")
        mine.booked = seats

    def _news(self, record: Record) -> None:
        payload = record["p"]
        if record["e"] == "seats:changed":
            self._map(record["c"], payload["show"]).changed(payload)
        elif record["e"] == "hold:expired":
            self._let_go(payload["hold"], None, record["t"])
        elif record["e"] == "booking:settled":
            booking = payload["booking"]
            mine = self._of(record, booking["hold"])
            if booking["state"] == "booked":
                self._booked(mine, booking["hold"], booking)
            elif booking["state"] == "rejected":
                mine.failed = "booking_rejected"

    def _map(self, client: str, show: str) -> SeatMap:
        known = self._maps.get((client, show))
        if known is None:
            known = self._maps[client, show] = SeatMap(len(self._final.shows[show].seat_ids))
        return known

    # --- the end --------------------------------------------------------------------------------------------------
    def verdict(self) -> Verdict:
        in_ledger: dict[str, tuple[str, frozenset[str]]] = {}
        for show_id, show in self._final.shows.items():
            self._ledger(show_id, show, in_ledger)
            self._master(show_id, show)
        for hold, mine in self._holds.items():
            self._promises(hold, mine, in_ledger.get(hold))
        for region, left in self._final.outbox.items():
            self._verdict.check("every outbox is empty in the end", left == 0, f"{region}: {left} entries are left")
        for region, parked in self._final.parked.items():
            self._verdict.check("nothing is set aside", parked == 0, f"{region}: {parked} entries are set aside")
        for show_id, refusals in self._final.booked_again.items():
            for refused in refusals:
                words = f"{show_id}: a keeper gone wrong could book a sold seat"
                self._verdict.check("the ledger refuses a seat that is sold", refused, words)
        for (client, show_id), seen in self._maps.items():
            self._viewer(client, show_id, seen)
        return self._verdict

    def _ledger(self, show_id: str, show: ShowState, in_ledger: dict[str, tuple[str, frozenset[str]]]) -> None:
        buyer: dict[int, str] = {}
        for booking in show.bookings:
            seats = frozenset(show.seat_ids[index] for index in booking.seats)
            in_ledger[booking.hold] = booking.owner, seats
            for index in booking.seats:
                other = buyer.setdefault(index, booking.hold)
                words = f"{show_id} {show.seat_ids[index]}: booked by {other} and by {booking.hold}"
                self._verdict.check("no seat is in two bookings", other == booking.hold, words)
            lacking = [i for i in booking.seats if show.digits[i : i + 1] != "2" or show.taken.get(i) != booking.hold]
            words = f"{booking.hold}: seats {lacking} are not its own on the map"
            self._verdict.check("every booking is sold on the map", not lacking, words)
            mine = self._holds.get(booking.hold)
            words = f"{booking.hold}: booked, but nobody asked for it"
            self._verdict.check("every booking was asked for", mine is not None and mine.confirm_asked, words)
        for index, digit in enumerate(show.digits):
            if digit == "2":
                words = (
                    f"{show_id} {show.seat_ids[index]}: sold on the map to {show.taken.get(index)}, not in the ledger"
                )
                self._verdict.check("every sold seat is in the ledger", index in buyer, words)

    def _master(self, show_id: str, show: ShowState) -> None:
        held = [show.seat_ids[index] for index, digit in enumerate(show.digits) if digit == "1"]
        self._verdict.check("no seat is held for ever", not held, f"{show_id}: still held: {', '.join(held)}")
        words = f"{show_id}: still live: {show.live}"
        self._verdict.check("no hold lives for ever", not show.live, words)

    def _promises(self, hold: str, mine: _Told, row: tuple[str, frozenset[str]] | None) -> None:
        if mine.booked is not None:
            rule = "what was told booked is in the ledger"
            good = row == (mine.owner, mine.booked)
            self._verdict.check(
                rule, good, f"{hold}: {mine.client} was told {sorted(mine.booked)}; the ledger has {row}"
            )
            words = f"{hold}: {mine.client} was told booked and {mine.failed}"
            self._verdict.check("nobody is told both", not mine.failed, words)
        if mine.released:
            rule = "nothing released is booked"
            bad = row is not None and bool(mine.released_all or row[1] & mine.released)
            self._verdict.check(rule, not bad, f"{hold}: {sorted(mine.released)} released, but booked: {row}")
        if mine.failed:
            rule = "nothing that failed is booked"
            self._verdict.check(
                rule, row is None, f"{hold}: {mine.client} was told {mine.failed}; the ledger has {row}"
            )
        if mine.pending:
            rule = "everything pending settles"
            done = mine.booked is not None or bool(mine.failed)
            self._verdict.check(rule, done, f"{hold}: {mine.client} was told pending, and nothing after it")
            forgot = region_of(hold) in self._forgot
            lost = mine.failed not in ("", "booking_rejected")
            words = f"{hold}: {mine.client} was told pending, then {mine.failed}, and no master had lost its memory"
            self._verdict.check("nothing pending is lost", not lost or forgot, words)

    def _viewer(self, client: str, show_id: str, seen: SeatMap) -> None:
        show = self._final.shows[show_id]
        wrong = [show.seat_ids[i] for i, digit in enumerate(seen.digits) if digit != show.digits[i : i + 1]]
        here, there = (seen.epoch, seen.version), (show.epoch, show.version)
        words = (
            f"{client} sees {show_id} at {here}, it is at {there}; {len(wrong)} seats differ: {', '.join(wrong[:8])}"
        )
        good = not wrong and here == there
        self._verdict.check("every viewer's map is the authority's", good, words)
