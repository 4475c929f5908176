"""What a ticket shows, as plain values. Callers fill them from the ledger; PDF, calendar entry and mail read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from realtime import limits, model
from realtime.tickets import code


class Locale(StrEnum):
    """The languages of tickets and mails."""

    ENGLISH = "en"
    HINDI = "hi"


class MailKind(StrEnum):
    """What a mail says; ``REFUNDED`` is about a refund, the others are about a booking."""

    TICKET = "ticket"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"


class PriceLine(Protocol):
    """``count`` equal tickets, or their fees, of one category; has the shape of ``payments.prices.PriceLine``."""

    @property
    def kind(self) -> str:
        """``ticket`` or ``fee``."""

    @property
    def category(self) -> str:
        """The price category."""

    @property
    def count(self) -> int:
        """How many."""

    @property
    def unit(self) -> int:
        """Paise for one, before tax."""

    @property
    def rate(self) -> int:
        """The tax rate in basis points; 0 is exempt."""

    @property
    def value(self) -> int:
        """The taxable value in paise: ``count * unit``."""

    @property
    def tax(self) -> int:
        """The tax on the line in paise."""


class PriceLines(Protocol):
    """What a booking costs, in paise; has the shape of ``payments.prices.PriceLines``."""

    @property
    def total(self) -> int:
        """What the buyer paid: all lines with their tax."""

    @property
    def lines(self) -> Sequence[PriceLine]:
        """Tickets, then fees."""


@dataclass(frozen=True, slots=True)
class TicketSeat:
    """One booked seat, with the labels of the seating plan."""

    section: str
    row: str
    number: str
    category: str
    accessible: bool = False


@dataclass(frozen=True, slots=True)
class Seller:
    """Who sells, as the invoice states it. Without ``gstin`` the ticket is a receipt, not a tax invoice.

    ``interstate``: the seller is registered in another state than the theatre's, so the tax is IGST in one sum;
    otherwise it is CGST and SGST, half each.
    """

    name: str
    gstin: str = ""
    address: str = ""
    interstate: bool = False


@dataclass(frozen=True, slots=True)
class Ticket:
    """One booking: every seat of it is on one ticket.

    All times carry an offset; tickets show them in Indian time. Texts may be anything that a plan, an operator or a
    buyer typed: they are cleaned where they are shown. Empty optional fields are left out. ``names`` has the names of
    shows, theatres, cities, sections and categories in the ticket's language, by the name in the data. ``sequence``
    counts the changes of a booking (exchanges of seats): a later mail or calendar entry replaces an earlier one. Raises
    ``ValueError`` for a time without offset, a malformed code or booking id, no seat, or more seats than a hold may
    have.
    """

    booking: str
    code: str
    title: str
    theatre: str
    city: str
    starts_at: datetime
    seats: tuple[TicketSeat, ...]
    booked_at: datetime
    seller: Seller
    locale: Locale = Locale.ENGLISH
    address: str = ""
    holder: str = ""
    doors_at: datetime | None = None
    ends_at: datetime | None = None
    price: PriceLines | None = None
    sequence: int = 0
    names: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        times = (self.starts_at, self.booked_at, self.doors_at, self.ends_at)
        if any(time is not None and time.utcoffset() is None for time in times):
            raise ValueError("a ticket's times need an offset")
        if not 1 <= len(self.seats) <= limits.MAX_SEATS_PER_HOLD:
            raise ValueError(f"a ticket for {len(self.seats)} seats")
        if not code.is_code(self.code) or not model.is_booking_id(self.booking):
            raise ValueError("a malformed ticket code or booking id")
