"""Where a payment service plugs in, and nowhere else.

A confirm carries ``payment``, the service's proof that this hold was paid for; a node asks ``PaymentService.verify``
before it passes the confirm on. The topology file names the service: ``payments = "demo"`` is the demo service of the
embedded cluster, ``payments = "package.module:factory"`` calls ``factory(settings)`` of your own code.
"""

from __future__ import annotations

from importlib import import_module
from typing import Protocol

from itsdangerous import BadSignature, URLSafeTimedSerializer

from realtime import limits
from realtime.errors import PaymentRefused
from realtime.settings import Settings
from realtime.topology import TopologyError


class PaymentService(Protocol):
    """What a node needs of a payment service."""

    async def verify(self, hold_id: str, payment: str) -> None:
        """Return if the service vouches that ``hold_id`` was paid with ``payment``; else raise ``PaymentRefused``.

        Called once or more for the same payment (a confirm may be asked again), so it must not capture twice.
        """


class DemoPayments:
    """Stands in for a bank on a laptop: whoever asks has paid. Its proofs are signed, so they can't be made up."""

    def __init__(self, settings: Settings) -> None:
        """Sign with the installation's secret: every node knows every other's proofs."""
        self._signer = URLSafeTimedSerializer(settings.secret, salt="demo-payment")

    def pay(self, hold_id: str) -> str:
        """Return the proof that a hold was paid for."""
        return str(self._signer.dumps(hold_id))

    async def verify(self, hold_id: str, payment: str) -> None:
        """Raise ``PaymentRefused`` unless ``pay`` made this proof for this hold."""
        try:
            paid = self._signer.loads(payment, max_age=limits.TOKEN_MAX_AGE_S)
        except BadSignature:
            raise PaymentRefused() from None
        if paid != hold_id:
            raise PaymentRefused("This payment was made for another hold.")


def payment_service(settings: Settings) -> PaymentService:
    """Return the service that the topology names; raise ``TopologyError`` when it names none that can be used."""
    name = settings.topology.payments
    if name == "demo":
        return DemoPayments(settings)
    module, _, factory = name.partition(":")
    try:
        service: PaymentService = getattr(import_module(module), factory)(settings)
    except (ImportError, AttributeError, ValueError) as error:
        raise TopologyError(f'payments = "{name}": give "demo" or "package.module:factory" ({error})') from error
    return service
