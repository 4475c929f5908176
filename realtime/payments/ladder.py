"""What follows from a payment: the ladder for late and doubled payments and for wrong amounts. Pure.

Every payment with money ends on exactly one rung, and the rungs are tried in this order:

1. ``same_seats``: the hold is live, or it ended and all its seats are still free;
2. ``equal_block``: as many seats of the same categories together, where the show allows it;
3. ``refund``: one refund of the whole payment, keyed (hold, payment).

Which rung holds is decided by the lock master and the ledger (a confirm that books, a unique key that refuses). This
module says only which rungs may be tried, so that page, webhook and reconciler all try the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from realtime.payments.service import CURRENCY
from realtime.payments.status import PaymentState, PaymentStatus


class Rung(StrEnum):
    """Where a payment can end."""

    SAME_SEATS = "same_seats"
    EQUAL_BLOCK = "equal_block"
    REFUND = "refund"


@dataclass(frozen=True, slots=True)
class HoldMoney:
    """What the caller knows of the hold that was paid for, from the ledger."""

    hold: str
    due: int
    """What the hold's seats cost in paise, as computed when the order was made."""
    booked_with: str = ""
    """The payment that this hold was booked with, ``""`` if it was not."""
    sellable: bool = True
    """Whether the show may have bookings: one that was archived gets none. The master knows whether it is on sale."""
    equal_block_allowed: bool = False
    """The show's setting."""


def rungs(payment: PaymentStatus, hold: HoldMoney) -> tuple[Rung, ...]:
    """Return the rungs to try, in order, for a payment that has no booking and no refund in the ledger yet.

    Empty: there is nothing to do, because no money has come, it already went back, or this payment is the one that the
    hold was booked with. A payment of a wrong amount, or partly returned already, is never booked. Raise ``ValueError``
    for a payment that is known to be for another hold.
    """
    if payment.hold and payment.hold != hold.hold:
        raise ValueError(f"payment {payment.payment} is for {payment.hold}, not for {hold.hold}")
    if not payment.state.has_money or payment.payment == hold.booked_with:
        return ()
    exact = (payment.amount, payment.currency, payment.refunded) == (hold.due, CURRENCY, 0)
    if not exact or hold.booked_with or not hold.sellable:
        return (Rung.REFUND,)
    if hold.equal_block_allowed:
        return (Rung.SAME_SEATS, Rung.EQUAL_BLOCK, Rung.REFUND)
    return (Rung.SAME_SEATS, Rung.REFUND)


def must_capture(payment: PaymentStatus, rung: Rung) -> bool:
    """Return whether the money must be captured before this rung is taken.

    An authorised payment is captured before it is booked: a booking whose capture fails would be a free ticket. For a
    refund ``PaymentService.refund`` itself captures where the gateway needs it.
    """
    return payment.state is PaymentState.AUTHORIZED and rung is not Rung.REFUND
