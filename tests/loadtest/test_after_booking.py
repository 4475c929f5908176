"""The check of tickets, mails, webhooks and analytics accepts a correct run, and convicts each planted error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from loadtest.faults.judge.after_booking import AfterBooking, Event, Mail, check_after_booking
from loadtest.faults.judge.payments import BookingRow, Money, RefundRow
from loadtest.faults.judge.verdict import Verdict

CONFIRMED, REFUNDED = "booking.confirmed", "refund.completed"
HOLD, BOOKING, REFUND, ADDRESS = "west-s.h1", "west-s.b1", "refund-1", "west-s.h1@example.in"
MONEY = Money(bookings=[BookingRow(BOOKING, HOLD, "p1", 45_000)], refunds=[RefundRow(HOLD, "p2", 45_000, done=True)])
"""A hold that was paid twice: it is booked, and the second payment was returned."""
EVENTS = (Event("e1", CONFIRMED, HOLD, BOOKING), Event("e2", REFUNDED, HOLD, REFUND))
MAILS = (Mail("<ticket.1>", ADDRESS), Mail("<refund.1>", ADDRESS))
CLEAN = AfterBooking(
    tickets={BOOKING},
    entries={("booked", BOOKING), ("refunded", REFUND)},
    contacts={HOLD: ADDRESS},
    mails=MAILS,
    events=EVENTS,
    arrived=(EVENTS[0], EVENTS[0], EVENTS[1]),
)
MAIL, WEBHOOK = "one mail for each booking and refund", "one webhook for each booking and refund"
ERRORS: dict[str, tuple[dict[str, Any], str]] = {
    "a task is left": ({"unfinished": ["tickets.b1"]}, "every task is done in the end"),
    "no ticket": ({"tickets": set()}, "every booking has a ticket"),
    "not counted": ({"entries": set()}, "every booking is counted"),
    "a contact is lost": ({"contacts": {}, "mails": ()}, "every acknowledged contact is in the ledger"),
    "no mail": ({"mails": MAILS[:1]}, MAIL),
    "another mail": ({"mails": (*MAILS, Mail("<ticket.2>", ADDRESS))}, MAIL),
    "a mail to a stranger": ({"mails": (*MAILS, Mail("<ticket.3>", "eve@example.in"))}, MAIL),
    "no webhook": ({"arrived": EVENTS[1:]}, WEBHOOK),
    "two webhooks": ({"arrived": (*EVENTS, replace(EVENTS[0], id="e3"))}, WEBHOOK),
    "no webhook about the refund": ({"arrived": EVENTS[:1]}, WEBHOOK),
    "a webhook about nothing": ({"arrived": (*EVENTS, replace(EVENTS[0], id="e3", subject="west-s.b9"))}, WEBHOOK),
    "webhooks in another order": ({"arrived": EVENTS[::-1]}, "webhooks about a hold come in order"),
    "a wrong signature": ({"forged": 1}, "every webhook is signed"),
}


def broken(after: AfterBooking) -> set[str]:
    verdict = Verdict()
    check_after_booking(after, MONEY, {HOLD: ADDRESS}, verdict)
    return {violation.rule for violation in verdict.violations}


def test_a_correct_run_is_accepted_with_what_came_twice() -> None:
    assert not broken(replace(CLEAN, mails=(*MAILS, MAILS[0])))


@pytest.mark.parametrize(("change", "rule"), ERRORS.values(), ids=ERRORS)
def test_every_error_is_convicted(change: dict[str, Any], rule: str) -> None:
    make: Callable[..., AfterBooking] = replace
    assert rule in broken(make(CLEAN, **change))
