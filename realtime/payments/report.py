"""A gateway's authentic webhook on its way from a node to a keeper, as an entry of an outbox. Pure."""

from __future__ import annotations

import msgspec

from realtime.payments.service import CURRENCY, WebhookEvent
from realtime.payments.status import PaymentState, PaymentStatus


class PaymentReport(msgspec.Struct, frozen=True):
    """What ``WebhookEvent`` says, flat. Empty fields are not reported; amounts are paise."""

    event: str
    payment: str = ""
    order: str = ""
    hold: str = ""
    amount: int = 0
    state: str = ""
    refund_key: str = ""
    refund_state: str = ""
    refund_reason: str = ""
    currency: str = ""
    """Nodes of the previous release don't report it."""
    seats: tuple[str, ...] = ()
    """As of ``PaymentStatus``. Nodes of the previous release don't report them."""

    @classmethod
    def of(cls, event: WebhookEvent) -> PaymentReport:
        """Return the report of an event."""
        payment, refund = event.payment, event.refund
        return cls(
            event=event.id,
            payment=payment.payment if payment is not None else refund.payment if refund is not None else "",
            order=payment.order if payment is not None else "",
            hold=payment.hold if payment is not None else "",
            amount=payment.amount if payment is not None else 0,
            state=payment.state.value if payment is not None else "",
            refund_key=refund.key if refund is not None else "",
            refund_state=refund.state.value if refund is not None else "",
            refund_reason=refund.reason if refund is not None else "",
            currency=payment.currency if payment is not None else "",
            seats=payment.seats if payment is not None else (),
        )

    def payment_status(self) -> PaymentStatus | None:
        """Return what is reported of the payment itself; None if only of its refund."""
        if not self.state:
            return None
        state, currency = PaymentState(self.state), self.currency or CURRENCY
        return PaymentStatus(self.payment, state, self.amount, currency, self.order, self.hold, seats=self.seats)


encode_report = msgspec.json.Encoder().encode
decode_report = msgspec.json.Decoder(PaymentReport).decode
