"""Which payment service an installation uses: by name, from its configuration and the environment.

| service | options | environment (``TICKINGTICKETS_...``) |
| --- | --- | --- |
| ``signed`` | ``public_key`` (a JWK as JSON text), or none | ``..._SIGNED_SECRET`` where no key is given |
| ``razorpay`` | ``key_id``, ``base_url``, ``timeout_s`` | ``..._RAZORPAY_KEY_SECRET``, ``..._WEBHOOK_SECRET`` |
| ``demo`` | ``url``, ``timeout_s`` | ``..._BANK_SECRET`` |
| ``package.module:factory`` | its own | its own |

(``TICKINGTICKETS_RAZORPAY_WEBHOOK_SECRET``: give the new one and the old one with a space between them while the secret
is being changed at Razorpay.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from realtime.payments import razorpay
from realtime.payments.demo import DemoPayments
from realtime.payments.gateway import DEFAULT_TIMEOUT_S
from realtime.payments.razorpay import RazorpayPayments
from realtime.payments.service import PaymentService
from realtime.payments.signed import SignedPayments, shared_secret, shop_key
from realtime.topology import TopologyError

PREFIX = "TICKINGTICKETS_"
DEMO = "demo"
Url = Annotated[str, Meta(pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$", max_length=200)]
Seconds = Annotated[float, Meta(ge=0.1, le=60)]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PaymentConfig:
    """What the factory needs. ``options`` come from the topology, secrets from ``environ`` only."""

    service: str = ""
    options: Mapping[str, object] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    demo_allowed: bool = False
    """Whether the process was started by ``up``, or with the explicit switch."""


class SignedOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of ``signed``."""

    public_key: str = ""


class RazorpayOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of ``razorpay``."""

    key_id: Annotated[str, Meta(pattern=r"^rzp_[A-Za-z0-9_]{1,60}$")]
    base_url: Url = razorpay.BASE_URL
    timeout_s: Seconds = DEFAULT_TIMEOUT_S


class DemoOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of ``demo``."""

    url: Url
    timeout_s: Seconds = DEFAULT_TIMEOUT_S


def payment_service(config: PaymentConfig) -> PaymentService:
    """Return the configured service; opens no connection. Raise ``TopologyError`` when it can't be used."""
    check_demo_allowed(config)
    if ":" in config.service:
        return _own(config)
    makers: dict[str, Callable[[PaymentConfig], PaymentService]] = {
        "signed": _signed,
        "razorpay": _razorpay,
        DEMO: _demo,
    }
    maker = makers.get(config.service)
    if maker is None:
        names = ", ".join(f'"{name}"' for name in makers)
        given = f'"{config.service}" is' if config.service else "set service:"
        raise TopologyError(f'payments: {given} none of {names}, "package.module:factory"')
    return maker(config)


def check_demo_allowed(config: PaymentConfig) -> None:
    """Raise ``TopologyError`` for the demo bank where it was not allowed: everybody would book for nothing."""
    if config.service == DEMO and not config.demo_allowed:
        raise TopologyError(
            'payments: "demo" takes no real money, so that everybody can book for nothing. Name "signed" or '
            f'"razorpay", or set {PREFIX}ALLOW_DEMO_PAYMENTS=yes for a trial.'
        )


def _signed(config: PaymentConfig) -> PaymentService:
    options = _options(config, SignedOptions)
    secret = config.environ.get(f"{PREFIX}SIGNED_SECRET", "")
    if bool(options.public_key) == bool(secret):
        raise TopologyError(f"payments: give public_key or {PREFIX}SIGNED_SECRET, one of the two")
    try:
        return SignedPayments(shop_key(options.public_key) if options.public_key else shared_secret(secret))
    except ValueError as error:
        raise TopologyError(f"payments: {error}") from error


def _razorpay(config: PaymentConfig) -> PaymentService:
    options = _options(config, RazorpayOptions)
    secret = _secret(config, "RAZORPAY_KEY_SECRET")
    webhook_secrets = _secret(config, "RAZORPAY_WEBHOOK_SECRET").split()
    return RazorpayPayments(
        options.key_id, secret, webhook_secrets, base_url=options.base_url, timeout_s=options.timeout_s
    )


def _demo(config: PaymentConfig) -> PaymentService:
    options = _options(config, DemoOptions)
    return DemoPayments(options.url, _secret(config, "BANK_SECRET"), timeout_s=options.timeout_s)


def _own(config: PaymentConfig) -> PaymentService:
    module, _, factory = config.service.partition(":")
    try:
        service = getattr(import_module(module), factory)(config)
    except (ImportError, AttributeError) as error:
        raise TopologyError(f'payments: "{config.service}": {error}') from error
    if not isinstance(service, PaymentService):
        raise TopologyError(f'payments: "{config.service}" did not return a PaymentService')
    if service.is_demo and not config.demo_allowed:
        raise TopologyError(f'payments: "{config.service}" says that no real money moves, and that is not allowed here')
    return service


def _options(config: PaymentConfig, form: type[T]) -> T:
    try:
        return msgspec.convert(dict(config.options), form)
    except msgspec.ValidationError as error:
        raise TopologyError(f'payments "{config.service}": {error}') from None


def _secret(config: PaymentConfig, name: str) -> str:
    secret = config.environ.get(PREFIX + name, "").strip()
    if len(secret) < 8:
        raise TopologyError(f"payments: set {PREFIX}{name}")
    return secret
