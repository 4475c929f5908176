"""The states of a payment and of a refund, and how reports of a payment are merged. Pure.

A payment, as gateways report it::

    created ------> authorized ------> captured ------> refunded
       |  \\            ^    \\             ^                 ^
       v   `-----------|-----\\-----------'                 |
     failed -----------'      `-----------------------------'
       `---------------------------------> (captured)

``failed`` is not the end: a bank may report minutes or days later that the money was taken after all (late
authorisation), and the payment goes on to ``authorized`` and ``captured``. An ``authorized`` payment that nobody
captures is returned by the gateway itself (``refunded``). ``refunded`` is the end: the whole amount went back. A part
that went back leaves the payment ``captured`` with ``refunded > 0``.

Reports arrive twice, late and out of order (page, webhook and reconciler race). The states are therefore ranked, and
merging takes the higher one: merging is commutative, associative and idempotent, so no order of arrival matters.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class PaymentState(StrEnum):
    """What a gateway says about a payment; ``unknown`` is the absence of an answer and never replaces one."""

    UNKNOWN = "unknown"
    CREATED = "created"
    FAILED = "failed"
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    REFUNDED = "refunded"

    @property
    def rank(self) -> int:
        """The place in the order above: a report of a lower rank is older."""
        return _PAYMENT_ORDER.index(self)

    @property
    def has_money(self) -> bool:
        """Whether the buyer's money is reserved or taken, so that a booking or a refund must follow."""
        return self in (PaymentState.AUTHORIZED, PaymentState.CAPTURED)


_PAYMENT_ORDER = tuple(PaymentState)


class RefundState(StrEnum):
    """What became of a refund; ``handed_over`` is with the shop's back end, which reports ``done`` or ``failed``."""

    PENDING = "pending"
    HANDED_OVER = "handed_over"
    FAILED = "failed"
    DONE = "done"


class ReportConflict(ValueError):
    """Two reports about one payment can't both be true (another amount, currency, order or hold)."""


@dataclass(frozen=True, slots=True)
class PaymentStatus:
    """One report about one payment, amounts in paise. ``order`` and ``hold`` are ``""`` while unknown.

    ``seats`` are the ids of the seats that it names; none, unless it is a signed proof.
    """

    payment: str
    state: PaymentState
    amount: int
    currency: str = "INR"
    order: str = ""
    hold: str = ""
    refunded: int = 0
    seats: tuple[str, ...] = ()

    def merged(self, heard: PaymentStatus) -> PaymentStatus:
        """Return what is known after another report; raise ``ReportConflict`` if the two contradict each other."""
        if (self.payment, self.currency) != (heard.payment, heard.currency) or self.amount != heard.amount:
            one, other = (f"{each.amount} {each.currency} of {each.payment}" for each in (self, heard))
            raise ReportConflict(f"{one} and {other} can't both be true")
        return replace(
            self,
            state=max(self.state, heard.state, key=lambda state: state.rank),
            order=_agreed(self.order, heard.order),
            hold=_agreed(self.hold, heard.hold),
            refunded=max(self.refunded, heard.refunded),
            seats=self.seats or heard.seats,
        )


def _agreed(known: str, heard: str) -> str:
    if known and heard and known != heard:
        raise ReportConflict(f"{known} and {heard} can't both be true")
    return known or heard


@dataclass(frozen=True, slots=True)
class RefundStatus:
    """One report about one refund. ``key`` is the caller's idempotency key, ``refund`` the gateway's id or ``""``."""

    key: str
    payment: str
    amount: int
    state: RefundState
    currency: str = "INR"
    refund: str = ""
    reason: str = ""
    """Why it failed or waits, for operators."""
