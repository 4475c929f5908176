"""Which service an installation uses: names, options, secrets, own code, and the refusal of the demo bank."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
from joserfc.jwk import OKPKey

from realtime.payments.demo import DemoPayments
from realtime.payments.factory import PaymentConfig, check_demo_allowed, payment_service
from realtime.payments.razorpay import RazorpayPayments
from realtime.payments.service import PaymentService
from realtime.payments.signed import SignedPayments
from realtime.topology import TopologyError

KEY = json.dumps(OKPKey.generate_key("Ed25519").as_dict(private=False))
ENVIRON = {
    "TICKINGTICKETS_SIGNED_SECRET": "a secret of 32 bytes or more, shared",
    "TICKINGTICKETS_RAZORPAY_KEY_SECRET": "the key's own secret",
    "TICKINGTICKETS_RAZORPAY_WEBHOOK_SECRET": "new-secret old-secret",
    "TICKINGTICKETS_BANK_SECRET": "the bank's own secret",
}
DEMO = PaymentConfig("demo", {"url": "http://127.0.0.1:8100"}, ENVIRON)


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in ENVIRON.items() if not key.endswith(name)}


def test_each_name_gives_its_service() -> None:
    for config, kind in (
        (PaymentConfig("signed", {}, ENVIRON), SignedPayments),
        (PaymentConfig("signed", {"public_key": KEY}, {}), SignedPayments),
        (PaymentConfig("razorpay", {"key_id": "rzp_test_abc"}, ENVIRON), RazorpayPayments),
        (replace(DEMO, demo_allowed=True), DemoPayments),
    ):
        service = payment_service(config)
        assert isinstance(service, kind) and service.name == config.service
        assert service.is_demo == (config.service == "demo")


@pytest.mark.parametrize(
    ("service", "options", "environ", "words"),
    [
        ("", {}, ENVIRON, "none of"),
        ("paypal", {}, ENVIRON, "none of"),
        ("signed", {}, {}, "one of the two"),
        ("signed", {"public_key": KEY}, ENVIRON, "one of the two"),
        ("signed", {"public_key": "{}"}, {}, "JWK"),
        ("signed", {"private_key": KEY}, ENVIRON, "unknown field"),
        ("signed", {}, {"TICKINGTICKETS_SIGNED_SECRET": "short"}, "32 bytes"),
        ("razorpay", {}, ENVIRON, "key_id"),
        ("razorpay", {"key_id": "rzp_test_abc", "base_url": "ftp://x"}, ENVIRON, "base_url"),
        ("razorpay", {"key_id": "rzp_test_abc", "timeout_s": 0}, ENVIRON, "timeout_s"),
        ("razorpay", {"key_id": "rzp_test_abc"}, without("KEY_SECRET"), "RAZORPAY_KEY_SECRET"),
        ("razorpay", {"key_id": "rzp_test_abc"}, without("WEBHOOK_SECRET"), "RAZORPAY_WEBHOOK_SECRET"),
        ("no.such.module:factory", {}, ENVIRON, "No module"),
        ("tests.payments.test_factory:missing", {}, ENVIRON, "missing"),
        ("tests.payments.test_factory:makes_nothing", {}, ENVIRON, "did not return"),
    ],
)
def test_what_can_t_be_used_says_what_is_missing(
    service: str, options: Mapping[str, object], environ: Mapping[str, str], words: str
) -> None:
    with pytest.raises(TopologyError, match=words):
        payment_service(PaymentConfig(service, options, environ))


def test_the_demo_bank_is_refused_unless_it_is_allowed_whatever_it_is_called() -> None:
    with pytest.raises(TopologyError, match="no real money"):
        payment_service(DEMO)
    with pytest.raises(TopologyError, match="no real money"):
        check_demo_allowed(DEMO)
    with pytest.raises(TopologyError, match="no real money"):
        payment_service(replace(DEMO, service="tests.payments.test_factory:makes_demo"))
    check_demo_allowed(replace(DEMO, demo_allowed=True))
    check_demo_allowed(PaymentConfig("razorpay"))


def test_own_code_gets_the_configuration() -> None:
    config = PaymentConfig("tests.payments.test_factory:makes_signed", {"anything": 1}, ENVIRON)
    assert isinstance(payment_service(config), SignedPayments)


def makes_signed(config: PaymentConfig) -> PaymentService:
    assert config.options == {"anything": 1}
    return payment_service(PaymentConfig("signed", {}, config.environ))


def makes_demo(config: PaymentConfig) -> PaymentService:
    return DemoPayments(str(config.options["url"]), "the bank's own secret")


def makes_nothing(_config: PaymentConfig) -> object:
    return None
