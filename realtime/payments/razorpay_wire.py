"""The JSON of Razorpay, as far as it is used: validated here, and turned into this package's own values.

Only fields that are read are named; the documentation's others (contact, e-mail, card) are dropped unread. Entities:
razorpay.com/docs/api/orders/entity, /api/payments/entity, /api/refunds/entity, /webhooks/payments, /webhooks/refunds.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from realtime.payments.service import MAX_AMOUNT, MAX_REFERENCE_LENGTH
from realtime.payments.status import PaymentState, PaymentStatus, RefundState, RefundStatus

Paise = Annotated[int, Meta(ge=0, le=MAX_AMOUNT)]
Id = Annotated[str, Meta(min_length=1, max_length=MAX_REFERENCE_LENGTH)]
Word = Annotated[str, Meta(max_length=40)]
Receipt = Annotated[str, Meta(max_length=MAX_REFERENCE_LENGTH)]
Note = Annotated[str, Meta(max_length=256)]


class Notes(msgspec.Struct, frozen=True):
    """The notes that this installation writes on its orders."""

    hold: Note = ""
    seats: Note = ""


class OrderBody(msgspec.Struct, frozen=True):
    """An order. Empty notes come as ``[]``."""

    id: Id
    amount: Paise
    currency: Word
    status: Word
    given_notes: Notes | list[Any] = msgspec.field(name="notes", default_factory=Notes)
    receipt: Receipt | None = None

    @property
    def notes(self) -> Notes:
        """The notes; empty where there are none."""
        return self.given_notes if isinstance(self.given_notes, Notes) else Notes()


class PaymentBody(msgspec.Struct, frozen=True):
    """A payment. Its notes are left out on purpose: they are the buyer's."""

    id: Id
    amount: Paise
    currency: Word
    status: Word
    order_id: Id | None = None
    amount_refunded: Paise | None = None


class RefundBody(msgspec.Struct, frozen=True):
    """A refund; this installation's idempotency key is its receipt."""

    id: Id
    amount: Paise
    currency: Word
    payment_id: Id
    status: Word
    receipt: Receipt | None = None


class Orders(msgspec.Struct, frozen=True):
    """A collection."""

    items: list[OrderBody]


class Payments(msgspec.Struct, frozen=True):
    """A collection."""

    items: list[PaymentBody]


class Refunds(msgspec.Struct, frozen=True):
    """A collection."""

    items: list[RefundBody]


class PaymentEntity(msgspec.Struct, frozen=True):
    """A payment in a webhook."""

    entity: PaymentBody


class OrderEntity(msgspec.Struct, frozen=True):
    """An order in a webhook."""

    entity: OrderBody


class RefundEntity(msgspec.Struct, frozen=True):
    """A refund in a webhook."""

    entity: RefundBody


class WebhookPayload(msgspec.Struct, frozen=True):
    """What a webhook is about."""

    payment: PaymentEntity | None = None
    order: OrderEntity | None = None
    refund: RefundEntity | None = None


class WebhookBody(msgspec.Struct, frozen=True):
    """A webhook; ``event`` is its kind, such as ``payment.captured``."""

    event: Word
    payload: WebhookPayload


_STATES = {state.value: state for state in PaymentState}
_REFUND_STATES = {"pending": RefundState.PENDING, "processed": RefundState.DONE, "failed": RefundState.FAILED}


def payment_status(body: PaymentBody, hold: str) -> PaymentStatus:
    """Return a payment as this package knows it; a status that is not documented is ``unknown``."""
    state = _STATES.get(body.status, PaymentState.UNKNOWN)
    refunded = body.amount_refunded or 0
    return PaymentStatus(body.id, state, body.amount, body.currency, body.order_id or "", hold, refunded)


def refund_status(body: RefundBody, key: str) -> RefundStatus:
    """Return a refund as this package knows it; a status that is not documented is ``pending``."""
    state = _REFUND_STATES.get(body.status, RefundState.PENDING)
    return RefundStatus(key, body.payment_id, body.amount, state, body.currency, body.id)
