"""The interface to a payment service. This is the only place where one is plugged in.

A confirm carries ``payment``, the service's proof that the hold was paid for; a node calls ``PaymentService.verify``
before it sends the confirm to the master. The topology file names the service: ``payments = "demo"`` is the demo
service of the embedded cluster, ``payments = "package.module:factory"`` calls ``factory(settings)`` of your own code.
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
    """What a node needs from a payment service."""

    async def verify(self, hold_id: str, payment: str) -> None:
        """Return if the service confirms that ``payment`` paid for ``hold_id``; else raise ``PaymentRefused``.

        May be called several times for one payment (clients repeat a confirm), so it must not capture money twice.
        """


class DemoPayments:
    """A payment service for demonstrations: every payment succeeds. Its proofs are signed and can't be forged."""

    def __init__(self, settings: Settings) -> None:
        """Sign with the secret of the installation, so that every node accepts the proofs of every other."""
        self._signer = URLSafeTimedSerializer(settings.secret, salt="demo-payment")

    def pay(self, hold_id: str) -> str:
        """Return a proof that a hold was paid for."""
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
    """Return the service that the topology names; raise ``TopologyError`` when it can't be loaded."""
    name = settings.topology.payments
    if name == "demo":
        return DemoPayments(settings)
    module, _, factory = name.partition(":")
    try:
        service: PaymentService = getattr(import_module(module), factory)(settings)
    except (ImportError, AttributeError, ValueError) as error:
        raise TopologyError(f'payments = "{name}": give "demo" or "package.module:factory" ({error})') from error
    return service
