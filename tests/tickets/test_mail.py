"""The mails of a booking, read back as a mail program does."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import EmailMessage
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from realtime.contact import AddressInvalid, check_address
from realtime.tickets.data import Locale, Ticket
from realtime.tickets.mail import (
    RefundNotice,
    Sender,
    cancellation_mail,
    refund_mail,
    ticket_mail,
)
from realtime.tickets.text import clean
from tests.tickets.samples import NAMES_HI, TEN_PRICES, TEN_SEATS, hindi_ticket, ticket, ticket_with_names, token_of

AT = datetime(2026, 11, 26, 3, 45, tzinfo=UTC)
SENDER = Sender("tickets@theatre.example", "Prithvi Theatre, Tickets")
TO = "asha@example.in"
LINK = "https://west.example.in/tickets#t=abc"
NOTICE = RefundNotice(
    key="pay_123",
    paise=80_535,
    reference="rfnd_987",
    title="Hamlet",
    theatre="Prithvi Theatre",
    city="Mumbai",
    starts_at=ticket().starts_at,
    rejected=True,
    holder="Asha Kulkarni",
)


def delivered(mail: EmailMessage) -> EmailMessage:
    """Return the mail as the other side parses its bytes."""
    read = email.message_from_bytes(bytes(mail), policy=email.policy.default)
    assert isinstance(read, EmailMessage)
    assert not [part.defects for part in read.walk() if part.defects]
    return read


def with_ticket(shown: Ticket) -> EmailMessage:
    return delivered(ticket_mail(shown, token_of(shown), b"%PDF-1.7 ...", TO, SENDER, AT, LINK))


def part(mail: EmailMessage, kind: str) -> EmailMessage:
    (found,) = [p for p in mail.walk() if p.get_content_type() == kind]
    assert isinstance(found, EmailMessage)
    return found


def body(mail: EmailMessage, kind: str) -> str:
    content = part(mail, kind).get_content()
    assert isinstance(content, str)
    return content.replace("\r\n", "\n")


def subject(mail: EmailMessage) -> str:
    return header(mail, "Subject")


def header(mail: EmailMessage, name: str) -> str:
    """Return a decoded header. The standard library's newer parser adds spaces between encoded words of addresses."""
    raw = email.message_from_bytes(bytes(mail), policy=email.policy.compat32)[name]
    return str(make_header(decode_header(raw))).replace("\u00a0", " ")


mails: list[Callable[[Ticket], EmailMessage]] = [
    with_ticket,
    lambda shown: delivered(cancellation_mail(shown, TO, SENDER, AT, 80_535)),
    lambda shown: delivered(
        refund_mail(
            replace(NOTICE, title=shown.title, theatre=shown.theatre, holder=shown.holder, locale=shown.locale),
            TO,
            SENDER,
            AT,
        )
    ),
]
every_mail = pytest.mark.parametrize("build", mails, ids=["ticket", "cancelled", "refunded"])


@pytest.mark.parametrize("kind", ["text/plain", "text/html"])
def test_the_ticket_mail_has_everything_in_both_forms(kind: str) -> None:
    text = body(with_ticket(ticket(seats=TEN_SEATS, price=TEN_PRICES)), kind)
    for wanted in (
        "Hello Asha Kulkarni,",
        "Hamlet",
        "Saturday, 12 December 2026",
        "7:30",
        "Prithvi Theatre, 20 Janki Kutir, Juhu Church Road, Mumbai",
        "WDJB-MJHT",
        "Royal circle · Row AA · 21, 22, 23, 24, 25, 26",
        "Balcony · Row M · 114, 115",
        "₹94,761.28",
        LINK,
    ):
        assert wanted in text


def test_the_headers_name_sender_receiver_show_and_time() -> None:
    mail = with_ticket(ticket())
    assert mail["From"] == '"Prithvi Theatre, Tickets" <tickets@theatre.example>'
    assert mail["To"] == TO
    assert mail["Subject"] == "Your ticket: Hamlet, 12 December 2026"
    assert mail["Date"].datetime == AT
    assert mail["Auto-Submitted"] == "auto-generated"


def test_pdf_calendar_entry_and_qr_code_are_attached() -> None:
    mail = with_ticket(ticket())
    assert part(mail, "application/pdf").get_content() == b"%PDF-1.7 ..."
    assert part(mail, "application/pdf").get_filename() == "ticket-WDJB-MJHT.pdf"
    entry = part(mail, "text/calendar")
    assert entry.get_param("method") == "PUBLISH"
    assert entry.get_filename() == "ticket-WDJB-MJHT.ics"
    calendar = Calendar.from_ical(str(entry.get_content()))
    assert calendar["method"] == "PUBLISH"
    picture = part(mail, "image/png")
    assert picture.get_content().startswith(b"\x89PNG")
    assert f'src="cid:{picture["Content-ID"].strip("<>")}"' in body(mail, "text/html")


def test_hindi_mails_are_in_hindi() -> None:
    mail = with_ticket(hindi_ticket())
    assert subject(mail) == "आपका टिकट: अंधा युग: धर्मवीर भारती की क्लासिक कृति, 12 दिसंबर 2026"
    for kind in ("text/plain", "text/html"):
        assert "नमस्ते आशा कुलकर्णी," in body(mail, kind)
    assert '<html lang="hi">' in body(mail, "text/html")


def test_names_are_in_the_language_of_the_mail_and_its_calendar_entry() -> None:
    mail = with_ticket(ticket_with_names())
    assert subject(mail) == "आपका टिकट: हैमलेट, 12 दिसंबर 2026"
    for kind in ("text/plain", "text/html"):
        text = body(mail, kind)
        assert "पृथ्वी थिएटर, 20 Janki Kutir, Juhu Church Road, मुंबई" in text and "स्टॉल · पंक्ति C · 12" in text
        assert not [name for name in NAMES_HI if name in text]
    (event,) = Calendar.from_ical(part(mail, "text/calendar").get_content()).events
    assert event["summary"] == "हैमलेट" and "मुंबई" in str(event["location"])


@settings(max_examples=50)
@given(st.lists(st.text("कगतनमरसिंhe₹", min_size=1, max_size=30), min_size=1, max_size=8).map(" ".join))
def test_long_subjects_and_names_keep_their_spaces(text: str) -> None:
    sender = Sender("tickets@theatre.example", text)
    mail = cancellation_mail(ticket(title=text), TO, sender, AT)
    shown = clean(text)
    assert subject(mail) == f"Cancelled: {shown}, 12 December 2026"
    assert header(mail, "From").replace('"', "") == f"{shown} <tickets@theatre.example>"


def test_a_cancellation_takes_the_event_out_of_the_calendar() -> None:
    mail = delivered(cancellation_mail(ticket(), TO, SENDER, AT, 80_535))
    assert mail["Subject"] == "Cancelled: Hamlet, 12 December 2026"
    assert "not valid any more" in body(mail, "text/plain")
    assert "Refund: ₹805.35" in body(mail, "text/plain")
    assert part(mail, "text/calendar").get_param("method") == "CANCEL"
    assert not [p for p in mail.walk() if p.get_content_type() in ("image/png", "application/pdf")]


def test_a_cancellation_without_refund_promises_none() -> None:
    text = body(delivered(cancellation_mail(ticket(), TO, SENDER, AT)), "text/plain")
    assert "Refund" not in text
    assert "bank" not in text


def test_a_refund_mail_says_how_much_why_and_under_which_reference() -> None:
    mail = delivered(refund_mail(NOTICE, TO, SENDER, AT))
    assert subject(mail) == "Refund of ₹805.35: Hamlet"
    for kind in ("text/plain", "text/html"):
        assert "rfnd_987" in body(mail, kind)
        assert "could not be booked" in body(mail, kind)
    cancelled = delivered(refund_mail(replace(NOTICE, rejected=False), TO, SENDER, AT))
    assert "cancelled booking" in body(cancelled, "text/plain")


def test_a_repeated_mail_is_recognised_by_its_message_id() -> None:
    first, again = (
        with_ticket(ticket()),
        delivered(
            ticket_mail(ticket(holder="A."), "X", b"", "other@example.in", SENDER, datetime(2027, 1, 1, tzinfo=UTC))
        ),
    )
    assert first["Message-ID"] == again["Message-ID"]
    assert re.fullmatch(r"<ticket\.[0-9a-f]{32}@theatre\.example>", first["Message-ID"])


def test_other_kinds_bookings_and_changes_have_other_message_ids() -> None:
    exchanged = replace(ticket(), sequence=1)
    other = replace(ticket(), booking="west-eros-hamlet-20261212.bxxxxxxxxxxxxxxxxxxxxxx")
    ids = {
        *(with_ticket(shown)["Message-ID"] for shown in (ticket(), exchanged, other)),
        cancellation_mail(ticket(), TO, SENDER, AT)["Message-ID"],
        refund_mail(NOTICE, TO, SENDER, AT)["Message-ID"],
        refund_mail(replace(NOTICE, key="pay_124"), TO, SENDER, AT)["Message-ID"],
    }
    assert len(ids) == 6


@every_mail
@pytest.mark.parametrize("break_", ["\r\n", "\n", "\r", "\u2028", "\x0b", "\0", "\r\n\r\n"])
def test_no_text_can_add_a_header(build: Callable[[Ticket], EmailMessage], break_: str) -> None:
    hostile = f"Hamlet{break_}Bcc: victims@example.in{break_}X-Evil: 1"
    mail = build(ticket(title=hostile, theatre=hostile, holder=hostile))
    assert mail["Bcc"] is None
    assert mail["X-Evil"] is None
    assert "Bcc: victims@example.in" in subject(mail)


def test_a_senders_name_can_not_add_a_header() -> None:
    sender = Sender("tickets@theatre.example", 'Prithvi" <evil@example.in>\r\nBcc: victims@example.in')
    mail = delivered(cancellation_mail(ticket(), TO, sender, AT))
    assert mail["Bcc"] is None
    assert [address.addr_spec for address in mail["From"].addresses] == ["tickets@theatre.example"]


@pytest.mark.parametrize(
    "address",
    [
        "",
        "asha",
        "asha@",
        "@example.in",
        "asha@example.in, victim@example.in",
        "Asha <asha@example.in>",
        "asha@example.in\r\nBcc: victim@example.in",
        "asha@example.in\nx",
        "asha @example.in",
        "asha@exa mple.in",
        "आशा@example.in",
        "asha@उदाहरण.भारत",
        "a" * 250 + "@example.in",
        "<asha@example.in>",
        "asha@example.in\0",
        "(comment)asha@example.in",
    ],
)
def test_what_is_not_one_plain_address_is_refused(address: str) -> None:
    with pytest.raises(AddressInvalid) as caught:
        cancellation_mail(ticket(), address, SENDER, AT)
    assert "asha" not in str(caught.value), "contacts never appear in errors, which are logged"
    with pytest.raises(AddressInvalid):
        Sender(address)


@pytest.mark.parametrize("address", ["asha@example.in", "a.b+tag@sub.example.co.in", "o'hara_1@example.in"])
def test_ordinary_addresses_are_taken(address: str) -> None:
    check_address(address)
    assert delivered(cancellation_mail(ticket(), address, SENDER, AT))["To"] == address


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "background")]


@every_mail
def test_html_in_texts_is_text(build: Callable[[Ticket], EmailMessage]) -> None:
    hostile = '<script>alert(1)</script><img src="https://evil.example/x">{{ 7*7 }}" onload="x'
    shown = ticket(title=hostile, theatre=hostile, holder=hostile)
    page = body(build(shown), "text/html")
    tags = _Tags()
    tags.feed(page)
    assert "script" not in tags.tags
    assert "https://evil.example/x" not in tags.addresses
    assert "49" not in page.replace("805", "")


@every_mail
def test_nothing_is_loaded_from_the_network(build: Callable[[Ticket], EmailMessage]) -> None:
    page = body(build(ticket()), "text/html")
    tags = _Tags()
    tags.feed(page)
    assert all(address.startswith("cid:") or address == LINK for address in tags.addresses)
    assert "url(" not in page
    assert "prefers-color-scheme: dark" in page


def test_only_https_links_are_sent() -> None:
    for link in ("http://x.example", "javascript:alert(1)", "//x.example"):
        with pytest.raises(ValueError, match="https"):
            ticket_mail(ticket(), token_of(ticket()), b"", TO, SENDER, AT, link)


def test_without_a_name_the_greeting_has_none() -> None:
    assert body(with_ticket(ticket(holder="")), "text/plain").startswith("Hello,\n")


@every_mail
@pytest.mark.parametrize("locale", list(Locale))
def test_lines_are_short_enough_for_every_mail_server(build: Callable[[Ticket], EmailMessage], locale: Locale) -> None:
    long = "अ" * 200 if locale is Locale.HINDI else "W" * 200
    mail = build(ticket(title=long, theatre=long, holder=long, locale=locale))
    assert max(len(line) for line in bytes(mail).split(b"\n")) <= 998
