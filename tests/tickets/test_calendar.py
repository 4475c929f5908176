"""The calendar entry, read back by the library of a reader."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from icalendar import Calendar, Event

from realtime.tickets.calendar import calendar_entry
from realtime.tickets.data import Ticket
from tests.tickets.samples import BOOKING, TEN_SEATS, hindi_ticket, ticket

AT = datetime(2026, 11, 26, 3, 45, tzinfo=UTC)
ORGANIZER = "tickets@theatre.example"


def read(ticket: Ticket, *, cancelled: bool = False) -> tuple[Calendar, Event]:
    calendar = Calendar.from_ical(calendar_entry(ticket, ORGANIZER, AT, cancelled=cancelled))
    assert isinstance(calendar, Calendar)
    (event,) = calendar.events
    return calendar, event


def test_the_event_is_at_the_time_and_place_of_the_show() -> None:
    _, event = read(ticket(seats=TEN_SEATS))
    assert event.start == ticket().starts_at
    assert event["dtstart"].params["TZID"] == "Asia/Kolkata"
    assert event["summary"] == "Hamlet"
    assert event["location"] == "Prithvi Theatre, 20 Janki Kutir, Juhu Church Road, Mumbai"
    assert "WDJB-MJHT" in str(event["description"])
    assert "Stalls, left · Row C · 7, 8" in str(event["description"])


def test_a_start_in_another_offset_is_shown_in_indian_time() -> None:
    _, event = read(replace(ticket(), starts_at=datetime(2026, 12, 12, 14, 0, tzinfo=UTC)))
    assert event.start.isoformat() == "2026-12-12T19:30:00+05:30"


def test_the_file_brings_the_time_zone() -> None:
    text = calendar_entry(ticket(), ORGANIZER, AT).decode()
    assert "BEGIN:VTIMEZONE\r\nTZID:Asia/Kolkata" in text
    assert "TZOFFSETTO:+0530" in text
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))


def test_the_end_is_there_only_if_it_is_known() -> None:
    ends_at = ticket().starts_at + timedelta(hours=2)
    assert read(replace(ticket(), ends_at=ends_at))[1].end == ends_at
    assert "dtend" not in read(ticket())[1]


def test_a_cancellation_removes_the_event_of_the_booking() -> None:
    calendar, event = read(ticket())
    gone_calendar, gone = read(ticket(), cancelled=True)
    assert (calendar["method"], event["status"]) == ("PUBLISH", "CONFIRMED")
    assert (gone_calendar["method"], gone["status"]) == ("CANCEL", "CANCELLED")
    assert event["uid"] == gone["uid"] == f"{BOOKING}@tickingtickets"
    assert gone["sequence"] == 1
    assert gone["organizer"] == f"mailto:{ORGANIZER}"


def test_an_exchange_of_seats_replaces_the_event() -> None:
    _, event = read(ticket())
    _, later = read(replace(ticket(seats=TEN_SEATS), sequence=1))
    assert event["uid"] == later["uid"]
    assert later["sequence"] == 1


def test_texts_can_not_add_lines_to_the_file() -> None:
    hostile = "Hamlet\r\nEND:VEVENT\r\nBEGIN:VALARM; , \\n"
    calendar, event = read(ticket(title=hostile, theatre=hostile, city=hostile))
    assert not event.subcomponents
    assert event["summary"] == "Hamlet END:VEVENT BEGIN:VALARM; , \\n"
    assert len(calendar.events) == 1


def test_hindi_is_kept() -> None:
    _, event = read(hindi_ticket())
    assert event["summary"] == "अंधा युग: धर्मवीर भारती की क्लासिक कृति"


def test_the_same_arguments_give_the_same_bytes() -> None:
    assert calendar_entry(ticket(), ORGANIZER, AT) == calendar_entry(ticket(), ORGANIZER, AT)
