"""The checker accepts a correct history, and finds each kind of error that is planted in one."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from loadtest.faults.history import Record
from loadtest.faults.judge.checker import check
from loadtest.faults.judge.end_state import Booking, FinalState, Rogue, ShowState
from realtime.model import booking_of
from realtime.wire.maps import pack_seats

SHOW = "west-s"
SEATS = ("A-1", "A-2", "A-3", "A-4")
ASHA, BALA, CHITRA = (f"{SHOW}.h{name:_<22}" for name in ("asha", "bala", "chitra"))


def request(t: int, c: str, n: int, e: str, **p: Any) -> Record:
    return {"t": t, "k": "request", "c": c, "n": n, "e": e, "p": p}


def answer(t: int, c: str, n: int, e: str, **a: Any) -> Record:
    return {"t": t, "k": "answer", "c": c, "n": n, "e": e, "a": {"ok": True, **a}}


def refused(t: int, c: str, n: int, e: str, code: str, *, retryable: bool = False) -> Record:
    return {
        "t": t,
        "k": "answer",
        "c": c,
        "n": n,
        "e": e,
        "a": {"ok": False, "error": {"code": code, "retryable": retryable}},
    }


def event(t: int, c: str, e: str, **p: Any) -> Record:
    return {"t": t, "k": "event", "c": c, "e": e, "p": p}


def held(hold: str, *seats: str, until: int = 10_000) -> dict[str, Any]:
    return {"id": hold, "show": SHOW, "seats": list(seats), "expires_at": until}


def booked(hold: str, *seats: str, state: str = "booked") -> dict[str, Any]:
    return {"id": booking_of(hold), "hold": hold, "show": SHOW, "seats": list(seats), "state": state}


def connected(c: str) -> Record:
    return {"t": 0, "k": "connected", "c": c, "node": "n", "owner": f"owner-{c}"}


def history() -> list[Record]:
    """Asha books A-1 and A-2; Bala holds A-3 and releases it; Chitra gets pending, then booked; a viewer watches."""
    empty = pack_seats(bytes(4))
    return [
        *(connected(c) for c in ("asha", "bala", "chitra", "viewer")),
        request(1, "viewer", 1, "show:watch", show=SHOW),
        answer(2, "viewer", 1, "show:watch", show=SHOW, epoch="e", version=1, seats=empty),
        request(10, "asha", 1, "seats:hold", show=SHOW, seats=["A-1", "A-2"], request_id="r1"),
        answer(12, "asha", 1, "seats:hold", hold=held(ASHA, "A-1", "A-2")),
        event(13, "viewer", "seats:changed", show=SHOW, epoch="e", version=2, held=[0, 1], **{"from": 1}),
        request(20, "bala", 1, "seats:hold", show=SHOW, seats=["A-3"], request_id="r1"),
        answer(22, "bala", 1, "seats:hold", hold=held(BALA, "A-3")),
        event(23, "viewer", "seats:changed", show=SHOW, epoch="e", version=3, held=[2], **{"from": 2}),
        request(30, "asha", 2, "seats:confirm", hold=ASHA, payment="p"),
        answer(32, "asha", 2, "seats:confirm", booking=booked(ASHA, "A-1", "A-2")),
        request(40, "bala", 2, "seats:release", hold=BALA),
        answer(42, "bala", 2, "seats:release"),
        request(50, "chitra", 1, "seats:hold", show=SHOW, seats=["A-3"], request_id="r1"),
        answer(52, "chitra", 1, "seats:hold", hold=held(CHITRA, "A-3")),
        request(60, "chitra", 2, "seats:confirm", hold=CHITRA, payment="p"),
        answer(62, "chitra", 2, "seats:confirm", booking=booked(CHITRA, "A-3", state="pending")),
        event(70, "chitra", "booking:settled", booking=booked(CHITRA, "A-3")),
        event(71, "viewer", "seats:changed", show=SHOW, epoch="e", version=6, sold=[0, 1, 2], **{"from": 3}),
    ]


def final() -> FinalState:
    bookings = [Booking(ASHA, "owner-asha", (0, 1)), Booking(CHITRA, "owner-chitra", (2,))]
    state = ShowState(SEATS, bookings, "e", 6, "2220", {0: ASHA, 1: ASHA, 2: CHITRA}, {})
    return FinalState({SHOW: state}, {"west": 0}, {"west": 0}, Rogue([True, True]))


def broken_rules(records: list[Record], end: FinalState) -> set[str]:
    return {violation.rule for violation in check(records, end).violations}


def test_a_correct_history_has_no_violation_and_every_rule_is_checked() -> None:
    verdict = check(history(), final())
    assert verdict.violations == []
    assert {
        "no seat is in two bookings",
        "every acknowledged booking is in the ledger",
        "no released seat is booked",
        "every viewer's map equals the master's",
        "no seat is held by two at a time",
        "every pending booking settles",
    } <= set(verdict.checks)


def test_a_double_booking_in_the_ledger_is_found() -> None:
    end = final()
    end.shows[SHOW].bookings.append(Booking(BALA, "owner-bala", (1,)))
    assert "no seat is in two bookings" in broken_rules(history(), end)


def test_two_acknowledged_bookings_of_one_seat_are_found() -> None:
    planted = [
        request(80, "bala", 3, "seats:confirm", hold=BALA, payment="p"),
        answer(82, "bala", 3, "seats:confirm", booking=booked(BALA, "A-1")),
    ]
    assert "every acknowledged booking is in the ledger" in broken_rules([*history(), *planted], final())


def test_a_lost_booking_is_found() -> None:
    end = final()
    del end.shows[SHOW].bookings[0]
    assert broken_rules(history(), end) == {
        "every acknowledged booking is in the ledger",
        "every sold seat is in the ledger",
    }


def test_a_booking_that_is_free_on_the_map_is_found() -> None:
    end = final()
    end.shows[SHOW].digits = "0220"
    assert "every booking is sold on the map" in broken_rules(history(), end)


def test_a_booking_under_another_owner_is_found() -> None:
    end = final()
    end.shows[SHOW].bookings[0] = Booking(ASHA, "owner-eve", (0, 1))
    assert broken_rules(history(), end) == {"every acknowledged booking is in the ledger"}


def test_a_released_seat_that_is_booked_is_found() -> None:
    end = final()
    end.shows[SHOW].bookings[1] = Booking(BALA, "owner-bala", (2,))
    assert "no released seat is booked" in broken_rules(history(), end)


def test_a_refusal_that_is_booked_is_found() -> None:
    records = [record for record in history() if record["k"] != "event" or record["e"] != "booking:settled"]
    records.append(request(80, "chitra", 3, "seats:confirm", hold=CHITRA, payment="p"))
    records.append(refused(82, "chitra", 3, "seats:confirm", "booking_rejected"))
    assert "no failed hold is booked" in broken_rules(records, final())


def test_requests_without_a_final_answer_prove_nothing() -> None:
    records = history()
    records.insert(14, request(25, "asha", 9, "seats:confirm", hold=ASHA, payment="p"))
    records.insert(15, refused(26, "asha", 9, "seats:confirm", "region_unavailable", retryable=True))
    records.append(request(90, "bala", 9, "seats:hold", show=SHOW, seats=["A-4"], request_id="r9"))
    records.append({"t": 95, "k": "no_answer", "c": "bala", "n": 9, "e": "seats:hold"})
    assert broken_rules(records, final()) == set()


@pytest.mark.parametrize("loses_data", [False, True])
def test_a_seat_held_by_two_is_found_unless_its_master_lost_data(loses_data: bool) -> None:
    records = [record for record in history() if record.get("e") != "seats:release"]
    fault = {
        "t": 45,
        "k": "fault",
        "kind": "k",
        "target": "t",
        "region": "west",
        "phase": "begin",
        "loses_data": loses_data,
    }
    records.insert([r["t"] for r in records].index(50), fault)
    assert broken_rules(records, final()) == (
        set() if loses_data else {"no seat is held by two at a time", "every seat's history is linearizable"}
    )


def test_an_expired_hold_may_be_followed_by_another() -> None:
    records = copy.deepcopy(history())
    for record in records:
        if record["k"] == "answer" and record["c"] == "bala" and record["e"] == "seats:hold":
            record["a"]["hold"]["expires_at"] = 45
    records = [record for record in records if record.get("e") != "seats:release"]
    assert broken_rules(records, final()) == set()


def test_a_pending_booking_that_never_settles_is_found() -> None:
    records = [record for record in history() if record.get("e") != "booking:settled"]
    assert broken_rules(records, final()) == {"every pending booking settles"}


def test_a_pending_booking_whose_money_is_back_has_settled_but_must_have_been_lost_by_a_fault() -> None:
    back = refused(66, "chitra", 3, "seats:confirm", "payment_refused")
    back["a"]["error"]["reason"] = "already_refunded"
    again = [request(65, "chitra", 3, "seats:confirm", hold=CHITRA, payment="p"), back]
    settled = history()
    assert broken_rules([*settled[:-2], *again, *settled[-2:]], final()) == set(), "it was paid twice"
    lost = [*settled[:-2], *again, settled[-1]]
    assert broken_rules(lost, final()) == {"no pending booking is lost without a fault before"}


def test_a_notice_that_comes_again_says_nothing_new() -> None:
    gone = {"hold": CHITRA, "show": SHOW, "reason": "expired"}
    expired, again = (event(t, "chitra", "hold:expired", **gone) for t in (59, 80))
    records = history()
    rule = "no pending booking is lost without a fault before"
    assert rule not in broken_rules([*records[:-4], expired, *records[-4:], again], final())
    assert rule in broken_rules([*records, again], final())


def test_a_hold_may_expire_while_its_late_payment_is_on_the_way() -> None:
    expired = event(61, "chitra", "hold:expired", hold=CHITRA, show=SHOW, reason="expired")
    records = history()
    rule = "no pending booking is lost without a fault before"
    assert rule not in broken_rules([*records[:-3], expired, *records[-3:]], final())


def test_a_stale_map_is_found() -> None:
    assert broken_rules(history()[:-1], final()) == {"every viewer's map equals the master's"}


def test_a_wrong_map_at_the_right_version_is_found() -> None:
    records = copy.deepcopy(history())
    records[-1]["p"]["sold"] = [0, 1]
    assert broken_rules(records, final()) == {"every viewer's map equals the master's"}


def test_what_never_settles_is_found() -> None:
    end = final()
    end.shows[SHOW].digits = "2221"
    end.shows[SHOW].live = {BALA: "held"}
    end.outbox["west"] = 1
    end.dead_letters["west"] = 1
    assert broken_rules(history(), end) >= {
        "no seat stays held",
        "no hold stays live",
        "every outbox is empty at the end",
        "there are no dead letters",
    }


def test_a_ledger_that_books_a_sold_seat_again_is_found() -> None:
    end = final()
    end.rogue.rebooking_refused[1] = False
    assert broken_rules(history(), end) == {"the ledger refuses a seat that is sold"}


def test_a_request_that_made_two_holds_is_found() -> None:
    records = history()
    records.append(request(90, "asha", 8, "seats:hold", show=SHOW, seats=["A-1", "A-2"], request_id="r1"))
    records.append(answer(92, "asha", 8, "seats:hold", hold=held(CHITRA, "A-1", "A-2")))
    assert "the same request makes the same hold" in broken_rules(records, final())
