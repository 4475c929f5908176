"""What can go wrong between a process of this installation and a payment gateway.

``PaymentRefused`` (of ``realtime.errors``) is the gateway's refusal: final for this proof or call.
``PaymentUnavailable`` means that no answer came: the money may or may not have moved, so the caller asks again with the
same idempotency key. The detail ``reason`` is a word of ``Refusal`` or ``NoAnswer``; the message is for people and
never quotes the gateway.
"""

from __future__ import annotations

from enum import StrEnum

from realtime.errors import PaymentRefused, PaymentUnavailable
from realtime.payments.status import PaymentStatus


class Refusal(StrEnum):
    """Why a payment is refused."""

    FORGED = "forged"
    """The proof or its signature is not valid here."""
    EXPIRED = "expired"
    WRONG_HOLD = "wrong_hold"
    WRONG_SEATS = "wrong_seats"
    WRONG_AMOUNT = "wrong_amount"
    WRONG_CURRENCY = "wrong_currency"
    NOT_PAID = "not_paid"
    """The gateway knows the payment, and no money has come (yet)."""
    ALREADY_REFUNDED = "already_refunded"
    ORDER_PAID = "order_paid"
    """Another payment of the same order was captured; this one can't be captured too."""
    NOT_FOUND = "not_found"
    REJECTED = "rejected"
    """The gateway refuses the request as such; its description is in the log."""


class NoAnswer(StrEnum):
    """Why a gateway's answer is not known."""

    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    GATEWAY_ERROR = "gateway_error"
    BAD_ANSWER = "bad_answer"
    BUSY = "busy"
    """The gateway is still working on the same request."""
    RATE_LIMITED = "rate_limited"
    CREDENTIALS = "credentials"
    """The gateway does not accept this installation's key: an operator must act."""
    NOT_ASKABLE = "not_askable"
    """There is no gateway that could be asked (``signed``)."""


class PaymentMismatch(PaymentRefused):
    """The payment is genuine, and it is not for these seats or not of the amount that they cost."""

    def __init__(self, reason: Refusal, payment: PaymentStatus) -> None:
        """``payment`` is the gateway's report. There is money, so a booking or a refund must follow."""
        super().__init__(_MESSAGES[reason], reason=reason.value)
        self.payment = payment


class PaymentRateLimited(PaymentUnavailable):
    """The payment service has too many requests at the moment; try again in a while."""

    @property
    def retry_after_ms(self) -> int | None:
        """How long to wait, if the gateway said so."""
        wait = self.details.get("retry_after_ms")
        return wait if isinstance(wait, int) else None


def unavailable(reason: NoAnswer) -> PaymentUnavailable:
    """Return the error to raise where there is no answer."""
    return PaymentUnavailable(reason=reason.value)


def rate_limited(retry_after_ms: int | None) -> PaymentRateLimited:
    """Return the error to raise for too many requests; ``retry_after_ms`` if the gateway said how long to wait."""
    wait = {} if retry_after_ms is None else {"retry_after_ms": retry_after_ms}
    return PaymentRateLimited(None, reason=NoAnswer.RATE_LIMITED.value, **wait)


def refused(reason: Refusal) -> PaymentRefused:
    """Return the refusal to raise for a reason."""
    return PaymentRefused(_MESSAGES.get(reason), reason=reason.value)


_MESSAGES = {
    Refusal.EXPIRED: "This proof of payment is too old.",
    Refusal.WRONG_HOLD: "This payment was made for another hold.",
    Refusal.WRONG_SEATS: "This payment was made for other seats.",
    Refusal.WRONG_AMOUNT: "This payment is not of the amount that these seats cost.",
    Refusal.WRONG_CURRENCY: "This payment is not in rupees.",
    Refusal.NOT_PAID: "The payment service has not received this payment.",
    Refusal.ALREADY_REFUNDED: "This payment was already refunded.",
    Refusal.ORDER_PAID: "This order was already paid by another payment.",
    Refusal.NOT_FOUND: "The payment service has no such payment.",
}
