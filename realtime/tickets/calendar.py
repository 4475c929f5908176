"""The calendar entry (.ics) of a booking, and its cancellation. Pure."""

from __future__ import annotations

from datetime import datetime

from icalendar import Calendar, Event, vCalAddress

from realtime.tickets.code import printed
from realtime.tickets.data import Ticket
from realtime.tickets.text import in_india, shown
from realtime.tickets.view import seat_groups
from realtime.tickets.words import WORDS

PRODUCT = "-//TickingTickets//Tickets//EN"


def calendar_entry(ticket: Ticket, organizer: str, at: datetime, *, cancelled: bool = False) -> bytes:
    """Return an iCalendar file (RFC 5545) with one event in Indian time; equal arguments give equal bytes.

    The UID depends on the booking alone: calendars replace its event by one with a higher ``ticket.sequence``, and
    remove it when ``cancelled`` (``METHOD:CANCEL``, RFC 5546). ``organizer`` is the seller's mail address, ``at`` the
    time of writing. Without ``ends_at`` the event has no end.
    """
    entry = Calendar()
    entry.add("prodid", PRODUCT)
    entry.add("version", "2.0")
    entry.add("method", method_of(cancelled))
    event = Event()
    event.add("uid", f"{ticket.booking}@tickingtickets")
    event.add("dtstamp", at)
    event.add("sequence", ticket.sequence + cancelled)
    event.add("status", "CANCELLED" if cancelled else "CONFIRMED")
    event.add("organizer", vCalAddress(f"mailto:{organizer}"))
    event.add("summary", shown(ticket, ticket.title))
    event.add("dtstart", in_india(ticket.starts_at))
    if ticket.ends_at:
        event.add("dtend", in_india(ticket.ends_at))
    event.add("location", place_of(ticket))
    event.add("description", _description(ticket))
    entry.add_component(event)
    entry.add_missing_timezones()
    file: bytes = entry.to_ical()
    return file


def method_of(cancelled: bool) -> str:
    """Return the iTIP method, which the media type of the file repeats."""
    return "CANCEL" if cancelled else "PUBLISH"


def place_of(ticket: Ticket) -> str:
    """Return theatre, address and city in one line."""
    return shown(ticket, ticket.theatre, ticket.address, ticket.city)


def seat_lines(ticket: Ticket) -> list[str]:
    """Return a line for each group of seats: ``Stalls · Row C · 7, 8``."""
    words = WORDS[ticket.locale]
    return [
        f"{group.section} · {words.row} {group.row} · {', '.join(seat.number for seat in group.seats)}"
        for group in seat_groups(ticket)
    ]


def _description(ticket: Ticket) -> str:
    words = WORDS[ticket.locale]
    return "\n".join([f"{words.code}: {printed(ticket.code)}", *seat_lines(ticket)])
