"""What a booking is shown and printed with: the code as text, the signed text of the QR code, the link, the PDF."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from realtime.errors import BookingCancelled, BookingNotFound
from realtime.model import region_of
from realtime.payments.prices import PriceLines
from realtime.settings import Settings
from realtime.tickets import data, token
from realtime.tickets.code import printed
from realtime.tickets.link import TicketLinks
from realtime.tickets.pdf import Paper, TicketPrinter
from realtime.tickets.text import INDIA
from realtime.web.fair_turns import FairTurns

PDF = ("application/pdf",)
PRINTING = 2
"""How many tickets a node draws at the same time, each on a thread. Further requests wait; addresses take turns."""
PRINT_WAIT_S = 15.0
"""How long such a request waits at most."""


class _Seat(msgspec.Struct):
    id: str
    section: str
    row: str
    number: str
    category: str
    accessible: bool = False


class BookingDetail(msgspec.Struct):
    """The answer of ``keeper.queries`` about a booking."""

    id: str
    code: str
    owner: str
    show: str
    title: str
    theatre: str
    city: str
    address: str
    starts_at: str
    booked_at: Annotated[int, Meta(ge=0)]
    amount: int
    seats: list[_Seat]
    prices: PriceLines | None = None
    state: str = "booked"
    links_revoked_at: int = 0
    """Missing in answers of keepers of the previous release."""


class Print(msgspec.Struct, frozen=True):
    """The query of tickets: the paper, and the language of all texts but names."""

    paper: Paper = Paper.A4
    lang: data.Locale = data.Locale.ENGLISH


class IssuedTickets:
    """Makes the tickets of the bookings that keepers answer."""

    def __init__(self, settings: Settings, regions: Collection[str], links: TicketLinks) -> None:
        """``regions`` are those whose bookings are shown."""
        self._links = links
        self._origins = {region: settings.topology.link_origin(region) for region in regions}
        self._keys = {region: token.derive_key(settings.secret, region) for region in regions}
        self._seller = data.Seller(*(getattr(settings.topology.seller, name) for name in data.Seller.__slots__))
        self._names = settings.topology.names
        self._printer = TicketPrinter()
        self._printing = FairTurns(PRINTING)

    def listed(self, booking: dict[str, Any]) -> dict[str, Any]:
        """Return a booking with its code as printed and, while it stands, the text of its QR code and its link."""
        detail = msgspec.convert(booking, BookingDetail)
        signed, link = None, ""
        if detail.code and detail.state == "booked":
            link = self._links.link(
                self._origins[region_of(detail.id)],
                detail.id,
                datetime.fromisoformat(detail.starts_at),
                detail.links_revoked_at,
            )
            with contextlib.suppress(BookingNotFound):  # a ticket that can't be signed must not hide the other bookings
                signed = self._signed(detail)
        return {**booking, "code": printed(detail.code) if detail.code else "", "ticket": signed, "link": link}

    async def print(self, detail: BookingDetail, wanted: Print, address: str) -> web.Response:
        """Return the ticket of a booking as PDF, once it is the turn of the client's address.

        Raises ``BookingCancelled``, ``BookingNotFound`` for a booking without a ticket, or ``Overloaded``.
        """
        if detail.state == "cancelled":
            raise BookingCancelled()
        if not detail.code:
            raise BookingNotFound("This booking was made before tickets had codes.")
        signed = self._signed(detail)
        ticket = self._ticket_of(detail, wanted.lang)
        async with self._printing.turn(address, PRINT_WAIT_S):
            pdf = await asyncio.to_thread(self._printer.pdf, ticket, signed, wanted.paper)
        headers = {
            "Content-Disposition": f'inline; filename="ticket-{detail.code}.pdf"',
            "Cache-Control": "private, no-store",
        }
        return web.Response(body=pdf, content_type="application/pdf", headers=headers)

    def _signed(self, detail: BookingDetail) -> str:
        """Return the text of a ticket's QR code; raises ``BookingNotFound`` if it can't express the show's day."""
        try:
            starts_at, key = datetime.fromisoformat(detail.starts_at), self._keys[region_of(detail.show)]
            return token.sign_ticket(detail.show, detail.code, len(detail.seats), starts_at, key)
        except ValueError:
            raise BookingNotFound("This booking has no ticket: no ticket can state the day of its show.") from None

    def _ticket_of(self, detail: BookingDetail, locale: data.Locale) -> data.Ticket:
        return data.Ticket(
            booking=detail.id,
            code=detail.code,
            title=detail.title,
            theatre=detail.theatre,
            city=detail.city,
            starts_at=datetime.fromisoformat(detail.starts_at),
            seats=tuple(
                data.TicketSeat(seat.section, seat.row, seat.number, seat.category, seat.accessible)
                for seat in detail.seats
            ),
            booked_at=datetime.fromtimestamp(detail.booked_at / 1000, INDIA),
            seller=self._seller,
            locale=locale,
            address=detail.address,
            price=detail.prices,
            names=self._names.get(locale, {}),
        )
