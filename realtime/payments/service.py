"""``PaymentService``: what a payment service does for nodes (orders, proofs), keepers and workers (states, refunds).

Data flow: a node creates an order for a hold and gives its ``checkout`` to the page. The buyer pays at the gateway.
Then any of three reports arrives first: the page's proof (``verify``), the gateway's webhook (``read_webhook``), or the
reconciler's question (``payments_of``). All three name the same payment id; the ledger's unique key makes one booking
or one refund of them.

Rules for every implementation:

1. Amounts are paise, positive, and come from the caller; nothing that a browser sends is believed without a signature
   or the gateway's own word.
2. Every call ends within the implementation's time-out: with a result, with ``PaymentRefused`` (a definite refusal) or
   with ``PaymentUnavailable`` (the answer is not known; ask again). Nothing is retried inside.
3. Every call may be repeated: ``create_order`` by its idempotency key, ``capture`` by payment, ``refund`` by its key.
4. Answers are validated and bounded before they are used.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from realtime.payments.errors import PaymentMismatch, Refusal, refused
from realtime.payments.status import PaymentState, PaymentStatus, RefundStatus

CURRENCY = "INR"
MAX_AMOUNT = 10**12
"""Paise; a bound for arithmetic and storage, far above any booking."""
MAX_WEBHOOK_BYTES = 256 * 1024
MAX_PROOF_LENGTH = 2048
"""Characters of a proof: ten seat ids of ordinary length, signed."""
MAX_REFERENCE_LENGTH = 64
"""Payment, order and refund ids of gateways and shops."""


class CheckoutKind(StrEnum):
    """How the page lets the buyer pay."""

    REDIRECT = "redirect"
    """Go to ``url``. The gateway comes back to the order's ``return_url`` with ``order`` in the query, and with
    ``proof`` or ``status=declined`` if it knows."""
    RAZORPAY = "razorpay"
    """Open Razorpay's checkout with ``key`` and the order's id; its answer (a JSON object) is the proof."""
    EXTERNAL = "external"
    """The embedding shop's own business: it gives the page a proof."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """What the page needs; nothing in it is secret."""

    kind: CheckoutKind
    url: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """What a node asks for. ``expires_at`` is the hold's end in ms since the epoch; ``seats`` are seat ids.

    The same ``idempotency_key`` gives the same order again; it must name one hold and one amount.
    """

    hold: str
    seats: tuple[str, ...]
    amount: int
    expires_at: int
    idempotency_key: str
    currency: str = CURRENCY
    return_url: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.amount <= MAX_AMOUNT:
            raise ValueError(f"an order of {self.amount} paise")
        if self.currency != CURRENCY:
            raise ValueError(f"an order in {self.currency}")


@dataclass(frozen=True, slots=True)
class Order:
    """An order at the gateway: permission to pay ``amount`` paise for ``hold``. It may be paid late, or twice."""

    id: str
    hold: str
    amount: int
    currency: str
    expires_at: int
    checkout: Checkout


@dataclass(frozen=True, slots=True)
class VerifiedPayment:
    """Money for exactly this hold, these seats and this amount. ``state`` is ``authorized`` or ``captured``."""

    payment: str
    order: str
    hold: str
    amount: int
    currency: str
    state: PaymentState


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """One authentic message of the gateway. Deliveries repeat: ``id`` is the same for each delivery of one event.

    At least one of ``payment`` and ``refund`` is set. The payment's ``hold`` may be ``""``: the caller finds it by
    ``order`` in its own records, or asks ``payments_of``.
    """

    id: str
    payment: PaymentStatus | None = None
    refund: RefundStatus | None = None


class PaymentService(ABC):
    """Takes and returns money. One object serves a whole process and is used from its event loop only."""

    name: ClassVar[str]
    """The name in the topology, stored with each payment."""
    can_ask: ClassVar[bool] = True
    """Whether ``state``, ``payments_of`` and ``refund_status`` ask a gateway; else only proofs and webhooks report."""
    is_demo: ClassVar[bool] = False
    """Whether no real money moves: pages and ``/readyz`` must say so."""

    @abstractmethod
    async def create_order(self, request: OrderRequest) -> Order:
        """Create the order, or return the one that the same idempotency key made.

        Raise ``PaymentUnavailable``, or ``PaymentRefused`` if the gateway rejects it (too small an amount, say).
        Not guaranteed: that there is one order per key when two processes ask at the same moment. Both may then be
        paid, and the ladder returns the second payment.
        """

    @abstractmethod
    async def verify(self, hold: str, proof: str, amount: int, seats: Iterable[str]) -> VerifiedPayment:
        """Return the payment that ``proof`` proves, if it is for this hold, these seat ids and this amount in paise.

        Raise ``PaymentRefused`` (its ``reason`` says which of them is wrong, see ``errors.Refusal``) or
        ``PaymentUnavailable``; ``PaymentMismatch`` if it is for this hold and there is money. Does not capture, and may
        be asked again for the same proof. Not guaranteed: that the payment was not used before. The ledger's unique key
        decides that.
        """

    @abstractmethod
    async def state(self, payment: str) -> PaymentStatus:
        """Return what the gateway says of a payment; raise ``PaymentRefused`` (not found) or ``PaymentUnavailable``."""

    @abstractmethod
    async def payments_of(self, order: str) -> tuple[PaymentStatus, ...]:
        """Return every attempt to pay an order, each with the order's hold; empty if nobody has tried.

        Raise ``PaymentRefused`` (no such order) or ``PaymentUnavailable``.
        """

    @abstractmethod
    async def capture(self, payment: str, amount: int) -> PaymentStatus:
        """Take the money of an authorised payment; a captured one is returned as it is.

        Raise ``PaymentUnavailable``, or ``PaymentRefused`` (``order_paid``, ``not_paid``, ``wrong_amount``,
        ``not_found``).
        """

    @abstractmethod
    async def refund(self, payment: str, amount: int, key: str) -> RefundStatus:
        """Return ``amount`` paise of a payment, once for each ``key`` (see ``refund_key``).

        The result may be ``pending``: ask ``refund_status`` or wait for the webhook. ``handed_over`` means that this
        service moves no money itself: deliver the refund to the shop's back end, which reports by webhook. ``failed``
        is the gateway's final refusal for this key. Raise ``PaymentRefused`` if there is no such money, or
        ``PaymentUnavailable``: then ask again with the same key.
        """

    @abstractmethod
    async def refund_status(self, payment: str, amount: int, key: str) -> RefundStatus | None:
        """Return what became of the refund with this key; ``None`` if the gateway never got it. Errors as ``state``."""

    @abstractmethod
    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookEvent | None:
        """Return the event in an authentic webhook, ``None`` if it is authentic and of no interest (answer 2xx).

        ``body`` is the raw body as received. Raise ``WebhookRefused`` for anything else. Opens no connection.
        """

    @abstractmethod
    async def close(self) -> None:
        """Close connections; the object can't be used any more."""


def refund_key(hold: str, payment: str, attempt: int = 0) -> str:
    """Return the idempotency key of a refund: 40 characters ``[a-z0-9-]``, the same in every process.

    ``attempt`` rises only after the gateway said ``failed`` for the one before: never while an answer is unknown.
    """
    return f"refund-{_digest(hold, payment, str(attempt))[:33]}"


def order_key(hold: str, amount: int, seats: Iterable[str]) -> str:
    """Return the idempotency key of the order for a hold as it is: 40 characters ``[a-z0-9-]``."""
    return f"order-{_digest(hold, str(amount), seats_digest(seats))[:34]}"


def matched(payment: PaymentStatus, paid_seats: str, seats: Iterable[str], amount: int) -> VerifiedPayment:
    """Return a payment for the right hold as verified, if it is for these seat ids and this amount.

    ``paid_seats`` is the ``seats_digest`` of the seats that it is for. Raises ``PaymentRefused`` if there is no money,
    ``PaymentMismatch`` if there is money for something else.
    """
    if payment.state is PaymentState.REFUNDED or payment.refunded:
        raise refused(Refusal.ALREADY_REFUNDED)
    if not payment.state.has_money:
        raise refused(Refusal.NOT_PAID)
    if paid_seats != seats_digest(seats):
        raise PaymentMismatch(Refusal.WRONG_SEATS, payment)
    if payment.currency != CURRENCY:
        raise PaymentMismatch(Refusal.WRONG_CURRENCY, payment)
    if payment.amount != amount:
        raise PaymentMismatch(Refusal.WRONG_AMOUNT, payment)
    return VerifiedPayment(payment.payment, payment.order, payment.hold, amount, CURRENCY, payment.state)


def seats_digest(seats: Iterable[str]) -> str:
    """Return 32 hex digits that stand for a set of seat ids, whatever their order."""
    return _digest(*sorted(set(seats)))[:32]


def _digest(*parts: str) -> str:
    # Each part with its length before it: no two lists of parts give the same text.
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
