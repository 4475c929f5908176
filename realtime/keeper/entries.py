"""What the entries of an outbox say, turned into rows of the ledger.

| kind | fields |
| --- | --- |
| ``booking`` | hold, owner, seats (indices), payment, amount, order, request, at, contact, reply |
| ``refund`` | hold, owner, payment, amount, order, request, at, reason, contact, reply |
| ``order`` | hold, owner, order, seats (indices), amount, request, at, contact, reply |
| ``webhook`` | event (JSON of ``payments.report.PaymentReport``), reply |
| ``command`` | id, name, body (JSON), request, owner (of the request) |
| ``outcome`` | owner, request, command, subject, state, at |
| ``audit`` | id, at, who, role, token, address, action, subject, detail, status |

Amounts are paise, times ms, a contact is ``realtime.contact.encode_contact``. ``reply`` is answered when the ledger has
the entry (``locks.replies``). Optional fields are left out where they are empty. Entries of the previous release have
no amount: the amount of their bookings is what the seats cost.
"""

from __future__ import annotations

import logging
from typing import Any

import msgspec
import orjson

from realtime import limits
from realtime.clock import now_ms
from realtime.contact import Contact, decode_contact
from realtime.keeper.outbox import Entry
from realtime.ledger.contacts import GivenContact
from realtime.ledger.rows import (
    AuditRow,
    CommandRow,
    NewBooking,
    NewRefund,
    OrderRow,
    OrderState,
    Recorded,
    RefundReason,
    RefundRow,
    Result,
)
from realtime.ledger.shows import Shows
from realtime.model import booking_of, hold_of, show_of
from realtime.payments.prices import encode_price_lines

log = logging.getLogger(__name__)


async def new_booking(entry: Entry, shows: Shows) -> NewBooking:
    """Return the booking that an entry asks for. Raises ``UnknownShow``."""
    fields = entry.fields
    hold, at = fields["hold"], int(fields["at"])
    show = await shows.show(show_of(hold))
    indices = [int(index) for index in fields["seats"].split(",")]
    layout = await shows.layout(show.layout)
    amount = int(fields["amount"]) if fields.get("amount") else None
    prices = await shows.prices(show, indices, at, amount)
    return NewBooking(
        id=booking_of(hold),
        show_id=show.id,
        owner=fields["owner"],
        seats=tuple((layout.seats[index].id, index) for index in indices),
        payment=fields["payment"],
        amount=prices.total if amount is None else amount,
        confirmed_at=at,
        order=fields.get("order", ""),
        prices=encode_price_lines(prices),
        request_id=fields.get("request", ""),
        contact=contact_of(entry),
    )


def new_refund(entry: Entry) -> NewRefund:
    """Return the refund that an entry asks for."""
    fields = entry.fields
    return NewRefund(
        hold=fields["hold"],
        show_id=show_of(fields["hold"]),
        owner=fields["owner"],
        payment=fields["payment"],
        amount=int(fields.get("amount") or 0),
        reason=RefundReason(fields["reason"]),
        at=int(fields["at"]),
        order=fields.get("order", ""),
        request_id=fields.get("request", ""),
        contact=contact_of(entry),
    )


def contact_of(entry: Entry) -> Contact | None:
    """Return the contact that an entry carries; None without one, or with one in the form of a later release."""
    try:
        return decode_contact(entry.fields.get("contact", ""))
    except msgspec.MsgspecError:
        log.warning("entry %s has a contact that can't be read", entry.id.decode())
        return None


def given_contact(entry: Entry) -> GivenContact | None:
    """Return the contact of an entry with the time by the lock master's clock, or None as ``contact_of`` does."""
    contact, hold = contact_of(entry), entry.fields["hold"]
    return None if contact is None else GivenContact(hold, show_of(hold), contact, int(entry.fields["at"]))


def new_order(entry: Entry) -> OrderRow:
    """Return the order that an entry records.

    ``created_at`` and ``check_at`` are by the clock of this machine, because keepers compare them with their own
    clocks. The lock master's clock may be wrong.
    """
    fields, now = entry.fields, now_ms()
    return OrderRow(
        id=fields["order"],
        hold=fields["hold"],
        show_id=show_of(fields["hold"]),
        owner=fields["owner"],
        seats=tuple(int(index) for index in fields["seats"].split(",")),
        amount=int(fields["amount"]),
        state=OrderState.OPEN,
        created_at=now,
        check_at=now + limits.ORDER_CHECK_S[0] * 1000,
        checks=0,
    )


def new_outcome(entry: Entry) -> CommandRow:
    """Return what a request led to, as the lock master reports it."""
    fields = entry.fields
    outcome = orjson.dumps({"state": fields["state"]})
    return CommandRow(
        fields["owner"], fields["request"], fields["command"], fields["subject"], outcome, int(fields["at"])
    )


def outcome_of_order(entry: Entry) -> CommandRow:
    """Return what the request for an order led to."""
    fields = entry.fields
    outcome = orjson.dumps({"order": fields["order"], "amount": int(fields["amount"])})
    return CommandRow(fields["owner"], fields["request"], "order", fields["hold"], outcome, int(fields["at"]))


def outcome_of(booking: NewBooking, result: Result) -> CommandRow:
    """Return what the confirm of a booking led to."""
    states = {Recorded.REFUSED: "rejected", Recorded.CANCELLED: "cancelled"}
    outcome: dict[str, object] = {"booking": booking.id, "state": states.get(result.recorded, "booked")}
    if result.refund is not None:
        outcome["refund"] = {"payment": result.refund.payment, "state": result.refund.state.value}
    return CommandRow(
        booking.owner, booking.request_id, "confirm", hold_of(booking.id), orjson.dumps(outcome), booking.confirmed_at
    )


def outcome_of_refund(asked: NewRefund, refund: RefundRow) -> CommandRow:
    """Return what a confirm led to if its payment has to be returned."""
    outcome = {"state": "refused", "refund": {"payment": refund.payment, "state": refund.state.value}}
    return CommandRow(asked.owner, asked.request_id, "confirm", asked.hold, orjson.dumps(outcome), asked.at)


def refund_body(refund: RefundRow | None) -> dict[str, Any] | None:
    """Return a refund as it is sent to a buyer; None if the payment has a booking, and so no refund."""
    if refund is None:
        return None
    return {
        "payment": refund.payment,
        "amount": refund.amount,
        "state": refund.state.value,
        "time": refund.updated_at,
    }


def audit_of(entry: Entry) -> AuditRow:
    """Return the row of the audit log that an entry asks for.

    NUL characters are replaced, because a path may have them and PostgreSQL's texts can't.
    """
    fields = {name: entry.fields.get(name, "").replace("\0", "\ufffd") for name in AuditRow.__slots__}
    return AuditRow(**{**fields, "at": int(entry.fields["at"]), "status": int(entry.fields["status"])})  # type: ignore[arg-type]
