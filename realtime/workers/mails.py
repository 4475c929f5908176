"""The queue ``mail``: writes to buyers who left an address, once about each booking, cancellation and refund.

When a task is done, its mail was sent. If a worker dies after the mail server has accepted a mail and before the task
is marked as done, the mail is sent a second time. Both have the same Message-ID, by which mail servers and mail
programs recognise them as one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from email.message import EmailMessage

from bullmq import UnrecoverableError

from realtime.contact import AddressInvalid, Contact
from realtime.ledger import Ledger
from realtime.ledger.money import Filter
from realtime.ledger.rows import BookingRow, Queue, RefundReason, RefundRow, TaskRow, task_id
from realtime.ledger.shows import Shows, UnknownShow
from realtime.model import hold_of
from realtime.tickets.data import Locale, MailKind
from realtime.tickets.mail import RefundNotice, Sender, cancellation_mail, refund_mail, ticket_mail
from realtime.tickets.text import INDIA
from realtime.workers.booked_tickets import BookedTickets
from realtime.workers.smtp import MailRefused, Smtp

NO_SERVER, NO_ADDRESS, SENT = "no mail server is set", "there is no address any more", "sent"
CANCELLED = "the booking is cancelled"
EXCHANGED = "the mail about its exchange has the ticket"
"""Outcomes of a task, as the ledger records them."""


class Mails:
    """Writes and sends the mails of one region."""

    def __init__(
        self,
        ledger: Ledger,
        shows: Shows,
        tickets: BookedTickets,
        smtp: Smtp | None,
        sender: Sender | None,
        seller: str,
        link_of: Callable[[str, datetime, int], str],
        names: Mapping[str, Mapping[str, str]],
    ) -> None:
        """All arguments belong to the same region. Without ``smtp`` and ``sender`` nothing is sent, and tasks are done.

        ``link_of`` is ``TicketLinks.link`` with the public address, ``names`` are ``Topology.names``.
        """
        self._ledger = ledger
        self._shows = shows
        self._tickets = tickets
        self._smtp = smtp
        self._sender = sender
        self._seller = seller
        self._link_of = link_of
        self._names = names

    async def send(self, task: TaskRow) -> str:
        """Send the mail of a task. Raises ``MailNotSent`` or ``UnrecoverableError``."""
        if self._smtp is None or self._sender is None:
            return NO_SERVER
        refund = await self._refund(task.subject) if task.kind == MailKind.REFUNDED.value else None
        hold = hold_of(task.subject) if refund is None else refund.hold
        contact = await self._contact(hold)
        if contact is None:
            return NO_ADDRESS
        try:
            if refund is None:
                mail = await self._about_booking(task, contact, self._sender)
            else:
                mail = await self._about_refund(refund, contact, self._sender)
        except AddressInvalid as error:
            raise UnrecoverableError(str(error)) from None
        if isinstance(mail, str):
            return mail
        # Read again, because drawing the ticket takes a while and the contact may have been erased since.
        if await self._contact(hold) is None:
            return NO_ADDRESS
        try:
            await self._smtp.send(mail)
        except MailRefused as error:
            raise UnrecoverableError(str(error)) from None
        return SENT

    async def _contact(self, hold: str) -> Contact | None:
        """Return the contact of a hold, if it has an address."""
        contact = await self._ledger.contact(hold)
        return contact if contact is not None and contact.email else None

    async def _refund(self, refund_id: str) -> RefundRow:
        refund = await self._ledger.refund(refund_id)
        if refund is None:
            raise UnrecoverableError(f"the ledger has no refund {refund_id}")
        return refund

    async def _about_booking(self, task: TaskRow, contact: Contact, sender: Sender) -> EmailMessage | str:
        booking = await self._tickets.booking(task.subject)
        if task.kind == MailKind.TICKET.value:
            if booking.cancelled_at is not None:
                return CANCELLED
            if await self._has_later_mail(task, booking):
                return EXCHANGED
        ticket = await self._tickets.ticket(booking, Locale(contact.locale), contact.name)
        now = datetime.now(INDIA)
        if task.kind == MailKind.CANCELLED.value:
            refunds = await self._ledger.refunds(Filter(hold=hold_of(booking.id)))
            returned = sum(refund.amount for refund in refunds if refund.reason is RefundReason.CANCELLED)
            return cancellation_mail(ticket, contact.email, sender, now, returned)
        pdf = await self._tickets.file(ticket, booking.show_id)
        token = self._tickets.token(ticket, booking.show_id)
        link = self._link_of(booking.id, ticket.starts_at, booking.links_revoked_at)
        return ticket_mail(ticket, token, pdf, contact.email, sender, now, link)

    async def _has_later_mail(self, task: TaskRow, booking: BookingRow) -> bool:
        """Return whether the booking was exchanged since, and the task of that exchange sends its ticket."""
        latest = task_id(Queue.MAIL, booking.id, MailKind.TICKET.value, booking.sequence)
        return booking.sequence > 0 and task.id != latest and await self._ledger.task(latest) is not None

    async def _about_refund(self, refund: RefundRow, contact: Contact, sender: Sender) -> EmailMessage:
        try:
            show = await self._shows.show(refund.show_id)
        except UnknownShow:
            raise UnrecoverableError(f"the ledger has no show {refund.show_id}") from None
        names = self._names.get(contact.locale, {})
        title, theatre, city = (names.get(name, name) for name in (show.title, show.theatre_name, show.city))
        notice = RefundNotice(
            key=refund.id,
            paise=refund.amount,
            reference=refund.detail,
            title=title,
            theatre=theatre,
            city=city,
            starts_at=datetime.fromisoformat(show.starts_at),
            rejected=refund.reason is not RefundReason.CANCELLED,
            locale=Locale(contact.locale),
            holder=contact.name,
            seller=self._seller,
        )
        return refund_mail(notice, contact.email, sender, datetime.now(INDIA))
