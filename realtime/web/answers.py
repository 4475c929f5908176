"""The types of a node's JSON answers for everybody (``routing.Route.result``), from which OpenAPI is generated.

Answers for staff are in ``ops_answers`` and ``ledger_answers``; a value that another package makes has its type there.
A later release may add fields: clients ignore fields that they don't know. Amounts are paise, times ms since the epoch,
seats are seat ids, unless a field says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NotRequired, TypedDict

from realtime.ledger.rows import RefundProgress, RefundRow
from realtime.model import Theatre
from realtime.payments.prices import PricesBody
from realtime.web.bodies import BookingBody, HoldBody
from realtime.wire.shows import ShowBody


class Nothing(TypedDict):
    """The request was carried out; the answer is empty."""


# --- the node ---------------------------------------------------------------------------------------------------------
class Health(TypedDict):
    """The process serves."""

    ok: bool


class TransportState(TypedDict):
    """Whether the node writes frames directly to the sockets, and which missing parts prevent it."""

    fast: bool
    missing: Sequence[str]


class Readiness(TypedDict):
    """Whether the node has read every region; ``missing`` names the others."""

    ok: bool
    missing: list[str]
    transport: TransportState
    payments: str
    demo_payments: bool


class Config(TypedDict):
    """What pages need to know about this installation; regions with their labels."""

    region: str
    region_label: str
    regions: dict[str, str]
    nodes: list[str]
    demo_payments: bool
    payment_timeout_s: float
    max_seats: int


class Session(TypedDict):
    """An identity, and the token to use it with."""

    owner: str
    token: str


class Names(TypedDict):
    """Names as they are shown in a language."""

    names: dict[str, str]


# --- shows ------------------------------------------------------------------------------------------------------------
class PricedShow(ShowBody):
    """A show; ``all_in_prices`` are paise with fee and taxes by category."""

    all_in_prices: dict[str, int]


class ListedShow(PricedShow):
    """A show in a list; ``free``, if it is known, is some seconds old."""

    free: NotRequired[int]


class Theatres(TypedDict):
    """All theatres."""

    theatres: list[Theatre]


class Shows(TypedDict):
    """Shows, the soonest first."""

    shows: list[ListedShow]
    server_time: int


class ShowsOfTheatre(Shows):
    """The shows of one theatre."""

    theatre: Theatre


class FreeSeats(TypedDict):
    """Free seats by show, and the status by show of those that are not live."""

    free: dict[str, int]
    status: dict[str, str]
    server_time: int


class LayoutLink(TypedDict):
    """Where a layout is."""

    id: str
    url: str


class SeatMap(TypedDict):
    """The status of every seat at a version: 2 bits a seat, base64 (docs/protocol.md)."""

    show: str
    epoch: str
    version: int
    status: str
    seats: str
    layout: LayoutLink


# --- buyers -----------------------------------------------------------------------------------------------------------
class Held(TypedDict):
    """A hold, and the server's time, by which its deadline counts."""

    hold: HoldBody
    server_time: int


class Released(TypedDict):
    """``hold``: what remains of the hold, if only some of its seats were released."""

    hold: NotRequired[HoldBody]


class CheckoutBody(TypedDict):
    """How to pay: ``kind`` is one of ``payments.service.CheckoutKind``, or ``free`` if there is nothing to pay."""

    kind: str
    url: NotRequired[str]
    key: NotRequired[str]


class PaymentOrder(TypedDict):
    """An order at the payment service."""

    id: str
    amount: int
    currency: str
    checkout: CheckoutBody


class Ordered(TypedDict):
    """The order of a hold, and what its seats cost."""

    order: PaymentOrder
    prices: PricesBody
    server_time: int


class RefundBody(TypedDict):
    """A payment that is returned."""

    payment: str
    amount: int
    state: RefundProgress
    time: NotRequired[int]


class Booked(TypedDict):
    """A booking; ``refund`` if the payment of the request is returned."""

    booking: BookingBody
    refund: NotRequired[RefundBody]


class RefundsOfHold(TypedDict):
    """The refunds of a hold."""

    refunds: list[RefundRow]


class CommandResult(TypedDict):
    """The outcome of a request; ``outcome`` is the answer that the request got."""

    request: str
    kind: str
    subject: str
    at: NotRequired[int]
    outcome: Any


class PrintedSeat(TypedDict):
    """A seat as tickets state it."""

    id: str
    section: str
    row: str
    number: str
    category: str
    accessible: bool


class BookingDetail(TypedDict):
    """A booking as the ledger has it."""

    id: str
    code: str
    show: str
    title: str
    theatre: str
    city: str
    address: str
    starts_at: str
    booked_at: int
    state: Literal["booked", "cancelled"]
    cancelled_at: int | None
    cancelled_by: str
    cancel_until: int
    admitted_at: int | None
    links_revoked_at: int
    amount: int
    prices: PricesBody | None
    seats: list[PrintedSeat]


class LinkedBookingBody(BookingDetail):
    """A booking with the text of its QR code (null if there is none) and a link to its ticket."""

    ticket: str | None
    link: str


class OwnedBooking(LinkedBookingBody):
    """A booking of yours."""

    owner: str


class Bookings(TypedDict):
    """Bookings, the newest first; ``missing`` names the regions that do not answer."""

    bookings: list[OwnedBooking]
    missing: list[str]
    server_time: int


class LinkedBooking(TypedDict):
    """The booking that a link opens."""

    booking: LinkedBookingBody
    server_time: int


class CancelledBooking(TypedDict):
    """A booking that was cancelled."""

    id: str
    show: str
    state: Literal["cancelled"]
    cancelled_at: int
    cancelled_by: str


class Cancelled(TypedDict):
    """A cancellation, and the refund that it led to."""

    booking: CancelledBooking
    refund: RefundBody


class RevokedLinks(TypedDict):
    """The booking whose links were revoked."""

    booking: str


class TicketKeys(TypedDict):
    """Public keys of ticket codes, as a JWK set."""

    keys: list[dict[str, str]]


class DemoPayment(TypedDict):
    """A payment at the demo bank, in the form for a confirm."""

    payment: str
    amount: int
