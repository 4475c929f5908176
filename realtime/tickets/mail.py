"""Builds the mails of a booking: its ticket, its cancellation, its refund. Sends nothing.

Each mail has a Message-ID that depends only on what it is about, so a mail that was sent twice after a failure is
recognisable as one by mail servers and readers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from realtime import limits
from realtime.contact import check_address
from realtime.tickets.calendar import calendar_entry, method_of, place_of, seat_lines
from realtime.tickets.code import printed
from realtime.tickets.data import Locale, MailKind, Ticket
from realtime.tickets.link import is_safe
from realtime.tickets.qr import qr_png
from realtime.tickets.text import clean, clock, date_only, day, rupees, shown
from realtime.tickets.words import WORDS, Words

MAX_SUBJECT_LENGTH = 300
"""A title of the greatest length, and the words around it."""
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    keep_trailing_newline=True,
)


@dataclass(frozen=True, slots=True)
class Sender:
    """Whom mails come from. Raises ``AddressInvalid``."""

    address: str
    name: str = ""

    def __post_init__(self) -> None:
        check_address(self.address)

    @property
    def domain(self) -> str:
        """The part of the address after the ``@``."""
        return self.address.rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class RefundNotice:
    """A refund that was made. It may have no booking: the payment of a hold that could not be booked.

    ``key`` names the refund in the ledger, ``reference`` at the payment service. ``rejected``: the seats could not be
    booked; otherwise the booking was cancelled.
    """

    key: str
    paise: int
    reference: str
    title: str
    theatre: str
    city: str
    starts_at: datetime
    rejected: bool
    locale: Locale = Locale.ENGLISH
    holder: str = ""
    seller: str = ""


@dataclass(frozen=True, slots=True)
class _Body:
    """What both templates of a mail show."""

    locale: Locale
    words: Words
    heading: str
    intro: str
    title: str
    day: str
    time: str
    place: str
    greeting: str
    paragraphs: Sequence[str]
    rows: Sequence[tuple[str, str]]
    seller: str
    code: str = ""
    qr: str = ""
    link: str = ""


def ticket_mail(
    ticket: Ticket, token: str, pdf: bytes, to: str, sender: Sender, at: datetime, link: str = ""
) -> EmailMessage:
    """Return the mail with a ticket: QR code of ``token`` in the text, PDF and calendar entry attached.

    ``at`` is the time of sending (an offset is needed), ``link`` the URL under which the ticket opens, if there is one
    (``tickets.link``). Raises ``AddressInvalid`` for ``to``, and ``ValueError`` for another link.
    """
    if link and not is_safe(link):
        raise ValueError("a link in a mail begins with https://")
    words = WORDS[ticket.locale]
    qr = f"qr.{_digest(ticket.booking)}@{sender.domain}"
    body = _ticket_body(
        ticket,
        heading=words.ticket,
        paragraphs=(words.exchanged_intro if ticket.sequence else words.ticket_intro, words.ticket_attached),
        rows=(*_seat_rows(ticket), *_paid_rows(ticket)),
        qr=qr,
        link=link,
    )
    subject = words.exchanged_subject if ticket.sequence else words.ticket_subject
    subject = subject.format(title=body.title, date=date_only(ticket.starts_at, ticket.locale))
    about = f"{ticket.booking}#{ticket.sequence}" if ticket.sequence else ticket.booking
    mail = _mail(MailKind.TICKET, about, subject, body, to, sender, at)
    html = mail.get_body(("html",))
    assert isinstance(html, EmailMessage)
    html.add_related(qr_png(token), "image", "png", cid=f"<{qr}>", disposition="inline", filename="qr.png")
    mail.add_attachment(pdf, "application", "pdf", filename=f"ticket-{printed(ticket.code)}.pdf")
    _attach_calendar(mail, ticket, sender, at, cancelled=False)
    return mail


def cancellation_mail(ticket: Ticket, to: str, sender: Sender, at: datetime, refund_paise: int = 0) -> EmailMessage:
    """Return the mail about a cancelled booking; its calendar entry removes the event.

    ``refund_paise`` is what will be returned, 0 for nothing. Raises ``AddressInvalid``.
    """
    words = WORDS[ticket.locale]
    refund = [(words.refund, rupees(refund_paise, ticket.locale))] if refund_paise else []
    body = _ticket_body(
        ticket,
        heading=words.cancelled_heading,
        paragraphs=(words.cancelled_intro, words.refund_when) if refund_paise else (words.cancelled_intro,),
        rows=(*_seat_rows(ticket), *refund),
    )
    subject = words.cancelled_subject.format(title=body.title, date=date_only(ticket.starts_at, ticket.locale))
    mail = _mail(MailKind.CANCELLED, ticket.booking, subject, body, to, sender, at)
    _attach_calendar(mail, ticket, sender, at, cancelled=True)
    return mail


def refund_mail(notice: RefundNotice, to: str, sender: Sender, at: datetime) -> EmailMessage:
    """Return the mail about a refund that was made. Raises ``AddressInvalid``."""
    words, locale = WORDS[notice.locale], notice.locale
    paid_back = rupees(notice.paise, locale)
    reason = words.refund_intro_rejected if notice.rejected else words.refund_intro_cancelled
    body = _Body(
        locale=locale,
        words=words,
        heading=words.refund_heading,
        intro=reason,
        title=clean(notice.title),
        day=day(notice.starts_at, locale),
        time=clock(notice.starts_at, locale),
        place=", ".join(part for part in map(clean, (notice.theatre, notice.city)) if part),
        greeting=_greeting(notice.holder, words),
        paragraphs=(reason, words.refund_when),
        rows=((words.refund, paid_back), (words.reference, clean(notice.reference))),
        seller=clean(notice.seller),
    )
    subject = words.refund_subject.format(amount=paid_back, title=body.title)
    return _mail(MailKind.REFUNDED, notice.key, subject, body, to, sender, at)


def message_id(kind: MailKind, about: str, sender: Sender) -> str:
    """Return the Message-ID of the mail of this kind about a booking or refund: the same for the same arguments."""
    return f"<{kind}.{_digest(about)}@{sender.domain}>"


def _mail(kind: MailKind, about: str, subject: str, body: _Body, to: str, sender: Sender, at: datetime) -> EmailMessage:
    """Return headers and both forms of the text. Headers can't be injected: texts are clean, addresses checked."""
    check_address(to)
    if at.utcoffset() is None:
        raise ValueError("the time of a mail needs an offset")
    mail = EmailMessage(policy=SMTP)
    mail["From"] = Address(display_name=_header_text(sender.name), addr_spec=sender.address)
    mail["To"] = Address(addr_spec=to)
    mail["Subject"] = _header_text(subject, MAX_SUBJECT_LENGTH)
    mail["Date"] = format_datetime(at)
    mail["Message-ID"] = message_id(kind, about, sender)
    mail["Auto-Submitted"] = "auto-generated"
    shown = {name: getattr(body, name) for name in body.__slots__}
    mail.set_content(_TEMPLATES.get_template("mail.txt").render(shown))
    mail.add_alternative(_TEMPLATES.get_template("mail.html").render(shown), subtype="html")
    return mail


def _ticket_body(
    ticket: Ticket,
    heading: str,
    paragraphs: Sequence[str],
    rows: Sequence[tuple[str, str]],
    qr: str = "",
    link: str = "",
) -> _Body:
    words, locale = WORDS[ticket.locale], ticket.locale
    return _Body(
        locale=locale,
        words=words,
        heading=heading,
        intro=paragraphs[0],
        title=shown(ticket, ticket.title),
        day=day(ticket.starts_at, locale),
        time=clock(ticket.starts_at, locale),
        place=place_of(ticket),
        greeting=_greeting(ticket.holder, words),
        paragraphs=paragraphs,
        rows=rows,
        seller=clean(ticket.seller.name),
        code=printed(ticket.code),
        qr=qr,
        link=link,
    )


def _seat_rows(ticket: Ticket) -> list[tuple[str, str]]:
    words = WORDS[ticket.locale]
    return [(words.seats if index == 0 else "", line) for index, line in enumerate(seat_lines(ticket))]


def _paid_rows(ticket: Ticket) -> list[tuple[str, str]]:
    if ticket.price is None:
        return []
    return [(WORDS[ticket.locale].total_paid, rupees(ticket.price.total, ticket.locale))]


def _greeting(holder: str, words: Words) -> str:
    name = clean(holder)
    return words.greeting.format(name=name) if name else words.greeting_anonymous


def _attach_calendar(mail: EmailMessage, ticket: Ticket, sender: Sender, at: datetime, *, cancelled: bool) -> None:
    entry = calendar_entry(ticket, sender.address, at, cancelled=cancelled)
    params = {"method": method_of(cancelled), "charset": "utf-8"}
    name = f"ticket-{printed(ticket.code)}.ics"
    mail.add_attachment(entry, "text", "calendar", params=params, filename=name)


def _header_text(text: str, limit: int = limits.MAX_TEXT_LENGTH) -> str:
    """Return ``text`` in one line, with no-break spaces if it needs encoding.

    The standard library loses ordinary spaces where it folds encoded text (Python issue 92081).
    """
    line = clean(text, limit)
    return line if line.isascii() else line.replace(" ", "\u00a0")


def _digest(about: str) -> str:
    return hashlib.sha256(about.encode()).hexdigest()[:32]
