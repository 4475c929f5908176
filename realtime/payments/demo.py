"""``demo``: the small bank of the embedded cluster (``realtime.dev.bank``), over real HTTP. No real money moves.

It is used like any gateway: orders, a page of the bank's own, proofs, states, refunds by key, and signed webhooks
(Standard Webhooks). Anybody who sees its page can pay with nothing, so a process refuses it unless it was started by
``up`` or with an explicit switch (``factory.check_demo_allowed``).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta
from standardwebhooks import Webhook, WebhookVerificationError

from realtime import limits
from realtime.errors import WebhookRefused
from realtime.payments.errors import Refusal, refused
from realtime.payments.gateway import DEFAULT_TIMEOUT_S, GatewayClient, Rejected
from realtime.payments.service import (
    MAX_AMOUNT,
    MAX_REFERENCE_LENGTH,
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

Id = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Key = Annotated[str, Meta(min_length=1, max_length=MAX_REFERENCE_LENGTH)]
HoldId = Annotated[str, Meta(min_length=1, max_length=2 * limits.MAX_ID_LENGTH)]
Paise = Annotated[int, Meta(ge=0, le=MAX_AMOUNT)]
T = TypeVar("T")


class BankOrder(msgspec.Struct, frozen=True):
    """An order, as the bank's API gives it. ``page`` is where the buyer pays."""

    id: Id
    hold: HoldId
    seats: Annotated[str, Meta(max_length=64)]
    amount: Paise
    currency: str
    expires_at: int
    page: Annotated[str, Meta(max_length=500)]


class BankPayment(msgspec.Struct, frozen=True):
    """A payment, as the bank's API and webhooks give it; ``seats`` is the digest that its order was made with."""

    id: Id
    order: Id
    hold: HoldId
    seats: Annotated[str, Meta(max_length=64)]
    amount: Paise
    currency: str
    state: PaymentState
    refunded: Paise


class BankRefund(msgspec.Struct, frozen=True):
    """A refund, as the bank's API and webhooks give it."""

    id: Id
    key: Key
    payment: Id
    amount: Paise
    state: RefundState


class BankEvent(msgspec.Struct, frozen=True):
    """The body of a webhook."""

    type: str
    payment: BankPayment
    refund: BankRefund | None = None


class BankProof(msgspec.Struct, frozen=True):
    """A payment that was made without a browser; ``proof`` is what the page would have been given."""

    proof: Annotated[str, Meta(max_length=500)]


class BankPaid(msgspec.Struct, frozen=True):
    """The payments that were made at once: one, or two if the bank is asked to take the money twice."""

    payments: list[BankProof]


class BankPayments(msgspec.Struct, frozen=True):
    """The payments of an order."""

    payments: list[BankPayment]


class BankRefunds(msgspec.Struct, frozen=True):
    """The refunds of a payment."""

    refunds: list[BankRefund]


def proof_of(secret: str, order: str, payment: str) -> str:
    """Return the proof that the bank gives the buyer's page: ``order.payment.signature``."""
    signed = f"{order}.{payment}"
    digest = hmac.new(b"proof" + secret.encode(), signed.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
    return f"{signed}.{digest}"


def webhook_signer(secret: str) -> Webhook:
    """Return what signs the bank's webhooks, and checks them."""
    return Webhook(base64.b64encode(hashlib.sha256(b"webhook" + secret.encode()).digest()).decode())


class DemoPayments(PaymentService):
    """One demo bank."""

    name = "demo"
    is_demo = True

    def __init__(self, base_url: str, secret: str, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        """Take the bank's address and the secret that it was started with."""
        self._secret = secret
        self._signer = webhook_signer(secret)
        headers = {"Authorization": f"Bearer {secret}"}
        self._gateway = GatewayClient(base_url, timeout_s=timeout_s, headers=headers)

    async def create_order(self, request: OrderRequest) -> Order:
        """See ``PaymentService.create_order``."""
        body = {
            "hold": request.hold,
            "seats": seats_digest(request.seats),
            "amount": request.amount,
            "currency": request.currency,
            "expires_at": request.expires_at,
            "key": request.idempotency_key,
            "return_url": request.return_url,
        }
        try:
            order = await self._gateway.call("POST", "/api/orders", BankOrder, body=body)
        except Rejected as error:
            raise refused(Refusal.REJECTED) from error
        checkout = Checkout(CheckoutKind.REDIRECT, url=order.page)
        return Order(order.id, order.hold, order.amount, order.currency, order.expires_at, checkout)

    async def verify(self, hold: str, proof: str, amount: int, seats: Iterable[str]) -> VerifiedPayment:
        """See ``PaymentService.verify``."""
        order, _, rest = proof.partition(".")
        payment = rest.partition(".")[0]
        expected = proof_of(self._secret, order, payment)
        if not hmac.compare_digest(*(text.encode("utf-8", "surrogatepass") for text in (expected, proof))):
            raise refused(Refusal.FORGED)
        found = await self._fetched(f"/api/payments/{_checked(payment)}", BankPayment)
        if found.hold != hold:
            raise refused(Refusal.WRONG_HOLD)
        return matched(_status(found), found.seats, seats, amount)

    async def pay(self, order: str) -> str:
        """Pay an order as a buyer would, and return the proof: for load tests and tests, without a browser.

        An order that is paid already is not paid again; the proof is that of its payment. Raise ``PaymentRefused``.
        """
        try:
            paid = await self._gateway.call("POST", f"/orders/{order}/pay", BankPaid, body={})
        except Rejected as error:
            if error.code != Refusal.ORDER_PAID:
                raise refused(Refusal.REJECTED) from error
            captured = [each for each in await self.payments_of(order) if each.state is PaymentState.CAPTURED]
            if not captured:  # it was returned meanwhile
                raise refused(Refusal.ORDER_PAID) from error
            return proof_of(self._secret, order, captured[0].payment)
        return paid.payments[0].proof

    async def state(self, payment: str) -> PaymentStatus:
        """See ``PaymentService.state``."""
        return _status(await self._fetched(f"/api/payments/{_checked(payment)}", BankPayment))

    async def payments_of(self, order: str) -> tuple[PaymentStatus, ...]:
        """See ``PaymentService.payments_of``."""
        found = await self._fetched(f"/api/orders/{_checked(order)}/payments", BankPayments)
        return tuple(map(_status, found.payments))

    async def capture(self, payment: str, amount: int) -> PaymentStatus:
        """See ``PaymentService.capture``. This bank captures by itself."""
        status = await self.state(payment)
        if status.amount != amount:
            raise refused(Refusal.WRONG_AMOUNT)
        if status.state is not PaymentState.CAPTURED:
            raise refused(Refusal.NOT_PAID)
        return status

    async def refund(self, payment: str, amount: int, key: str) -> RefundStatus:
        """See ``PaymentService.refund``."""
        path = f"/api/payments/{_checked(payment)}/refunds"
        try:
            body: dict[str, object] = {"amount": amount, "key": key}
            return _refund_status(await self._gateway.call("POST", path, BankRefund, body=body))
        except Rejected as error:
            if error.code == "not_captured":
                raise refused(Refusal.NOT_PAID) from error
            if error.code == "not_found":
                raise refused(Refusal.NOT_FOUND) from error
            return RefundStatus(key, payment, amount, RefundState.FAILED, reason=error.description)

    async def refund_status(self, payment: str, amount: int, key: str) -> RefundStatus | None:
        """See ``PaymentService.refund_status``."""
        found = await self._fetched(f"/api/payments/{_checked(payment)}/refunds", BankRefunds)
        same = [_refund_status(item) for item in found.refunds if (item.key, item.amount) == (key, amount)]
        return same[0] if same else None

    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookEvent | None:
        """See ``PaymentService.read_webhook``. The headers are those of Standard Webhooks; the id is ``webhook-id``."""
        if len(body) > MAX_WEBHOOK_BYTES:
            raise WebhookRefused()
        try:
            self._signer.verify(body, dict(headers), json_parse=False)
            event = msgspec.json.decode(body, type=BankEvent)
        except (WebhookVerificationError, ValueError, RecursionError):
            raise WebhookRefused() from None
        event_id = next(value for name, value in headers.items() if name.lower() == "webhook-id")
        refund = None if event.refund is None else _refund_status(event.refund)
        return WebhookEvent(event_id, _status(event.payment), refund)

    async def close(self) -> None:
        """Close the connections."""
        await self._gateway.close()

    async def _fetched(self, path: str, answer: type[T]) -> T:
        try:
            return await self._gateway.call("GET", path, answer)
        except Rejected as error:
            raise refused(Refusal.NOT_FOUND) from error


def _status(body: BankPayment) -> PaymentStatus:
    return PaymentStatus(body.id, body.state, body.amount, body.currency, body.order, body.hold, body.refunded)


def _refund_status(body: BankRefund) -> RefundStatus:
    return RefundStatus(body.key, body.payment, body.amount, body.state, refund=body.id)


def _checked(text: str) -> str:
    try:
        return msgspec.convert(text, Id)
    except msgspec.ValidationError:
        raise refused(Refusal.NOT_FOUND) from None
