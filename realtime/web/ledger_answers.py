"""The types of a node's JSON answers to staff and gates that come from the ledgers; see ``answers``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypedDict

from realtime.jobs import FailedJob
from realtime.ledger.analytics import HourFigures
from realtime.ledger.gate_leases import ConflictRow, LeaseRow
from realtime.ledger.rows import AdmissionRow, AuditRow, PaymentRow, RefundRow, TaskRow
from realtime.ledger.webhooks import Attempt, DeliveryState
from realtime.staff import StaffToken
from realtime.web.answers import BookingDetail, PrintedSeat


# Rows have the ledgers' fields, and their region.
@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRefund(RefundRow):
    """A refund. ``key`` is that of its present attempt; a shop that carries out refunds names it in its report."""

    region: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPayment(PaymentRow):
    """A payment."""

    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFailedJob(FailedJob):
    """A job that has failed."""

    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedHour(HourFigures):
    """What happened to a show in an hour."""

    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedStaffToken(StaffToken):
    """A staff token."""

    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedAuditEntry(AuditRow):
    """Something that a member of staff did."""

    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedLease(LeaseRow):
    """A lease of a gate."""

    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedConflict(ConflictRow):
    """A conflict of admissions."""

    region: str


class Refunds(TypedDict):
    """Refunds, the newest first."""

    time: int
    refunds: list[ListedRefund]
    missing: list[str]


class Payments(TypedDict):
    """Payments, the newest first."""

    time: int
    payments: list[ListedPayment]
    missing: list[str]


class RetriedRefund(TypedDict):
    """A refund that is tried again at the gateway."""

    refund: ListedRefund


class Jobs(TypedDict):
    """The number of jobs by region, queue and state, and those that have failed, the last one first."""

    time: int
    queues: dict[str, dict[str, dict[str, int]]]
    failed: list[ListedFailedJob]
    missing: list[str]


class RetriedTaskBody(TypedDict):
    """A task, and when it was done."""

    id: str
    queue: str
    subject: str
    done_at: int | None
    region: str


class RetriedTask(TypedDict):
    """A task whose job is tried again."""

    task: RetriedTaskBody


class ListedDelivery(TypedDict):
    """A webhook on its way to one target."""

    id: str
    number: int
    event: str
    type: str
    target: str
    about: str
    subject: str
    body: str
    state: DeliveryState
    detail: str
    created_at: int
    give_up_at: int
    attempts: list[Attempt]
    region: str


class Deliveries(TypedDict):
    """Webhooks and their attempts, the newest first."""

    time: int
    webhooks: list[ListedDelivery]
    missing: list[str]


class Erased(TypedDict):
    """How many contacts were erased."""

    erased: int


class Hours(TypedDict):
    """What happened by show and hour, from ``since`` to ``until``."""

    time: int
    since: int
    until: int
    hours: list[ListedHour]
    missing: list[str]


class FoundBooking(BookingDetail):
    """A booking as operators see it."""

    owner: str


class FoundBookings(TypedDict):
    """Bookings that fit, the newest first."""

    bookings: list[FoundBooking]
    missing: list[str]


class ListedExchange(TypedDict):
    """The seats of a booking before and after an exchange, and what tickets state of each, by id."""

    at: int
    before: list[str]
    after: list[str]
    seats: dict[str, tuple[str, str, str]]


class OrderOfHold(TypedDict):
    """An order of a hold."""

    id: str
    amount: int
    state: str
    created_at: int
    detail: str


class Story(TypedDict):
    """All that is known about a booking; ``hold`` is the record on the lock master."""

    booking: FoundBooking
    exchanges: list[ListedExchange]
    hold: Any
    orders: list[OrderOfHold]
    payments: list[PaymentRow]
    refunds: list[RefundRow]
    tasks: list[TaskRow]
    admission: AdmissionRow | None
    conflicts: list[ConflictRow]


class ExchangedBooking(TypedDict):
    """A booking that was moved to other seats; ``exchanges`` is how many times it was moved."""

    id: str
    show: str
    seats: list[str]
    exchanges: int


class Exchanged(TypedDict):
    """An exchange."""

    booking: ExchangedBooking


class StaffTokensListed(TypedDict):
    """Staff tokens, the newest first."""

    tokens: list[ListedStaffToken]
    missing: list[str]


class AuditLog(TypedDict):
    """What staff did, the newest first."""

    entries: list[ListedAuditEntry]
    missing: list[str]


class RevokedGuest(TypedDict):
    """The identity that was revoked."""

    owner: str


class AboutShow(TypedDict):
    """A show that leases or conflicts are about."""

    title: str
    theatre: str
    starts_at: str


class Gates(TypedDict):
    """Leases and conflicts, and the shows that they are about, by id."""

    time: int
    leases: list[ListedLease]
    conflicts: list[ListedConflict]
    shows: dict[str, AboutShow]
    missing: list[str]


# --- gates ------------------------------------------------------------------------------------------------------------
class AdmittedBooking(TypedDict):
    """A booking whose people a gate has admitted."""

    id: str
    code: str
    title: str
    starts_at: str
    seats: list[PrintedSeat]


class Admitted(TypedDict):
    """An admission."""

    admitted_at: int
    booking: AdmittedBooking


class GateShow(TypedDict):
    """A show at a gate."""

    id: str
    title: str
    starts_at: str


class GateShowSections(GateShow):
    """A show that gates admit to now."""

    sections: list[str]


class GateShows(TypedDict):
    """The shows that the gates of a theatre admit to now, the soonest first."""

    shows: list[GateShowSections]


class Leased(TypedDict):
    """A lease; ``tickets`` (seats by code) and ``seats`` (as printed, by id) are null if the digest is known."""

    show: GateShow
    lease_ms: int
    until: int
    tickets: dict[str, list[str]] | None
    seats: dict[str, tuple[str, str, str]] | None
    elsewhere: int
    left_over: int
    digest: str
    keys: list[dict[str, str]]


class Returned(TypedDict):
    """How many tickets were in a lease that has ended."""

    tickets: int


class Reported(TypedDict):
    """What became of each reported admission, by ticket code: ``admitted``, ``unknown``, or the kind of a conflict."""

    outcomes: dict[str, str]
