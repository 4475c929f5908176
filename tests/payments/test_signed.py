"""``signed``: a shop's own proofs, by Ed25519 and by a shared secret; forged, old, for another hold; and refunds."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass

import pytest
from joserfc import jws
from joserfc.jwk import OctKey, OKPKey

from realtime.errors import PaymentRefused, PaymentUnavailable, WebhookRefused
from realtime.payments.errors import PaymentMismatch, Refusal
from realtime.payments.report import PaymentReport, decode_report, encode_report
from realtime.payments.service import CheckoutKind, OrderRequest, refund_key
from realtime.payments.signed import LEEWAY_S, MAX_PROOF_AGE_S, SignedPayments, shared_secret, shop_key
from realtime.payments.status import PaymentState, RefundState

NOW = 1_800_000_000
HOLD, SEATS, AMOUNT = "west-show.hAAAAAAAAAAAAAAAAAAAAAA", ["A-1", "A-2"], 87_080
SECRET = "a secret of 32 bytes or more, shared"
CLAIMS: dict[str, object] = {
    "purpose": "payment",
    "hold": HOLD,
    "seats": SEATS,
    "amount": AMOUNT,
    "currency": "INR",
    "reference": "pay-1",
    "exp": NOW + 300,
}


@dataclass
class Shop:
    """A shop that signs, and the installation that knows its key."""

    algorithm: str
    private: OKPKey | OctKey
    payments: SignedPayments

    def sign(self, claims: object, **over: object) -> str:
        payload = json.dumps(claims | over if isinstance(claims, dict) else claims).encode()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return jws.serialize_compact({"alg": self.algorithm}, payload, self.private, [self.algorithm])


@pytest.fixture(params=["Ed25519", "EdDSA", "HS256"])
def shop(request: pytest.FixtureRequest) -> Shop:
    if request.param == "HS256":
        return Shop("HS256", OctKey.import_key(SECRET), SignedPayments(shared_secret(SECRET), clock=lambda: NOW))
    private = OKPKey.generate_key("Ed25519")
    public = json.dumps(private.as_dict(private=False))
    return Shop(request.param, private, SignedPayments(shop_key(public), clock=lambda: NOW))


def reason(error: pytest.ExceptionInfo[PaymentRefused]) -> str:
    return str(error.value.details["reason"])


async def test_a_valid_proof_is_a_captured_payment_named_by_its_reference(shop: Shop) -> None:
    paid = await shop.payments.verify(HOLD, shop.sign(CLAIMS), AMOUNT, reversed(SEATS))
    assert (paid.payment, paid.hold, paid.amount, paid.state) == ("pay-1", HOLD, AMOUNT, PaymentState.CAPTURED)
    # Once a payment, always the same payment: the ledger takes its id once.
    assert await shop.payments.verify(HOLD, shop.sign(CLAIMS, exp=NOW + 60), AMOUNT, SEATS) == paid


@pytest.mark.parametrize(
    ("over", "why"),
    [
        ({"hold": "west-show.hBBBBBBBBBBBBBBBBBBBBBB"}, Refusal.WRONG_HOLD),
        ({"seats": ["A-1"]}, Refusal.WRONG_SEATS),
        ({"seats": ["A-1", "A-3"]}, Refusal.WRONG_SEATS),
        ({"amount": AMOUNT - 1}, Refusal.WRONG_AMOUNT),
        ({"amount": 1}, Refusal.WRONG_AMOUNT),
        ({"currency": "USD"}, Refusal.WRONG_CURRENCY),
        ({"exp": NOW - LEEWAY_S - 1}, Refusal.EXPIRED),
        ({"exp": NOW + MAX_PROOF_AGE_S + 1}, Refusal.EXPIRED),
        ({"exp": None}, Refusal.FORGED),
        ({"exp": "soon"}, Refusal.FORGED),
        ({"amount": 0}, Refusal.FORGED),
        ({"amount": 870.8}, Refusal.FORGED),
        ({"amount": True}, Refusal.FORGED),
        ({"reference": ""}, Refusal.FORGED),
        ({"reference": "a b"}, Refusal.FORGED),
        ({"reference": "x" * 65}, Refusal.FORGED),
        ({"seats": []}, Refusal.FORGED),
        ({"purpose": "refund"}, Refusal.FORGED),
        ({"purpose": "identity"}, Refusal.FORGED),
    ],
)
async def test_a_proof_of_something_else_is_refused(shop: Shop, over: dict[str, object], why: Refusal) -> None:
    with pytest.raises(PaymentRefused) as error:
        await shop.payments.verify(HOLD, shop.sign(CLAIMS, **over), AMOUNT, SEATS)
    assert reason(error) == why
    # What pays for something else has to end in a booking or a refund too.
    mismatch = why in (Refusal.WRONG_SEATS, Refusal.WRONG_AMOUNT)
    assert isinstance(error.value, PaymentMismatch) is mismatch
    if isinstance(error.value, PaymentMismatch):
        paid = error.value.payment
        assert (paid.payment, paid.hold, paid.amount) == ("pay-1", HOLD, {**CLAIMS, **over}["amount"])
        assert list(paid.seats) == {**CLAIMS, **over}["seats"]


async def test_a_little_difference_of_the_clocks_is_forgiven(shop: Shop) -> None:
    assert await shop.payments.verify(HOLD, shop.sign(CLAIMS, exp=NOW - LEEWAY_S), AMOUNT, SEATS)


async def test_forged_and_hostile_tokens_are_refused(shop: Shop) -> None:
    token = shop.sign(CLAIMS)
    header, payload, signature = token.split(".")
    other = Shop(shop.algorithm, OKPKey.generate_key("Ed25519"), shop.payments)
    if shop.algorithm == "HS256":
        other.private = OctKey.import_key("another secret of 32 bytes or more")
    none = "eyJhbGciOiJub25lIn0"  # {"alg":"none"}
    for bad in (
        "",
        "a.b.c",
        "." * 2000,
        "é" * 20,
        "\udc80.\udc80.\udc80",
        f"{header}.{payload}.",
        f"{none}.{payload}.",
        f"{none}.{payload}.{signature}",
        f"{header}.{payload}.{signature[:-4]}AAAA",
        f"{header}.{payload[:-4]}AAAA.{signature}",
        other.sign(CLAIMS),
        shop.sign([1, 2]),
        shop.sign("text"),
        token + "A" * 2000,
    ):
        with pytest.raises(PaymentRefused) as error:
            await shop.payments.verify(HOLD, bad, AMOUNT, SEATS)
        assert reason(error) == Refusal.FORGED


async def test_the_public_key_used_as_a_shared_secret_signs_nothing() -> None:
    private = OKPKey.generate_key("Ed25519")
    public = json.dumps(private.as_dict(private=False))
    payments = SignedPayments(shop_key(public), clock=lambda: NOW)
    confused = Shop("HS256", OctKey.import_key(public), payments)
    with pytest.raises(PaymentRefused):
        await payments.verify(HOLD, confused.sign(CLAIMS), AMOUNT, SEATS)


async def test_an_order_is_the_shop_s_own_business(shop: Shop) -> None:
    order = await shop.payments.create_order(OrderRequest(HOLD, tuple(SEATS), AMOUNT, NOW * 1000, "order-1"))
    assert (order.id, order.checkout.kind) == ("order-1", CheckoutKind.EXTERNAL)


async def test_a_refund_is_handed_over_and_the_shop_reports_it(shop: Shop) -> None:
    key = refund_key(HOLD, "pay-1")
    handed = await shop.payments.refund("pay-1", AMOUNT, key)
    assert (handed.state, handed.refund) == (RefundState.HANDED_OVER, ""), "nothing has come of it yet"
    assert await shop.payments.refund("pay-1", AMOUNT, key) == handed
    statement = {"purpose": "refund", "key": key, "reference": "pay-1", "amount": AMOUNT, "currency": "INR"}
    for status, state in (("done", RefundState.DONE), ("failed", RefundState.FAILED)):
        event = shop.payments.read_webhook({}, shop.sign(statement, status=status, exp=NOW + 60).encode())
        assert event is not None and event.refund is not None and event.payment is None
        assert (event.refund.key, event.refund.state) == (key, state)


def test_a_proof_sent_to_the_webhook_books_without_the_buyer_s_page(shop: Shop) -> None:
    event = shop.payments.read_webhook({}, shop.sign(CLAIMS).encode() + b"\n")
    assert event is not None and event.payment is not None
    assert (event.payment.payment, event.payment.hold, event.payment.amount) == ("pay-1", HOLD, AMOUNT)
    heard = decode_report(encode_report(PaymentReport.of(event))).payment_status()
    assert heard == event.payment and heard.seats == tuple(SEATS)
    again = shop.payments.read_webhook({}, shop.sign(CLAIMS, exp=NOW + 999).encode())
    other = shop.payments.read_webhook({}, shop.sign(CLAIMS, reference="pay-2").encode())
    assert again is not None and again.id == event.id
    assert other is not None and other.id != event.id


def test_webhooks_that_are_not_the_shop_s_are_refused(shop: Shop) -> None:
    for body in (
        b"",
        b"\xff\xfe",
        b"{}",
        shop.sign(CLAIMS)[:-3].encode(),
        shop.sign(CLAIMS, exp=NOW - 999).encode(),
        shop.sign(CLAIMS, currency="USD").encode(),
        shop.sign({"purpose": "refund", "key": "k"}).encode(),
    ):
        with pytest.raises(WebhookRefused):
            shop.payments.read_webhook({}, body)


async def test_there_is_nobody_to_ask(shop: Shop) -> None:
    assert not shop.payments.can_ask
    for call in (shop.payments.state("p"), shop.payments.payments_of("o"), shop.payments.refund_status("p", 1, "k")):
        with pytest.raises(PaymentUnavailable):
            await call
    assert (await shop.payments.capture("pay-1", AMOUNT)).state is PaymentState.CAPTURED


def test_unusable_keys_are_refused() -> None:
    private = OKPKey.generate_key("Ed25519")
    for jwk in (
        "",
        "{}",
        "[]",
        '{"kty": "OKP"}',
        '{"kty": "OKP", "crv": "Ed25519", "x": "AA"}',
        json.dumps(private.as_dict(private=True)),
        json.dumps(OKPKey.generate_key("X25519").as_dict(private=False)),
    ):
        with pytest.raises(ValueError):
            shop_key(jwk)
    with pytest.raises(ValueError, match="32 bytes"):
        shared_secret("short")
