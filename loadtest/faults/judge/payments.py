"""Checks that every payment ended in exactly one booking or one refund, with the right amounts. No I/O.

The input is what three parties know, as plain rows: the bank (payments and the refunds that it carried out), the ledger
(bookings and refunds), and the buyers (what nodes answered them). Amounts are in paise.

- A payment is *captured* if the bank took the money. Only captured payments must end in something.
- The bank's refunds are what counts as refunded. The ledger's refund rows say what is due, and in which state.
- Buyers' promises bind even if the ledger lost the row that they came from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from loadtest.faults.judge.verdict import Verdict


@dataclass(frozen=True, slots=True)
class BankPayment:
    """A payment in the bank's books. ``captured`` is 0 if the payment failed or was never completed."""

    id: str
    hold: str
    captured: int


@dataclass(frozen=True, slots=True)
class BankRefund:
    """A refund that the bank carried out. A repeated request with the same idempotency key is not another refund."""

    payment: str
    amount: int


@dataclass(frozen=True, slots=True)
class BookingRow:
    """A booking in the ledger. ``amount`` is what its seats cost."""

    id: str
    hold: str
    payment: str
    amount: int


@dataclass(frozen=True, slots=True)
class RefundRow:
    """A refund in the ledger; ``done`` if the bank's confirmation was recorded."""

    hold: str
    payment: str
    amount: int
    done: bool


class Promised(StrEnum):
    """What a buyer was answered about a payment."""

    BOOKED = "booked"
    WILL_BE_REFUNDED = "will be refunded"
    REFUNDED = "refunded"


@dataclass(frozen=True, slots=True)
class Promise:
    """One answer to a buyer."""

    client: str
    hold: str
    payment: str
    promised: Promised


@dataclass(frozen=True, slots=True)
class Money:
    """What the bank and the ledgers have at the end of a run."""

    payments: Sequence[BankPayment] = ()
    bank_refunds: Sequence[BankRefund] = ()
    bookings: Sequence[BookingRow] = ()
    refunds: Sequence[RefundRow] = ()

    @property
    def settled(self) -> bool:
        """Whether every captured payment is booked or returned, and the ledgers have every refund, as done."""
        ended = {row.payment for row in self.bookings} | {row.payment for row in self.bank_refunds}
        captured = (payment.id for payment in self.payments if payment.captured)
        # The ledgers are read before the bank, which may return money meanwhile.
        recorded = {row.payment for row in self.refunds if row.done}
        returned = (row.payment for row in self.bank_refunds)
        return ended.issuperset(captured) and all(row.done for row in self.refunds) and recorded.issuperset(returned)


class _OfPayment(Protocol):
    @property
    def payment(self) -> str: ...


T = TypeVar("T", bound=_OfPayment)


def check_payments(money: Money, promises: Iterable[Promise], verdict: Verdict) -> None:
    """Compare the bank, the ledger and the promises at the end of a run, when no refund is due any more."""
    at_bank = {payment.id: payment for payment in money.payments}
    returned = _by_payment(money.bank_refunds)
    booked = _by_payment(money.bookings)
    due = _by_payment(money.refunds)
    for payment in at_bank.values():
        _check_end(payment, booked[payment.id], returned[payment.id], verdict)
        _check_amounts(payment, booked[payment.id], returned[payment.id], verdict)
        _check_refund_rows(payment, due[payment.id], returned[payment.id], verdict)
    for payment_id in {*booked, *due, *returned} - at_bank.keys():
        verdict.check("the bank has every payment", False, f"{payment_id}: unknown to the bank")
    for promise in promises:
        _check_promise(promise, booked, due, returned, verdict)


def _by_payment(rows: Iterable[T]) -> defaultdict[str, list[T]]:
    found: defaultdict[str, list[T]] = defaultdict(list)
    for row in rows:
        found[row.payment].append(row)
    return found


def _check_end(payment: BankPayment, booked: list[BookingRow], returned: list[BankRefund], verdict: Verdict) -> None:
    """A captured payment ends in one booking or one refund; any other ends in neither."""
    verdict.check("the bank has every payment", True, "")
    ids = ", ".join(each.id for each in booked)
    verdict.check("no payment books twice", len(booked) <= 1, f"{payment.id}: booked as {ids}")
    text = f"{payment.id}: refunded {len(returned)} times: {', '.join(str(each.amount) for each in returned)}"
    verdict.check("no payment is refunded twice", len(returned) <= 1, text)
    if payment.captured:
        text = f"{payment.id}: {payment.captured} captured for {payment.hold}, neither booked nor refunded"
        verdict.check("no captured payment is lost", bool(booked or returned), text)
        text = f"{payment.id}: booked as {ids}, and refunded"
        verdict.check("no payment is both booked and refunded", not (booked and returned), text)
    else:
        text = f"{payment.id}: nothing was captured, but it was booked as {ids}"
        verdict.check("nothing is booked without money", not booked, text)
        text = f"{payment.id}: nothing was captured, but it was refunded"
        verdict.check("nothing is refunded without money", not returned, text)


def _check_amounts(
    payment: BankPayment, booked: list[BookingRow], returned: list[BankRefund], verdict: Verdict
) -> None:
    for booking in booked:
        text = f"{payment.id}: {payment.captured} captured, but {booking.id} costs {booking.amount}"
        verdict.check("a booking was paid in full", booking.amount == payment.captured, text)
        text = f"{payment.id}: paid for {payment.hold}, but {booking.id} is of {booking.hold}"
        verdict.check("a payment books the hold that it was made for", booking.hold == payment.hold, text)
    for refund in returned:
        text = f"{payment.id}: {payment.captured} captured, {refund.amount} refunded"
        verdict.check("a refund returns the whole amount", refund.amount == payment.captured, text)


def _check_refund_rows(
    payment: BankPayment, due: list[RefundRow], returned: list[BankRefund], verdict: Verdict
) -> None:
    """The ledger's refunds and the bank's are the same."""
    text = f"{payment.id}: {len(due)} refunds in the ledger"
    verdict.check("the ledger has one refund a payment at most", len(due) <= 1, text)
    for row in due:
        text = f"{payment.id}: the ledger has a refund of {row.amount}, the bank has none"
        verdict.check("every refund in the ledger was carried out", bool(returned), text)
        if returned:
            text = f"{payment.id}: refunded by the bank, but the ledger has it as not done"
            verdict.check("every refund is recorded as done", row.done, text)
        text = f"{payment.id}: {payment.captured} captured, the ledger has a refund of {row.amount}"
        verdict.check("the ledger's refund has the right amount", row.amount == payment.captured, text)
        text = f"{payment.id}: paid for {payment.hold}, but the ledger refunds it for {row.hold}"
        verdict.check("the ledger's refund names the right hold", row.hold == payment.hold, text)
    if returned:
        text = f"{payment.id}: refunded by the bank, but the ledger has no refund"
        verdict.check("every refund of the bank is in the ledger", bool(due), text)


def _check_promise(
    promise: Promise,
    booked: Mapping[str, list[BookingRow]],
    due: Mapping[str, list[RefundRow]],
    returned: Mapping[str, list[BankRefund]],
    verdict: Verdict,
) -> None:
    said = f"{promise.payment}: {promise.client} was answered {promise.promised} for {promise.hold}"
    if promise.promised is Promised.BOOKED:
        good = any(row.hold == promise.hold for row in booked.get(promise.payment, ()))
        verdict.check("every promised booking is in the ledger", good, f"{said}; the ledger has no such booking")
        return
    good = bool(returned.get(promise.payment))
    verdict.check("every promised refund was carried out", good, f"{said}; the bank has no such refund")
    if promise.promised is Promised.REFUNDED:
        good = any(row.hold == promise.hold for row in due.get(promise.payment, ()))
        verdict.check("every confirmed refund is in the ledger", good, f"{said}; the ledger has no such refund")
