"""Tickets, mails and calendar entries of shows at every time that a show may have, in every time zone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from realtime.ledger.rows import over_at
from realtime.model import Show, canonical_time
from realtime.sales_window import cancel_deadline, is_over, iso, to_ms, window_of
from realtime.tickets.calendar import calendar_entry
from realtime.tickets.data import Locale, Ticket
from realtime.tickets.link import TicketLinks
from realtime.tickets.mail import RefundNotice, Sender, cancellation_mail, refund_mail, ticket_mail
from realtime.tickets.text import INDIA
from realtime.tickets.token import PublicKeys, derive_key, sign_ticket, verify
from tests.tickets.samples import hindi_ticket, ticket

KEY = derive_key("a secret of many", "west")
SENDER = Sender("tickets@theatre.example", "Prithvi Theatre")
AT = datetime(2026, 11, 26, 3, 45, tzinfo=UTC)
offsets = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
FIRST, LAST = datetime(1971, 1, 2), datetime(2148, 12, 31, 23, 59, 59)
END = "9999-12-31T23:59:59"


def starting(moment: datetime) -> Show:
    starts_at = canonical_time(moment.isoformat())
    return Show("west-s", "A show", "prithvi", "Prithvi", "Mumbai", "west", "a-layout", 120, starts_at)


def write_all(ticket: Ticket) -> None:
    link = TicketLinks(["a secret of many"]).link("https://west.example", ticket.booking, ticket.starts_at)
    for locale in Locale:
        here = replace(ticket, locale=locale)
        ticket_mail(here, "TOKEN", b"%PDF", "asha@example.in", SENDER, AT, link)
        cancellation_mail(here, "asha@example.in", SENDER, AT, 450)
        notice = RefundNotice(
            "pay_1", 450, "rfnd_1", ticket.title, "Prithvi", "Mumbai", ticket.starts_at, rejected=True, locale=locale
        )
        refund_mail(notice, "asha@example.in", SENDER, AT)
    calendar_entry(ticket, "tickets@theatre.example", AT)


@settings(max_examples=20)
@given(st.datetimes(FIRST, LAST), offsets)
@example(FIRST, timezone(timedelta(minutes=1439)))
@example(LAST, timezone(timedelta(minutes=-1439)))
def test_every_start_that_is_accepted_has_its_ticket_mails_and_times(local: datetime, offset: timezone) -> None:
    show = starting(local.replace(tzinfo=offset))
    starts_at = datetime.fromisoformat(show.starts_at)
    assert to_ms(show.starts_at) == int(starts_at.timestamp()) * 1000
    assert cancel_deadline(show) < to_ms(show.starts_at) < window_of(show).end < over_at(show.starts_at)
    assert is_over(show, window_of(show).end) and datetime.fromisoformat(iso(window_of(show).end)) > starts_at
    token = sign_ticket(show.id, "WDJBMJHT", 2, starts_at, KEY)
    assert verify(token, PublicKeys.of([KEY])).day == starts_at.astimezone(INDIA).date()
    write_all(replace(ticket(), starts_at=starts_at))


@pytest.mark.parametrize("offset", ["-23:59", "-12:00", "+00:00", "+05:30", "+14:00", "+23:59"])
def test_what_an_earlier_release_has_accepted_gets_no_ticket_and_still_its_mails(offset: str) -> None:
    try:
        show = starting(datetime.fromisoformat(END + offset))
    except ValueError:
        return  # it has no time in UTC: it was never accepted
    starts_at = datetime.fromisoformat(show.starts_at)
    assert not is_over(show, to_ms(show.starts_at)) and over_at(show.starts_at) > cancel_deadline(show)
    assert datetime.fromisoformat(iso(window_of(show).end))
    with pytest.raises(ValueError, match="can't hold"):
        sign_ticket(show.id, "WDJBMJHT", 2, starts_at, KEY)
    write_all(replace(ticket(), starts_at=starts_at))
    write_all(replace(hindi_ticket(), starts_at=starts_at))
