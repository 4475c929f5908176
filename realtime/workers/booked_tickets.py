"""Makes the tickets of bookings from the ledger: their data, their signed code, their PDF."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime

from bullmq import UnrecoverableError

from realtime.clock import now_ms
from realtime.ledger import Ledger
from realtime.ledger.rows import BookingRow, TaskRow
from realtime.ledger.shows import Shows, UnknownShow
from realtime.model import hold_of
from realtime.payments.prices import decode_price_lines
from realtime.tickets.data import Locale, Seller, Ticket, TicketSeat
from realtime.tickets.pdf import TicketPrinter
from realtime.tickets.text import INDIA
from realtime.tickets.token import SigningKey, sign_ticket


class BookedTickets:
    """Tickets of one region; carries out the queue ``tickets``."""

    def __init__(
        self, ledger: Ledger, shows: Shows, seller: Seller, key: SigningKey, names: Mapping[str, Mapping[str, str]]
    ) -> None:
        """All arguments belong to the same region; ``key`` signs its tickets, ``names`` are ``Topology.names``.

        Raises ``PrinterError`` without fonts.
        """
        self._ledger = ledger
        self._shows = shows
        self._seller = seller
        self._key = key
        self._names = names
        self._printer = TicketPrinter()

    async def draw(self, task: TaskRow) -> str:
        """Draw the ticket of a booking into the ledger, in its buyer's language."""
        booking = await self.booking(task.subject)
        contact = await self._ledger.contact(hold_of(booking.id))
        ticket = await self.ticket(booking, Locale(contact.locale) if contact is not None else Locale.ENGLISH)
        return f"{len(await self.file(ticket, booking.show_id))} bytes"

    async def booking(self, booking_id: str) -> BookingRow:
        """Return a booking that can have a ticket; raises ``UnrecoverableError``."""
        booking = await self._ledger.booking(booking_id)
        if booking is None:
            raise UnrecoverableError(f"the ledger has no booking {booking_id}")
        if not booking.code:
            raise UnrecoverableError(f"{booking_id} was made before tickets had codes")
        return booking

    async def ticket(self, booking: BookingRow, locale: Locale, holder: str = "") -> Ticket:
        """Return the ticket of a booking; raises ``UnrecoverableError`` if its show or layout is not in the ledger."""
        try:
            show = await self._shows.show(booking.show_id)
            layout = await self._shows.layout(show.layout)
        except UnknownShow as error:
            raise UnrecoverableError(f"the ledger has no show or layout {error}") from None
        theatre = await self._ledger.theatre(show.region, show.theatre)
        seats = ((layout.seats[index], layout.printed(index)) for index in booking.seats)
        return Ticket(
            booking=booking.id,
            code=booking.code,
            title=show.title,
            theatre=show.theatre_name,
            city=show.city,
            starts_at=datetime.fromisoformat(show.starts_at),
            seats=tuple(TicketSeat(*printed, seat.category, seat.accessible) for seat, printed in seats),
            booked_at=datetime.fromtimestamp(booking.confirmed_at / 1000, INDIA),
            seller=self._seller,
            locale=locale,
            address=theatre.address if theatre is not None else "",
            holder=holder,
            price=decode_price_lines(booking.prices) if booking.prices is not None else None,
            sequence=booking.sequence,
            names=self._names.get(locale, {}),
        )

    def token(self, ticket: Ticket, show: str) -> str:
        """Return the text of a ticket's QR code; raises ``UnrecoverableError`` if it can't express the show's day."""
        try:
            return sign_ticket(show, ticket.code, len(ticket.seats), ticket.starts_at, self._key)
        except ValueError as error:
            raise UnrecoverableError(f"{ticket.booking} can't have a ticket: {error}") from None

    async def file(self, ticket: Ticket, show: str) -> bytes:
        """Return the PDF of a ticket without its holder's name.

        It is drawn once. If the contact comes later, and with it another language, it is drawn again.
        """
        known = await self._ledger.ticket_file(ticket.booking, ticket.sequence, ticket.locale.value)
        if known is not None:
            return known
        pdf = await asyncio.to_thread(self._printer.pdf, ticket, self.token(ticket, show))
        await self._ledger.save_ticket_file(ticket.booking, pdf, ticket.locale.value, now_ms(), ticket.sequence)
        return pdf
