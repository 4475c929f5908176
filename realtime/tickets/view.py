"""What the PDF templates lay out: a ticket with every text cleaned and every number formatted. Pure.

Templates get it as JSON and put its strings on the page as text. They never evaluate them as markup.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby

from realtime.tickets import code as ticket_code
from realtime.tickets.data import PriceLine, PriceLines, Seller, Ticket
from realtime.tickets.text import amount, clean, clock, date_only, day, percent, rupees, shown
from realtime.tickets.words import WORDS, Words


@dataclass(frozen=True, slots=True)
class SeatNumber:
    """One seat of a group."""

    number: str
    accessible: bool


@dataclass(frozen=True, slots=True)
class SeatGroup:
    """Seats of one section, row and category, in the ticket's order."""

    section: str
    row: str
    category: str
    seats: tuple[SeatNumber, ...]


@dataclass(frozen=True, slots=True)
class TaxCell:
    """One tax of a line: its rate and its amount."""

    rate: str
    amount: str


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One line of the invoice."""

    item: str
    count: str
    unit: str
    value: str
    taxes: tuple[TaxCell, ...]
    amount: str


@dataclass(frozen=True, slots=True)
class Invoice:
    """The money of a booking. ``tax_names`` and ``tax_totals`` have an entry for each tax: CGST and SGST, or IGST."""

    heading: str
    seller: str
    seller_address: str
    gstin: str
    date: str
    lines: tuple[InvoiceLine, ...]
    tax_names: tuple[str, ...]
    value_total: str
    tax_totals: tuple[str, ...]
    total: str
    total_with_sign: str


@dataclass(frozen=True, slots=True)
class TicketView:
    """Everything on the page."""

    locale: str
    words: Words
    title: str
    seat_count: str
    day: str
    time: str
    doors: str
    theatre: str
    place: str
    holder: str
    code: str
    booking: str
    groups: tuple[SeatGroup, ...]
    qr: str
    invoice: Invoice | None


def ticket_view(ticket: Ticket, qr_svg: str) -> TicketView:
    """Return the ticket as its page shows it."""
    words = WORDS[ticket.locale]
    count = len(ticket.seats)
    return TicketView(
        locale=ticket.locale,
        words=words,
        title=shown(ticket, ticket.title),
        seat_count=(words.seat_one if count == 1 else words.seat_many).format(n=count),
        day=day(ticket.starts_at, ticket.locale),
        time=clock(ticket.starts_at, ticket.locale),
        doors=clock(ticket.doors_at, ticket.locale) if ticket.doors_at else "",
        theatre=shown(ticket, ticket.theatre),
        place=shown(ticket, ticket.address, ticket.city),
        holder=clean(ticket.holder),
        code=ticket_code.printed(ticket.code),
        booking=ticket.booking,
        groups=seat_groups(ticket),
        qr=qr_svg,
        invoice=_invoice(ticket, ticket.price, words) if ticket.price else None,
    )


def seat_groups(ticket: Ticket) -> tuple[SeatGroup, ...]:
    """Return its seats grouped where neighbours in the order share section, row and category; texts are cleaned."""
    return tuple(
        SeatGroup(
            section=shown(ticket, section),
            row=clean(row),
            category=shown(ticket, category),
            seats=tuple(SeatNumber(clean(seat.number), seat.accessible) for seat in group),
        )
        for (section, row, category), group in groupby(
            ticket.seats, key=lambda seat: (seat.section, seat.row, seat.category)
        )
    )


def _invoice(ticket: Ticket, price: PriceLines, words: Words) -> Invoice:
    seller, locale = ticket.seller, ticket.locale
    names = _tax_names(seller, price)
    shares = [_shares(line.tax, len(names)) for line in price.lines]
    return Invoice(
        heading=words.tax_invoice if seller.gstin else words.receipt,
        seller=clean(seller.name),
        seller_address=clean(seller.address),
        gstin=clean(seller.gstin),
        date=date_only(ticket.booked_at, locale),
        lines=tuple(_invoice_line(ticket, line, share, words) for line, share in zip(price.lines, shares, strict=True)),
        tax_names=names,
        value_total=amount(sum(line.value for line in price.lines), locale),
        tax_totals=tuple(amount(sum(column), locale) for column in zip(*shares, strict=True)),
        total=amount(price.total, locale),
        total_with_sign=rupees(price.total, locale),
    )


def _invoice_line(ticket: Ticket, line: PriceLine, shares: tuple[int, ...], words: Words) -> InvoiceLine:
    name = words.fee if line.kind == "fee" else words.ticket
    return InvoiceLine(
        item=f"{name}, {shown(ticket, line.category)}",
        count=str(line.count),
        unit=amount(line.unit, ticket.locale),
        value=amount(line.value, ticket.locale),
        taxes=tuple(TaxCell(percent(Decimal(line.rate) / len(shares)), amount(s, ticket.locale)) for s in shares),
        amount=amount(line.value + line.tax, ticket.locale),
    )


def _tax_names(seller: Seller, price: PriceLines) -> tuple[str, ...]:
    if not any(line.tax for line in price.lines):
        return ()
    if not seller.gstin:
        return ("GST",)
    return ("IGST",) if seller.interstate else ("CGST", "SGST")


def _shares(tax: int, count: int) -> tuple[int, ...]:
    """Return ``tax`` in ``count`` (0 to 2) parts of whole paise; of an odd sum the last is one paisa more."""
    if count == 2:
        return tax // 2, tax - tax // 2
    return (tax,) * count
