"""``razorpay``: orders, checkout proofs, webhooks and refunds of Razorpay.

The contract is that of the public documentation (razorpay.com/docs; github.com/razorpay/markdown-docs, April 2026).
Each method cites its page. What the documentation leaves open is handled so that money can't be lost or returned twice:

- Orders have no idempotency header. The receipt is derived from the idempotency key and looked up first.
- ``notes`` of a *payment* come from the buyer's browser, those of an *order* from this installation only: the hold is
  taken from the order's notes and from nowhere else.
- Only captured payments can be refunded: ``refund`` captures an authorised one first. Where that is refused because
  another payment of the order was captured, Razorpay returns the money itself (``refund`` answers ``pending``).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, TypeVar

import aiohttp
import msgspec
from msgspec import Meta

from realtime.errors import PaymentRefused, WebhookRefused
from realtime.payments.errors import PaymentMismatch, Refusal, refused
from realtime.payments.gateway import DEFAULT_TIMEOUT_S, GatewayClient, Rejected, both
from realtime.payments.razorpay_wire import (
    OrderBody,
    Orders,
    PaymentBody,
    Payments,
    RefundBody,
    Refunds,
    WebhookBody,
    payment_status,
    refund_status,
)
from realtime.payments.service import (
    CURRENCY,
    MAX_PROOF_LENGTH,
    MAX_WEBHOOK_BYTES,
    Checkout,
    CheckoutKind,
    Order,
    OrderRequest,
    PaymentService,
    VerifiedPayment,
    WebhookEvent,
    matched,
    seats_digest,
)
from realtime.payments.status import PaymentState, PaymentStatus, RefundState, RefundStatus

BASE_URL = "https://api.razorpay.com"
AUTO_CAPTURE_MINUTES = 3 * 24 * 60
"""Late authorisations arrive for three days, and automatic capture can cover all of them."""
REFUNDS_PAGE = 100

PaymentId = Annotated[str, Meta(pattern=r"^pay_[A-Za-z0-9]{1,40}$")]
OrderId = Annotated[str, Meta(pattern=r"^order_[A-Za-z0-9]{1,40}$")]
T = TypeVar("T")


class CheckoutProof(msgspec.Struct, frozen=True):
    """What Razorpay's checkout gives the page, as a JSON object: the proof of ``verify``."""

    order: OrderId = msgspec.field(name="razorpay_order_id")
    payment: PaymentId = msgspec.field(name="razorpay_payment_id")
    signature: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")] = msgspec.field(name="razorpay_signature")


class RazorpayPayments(PaymentService):
    """One Razorpay account."""

    name = "razorpay"

    def __init__(
        self,
        key_id: str,
        key_secret: str,
        webhook_secrets: Sequence[str],
        *,
        base_url: str = BASE_URL,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> None:
        """Take the API key, its secret, and the webhook secrets: the present one, and former ones for as long as
        Razorpay may retry events that it signed with them (24 hours).
        """
        self._key_id = key_id
        self._key_secret = key_secret.encode()
        self._webhook_secrets = [secret.encode() for secret in webhook_secrets if secret]
        headers = {"Authorization": aiohttp.encode_basic_auth(key_id, key_secret)}
        self._gateway = GatewayClient(base_url, timeout_s=timeout_s, headers=headers)

    async def create_order(self, request: OrderRequest) -> Order:
        """See ``PaymentService.create_order``. Two requests: ``GET`` and ``POST /v1/orders``.

        razorpay.com/docs/api/orders/create: ``receipt`` of at most 40 characters, 15 notes of 256. Automatic capture is
        asked for (docs/payments/payments/capture-settings/api), so that also a late payment ends captured.
        """
        receipt = hashlib.sha256(request.idempotency_key.encode()).hexdigest()[:40]
        notes = {"hold": request.hold, "seats": seats_digest(request.seats)}
        try:
            found = await self._gateway.call("GET", "/v1/orders", Orders, query={"receipt": receipt, "count": "10"})
            # The query finds receipts that contain the value: compare.
            same = [order for order in found.items if order.receipt == receipt]
            order = (
                same[0]
                if same
                else await self._gateway.call(
                    "POST",
                    "/v1/orders",
                    OrderBody,
                    body={
                        "amount": request.amount,
                        "currency": request.currency,
                        "receipt": receipt,
                        "notes": notes,
                        "payment": {
                            "capture": "automatic",
                            "capture_options": {
                                "automatic_expiry_period": AUTO_CAPTURE_MINUTES,
                                "refund_speed": "normal",
                            },
                        },
                    },
                )
            )
        except Rejected as error:
            raise refused(Refusal.REJECTED) from error
        if (order.amount, order.currency, order.notes.hold) != (request.amount, request.currency, request.hold):
            raise refused(Refusal.WRONG_AMOUNT)
        checkout = Checkout(CheckoutKind.RAZORPAY, key=self._key_id)
        return Order(order.id, request.hold, order.amount, order.currency, request.expires_at, checkout)

    async def verify(self, hold: str, proof: str, amount: int, seats: Iterable[str]) -> VerifiedPayment:
        """See ``PaymentService.verify``. ``proof`` is the JSON object that the checkout gave the page.

        Its signature is HMAC-SHA256 over ``order_id|payment_id`` with the key secret
        (docs/payments/payment-gateway/web-integration/standard/integration-steps, 1.5). It proves the pair, not the
        amount: payment and order are fetched as well, in parallel.
        """
        given = _checkout_proof(proof)
        expected = hmac.new(self._key_secret, f"{given.order}|{given.payment}".encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, given.signature):
            raise refused(Refusal.FORGED)
        payment, order = await both(self._payment(given.payment), self._order(given.order))
        if payment.order_id != given.order:
            raise refused(Refusal.FORGED)
        if order.notes.hold != hold:
            raise refused(Refusal.WRONG_HOLD)
        status = payment_status(payment, hold)
        verified = matched(status, order.notes.seats, seats, amount)
        if order.currency != CURRENCY:
            raise PaymentMismatch(Refusal.WRONG_CURRENCY, status)
        if order.amount != amount:
            raise PaymentMismatch(Refusal.WRONG_AMOUNT, status)
        return verified

    async def state(self, payment: str) -> PaymentStatus:
        """See ``PaymentService.state``: ``GET /v1/payments/{id}`` (docs/api/payments/fetch-with-id). No hold in it."""
        return payment_status(await self._payment(payment), "")

    async def payments_of(self, order: str) -> tuple[PaymentStatus, ...]:
        """See ``PaymentService.payments_of``: the order and ``GET /v1/orders/{id}/payments``
        (docs/api/orders/fetch-payments), in parallel.
        """
        path = f"/v1/orders/{_checked(order, OrderId)}/payments"
        try:
            body, payments = await both(self._order(order), self._gateway.call("GET", path, Payments))
        except Rejected as error:
            raise refused(Refusal.NOT_FOUND) from error
        return tuple(payment_status(item, body.notes.hold) for item in payments.items)

    async def capture(self, payment: str, amount: int) -> PaymentStatus:
        """See ``PaymentService.capture``: ``POST /v1/payments/{id}/capture`` (docs/api/payments/capture), which refuses
        whatever is not ``authorized``, and an amount other than the authorised one.
        """
        path = f"/v1/payments/{_checked(payment, PaymentId)}/capture"
        try:
            body = {"amount": amount, "currency": CURRENCY}
            return payment_status(await self._gateway.call("POST", path, PaymentBody, body=body), "")
        except Rejected as error:
            # The reason is prose only, so read the payment: it may be captured by another call, or automatically.
            known = await self.state(payment)
            if known.amount != amount:
                raise refused(Refusal.WRONG_AMOUNT) from error
            if known.state is PaymentState.CAPTURED:
                return known
            if known.state is PaymentState.REFUNDED:
                raise refused(Refusal.ALREADY_REFUNDED) from error
            if known.state is PaymentState.AUTHORIZED:
                raise refused(Refusal.ORDER_PAID) from error
            raise refused(Refusal.NOT_PAID) from error

    async def refund(self, payment: str, amount: int, key: str) -> RefundStatus:
        """See ``PaymentService.refund``: ``POST /v1/payments/{id}/refund`` with ``X-Refund-Idempotency``
        (docs/api/refunds/normal-refunds-idempotent): the key has 10 characters or more of letters, digits, ``-`` and
        ``_``; the same key with another body is refused; 409 while the first request is still under way.

        The key is also the refund's receipt, so that a refund is found again after the gateway has forgotten the key.
        """
        known = await self.refund_status(payment, amount, key)
        if known is not None:
            return known
        status = await self.state(payment)
        if status.refunded >= status.amount or status.state is PaymentState.REFUNDED:
            return RefundStatus(key, payment, amount, RefundState.DONE, reason="the whole payment was already returned")
        if status.state is PaymentState.AUTHORIZED:
            try:
                status = await self.capture(payment, status.amount)
            except PaymentRefused as error:
                if error.details.get("reason") != Refusal.ORDER_PAID:
                    raise
                reason = "not captured: the gateway returns the money itself"
                return RefundStatus(key, payment, amount, RefundState.PENDING, reason=reason)
        if status.state is not PaymentState.CAPTURED:
            raise refused(Refusal.NOT_PAID)
        return await self._send_refund(payment, amount, key)

    async def _send_refund(self, payment: str, amount: int, key: str) -> RefundStatus:
        try:
            sent = await self._gateway.call(
                "POST",
                f"/v1/payments/{payment}/refund",
                RefundBody,
                # The same body for the same key, always: another one is refused.
                body={"amount": amount, "receipt": key, "notes": {"key": key}},
                headers={"X-Refund-Idempotency": key},
            )
        except Rejected as error:
            known = await self.refund_status(payment, amount, key)
            return known or RefundStatus(key, payment, amount, RefundState.FAILED, reason=error.description)
        return refund_status(sent, key)

    async def refund_status(self, payment: str, amount: int, key: str) -> RefundStatus | None:
        """See ``PaymentService.refund_status``: ``GET /v1/payments/{id}/refunds``
        (docs/api/refunds/fetch-multiple-refund-payment), searched by receipt.
        """
        path = f"/v1/payments/{_checked(payment, PaymentId)}/refunds"
        try:
            found = await self._gateway.call("GET", path, Refunds, query={"count": str(REFUNDS_PAGE)})
        except Rejected as error:
            raise refused(Refusal.NOT_FOUND) from error
        for item in found.items:
            if item.receipt == key and item.amount == amount:
                return refund_status(item, key)
        return None

    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookEvent | None:
        """See ``PaymentService.read_webhook`` and docs/webhooks/validate-test.

        ``X-Razorpay-Signature`` is HMAC-SHA256 of the raw body with the webhook secret, in hex.
        ``x-razorpay-event-id`` is the same for each delivery of one event.

        Events of payments, refunds and ``order.paid`` are read; others are acknowledged unread.
        """
        named = {name.lower(): value for name, value in headers.items()}
        signature = named.get("x-razorpay-signature", "").encode("utf-8", "replace")
        if len(body) > MAX_WEBHOOK_BYTES or not any(
            hmac.compare_digest(hmac.new(secret, body, hashlib.sha256).hexdigest().encode(), signature)
            for secret in self._webhook_secrets
        ):
            raise WebhookRefused()
        try:
            event = msgspec.json.decode(body, type=WebhookBody)
        except (msgspec.MsgspecError, RecursionError):
            raise WebhookRefused() from None
        # Without the header (a proxy dropped it) the body stands for the event: equal deliveries have equal bodies.
        event_id = named.get("x-razorpay-event-id", "")[:100] or hashlib.sha256(body).hexdigest()
        payment, order, refund = event.payload.payment, event.payload.order, event.payload.refund
        if payment is None or not event.event.startswith(("payment.", "order.", "refund.")):
            return None
        hold = order.entity.notes.hold if order is not None else ""
        status = payment_status(payment.entity, hold)
        if refund is None:
            return WebhookEvent(event_id, status)
        return WebhookEvent(event_id, status, refund_status(refund.entity, refund.entity.receipt or ""))

    async def close(self) -> None:
        """Close the connections."""
        await self._gateway.close()

    async def _payment(self, payment: str) -> PaymentBody:
        return await self._fetched(f"/v1/payments/{_checked(payment, PaymentId)}", PaymentBody)

    async def _order(self, order: str) -> OrderBody:
        return await self._fetched(f"/v1/orders/{_checked(order, OrderId)}", OrderBody)

    async def _fetched(self, path: str, answer: type[T]) -> T:
        try:
            return await self._gateway.call("GET", path, answer)
        except Rejected as error:
            raise refused(Refusal.NOT_FOUND) from error


def _checkout_proof(proof: str) -> CheckoutProof:
    if len(proof) > MAX_PROOF_LENGTH:
        raise refused(Refusal.FORGED)
    try:
        return msgspec.json.decode(proof.encode("utf-8", "replace"), type=CheckoutProof)
    except (msgspec.MsgspecError, RecursionError):
        raise refused(Refusal.FORGED) from None


def _checked(text: str, form: type[T]) -> T:
    """Return an id that may stand in a path; an id of another form is none of Razorpay's."""
    try:
        return msgspec.convert(text, form)
    except msgspec.ValidationError:
        raise refused(Refusal.NOT_FOUND) from None
