"""Checks everything that clients were answered, against itself and against the final state. No clocks, no sockets.

Two limits of what can be concluded:

- a request without an answer, or with a ``retryable`` one, may have been carried out or not;
- while a fault with ``loses_data`` lasts (``losses``), a master may lose holds and confirms that it had answered
  ``pending``, but nothing that was answered ``booked``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from loadtest.faults.history import Record
from loadtest.faults.judge.after_booking import check_after_booking
from loadtest.faults.judge.cut_offs import CutOffs
from loadtest.faults.judge.deadlines import check_hold
from loadtest.faults.judge.end_state import FinalState
from loadtest.faults.judge.freshness import Freshness
from loadtest.faults.judge.holders import SeatHolders
from loadtest.faults.judge.holds import Attempt, HoldBook
from loadtest.faults.judge.losses import Losses
from loadtest.faults.judge.money import MoneyBook
from loadtest.faults.judge.operators import CommandBook, check_operators
from loadtest.faults.judge.payments import check_payments
from loadtest.faults.judge.promises import Promise
from loadtest.faults.judge.seats import SeatHistory, check_seats, seat_histories
from loadtest.faults.judge.state_checks import check_final_state
from loadtest.faults.judge.verdict import Verdict
from loadtest.faults.schedule import Kind
from loadtest.maps import SeatMap
from realtime.payments.errors import Refusal

FINAL_CODES = frozenset({"hold_expired", "hold_lost", "hold_ended", "hold_not_found", "booking_rejected"})
"""Refusals of a confirm after which the hold can't be booked. Others, such as ``payment_refused``, end nothing."""


def check(history: Iterable[Record], final: FinalState) -> Verdict:
    """Return the verdict on a run."""
    checker = Checker(final)
    for record in history:
        checker.add(record)
    return checker.verdict()


class Checker:
    """Reads a history record by record (``add``), then gives the ``verdict``."""

    def __init__(self, final: FinalState) -> None:
        self._final = final
        self._paid = None if final.money is None else {each.hold for each in final.money.payments if each.captured}
        """Holds that the bank has money for; None if its books are not known."""
        self._verdict = Verdict()
        self._holders = SeatHolders(self._verdict)
        self._owners: dict[str, str] = {}
        self._open_requests: dict[tuple[str, int], Attempt] = {}
        self._promises: dict[str, Promise] = {}
        self._holds_by_request: dict[tuple[str, str], str] = {}
        self._maps: dict[tuple[str, str], SeatMap] = {}
        self._book = HoldBook()
        self._faults: list[Record] = []
        self._fresh = Freshness(self._verdict)
        self._money = MoneyBook()
        self._cut_offs = CutOffs()
        self._commands = CommandBook()
        self._ended_at = 0

    def add(self, record: Record) -> None:
        """Read one record of the history."""
        kind = record["k"]
        self._ended_at = record["t"]
        self._money.add(record)
        self._cut_offs.add(record)
        self._commands.add(record)
        if kind == "fault":
            self._faults.append(record)
            if record["kind"] == Kind.LOSE_REGION and record["phase"] in ("begin", "healed"):
                self._fresh.on_region(record["region"], record["phase"] == "begin", record["t"])
            if record["loses_data"]:
                self._holders.add_data_loss(record["region"], record["t"])
        elif kind == "paid" or (kind == "paying" and (self._paid is None or record["hold"] in self._paid)):
            # The bank reports it by itself, so it may be booked without a request.
            self._promise(record, record["hold"]).paid = True
            payload = {"hold": record["hold"], "seats": record["seats"]}
            self._book.pay(Attempt(record["c"], "seats:confirm", payload, record["t"]))
            self._end_hold(record["hold"], None, record["t"])
        elif kind == "connected":
            self._owners[record["c"]] = record["owner"]
            self._fresh.on_connection(record["c"], record["t"])
        elif kind == "disconnected":
            self._fresh.on_connection(record["c"], record["t"])
        elif kind == "request":
            self._on_request(record)
        elif kind == "no_answer":
            self._open_requests.pop((record["c"], record["n"]), None)
        elif kind == "answer":
            attempt = self._open_requests.pop((record["c"], record["n"]), None)
            if attempt is not None:
                self._on_answer(record, attempt)
        elif kind == "event":
            self._on_event(record)

    def _promise(self, record: Record, hold: str) -> Promise:
        owner = self._owners.get(record["c"], "")
        return self._promises.setdefault(hold, Promise(hold, record["c"], owner))

    # --- requests and answers -------------------------------------------------------------------------------------
    def _on_request(self, record: Record) -> None:
        event, payload = record["e"], record["p"]
        attempt = Attempt(record["c"], event, payload, record["t"])
        self._open_requests[record["c"], record["n"]] = attempt
        self._book.ask(attempt)
        if event == "seats:confirm":
            self._promise(record, payload["hold"]).confirm_requested = True
            self._end_hold(payload["hold"], None, record["t"])
        elif event == "seats:release":
            self._end_hold(payload["hold"], payload.get("seats"), record["t"])

    def _on_answer(self, record: Record, attempt: Attempt) -> None:
        event, payload, answer = record["e"], attempt.payload, record["a"]
        attempt.end, attempt.answer = record["t"], answer
        if event in ("seats:hold", "seats:extend", "seats:release", "seats:confirm"):
            self._book.answer(attempt)
        if event == "seats:confirm":
            self._on_confirm(record, payload["hold"], answer)
        elif not answer["ok"]:
            return
        elif event == "show:watch":
            self._map(record["c"], answer["show"]).apply_watch(answer)
            self._fresh.on_watch(record["c"], answer, record["t"])
        elif event == "seats:hold":
            self._on_hold(record, attempt.start, payload, answer["hold"])
        elif event == "seats:extend":
            self._holders.add_hold(answer["hold"], attempt.start, record["t"])
        elif event == "seats:release":
            self._promise(record, payload["hold"]).add_release(payload, answer, self._verdict)

    def _on_hold(self, record: Record, requested_at: float, payload: dict[str, Any], hold: dict[str, Any]) -> None:
        known = self._holds_by_request.setdefault((record["c"], payload["request_id"]), hold["id"])
        text = f"{payload['request_id']} made {known} and {hold['id']}"
        self._verdict.check("the same request makes the same hold", known == hold["id"], text)
        promise = self._promise(record, hold["id"])
        if not promise.seats:
            promise.seats = frozenset(payload["seats"])
            self._holders.add_hold(hold, requested_at, record["t"])
            self._fresh.on_hold(hold["show"], requested_at, record["t"])

    def _on_confirm(self, record: Record, hold: str, answer: dict[str, Any]) -> None:
        promise = self._promise(record, hold)
        if answer["ok"]:
            if answer["booking"]["state"] == "booked":
                promise.add_booking(answer["booking"], self._verdict)
            else:
                promise.pending = True
        elif answer["error"]["code"] in FINAL_CODES:
            promise.failed = answer["error"]["code"]
        elif answer["error"].get("reason") == Refusal.ALREADY_REFUNDED.value:
            promise.returned = True

    def _end_hold(self, hold: str, seats: list[str] | None, at: int) -> None:
        promise = self._promises.get(hold)
        if promise is not None:
            self._holders.end_hold(hold, promise.seats if seats is None else seats, at)

    # --- events ---------------------------------------------------------------------------------------------------
    def _on_event(self, record: Record) -> None:
        payload = record["p"]
        if record["e"] == "seats:changed":
            self._map(record["c"], payload["show"]).apply_change(payload)
            self._fresh.on_change(record["c"], payload, record["t"])
        elif record["e"] == "show:status":
            self._fresh.on_status(record["c"], payload, record["t"])
        elif record["e"] == "hold:expired":
            self._end_hold(payload["hold"], None, record["t"])
            self._book.notice(payload["hold"], record["t"], payload["reason"])
        elif record["e"] == "booking:settled":
            booking = payload["booking"]
            promise = self._promise(record, booking["hold"])
            self._book.notice(booking["hold"], record["t"], booking["state"], booking.get("seats"))
            if booking["state"] == "booked":
                promise.add_booking(booking, self._verdict)
            elif booking["state"] == "rejected":
                promise.failed = "booking_rejected"

    def _map(self, client: str, show: str) -> SeatMap:
        known = self._maps.get((client, show))
        if known is None:
            known = self._maps[client, show] = SeatMap(len(self._final.shows[show].seat_ids))
        return known

    # --- the end --------------------------------------------------------------------------------------------------
    def verdict(self) -> Verdict:
        """Compare what was read with the final state."""
        confirmed = {hold for hold, promise in self._promises.items() if promise.confirm_requested or promise.paid}
        ledger = check_final_state(self._final, confirmed, self._verdict)
        for hold, promise in self._promises.items():
            promise.check_outcome(ledger.get(hold), self._verdict)
        losses = Losses(self._faults)
        for known in self._book.holds:
            check_hold(known, losses, self._verdict)
        self._cut_offs.check_holds(self._book.holds, self._verdict)
        check_seats(self.seat_histories(), self._verdict)
        check_operators(self._commands.commands, self._book, self._final, self._ended_at + 1, self._verdict)
        self._fresh.finish(self._ended_at, losses)
        if self._final.money is not None:
            check_payments(self._final.money, self._money.promises, self._verdict)
            if self._final.after is not None:
                contacts, lost = self._money.contacts, self._money.lost_contacts(self._faults)
                check_after_booking(self._final.after, self._final.money, contacts, self._verdict, lost)
        for (client, show_id), seen in self._maps.items():
            self._check_map(client, show_id, seen)
        return self._verdict

    def seat_histories(self) -> Iterator[SeatHistory]:
        """Yield the operations on every seat."""
        losses, commands = Losses(self._faults), self._commands.commands
        return seat_histories(self._book, commands, losses, self._final, self._ended_at + 1)

    def _check_map(self, client: str, show_id: str, seen: SeatMap) -> None:
        show = self._final.shows[show_id]
        wrong = [show.seat_ids[i] for i, digit in enumerate(seen.digits) if digit != show.digits[i : i + 1]]
        version, expected = (seen.epoch, seen.version), (show.epoch, show.version)
        text = (
            f"{client} has {show_id} at {version}, the master has {expected}; "
            f"{len(wrong)} seats differ: {', '.join(wrong[:8])}"
        )
        self._verdict.check("every viewer's map equals the master's", not wrong and version == expected, text)
