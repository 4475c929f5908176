"""The values that the ledger takes and returns. Amounts are paise, times ms since the epoch. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from realtime import limits
from realtime.contact import Contact

ANY_TIME = 1 << 62
"""A time (ms) that is later than any in a ledger, even if that was written under a wrong clock."""


class Recorded(StrEnum):
    """The result for a booking: new in the ledger, recorded before, recorded and cancelled since, or refused."""

    NEW = "new"
    ALREADY = "already"
    CANCELLED = "cancelled"
    REFUSED = "refused"


class CancelledBy(StrEnum):
    """Who cancelled a booking."""

    OWNER = "owner"
    OPERATOR = "operator"


class RefundReason(StrEnum):
    """Why a payment has to be returned."""

    LATE = "late"
    """It came after its seats were sold to somebody else, or after the show's sales had ended."""
    LOST = "lost"
    """A failure lost the hold, and its seats are not free."""
    RELEASED = "released"
    """The buyer had released the hold."""
    REJECTED = "rejected"
    """The ledger has a booking of other buyers for these seats."""
    DOUBLED = "doubled"
    """The hold was paid for by another payment already."""
    WRONG_AMOUNT = "wrong_amount"
    """The payment is not what the seats cost."""
    NOT_BOOKABLE = "not_bookable"
    """There is no such hold or show, or it belongs to somebody else."""
    CANCELLED = "cancelled"
    """The booking was cancelled."""


class RefundProgress(StrEnum):
    """The state of a refund: promised, sent to the gateway, done, or refused by the gateway."""

    PROMISED = "promised"
    SENT = "sent"
    DONE = "done"
    FAILED = "failed"


class OrderState(StrEnum):
    """Whether the gateway is still asked about an order."""

    OPEN = "open"
    SETTLED = "settled"
    """A payment of it has its booking or refund. The gateway is still asked for a while whether there is another
    payment."""
    UNPAID = "unpaid"
    """Nobody has paid, and the time is over in which the gateway could still report a payment."""


class Queue(StrEnum):
    """The BullMQ queues that tasks are delivered in (``realtime.jobs``)."""

    TICKETS = "tickets"
    MAIL = "mail"
    REFUNDS = "refunds"
    WEBHOOKS = "webhooks"
    ANALYTICS = "analytics"


class AnalyticsKind(StrEnum):
    """What an entry of the figures is about: a booking that was made or cancelled, or a refund that was made."""

    BOOKED = "booked"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"


@dataclass(frozen=True, slots=True)
class NewBooking:
    """A booking to record. ``seats`` are (id, index); ``prices`` is ``encode_price_lines``."""

    id: str
    show_id: str
    owner: str
    seats: tuple[tuple[str, int], ...]
    payment: str
    amount: int
    confirmed_at: int
    order: str = ""
    prices: bytes | None = None
    request_id: str = ""
    contact: Contact | None = None


@dataclass(frozen=True, slots=True)
class NewRefund:
    """A payment to return in full. The ledger makes one refund of it, however often this is recorded."""

    hold: str
    show_id: str
    owner: str
    payment: str
    amount: int
    reason: RefundReason
    at: int
    order: str = ""
    request_id: str = ""
    contact: Contact | None = None


@dataclass(frozen=True, slots=True)
class RefundRow:
    """A refund as it stands."""

    id: str
    payment: str
    hold: str
    show_id: str
    owner: str
    amount: int
    reason: RefundReason
    state: RefundProgress
    attempt: int
    detail: str
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """A payment and its outcome: ``booking`` names its booking; if empty, ``refund`` is the progress of its refund."""

    id: str
    order: str
    hold: str
    show_id: str
    owner: str
    amount: int
    booking: str | None
    refund: RefundProgress | None
    created_at: int


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order that the gateway is asked about. ``seats`` are indices into the show's layout."""

    id: str
    hold: str
    show_id: str
    owner: str
    seats: tuple[int, ...]
    amount: int
    state: OrderState
    created_at: int
    check_at: int
    checks: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TaskRow:
    """Something that must happen after a booking or a refusal; its id is also the id of its job."""

    id: str
    queue: Queue
    subject: str
    created_at: int
    done_at: int | None = None
    detail: str = ""
    kind: str = ""
    """What is to be done with the subject, if its queue has several kinds of tasks."""


@dataclass(frozen=True, slots=True)
class CommandRow:
    """The outcome of a request; ``outcome`` is the answer to the request as JSON."""

    owner: str
    request_id: str
    kind: str
    subject: str
    outcome: bytes
    at: int


@dataclass(frozen=True, slots=True)
class Result:
    """How recording a booking went.

    If it was refused, ``sold`` maps the conflicting seats (index) to the bookings that have them; it may be empty if
    the payment had been used before. ``refund`` is set if a payment has to be returned, and is committed. ``tasks`` are
    the booking's unfinished tasks.
    """

    recorded: Recorded
    sold: dict[int, str] = field(default_factory=dict)
    refund: RefundRow | None = None
    tasks: tuple[TaskRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Cancellation:
    """A cancelled booking and its refund. ``seats`` are indices, ascending."""

    booking: str
    show_id: str
    owner: str
    seats: tuple[int, ...]
    payment: str
    at: int
    by: CancelledBy
    refund: RefundRow
    tasks: tuple[TaskRow, ...] = ()
    """Its unfinished tasks, except the refund's."""


@dataclass(frozen=True, slots=True)
class NewExchange:
    """A booking's move to other seats (id, index) of its show. ``sequence`` counts its exchanges, with this one.

    ``prices`` is ``encode_price_lines``; the amount stays.
    """

    booking: str
    sequence: int
    seats: tuple[tuple[str, int], ...]
    at: int
    prices: bytes | None = None


@dataclass(frozen=True, slots=True)
class ExchangeRow:
    """An exchange that was made. Seats are indices, ascending."""

    sequence: int
    at: int
    before: tuple[int, ...]
    after: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AdmissionRow:
    """Everybody on a ticket was admitted; ``gate`` is what its staff calls it, ``lease`` is ``lease_key`` or ""."""

    booking: str
    at: int
    gate: str
    lease: str = ""


@dataclass(frozen=True, slots=True)
class BookingRow:
    """A booking with what its ticket needs. ``seats`` are indices, ascending; ``prices`` is ``encode_price_lines``.

    ``cancelled_at`` is None if it is not cancelled, ``admitted_at`` until somebody was admitted with its ticket.
    """

    id: str
    show_id: str
    owner: str
    code: str
    seats: tuple[int, ...]
    amount: int
    prices: bytes | None
    confirmed_at: int
    payment: str = ""
    cancelled_at: int | None = None
    cancelled_by: str = ""
    admitted_at: int | None = None
    sequence: int = 0
    """How often its seats were exchanged."""
    links_revoked_at: int = 0
    """Links to its ticket that were made before this time (ms) are revoked; 0: none."""


@dataclass(frozen=True, slots=True)
class Booked:
    """A booking in its present state, for a rebuild of its show. ``seats`` are indices, ascending."""

    id: str
    owner: str
    seats: tuple[int, ...]
    payment: str
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class PaidHold:
    """A hold without a booking for which there is an order or a payment, for a rebuild of its show."""

    hold: str
    owner: str
    seats: tuple[int, ...] = ()
    order: str = ""
    payment: str = ""


def task_id(queue: Queue, subject: str, kind: str = "", sequence: int = 0) -> str:
    """Return the id of a task, always the same for these arguments; ``sequence`` is the number of exchanges."""
    return ".".join(part for part in (queue.value, kind, subject, str(sequence or "")) if part)


def seats_of(csv: str | None) -> tuple[int, ...]:
    """Return the indices in a column ``seats`` or ``cancelled_seats``."""
    return tuple(map(int, csv.split(","))) if csv else ()


def over_at(starts_at: str) -> int:
    """Return the time (ms) at which a show that starts at an ISO 8601 time is certainly over."""
    return int(datetime.fromisoformat(starts_at).timestamp() + limits.LONGEST_SHOW_S) * 1000


@dataclass(frozen=True, slots=True)
class AuditRow:
    """An entry of the audit log: one action of a member of staff."""

    id: str
    at: int
    who: str
    role: str
    token: str
    address: str
    action: str
    subject: str
    detail: str
    status: int
