"""``signed``: the shop's own back end takes the money and signs a proof of it. No gateway is asked; all here is pure.

A proof is a compact JWS (RFC 7515), signed with Ed25519 (``alg`` ``Ed25519`` of RFC 9864 or ``EdDSA`` of RFC 8037) or
HMAC-SHA256 (``HS256``). Its payload, all of it required::

    {"purpose": "payment", "hold": "west-x.h...", "seats": ["A-1", "A-2"], "amount": 87080, "currency": "INR",
     "reference": "pay-2026-000123", "exp": 1795176000}

``amount`` is paise, ``exp`` seconds since the epoch, ``reference`` the shop's own id of the payment. It is the payment
id here: the ledger takes each one once, so a proof can be presented again and never books again.

The shop may send the same proof to the webhook address itself, as the raw body: then a buyer who closes the page is
booked all the same. The shop carries out refunds: ``refund`` answers ``handed_over``, the installation delivers the
refund to the shop (key, reference, amount), and the shop reports by webhook with a statement signed in the same way::

    {"purpose": "refund", "key": "refund-...", "reference": "pay-2026-000123", "amount": 87080, "currency": "INR",
     "status": "done", "exp": 1795176000}

``status`` is ``done`` or ``failed`` (with an optional ``reason``).
"""

from __future__ import annotations

import hashlib
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Literal

import msgspec
from joserfc import jws
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import OctKey, OKPKey
from msgspec import Meta

from realtime import limits
from realtime.errors import WebhookRefused
from realtime.payments.errors import NoAnswer, Refusal, refused, unavailable
from realtime.payments.service import (
    CURRENCY,
    MAX_AMOUNT,
    MAX_PROOF_LENGTH,
    MAX_REFERENCE_LENGTH,
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

LEEWAY_S = 30
"""How far the shop's clock may differ from this one."""
MAX_PROOF_AGE_S = 24 * 3600
"""How far in the future a proof may expire: a proof that is valid for years is a mistake, or stolen one day."""
MIN_SECRET_BYTES = 32
"""RFC 7518, section 3.2: an HS256 key is at least as long as the hash."""

Reference = Annotated[str, Meta(min_length=1, max_length=MAX_REFERENCE_LENGTH, pattern=r"^[A-Za-z0-9._:/-]+$")]
Amount = Annotated[int, Meta(gt=0, le=MAX_AMOUNT)]
Text = Annotated[str, Meta(max_length=limits.MAX_TEXT_LENGTH)]


class PaymentClaims(msgspec.Struct, frozen=True, tag_field="purpose", tag="payment"):
    """What a proof of payment says."""

    hold: Annotated[str, Meta(min_length=1, max_length=2 * limits.MAX_ID_LENGTH)]
    seats: Annotated[list[str], Meta(min_length=1, max_length=limits.MAX_SEATS_PER_HOLD)]
    amount: Amount
    currency: str
    reference: Reference
    exp: int


class RefundClaims(msgspec.Struct, frozen=True, tag_field="purpose", tag="refund"):
    """What a statement about a refund says."""

    key: Reference
    reference: Reference
    amount: Amount
    currency: str
    status: Literal["done", "failed"]
    exp: int
    reason: Text = ""


class SignedPayments(PaymentService):
    """Proofs by one shop. Give its public key (``shop_key``) or the shared secret (``shared_secret``)."""

    name = "signed"
    can_ask = False

    def __init__(self, key: OKPKey | OctKey, *, clock: Callable[[], float] = time.time) -> None:
        """Take the key that proofs are checked with; ``clock`` gives seconds since the epoch."""
        self._key = key
        self._algorithms = ["HS256"] if isinstance(key, OctKey) else ["Ed25519", "EdDSA"]
        self._clock = clock

    async def create_order(self, request: OrderRequest) -> Order:
        """Return an order that exists nowhere else: paying is the shop's business, and its id is the key given."""
        checkout = Checkout(CheckoutKind.EXTERNAL)
        key = request.idempotency_key
        return Order(key, request.hold, request.amount, request.currency, request.expires_at, checkout)

    async def verify(self, hold: str, proof: str, amount: int, seats: Iterable[str]) -> VerifiedPayment:
        """See ``PaymentService.verify``; raises ``PaymentRefused`` only."""
        claims = self._claims(proof)
        if not isinstance(claims, PaymentClaims):
            raise refused(Refusal.FORGED)
        if self._is_over(claims.exp):
            raise refused(Refusal.EXPIRED)
        if claims.hold != hold:
            raise refused(Refusal.WRONG_HOLD)
        if claims.currency != CURRENCY:
            raise refused(Refusal.WRONG_CURRENCY)
        return matched(_paid(claims), seats_digest(claims.seats), seats, amount)

    async def state(self, payment: str) -> PaymentStatus:
        """Raise ``PaymentUnavailable``: there is no gateway to ask (``can_ask`` is false)."""
        raise unavailable(NoAnswer.NOT_ASKABLE)

    async def payments_of(self, order: str) -> tuple[PaymentStatus, ...]:
        """Raise ``PaymentUnavailable``: there is no gateway to ask (``can_ask`` is false)."""
        raise unavailable(NoAnswer.NOT_ASKABLE)

    async def capture(self, payment: str, amount: int) -> PaymentStatus:
        """Return the payment as captured: the shop has the money when it signs."""
        return PaymentStatus(payment, PaymentState.CAPTURED, amount)

    async def refund(self, payment: str, amount: int, key: str) -> RefundStatus:
        """Return ``handed_over``: the shop carries it out and reports by webhook. Nothing was sent by this call."""
        return RefundStatus(key, payment, amount, RefundState.HANDED_OVER, reason="the shop carries it out")

    async def refund_status(self, payment: str, amount: int, key: str) -> RefundStatus | None:
        """Raise ``PaymentUnavailable``: there is no gateway to ask (``can_ask`` is false)."""
        raise unavailable(NoAnswer.NOT_ASKABLE)

    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookEvent | None:
        """Read a proof of payment or a statement about a refund; the signature is in the body, headers are ignored."""
        claims = self._claims(body.decode("ascii", "replace").strip())
        if claims is None or claims.currency != CURRENCY or self._is_over(claims.exp):
            raise WebhookRefused()
        # The same statement signed again is the same event; its expiry is not part of what it says.
        event = hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(claims, exp=0))).hexdigest()
        if isinstance(claims, PaymentClaims):
            return WebhookEvent(event, _paid(claims))
        state = RefundState(claims.status)
        refund = RefundStatus(claims.key, claims.reference, claims.amount, state, reason=claims.reason)
        return WebhookEvent(event, refund=refund)

    async def close(self) -> None:
        """Do nothing: there are no connections."""

    def _is_over(self, exp: int) -> bool:
        now = self._clock()
        return not now - LEEWAY_S <= exp <= now + MAX_PROOF_AGE_S

    def _claims(self, token: str) -> PaymentClaims | RefundClaims | None:
        """Return what an authentic token says, ``None`` for anything else."""
        if len(token) > MAX_PROOF_LENGTH:
            return None
        try:
            with warnings.catch_warnings():
                # RFC 9864 renamed "EdDSA", and the library warns of the old name, which most signers still write.
                warnings.simplefilter("ignore", SecurityWarning)
                found = jws.deserialize_compact(token, self._key, self._algorithms)
            return msgspec.json.decode(found.payload, type=PaymentClaims | RefundClaims)
        except (JoseError, msgspec.MsgspecError, ValueError, TypeError, RecursionError):
            return None


def _paid(claims: PaymentClaims) -> PaymentStatus:
    state, seats = PaymentState.CAPTURED, tuple(claims.seats)
    return PaymentStatus(claims.reference, state, claims.amount, hold=claims.hold, seats=seats)


def shop_key(jwk: str) -> OKPKey:
    """Read the shop's public key, a JWK: ``{"kty": "OKP", "crv": "Ed25519", "x": "..."}``; raise ``ValueError``.

    A private key is refused: this installation must not be able to sign.
    """
    try:
        key = OKPKey.import_key(msgspec.json.decode(jwk, type=dict[str, str | list[str]]))
    except (JoseError, msgspec.MsgspecError, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"not a JWK of an Ed25519 public key: {error}") from None
    if key.is_private or key.curve_name != "Ed25519":
        raise ValueError("give the public key of Ed25519, and keep the private one at the shop")
    return key


def shared_secret(text: str) -> OctKey:
    """Read the secret shared with the shop; raise ``ValueError`` if it is shorter than 32 bytes."""
    secret = text.encode("utf-8")
    if len(secret) < MIN_SECRET_BYTES:
        raise ValueError(f"the secret shared with the shop needs {MIN_SECRET_BYTES} bytes or more")
    return OctKey.import_key(secret)
