"""The judge accepts a clean run, and convicts every lie that is planted in one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from loadtest.faults.judge.checker import check
from loadtest.faults.judge.cut_offs import NOT_SOLD, NOT_WRITTEN
from loadtest.faults.judge.deadlines import EARLY, LATE, LOST, PENDING
from loadtest.faults.judge.end_state import Booking
from loadtest.faults.judge.freshness import DRIFT, FRESH, RISING, STALE
from loadtest.faults.judge.operators import ANSWERED, BLOCKS, SALES, SAME_SALES
from loadtest.faults.judge.payments import BankRefund
from loadtest.faults.judge.seats import RULE as LINEARIZABLE
from loadtest.faults.schedule import Kind
from realtime.wire.maps import pack_seats
from tests.loadtest.clean_run import HOLD_MS, LOSS_AT, SEATS, SHOW, Run, booking, clean_run, hold_id


def expired_after_a_second(run: Run) -> None:
    run.event(41_000, "bala", "hold:expired", hold=hold_id("bala"), show=SHOW, reason="expired")


def lost_without_a_fault(run: Run) -> None:
    run.event(100_000, "bala", "hold:expired", hold=hold_id("bala"), show=SHOW, reason="lost")


def lost_before_the_fault(run: Run) -> None:
    run.drop(lambda r: r["k"] == "event" and r["p"].get("reason") == "lost")
    run.event(950_000, "dev", "hold:expired", hold=hold_id("dev1"), show=SHOW, reason="lost")


def refused_at_confirm(run: Run) -> None:
    run.refuse(200_000, "bala", "seats:confirm", "booking_rejected", hold=hold_id("bala"))


def expired_at_confirm(run: Run) -> None:
    run.refuse(200_000, "bala", "seats:confirm", "hold_expired", hold=hold_id("bala"))


def pending_lost_before_the_fault(run: Run) -> None:
    run.drop(lambda r: r["k"] == "answer" and r["c"] == "dev" and r["e"] == "seats:confirm")
    run.drop(lambda r: r["k"] == "request" and r["c"] == "dev" and r["e"] == "seats:confirm")
    late = hold_id("bala")
    run.drop(lambda r: r["k"] == "event" and r["p"].get("hold") == late)
    run.confirm(LOSS_AT - 500_000, "bala", late, "A-3", state="pending")
    run.refuse(LOSS_AT - 400_000, "bala", "seats:confirm", "hold_lost", hold=late)


def versions_go_backwards(run: Run) -> None:
    run.event(540_000, "viewer", "seats:changed", **{"from": 1}, show=SHOW, epoch="e1", version=2, held=[0, 1])


def silent_for_an_hour(run: Run) -> None:
    run.drop(lambda r: r["k"] == "event" and r["c"] == "viewer" and 20_000 < r["t"] < 3_000_000)


def silent_until_it_reconnects(run: Run) -> None:
    run.drop(lambda r: r["k"] == "event" and r["c"] == "viewer" and 535_000 > r["t"] > 500_000)
    run.add(560_000, "disconnected", "viewer")


def a_released_seat_stays_taken(run: Run) -> None:
    run.refuse(1_280_000, "bala", "seats:hold", "seats_taken", show=SHOW, seats=["A-4"], request_id="x", taken=["A-4"])


def a_lapsed_seat_stays_taken(run: Run) -> None:
    run.refuse(525_000, "dev", "seats:hold", "seats_taken", show=SHOW, seats=["A-3"], request_id="x", taken=["A-3"])


def a_free_seat_is_called_taken(run: Run) -> None:
    run.refuse(5_000, "dev", "seats:hold", "seats_taken", show=SHOW, seats=["A-6"], request_id="x", taken=["A-6"])


def a_taken_seat_is_called_free(run: Run) -> None:
    run.answer_of("dev", "seats:hold")["a"]["error"]["seats"] = ["A-3"]


def a_held_seat_is_given_to_another(run: Run) -> None:
    run.hold(100_000, "dev", "A-3", request="x", name="dev9")


def a_sold_seat_is_held_again(run: Run) -> None:
    run.hold(200_000, "dev", "A-1", request="x", name="dev9")


def a_late_extension_succeeds(run: Run) -> None:
    body = {"id": hold_id("bala"), "show": SHOW, "seats": ["A-3"], "expires_at": 522_000 + HOLD_MS}
    run.drop(lambda r: r["k"] == "event" and r["p"].get("hold") == hold_id("bala"))
    run.ask(521_900, "bala", "seats:extend", {"ok": True, "hold": body, "server_time": 522_000}, hold=body["id"])


def a_booking_becomes_another(run: Run) -> None:
    run.event(31_000, "asha", "booking:settled", booking=booking(hold_id("asha"), "A-1"))


def a_booking_is_lost(run: Run) -> None:
    del run.show.bookings[2]
    run.show.digits = "22200003"


def a_booking_moves_to_another_owner(run: Run) -> None:
    run.show.bookings[0] = Booking(hold_id("asha"), "owner-eve", (0, 1))


def a_sale_disappears_from_the_map(run: Run) -> None:
    run.show.digits = "02202003"


def the_viewer_misses_a_seat(run: Run) -> None:
    whole = next(r for r in run.records if r["k"] == "event" and "seats" in r["p"] and r["e"] == "seats:changed")
    whole["p"]["seats"] = pack_seats(bytes((2, 0, 1, 0, 0, 0, 0, 3)))


def one_request_makes_two_holds(run: Run) -> None:
    run.hold(50_000, "asha", SEATS[3], request="r1", name="other")


def a_repeated_request_meets_its_own_hold(run: Run) -> None:
    asked = {"show": SHOW, "seats": ["A-1", "A-2"], "request_id": "r1"}
    run.refuse(1_005, "asha", "seats:hold", "seats_taken", taken=["A-1", "A-2"], **asked)


def a_map_is_corrected(run: Run) -> None:
    frame = {"show": SHOW, "epoch": "e1", "from": 2, "version": 2, "held": [0]}
    run.event(1_100, "viewer", "seats:changed", **frame)


def stale_is_never_said(run: Run) -> None:
    run.drop(lambda r: r["k"] == "event" and r["p"].get("status") == "stale")


def a_replaced_keeper_may_write(run: Run) -> None:
    run.final.rogue.old_token_refused[0] = False


def a_release_keeps_the_seats(run: Run) -> None:
    run.answer_of("esha", "seats:release")["a"]["hold"]["seats"] = ["A-4", "A-5"]


def a_refund_never_comes(run: Run) -> None:
    assert run.final.money is not None
    run.final.money = replace(run.final.money, bank_refunds=())


def a_payment_is_booked_and_refunded(run: Run) -> None:
    assert run.final.money is not None
    refunds = (*run.final.money.bank_refunds, BankRefund("p-asha", 90_000))
    run.final.money = replace(run.final.money, bank_refunds=refunds)


def seats_are_sold_without_sentinels(run: Run) -> None:
    run.hold(3_206_000, "dev", "A-6", request="x", name="dev9")


def a_master_is_written_to_without_sentinels(run: Run) -> None:
    next(r for r in run.records if r["k"] == "cut_off")["written_ms"] = 9_900


def a_blocked_seat_is_held(run: Run) -> None:
    run.hold(1_500_000, "dev", "A-8", request="x", name="dev9")


def a_blocked_seat_is_held_at_the_time_of_a_fault(run: Run) -> None:
    run.hold(LOSS_AT + 500, "dev", "A-8", request="x", name="dev9")


def a_held_seat_is_blocked(run: Run) -> None:
    run.command(1_210_000, "block", "A-5")


def an_unblocked_seat_stays_taken(run: Run) -> None:
    run.refuse(110_000, "gita", "seats:hold", "seats_taken", show=SHOW, seats=["A-7"], request_id="x", taken=["A-7"])


def a_block_is_lost(run: Run) -> None:
    run.show.digits, run.show.blocked = "22202000", frozenset()
    run.change(3_200_000, free=("A-8",))
    run.show.version = run.version


def a_block_is_not_in_the_ledger(run: Run) -> None:
    run.show.blocked = frozenset()


def a_seat_is_blocked_though_nobody_asked_for_it(run: Run) -> None:
    run.show.digits, run.show.blocked = "22202033", frozenset({6, 7})


def a_hold_is_made_in_a_paused_show(run: Run) -> None:
    run.hold(560_000, "dev", "A-7", request="x", name="dev9")


def a_hold_is_refused_in_an_open_show(run: Run) -> None:
    run.refuse(610_000, "dev", "seats:hold", "sales_paused", show=SHOW, seats=["A-7"], request_id="x")


def a_show_stays_paused(run: Run) -> None:
    run.show.sales = run.show.ledger_sales = "paused"


def the_ledger_misses_that_sales_were_opened(run: Run) -> None:
    run.show.ledger_sales = "paused"


def a_command_is_never_answered(run: Run) -> None:
    run.ask(3_300_000, "operator", "ops:unblock", None, show=SHOW, seats=["A-8"], key="x")


LIES: dict[Callable[[Run], None], set[str]] = {
    expired_after_a_second: {EARLY, LINEARIZABLE},
    lost_without_a_fault: {LOST, LINEARIZABLE},
    lost_before_the_fault: {LOST, LINEARIZABLE},
    refused_at_confirm: {LINEARIZABLE},
    expired_at_confirm: {EARLY, LINEARIZABLE},
    pending_lost_before_the_fault: {PENDING, LINEARIZABLE},
    versions_go_backwards: {RISING},
    silent_for_an_hour: {FRESH},
    silent_until_it_reconnects: {FRESH},
    a_released_seat_stays_taken: {LINEARIZABLE},
    a_lapsed_seat_stays_taken: {LINEARIZABLE},
    a_free_seat_is_called_taken: {LINEARIZABLE},
    a_taken_seat_is_called_free: {LINEARIZABLE},
    a_held_seat_is_given_to_another: {LINEARIZABLE, "no seat is held by two at a time"},
    a_sold_seat_is_held_again: {LINEARIZABLE},
    a_late_extension_succeeds: {LATE},
    a_booking_becomes_another: {"a booking does not change"},
    a_booking_is_lost: {"every acknowledged booking is in the ledger", LINEARIZABLE},
    a_booking_moves_to_another_owner: {"every acknowledged booking is in the ledger"},
    a_sale_disappears_from_the_map: {"every booking is sold on the map"},
    the_viewer_misses_a_seat: {"every viewer's map equals the master's"},
    one_request_makes_two_holds: {"the same request makes the same hold"},
    a_repeated_request_meets_its_own_hold: {LINEARIZABLE},
    a_map_is_corrected: {DRIFT},
    stale_is_never_said: {STALE},
    a_release_keeps_the_seats: {"a released seat leaves its hold"},
    a_replaced_keeper_may_write: {"the ledger refuses an old fencing token"},
    a_refund_never_comes: {"every promised refund was carried out", "every refund in the ledger was carried out"},
    a_blocked_seat_is_held: {LINEARIZABLE},
    a_blocked_seat_is_held_at_the_time_of_a_fault: {LINEARIZABLE},
    a_held_seat_is_blocked: {LINEARIZABLE},
    an_unblocked_seat_stays_taken: {LINEARIZABLE},
    a_block_is_lost: {LINEARIZABLE},
    a_block_is_not_in_the_ledger: {BLOCKS},
    a_seat_is_blocked_though_nobody_asked_for_it: {LINEARIZABLE},
    a_hold_is_made_in_a_paused_show: {SALES},
    a_hold_is_refused_in_an_open_show: {SALES},
    a_show_stays_paused: {SALES},
    the_ledger_misses_that_sales_were_opened: {SAME_SALES},
    a_command_is_never_answered: {ANSWERED},
    a_payment_is_booked_and_refunded: {"no payment is both booked and refunded"},
    seats_are_sold_without_sentinels: {NOT_SOLD},
    a_master_is_written_to_without_sentinels: {NOT_WRITTEN},
}
"""Each edits a clean run; the rules are those that must convict it."""


def test_a_clean_run_is_accepted_and_every_new_rule_is_checked() -> None:
    run = clean_run()
    verdict = check(run.records, run.final)
    assert verdict.violations == []
    assert verdict.figures == {"asked": 1, "held": 0, "booked": 0, "lost": 0}
    assert {EARLY, LOST, LATE, PENDING, RISING, FRESH, DRIFT, STALE, LINEARIZABLE, NOT_SOLD, NOT_WRITTEN} <= set(
        verdict.checks
    )

    assert {
        EARLY,
        LOST,
        LATE,
        PENDING,
        RISING,
        FRESH,
        DRIFT,
        STALE,
        LINEARIZABLE,
        ANSWERED,
        BLOCKS,
        SALES,
        SAME_SALES,
    } <= set(verdict.checks)


def test_an_operator_without_an_answer_may_have_blocked_until_a_master_is_lost() -> None:
    run = clean_run()
    asked = {"show": SHOW, "seats": ["A-6"], "key": "k"}
    run.ask(LOSS_AT - 2_000, "operator", "ops:block", None, ms=6_000, **asked)
    run.refuse(
        LOSS_AT - 1_500, "dev", "seats:hold", "seats_taken", show=SHOW, seats=["A-6"], request_id="x", taken=["A-6"]
    )
    run.command(LOSS_AT + 5_000, "block", "A-6", key="k", taken=("A-6",))
    held = {"id": hold_id("farah0"), "show": SHOW, "seats": ["A-6"], "expires_at": LOSS_AT + 2_500 + HOLD_MS}
    run.ask(
        LOSS_AT + 2_500, "farah", "seats:hold", {"ok": True, "hold": held}, show=SHOW, seats=["A-6"], request_id="f0"
    )
    run.sort()
    assert check(run.records, run.final).violations == []


@pytest.mark.parametrize("lie", [a_lapsed_seat_stays_taken, a_late_extension_succeeds])
def test_a_hold_is_kept_while_the_clock_of_its_master_is_set_back(lie: Callable[[Run], None]) -> None:
    run = clean_run()
    lie(run)
    begin, healed = 522_500, 530_000
    for at, phase in ((begin, "begin"), (healed, "healed"), (healed, "recovered")):
        run.fault(at, phase, kind=Kind.STEP_CLOCK)
    run.sort()
    assert not LIES[lie] & {violation.rule for violation in check(run.records, run.final).violations}
    for record in run.records:
        if record["k"] == "fault" and record["kind"] == Kind.STEP_CLOCK:
            record["kind"] = Kind.OLD_MASTER
    assert {violation.rule for violation in check(run.records, run.final).violations} >= LIES[lie]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_every_lie_is_convicted(lie: Callable[[Run], None]) -> None:
    run = clean_run()
    lie(run)
    run.sort()
    broken = {violation.rule for violation in check(run.records, run.final).violations}
    assert broken >= LIES[lie]


def test_a_payment_without_an_answer_may_have_booked_or_not_but_nothing_is_booked_without_one() -> None:
    run = clean_run()
    run.drop(lambda r: r.get("c") == "esha" and r.get("e") == "seats:confirm")
    (paid,) = (r for r in run.records if r["k"] == "paid" and r["c"] == "esha")
    paid["k"] = "paying"
    assert not check(run.records, run.final).violations, "the bank was killed, and reported it later"
    assert run.final.money is not None
    payments = run.final.money.payments
    run.final.money = replace(run.final.money, payments=[each for each in payments if each.id != "p-esha"])
    assert {each.rule for each in check(run.records, run.final).violations} >= {"every booking was requested"}
