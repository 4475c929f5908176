"""States of payments and refunds: reports in any order, any number of times, lead to the same knowledge; the ladder."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.payments.ladder import HoldMoney, Rung, must_capture, rungs
from realtime.payments.service import order_key, refund_key, seats_digest
from realtime.payments.status import PaymentState, PaymentStatus, ReportConflict

TRANSITIONS: dict[PaymentState, frozenset[PaymentState]] = {
    PaymentState.UNKNOWN: frozenset(PaymentState),
    PaymentState.CREATED: frozenset({PaymentState.FAILED, PaymentState.AUTHORIZED, PaymentState.CAPTURED}),
    PaymentState.FAILED: frozenset({PaymentState.AUTHORIZED, PaymentState.CAPTURED}),
    PaymentState.AUTHORIZED: frozenset({PaymentState.CAPTURED, PaymentState.REFUNDED}),
    PaymentState.CAPTURED: frozenset({PaymentState.REFUNDED}),
    PaymentState.REFUNDED: frozenset(),
}
"""The steps that a gateway takes. Reports may skip steps; they never go back in rank."""
HOLD, DUE = "west-show.hAAAAAAAAAAAAAAAAAAAAAA", 10_000
REPORTS = st.builds(
    PaymentStatus,
    st.just("pay_1"),
    st.sampled_from(PaymentState),
    st.just(DUE),
    order=st.sampled_from(["", "order_1"]),
    hold=st.sampled_from(["", HOLD]),
    refunded=st.integers(0, DUE),
)


def status(state: PaymentState, **over: object) -> PaymentStatus:
    return PaymentStatus("pay_1", state, **{"amount": DUE, "hold": HOLD, **over})  # type: ignore[arg-type]


def test_every_step_that_a_gateway_takes_rises_in_rank() -> None:
    for before, later in TRANSITIONS.items():
        assert all(state.rank > before.rank for state in later if state is not before)
    assert PaymentState.CAPTURED in TRANSITIONS[PaymentState.FAILED], "late authorisation"


@given(st.lists(REPORTS, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_the_order_and_number_of_reports_make_no_difference(reports: list[PaymentStatus], random: object) -> None:
    def known_after(given: list[PaymentStatus]) -> PaymentStatus:
        known = given[0]
        for report in given[1:]:
            known = known.merged(report)
        return known

    shuffled = [*reports, *reports]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert known_after(shuffled) == known_after(reports)
    assert known_after(reports).state is max((report.state for report in reports), key=lambda state: state.rank)


def test_reports_that_contradict_each_other_are_noticed() -> None:
    known = status(PaymentState.CAPTURED, order="order_1")
    for other in (
        status(PaymentState.CAPTURED, amount=DUE - 1),
        status(PaymentState.CAPTURED, currency="USD"),
        status(PaymentState.CAPTURED, order="order_2"),
        status(PaymentState.CAPTURED, hold="west-show.hBBBBBBBBBBBBBBBBBBBBBB"),
        PaymentStatus("pay_2", PaymentState.CAPTURED, DUE),
    ):
        with pytest.raises(ReportConflict):
            known.merged(other)


def test_the_rungs_of_the_ladder() -> None:
    live = HoldMoney(HOLD, DUE)
    same, block, back = Rung.SAME_SEATS, Rung.EQUAL_BLOCK, Rung.REFUND
    captured = status(PaymentState.CAPTURED)
    for payment, hold, expected in (
        (captured, live, (same, back)),
        (status(PaymentState.AUTHORIZED), live, (same, back)),
        (captured, HoldMoney(HOLD, DUE, equal_block_allowed=True), (same, block, back)),
        (captured, HoldMoney(HOLD, DUE, booked_with="pay_1"), ()),
        (captured, HoldMoney(HOLD, DUE, booked_with="pay_2", equal_block_allowed=True), (back,)),
        (captured, HoldMoney(HOLD, DUE, sellable=False, equal_block_allowed=True), (back,)),
        (captured, HoldMoney(HOLD, DUE + 1), (back,)),
        (captured, HoldMoney(HOLD, DUE - 1), (back,)),
        (status(PaymentState.CAPTURED, currency="USD"), live, (back,)),
        (status(PaymentState.CAPTURED, refunded=1), live, (back,)),
        (status(PaymentState.REFUNDED, refunded=DUE), live, ()),
        (status(PaymentState.FAILED), live, ()),
        (status(PaymentState.CREATED), live, ()),
        (status(PaymentState.UNKNOWN), live, ()),
        (status(PaymentState.CAPTURED, hold=""), live, (same, back)),
    ):
        assert rungs(payment, hold) == expected
    with pytest.raises(ValueError, match="is for"):
        rungs(captured, HoldMoney("west-show.hBBBBBBBBBBBBBBBBBBBBBB", DUE))


def test_an_authorised_payment_is_captured_before_it_is_booked() -> None:
    assert must_capture(status(PaymentState.AUTHORIZED), Rung.SAME_SEATS)
    assert must_capture(status(PaymentState.AUTHORIZED), Rung.EQUAL_BLOCK)
    assert not must_capture(status(PaymentState.AUTHORIZED), Rung.REFUND)
    assert not must_capture(status(PaymentState.CAPTURED), Rung.SAME_SEATS)


def test_keys_are_the_same_everywhere_and_differ_for_every_hold_payment_and_attempt() -> None:
    assert refund_key("h", "p") == refund_key("h", "p")
    keys = {refund_key("h", "p"), refund_key("h", "p2"), refund_key("h2", "p"), refund_key("h", "p", 1)}
    assert len(keys | {refund_key("hp", "")}) == 5
    assert all(len(key) == 40 and set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for key in keys)
    assert order_key("h", 1, ["a", "b"]) == order_key("h", 1, ["b", "a"]) != order_key("h", 2, ["a", "b"])
    assert seats_digest(["a,b"]) != seats_digest(["a", "b"])
