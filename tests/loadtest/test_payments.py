"""The check of payments accepts a correct run, and convicts each planted error by its rule."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from loadtest.faults.judge.payments import (
    BankPayment,
    BankRefund,
    BookingRow,
    Money,
    Promise,
    Promised,
    RefundRow,
    check_payments,
)
from loadtest.faults.judge.verdict import Verdict

BOOKED = BankPayment("p-booked", "west-s.h1", 90_000)
REFUNDED = BankPayment("p-refunded", "west-s.h2", 45_000)
DECLINED = BankPayment("p-declined", "west-s.h3", 0)
DOUBLED = BankPayment("p-doubled", "west-s.h1", 90_000)
"""A second payment for the hold of ``BOOKED``."""


@dataclass
class Run:
    """A correct run: one payment booked, a late one refunded, one declined, one doubled and therefore refunded."""

    payments: list[BankPayment] = field(default_factory=lambda: [BOOKED, REFUNDED, DECLINED, DOUBLED])
    bank_refunds: list[BankRefund] = field(
        default_factory=lambda: [BankRefund("p-refunded", 45_000), BankRefund("p-doubled", 90_000)]
    )
    bookings: list[BookingRow] = field(
        default_factory=lambda: [BookingRow("west-s.b1", "west-s.h1", "p-booked", 90_000)]
    )
    refunds: list[RefundRow] = field(
        default_factory=lambda: [
            RefundRow("west-s.h2", "p-refunded", 45_000, done=True),
            RefundRow("west-s.h1", "p-doubled", 90_000, done=True),
        ]
    )
    promises: list[Promise] = field(
        default_factory=lambda: [
            Promise("asha", "west-s.h1", "p-booked", Promised.BOOKED),
            Promise("bala", "west-s.h2", "p-refunded", Promised.WILL_BE_REFUNDED),
            Promise("bala", "west-s.h2", "p-refunded", Promised.REFUNDED),
        ]
    )

    def verdict(self) -> Verdict:
        verdict = Verdict()
        money = Money(self.payments, self.bank_refunds, self.bookings, self.refunds)
        check_payments(money, self.promises, verdict)
        return verdict

    def broken_rules(self) -> set[str]:
        return {violation.rule for violation in self.verdict().violations}


@pytest.fixture
def run() -> Run:
    return Run()


def test_a_correct_run_has_no_violation_and_every_kind_of_rule_is_checked(run: Run) -> None:
    verdict = run.verdict()
    assert verdict.violations == []
    assert {
        "no captured payment is lost",
        "no payment books twice",
        "no payment is refunded twice",
        "no payment is both booked and refunded",
        "a booking was paid in full",
        "a refund returns the whole amount",
        "every promised booking is in the ledger",
        "every promised refund was carried out",
    } <= set(verdict.checks)


def test_a_payment_that_ended_in_nothing_is_found(run: Run) -> None:
    run.bookings.clear()
    run.promises = run.promises[1:]
    assert run.broken_rules() == {"no captured payment is lost"}


def test_a_promised_refund_that_never_comes_is_found_though_the_ledger_waits_for_it(run: Run) -> None:
    del run.bank_refunds[0]
    run.refunds[0] = replace(run.refunds[0], done=False)
    assert run.broken_rules() == {
        "no captured payment is lost",
        "every refund in the ledger was carried out",
        "every promised refund was carried out",
    }


def test_a_promised_refund_that_no_ledger_row_is_left_of_is_found(run: Run) -> None:
    del run.bank_refunds[0], run.refunds[0]
    run.promises = run.promises[:2]
    assert run.broken_rules() == {"no captured payment is lost", "every promised refund was carried out"}


def test_a_promise_about_a_payment_that_nobody_knows_is_found(run: Run) -> None:
    run.promises.append(Promise("chitra", "west-s.h9", "p-lost", Promised.WILL_BE_REFUNDED))
    assert run.broken_rules() == {"every promised refund was carried out"}


def test_a_refund_that_was_announced_as_done_before_the_ledger_had_it_is_found(run: Run) -> None:
    del run.refunds[0]
    assert run.broken_rules() == {
        "every refund of the bank is in the ledger",
        "every confirmed refund is in the ledger",
    }


def test_one_payment_that_books_twice_is_found(run: Run) -> None:
    run.bookings.append(BookingRow("west-s.b7", "west-s.h1", "p-booked", 90_000))
    assert run.broken_rules() == {"no payment books twice"}


def test_a_refunded_payment_that_books_again_is_found(run: Run) -> None:
    run.bookings.append(BookingRow("west-s.b2", "west-s.h2", "p-refunded", 45_000))
    assert run.broken_rules() == {"no payment is both booked and refunded"}


def test_a_second_refund_of_one_payment_is_found(run: Run) -> None:
    run.bank_refunds.append(BankRefund("p-refunded", 45_000))
    assert run.broken_rules() == {"no payment is refunded twice"}


def test_two_payments_for_one_hold_need_a_refund_each(run: Run) -> None:
    late = replace(DOUBLED, id="p-tripled")
    run.payments.append(late)
    assert run.broken_rules() == {"no captured payment is lost"}
    run.bank_refunds.append(BankRefund("p-tripled", 90_000))
    run.refunds.append(RefundRow("west-s.h1", "p-tripled", 90_000, done=True))
    assert run.broken_rules() == set()


@pytest.mark.parametrize("captured", [100, 89_999, 90_001])
def test_a_booking_for_another_amount_is_found(run: Run, captured: int) -> None:
    run.payments[0] = replace(BOOKED, captured=captured)
    assert run.broken_rules() == {"a booking was paid in full"}


def test_a_partial_refund_is_found(run: Run) -> None:
    run.bank_refunds[0] = BankRefund("p-refunded", 44_999)
    assert run.broken_rules() == {"a refund returns the whole amount"}


def test_a_refund_of_another_amount_in_the_ledger_is_found(run: Run) -> None:
    run.refunds[0] = replace(run.refunds[0], amount=1)
    assert run.broken_rules() == {"the ledger's refund has the right amount"}


def test_a_booking_without_money_is_found(run: Run) -> None:
    run.bookings.append(BookingRow("west-s.b3", "west-s.h3", "p-declined", 0))
    assert run.broken_rules() == {"nothing is booked without money"}


def test_a_refund_without_money_is_found(run: Run) -> None:
    run.bank_refunds.append(BankRefund("p-declined", 0))
    run.refunds.append(RefundRow("west-s.h3", "p-declined", 0, done=True))
    assert run.broken_rules() == {"nothing is refunded without money"}


def test_a_payment_that_books_a_hold_of_somebody_else_is_found(run: Run) -> None:
    run.bookings[0] = replace(run.bookings[0], hold="west-s.h5")
    assert run.broken_rules() == {
        "a payment books the hold that it was made for",
        "every promised booking is in the ledger",
    }


def test_a_refund_for_another_hold_is_found(run: Run) -> None:
    run.refunds[1] = replace(run.refunds[1], hold="west-s.h5")
    assert run.broken_rules() == {"the ledger's refund names the right hold"}


def test_a_finished_refund_that_the_ledger_does_not_know_as_done_is_found(run: Run) -> None:
    run.refunds[1] = replace(run.refunds[1], done=False)
    assert run.broken_rules() == {"every refund is recorded as done"}


def test_two_refund_rows_of_one_payment_are_found(run: Run) -> None:
    run.refunds.append(run.refunds[0])
    assert run.broken_rules() == {"the ledger has one refund a payment at most"}


def test_a_booking_by_a_payment_that_the_bank_never_saw_is_found(run: Run) -> None:
    run.bookings.append(BookingRow("west-s.b4", "west-s.h4", "p-forged", 45_000))
    assert run.broken_rules() == {"the bank has every payment"}


def test_a_lost_booking_is_found_by_its_promise(run: Run) -> None:
    run.bookings.clear()
    assert run.broken_rules() == {"no captured payment is lost", "every promised booking is in the ledger"}


def test_money_is_not_settled_while_the_bank_knows_of_a_refund_that_the_ledger_lacks() -> None:
    run = Run()
    assert Money(run.payments, run.bank_refunds, run.bookings, run.refunds).settled
    assert not Money(run.payments, run.bank_refunds, run.bookings, run.refunds[:1]).settled
