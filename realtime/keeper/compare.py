"""Compares what the ledger, the lock master and the outbox say of the seats of one show. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from realtime.ledger.rows import Booked
from realtime.locks.answers import Record
from realtime.model import HoldState, Show, booking_of, hold_of
from realtime.sales_window import SalesWindow, iso, window_of

OVERDUE_MS = 5_000
"""A hold that is past its deadline for longer than this is overdue: no keeper sweeps it."""
_FREE, _HELD, _SOLD, _BLOCKED = b"0123"
LIVE = (HoldState.HELD, HoldState.CONFIRMING)
_REFUSED = (HoldState.REJECTED, HoldState.RELEASED, HoldState.LOST)


class Kind(StrEnum):
    """The kinds of differences; ``_TEXTS`` has their messages."""

    SOLD_TWICE = "sold_twice"
    NOT_IN_LEDGER = "not_in_ledger"
    NOT_ON_MASTER = "not_on_master"
    NOT_CANCELLED = "not_cancelled"
    HELD_BY_NOBODY = "held_by_nobody"
    HOLD_WITHOUT_SEATS = "hold_without_seats"
    OVERDUE = "overdue"
    STUCK = "stuck"
    BLOCKED = "blocked"
    SALES = "sales"
    SALES_WINDOW = "sales_window"
    DAMAGED = "damaged"
    MISSING_SHOW = "missing_show"
    UNKNOWN_SHOW = "unknown_show"
    REFUND_LOST = "refund_lost"
    LEDGER_BEHIND = "ledger_behind"
    # The kinds of ``ledger.money_questions.MoneyFault``, under the same names.
    PAYMENT_WITHOUT_END = "payment_without_end"
    BOOKED_AND_REFUNDED = "booked_and_refunded"
    BOOKED_BY_ANOTHER = "booked_by_another"
    BOOKING_WITHOUT_PAYMENT = "booking_without_payment"
    AMOUNTS_DIFFER = "amounts_differ"
    REFUND_WITHOUT_TASK = "refund_without_task"
    REFUND_FAILED = "refund_failed"
    ORDER_OVERDUE = "order_overdue"
    CANCELLED_WITHOUT_REFUND = "cancelled_without_refund"
    CANCELLED_WITH_SEATS = "cancelled_with_seats"
    TASK_WITHOUT_JOB = "task_without_job"
    TASK_FAILED = "task_failed"
    QUEUE_DAMAGED = "queue_damaged"


REPAIRED_ON_MASTER = frozenset(
    {
        Kind.NOT_ON_MASTER,
        Kind.NOT_CANCELLED,
        Kind.HELD_BY_NOBODY,
        Kind.HOLD_WITHOUT_SEATS,
        Kind.OVERDUE,
        Kind.BLOCKED,
        Kind.SALES,
        Kind.SALES_WINDOW,
        Kind.DAMAGED,
        Kind.MISSING_SHOW,
    }
)
REPAIRED_IN_LEDGER = frozenset(
    {
        Kind.PAYMENT_WITHOUT_END,
        Kind.BOOKING_WITHOUT_PAYMENT,
        Kind.REFUND_WITHOUT_TASK,
        Kind.ORDER_OVERDUE,
        Kind.CANCELLED_WITHOUT_REFUND,
    }
)


_TEXTS = {
    Kind.SOLD_TWICE: "{seats}: sold twice, to {hold} and to {other}",
    Kind.NOT_IN_LEDGER: "{seats}: sold to {hold} on the master, but not in the ledger, and not in the outbox",
    Kind.NOT_ON_MASTER: "{seats}: sold to {hold} in the ledger, but not on the master, and not in the outbox",
    Kind.NOT_CANCELLED: "{seats}: {hold} is cancelled in the ledger, but not on the master",
    Kind.HELD_BY_NOBODY: "{seats}: taken on the master by {hold}, which is not a live hold with this seat",
    Kind.HOLD_WITHOUT_SEATS: "{seats}: part of {hold}, but not held by it in the seat map",
    Kind.OVERDUE: "{seats}: {hold} is past its deadline and its seats are not freed; is a keeper running?",
    Kind.STUCK: "{seats}: {hold} is being booked, but it is not in the outbox, so the ledger will never record it; "
    "payment {payment}",
    Kind.BLOCKED: "{seats}: blocked on the {other} only",
    Kind.SALES: "sales are {other} in the ledger, but not on the master",
    Kind.SALES_WINDOW: "the sales window is {other} in the ledger, but not on the master",
    Kind.DAMAGED: "damaged on the master: {other}",
    Kind.MISSING_SHOW: "in the ledger, but not on the master",
    Kind.UNKNOWN_SHOW: "on the master, but not in the ledger",
    Kind.REFUND_LOST: "payment {payment} of {hold} was refused; neither the ledger nor the outbox has its refund",
    Kind.LEDGER_BEHIND: "the ledger has lost commits that the lock master knows of; nothing is sold until --repair has "
    "recorded again what the master proves",
    Kind.PAYMENT_WITHOUT_END: "payment {payment} of {hold} has neither a booking nor a refund",
    Kind.BOOKED_AND_REFUNDED: "payment {payment} of {hold} has a booking and the refund {subject} ({other})",
    Kind.BOOKED_BY_ANOTHER: "payment {payment} names the booking {subject}, which has the payment {other}",
    Kind.BOOKING_WITHOUT_PAYMENT: "booking {subject} has the payment {payment}, which is not in the ledger",
    Kind.AMOUNTS_DIFFER: "payment {payment} of {hold}: {other} ({subject})",
    Kind.REFUND_WITHOUT_TASK: "refund {subject} of payment {payment} has no task, so nobody returns the money",
    Kind.REFUND_FAILED: "refund {subject} of payment {payment} failed ({other}); an operator must retry or settle it",
    Kind.ORDER_OVERDUE: "order {subject} of {hold} is open, and nobody asks the gateway about it; last answer: {other}",
    Kind.CANCELLED_WITHOUT_REFUND: "booking {subject} is cancelled, and its payment {payment} has no refund",
    Kind.CANCELLED_WITH_SEATS: "booking {subject} is cancelled, and its seats are still taken in the ledger",
    Kind.TASK_WITHOUT_JOB: "task {subject} is not done, and its queue has no job that would do it",
    Kind.TASK_FAILED: "task {subject}: its job has failed permanently",
    Kind.QUEUE_DAMAGED: "a job queue can't be used: {other}",
}


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """One difference of a show, or of a region (``show`` is empty); ``_TEXTS`` shows what the fields mean."""

    show: str
    kind: Kind
    seats: tuple[int, ...] = ()
    hold: str = ""
    other: str = ""
    payment: str = ""
    subject: str = ""

    def words(self, seat_ids: Sequence[str]) -> str:
        """Return the message, with the ids of the seats."""
        text = _TEXTS[self.kind].format(
            seats=", ".join(seat_ids),
            hold=self.hold or "nobody",
            other=self.other or "none",
            payment=self.payment or "unknown",
            subject=self.subject,
        )
        return f"{self.show}: {text}" if self.show else text


@dataclass(frozen=True, slots=True)
class OnMaster:
    """The master's side of a show at one moment.

    ``waiting`` are the holds whose bookings are in the outbox, ``waiting_payments`` the payments of all its entries,
    ``now`` is the master's clock (ms).
    """

    sales: str
    window: SalesWindow | None
    seats: bytes
    taken: dict[int, str]
    holds: dict[str, Record]
    waiting: frozenset[str]
    waiting_payments: frozenset[str]
    now: int


def compare(
    show: Show,
    master: OnMaster,
    bookings: Sequence[Booked],
    blocked: Iterable[int],
    cancelled: Sequence[Booked] = (),
) -> list[Difference]:
    """Return all differences of a show; ``bookings`` are those that stand."""
    if len(master.seats) != show.seat_count:
        return [Difference(show.id, Kind.DAMAGED, other="the seat map has the wrong size")]
    uncancelled = _uncancelled(show.id, master, cancelled)
    known = {difference.hold for difference in uncancelled}
    sold = [each for each in _sold(show.id, master, bookings) if each.hold not in known]
    found = [*uncancelled, *sold, *_held(show.id, master, {b.id for b in bookings})]
    in_ledger = set(blocked) - {seat for booking in bookings for seat in booking.seats}
    on_master = {seat for seat, digit in enumerate(master.seats) if digit == _BLOCKED}
    for seats, place in ((in_ledger - on_master, "ledger"), (on_master - in_ledger, "master")):
        if seats:
            found.append(Difference(show.id, Kind.BLOCKED, tuple(sorted(seats)), other=place))
    if master.sales != show.sales.value:
        found.append(Difference(show.id, Kind.SALES, other=show.sales.value))
    window = window_of(show)
    if master.window != window:
        found.append(Difference(show.id, Kind.SALES_WINDOW, other=f"{iso(window.start)} to {iso(window.end)}".lstrip()))
    return found


def _sold(show: str, master: OnMaster, bookings: Sequence[Booked]) -> list[Difference]:
    found: list[Difference] = []
    buyer: dict[int, str] = {}
    for booking in bookings:
        hold = hold_of(booking.id)
        for seat in booking.seats:
            if buyer.setdefault(seat, hold) != hold:
                found.append(Difference(show, Kind.SOLD_TWICE, (seat,), hold, buyer[seat]))
    on_map = _sold_on_map(master)
    claims = defaultdict(set, {hold: set(seats) for hold, seats in on_map.items()})
    for hold, record in master.holds.items():
        if record.state is HoldState.BOOKED:
            claims[hold].update(record.seats)  # the buyer was answered `booked`, whatever the map says
    for hold, seats in claims.items():
        rivals = sorted(seat for seat in seats if buyer.get(seat, hold) != hold)
        found += [Difference(show, Kind.SOLD_TWICE, (seat,), hold, buyer[seat]) for seat in rivals]
        alone = tuple(sorted(seats - buyer.keys()))
        if alone and hold not in master.waiting:
            found.append(Difference(show, Kind.NOT_IN_LEDGER, alone, hold))
    for booking in bookings:
        hold = hold_of(booking.id)
        settled = hold not in master.holds or master.holds[hold].state is HoldState.BOOKED
        lacking = tuple(s for s in booking.seats if not settled or (s not in on_map.get(hold, ()) and buyer[s] == hold))
        if lacking and hold not in master.waiting:
            found.append(Difference(show, Kind.NOT_ON_MASTER, lacking, hold))
    return found


def _uncancelled(show: str, master: OnMaster, cancelled: Sequence[Booked]) -> list[Difference]:
    found = []
    on_map = _sold_on_map(master)
    for booking in cancelled:
        hold = hold_of(booking.id)
        record = master.holds.get(hold)
        if hold in on_map or (record is not None and not record.cancelled and hold not in master.waiting):
            found.append(Difference(show, Kind.NOT_CANCELLED, booking.seats, hold))
    return found


def _sold_on_map(master: OnMaster) -> dict[str, set[int]]:
    found: dict[str, set[int]] = defaultdict(set)
    for seat, digit in enumerate(master.seats):
        if digit == _SOLD:
            found[master.taken.get(seat, "")].add(seat)
    return found


def _held(show: str, master: OnMaster, booked: set[str]) -> list[Difference]:
    found: list[Difference] = []
    for seat, digit in enumerate(master.seats):
        holder = master.taken.get(seat, "")
        record = master.holds.get(holder)
        held = record.seats if record is not None and record.state in LIVE else ()
        theirs = record is not None and seat in (*held, *record.reserved)
        if (digit == _HELD and not theirs) or (digit in (_FREE, _BLOCKED) and holder):
            found.append(Difference(show, Kind.HELD_BY_NOBODY, (seat,), holder))
    for hold, record in master.holds.items():
        if record.state not in LIVE or hold in master.waiting or booking_of(hold) in booked:
            continue
        lost = tuple(s for s in record.seats if master.taken.get(s) != hold or master.seats[s] != _HELD)
        if lost:
            found.append(Difference(show, Kind.HOLD_WITHOUT_SEATS, lost, hold))
        if record.state is HoldState.CONFIRMING:
            found.append(Difference(show, Kind.STUCK, record.seats, hold, payment=record.payment))
        elif record.expires_at + OVERDUE_MS < master.now:
            found.append(Difference(show, Kind.OVERDUE, record.seats, hold))
    return found


def refused_payments(holds: dict[str, Record]) -> dict[str, str]:
    """Return the payments of holds that were refused a booking, by hold: the ledger must have a refund of each."""
    return {hold: record.payment for hold, record in holds.items() if record.payment and record.state in _REFUSED}
