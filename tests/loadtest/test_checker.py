"""The judge itself: it acquits the truth, and names each kind of lie that is planted in a history."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from loadtest.faults.checker import check
from loadtest.faults.final import Booking, Final, ShowState
from loadtest.faults.history import Record
from realtime import wire
from realtime.model import booking_of

SHOW = "west-s"
SEATS = ("A-1", "A-2", "A-3", "A-4")
ASHA, BALA, CHITRA = (f"{SHOW}.h{name:_<22}" for name in ("asha", "bala", "chitra"))


def ask(t: int, c: str, n: int, e: str, **p: Any) -> Record:
    return {"t": t, "k": "ask", "c": c, "n": n, "e": e, "p": p}


def told(t: int, c: str, n: int, e: str, **a: Any) -> Record:
    return {"t": t, "k": "told", "c": c, "n": n, "e": e, "a": {"ok": True, **a}}


def refused(t: int, c: str, n: int, e: str, code: str, *, retryable: bool = False) -> Record:
    return {
        "t": t,
        "k": "told",
        "c": c,
        "n": n,
        "e": e,
        "a": {"ok": False, "error": {"code": code, "retryable": retryable}},
    }


def news(t: int, c: str, e: str, **p: Any) -> Record:
    return {"t": t, "k": "news", "c": c, "e": e, "p": p}


def held(hold: str, *seats: str, until: int = 10_000) -> dict[str, Any]:
    return {"id": hold, "show": SHOW, "seats": list(seats), "expires_at": until}


def booked(hold: str, *seats: str, state: str = "booked") -> dict[str, Any]:
    return {"id": booking_of(hold), "hold": hold, "show": SHOW, "seats": list(seats), "state": state}


def conn(c: str) -> Record:
    return {"t": 0, "k": "conn", "c": c, "node": "n", "owner": f"owner-{c}"}


def history() -> list[Record]:
    """Asha books A-1 and A-2; Bala holds A-3 and lets go; Chitra is told pending, then booked; a viewer sees all."""
    empty = wire.pack_seats(bytes(4))
    return [
        *(conn(c) for c in ("asha", "bala", "chitra", "viewer")),
        ask(1, "viewer", 1, "show:watch", show=SHOW),
        told(2, "viewer", 1, "show:watch", show=SHOW, epoch="e", version=1, seats=empty),
        ask(10, "asha", 1, "seats:hold", show=SHOW, seats=["A-1", "A-2"], request_id="r1"),
        told(12, "asha", 1, "seats:hold", hold=held(ASHA, "A-1", "A-2")),
        news(13, "viewer", "seats:changed", show=SHOW, epoch="e", version=2, held=[0, 1], **{"from": 1}),
        ask(20, "bala", 1, "seats:hold", show=SHOW, seats=["A-3"], request_id="r1"),
        told(22, "bala", 1, "seats:hold", hold=held(BALA, "A-3")),
        news(23, "viewer", "seats:changed", show=SHOW, epoch="e", version=3, held=[2], **{"from": 2}),
        ask(30, "asha", 2, "seats:confirm", hold=ASHA, payment="p"),
        told(32, "asha", 2, "seats:confirm", booking=booked(ASHA, "A-1", "A-2")),
        ask(40, "bala", 2, "seats:release", hold=BALA),
        told(42, "bala", 2, "seats:release"),
        ask(50, "chitra", 1, "seats:hold", show=SHOW, seats=["A-3"], request_id="r1"),
        told(52, "chitra", 1, "seats:hold", hold=held(CHITRA, "A-3")),
        ask(60, "chitra", 2, "seats:confirm", hold=CHITRA, payment="p"),
        told(62, "chitra", 2, "seats:confirm", booking=booked(CHITRA, "A-3", state="pending")),
        news(70, "chitra", "booking:settled", booking=booked(CHITRA, "A-3")),
        news(71, "viewer", "seats:changed", show=SHOW, epoch="e", version=6, sold=[0, 1, 2], **{"from": 3}),
    ]


def final() -> Final:
    bookings = [Booking(ASHA, "owner-asha", (0, 1)), Booking(CHITRA, "owner-chitra", (2,))]
    state = ShowState(SEATS, bookings, "e", 6, "2220", {0: ASHA, 1: ASHA, 2: CHITRA}, {})
    return Final({SHOW: state}, {"west": 0}, {"west": 0}, {SHOW: [True, True]})


def broken(records: list[Record], end: Final) -> set[str]:
    return {violation.rule for violation in check(records, end).violations}


def test_the_truth_is_acquitted_and_every_rule_was_asked() -> None:
    verdict = check(history(), final())
    assert verdict.violations == []
    assert {
        "no seat is in two bookings",
        "what was told booked is in the ledger",
        "nothing released is booked",
        "every viewer's map is the authority's",
        "no seat is held by two at a time",
        "everything pending settles",
    } <= set(verdict.checks)


def test_a_double_booking_in_the_ledger_is_found() -> None:
    end = final()
    end.shows[SHOW].bookings.append(Booking(BALA, "owner-bala", (1,)))
    assert "no seat is in two bookings" in broken(history(), end)


def test_two_who_were_told_booked_for_one_seat_are_found() -> None:
    lie = [
        ask(80, "bala", 3, "seats:confirm", hold=BALA, payment="p"),
        told(82, "bala", 3, "seats:confirm", booking=booked(BALA, "A-1")),
    ]
    assert "what was told booked is in the ledger" in broken([*history(), *lie], final())


def test_a_lost_booking_is_found() -> None:
    end = final()
    del end.shows[SHOW].bookings[0]
    assert broken(history(), end) == {"what was told booked is in the ledger", "every sold seat is in the ledger"}


def test_a_booking_that_is_free_on_the_map_is_found() -> None:
    end = final()
    end.shows[SHOW].digits = "0220"
    assert "every booking is sold on the map" in broken(history(), end)


def test_a_booking_under_another_owner_is_found() -> None:
    end = final()
    end.shows[SHOW].bookings[0] = Booking(ASHA, "owner-eve", (0, 1))
    assert broken(history(), end) == {"what was told booked is in the ledger"}


def test_a_released_seat_that_is_booked_is_found() -> None:
    end = final()
    end.shows[SHOW].bookings[1] = Booking(BALA, "owner-bala", (2,))
    assert "nothing released is booked" in broken(history(), end)


def test_a_refusal_that_is_booked_is_found() -> None:
    records = [record for record in history() if record["k"] != "news" or record["e"] != "booking:settled"]
    records.append(ask(80, "chitra", 3, "seats:confirm", hold=CHITRA, payment="p"))
    records.append(refused(82, "chitra", 3, "seats:confirm", "booking_rejected"))
    assert "nothing that failed is booked" in broken(records, final())


def test_what_may_be_asked_again_says_nothing() -> None:
    records = history()
    records.insert(14, ask(25, "asha", 9, "seats:confirm", hold=ASHA, payment="p"))
    records.insert(15, refused(26, "asha", 9, "seats:confirm", "region_unavailable", retryable=True))
    records.append(ask(90, "bala", 9, "seats:hold", show=SHOW, seats=["A-4"], request_id="r9"))
    records.append({"t": 95, "k": "lost", "c": "bala", "n": 9, "e": "seats:hold"})
    assert broken(records, final()) == set()


@pytest.mark.parametrize("memory", [False, True])
def test_a_seat_that_two_hold_at_a_time_is_found_unless_its_master_lost_its_memory(memory: bool) -> None:
    records = [record for record in history() if record.get("e") != "seats:release"]
    fault = {"t": 45, "k": "fault", "kind": "k", "target": "t", "region": "west", "phase": "begin", "memory": memory}
    records.insert([r["t"] for r in records].index(50), fault)
    assert broken(records, final()) == (set() if memory else {"no seat is held by two at a time"})


def test_a_lapsed_hold_may_be_another_s() -> None:
    records = copy.deepcopy(history())
    for record in records:
        if record["k"] == "told" and record["c"] == "bala" and record["e"] == "seats:hold":
            record["a"]["hold"]["expires_at"] = 45
    records = [record for record in records if record.get("e") != "seats:release"]
    assert broken(records, final()) == set()


def test_a_pending_booking_that_never_settles_is_found() -> None:
    records = [record for record in history() if record.get("e") != "booking:settled"]
    assert broken(records, final()) == {"everything pending settles"}


def test_a_stale_map_is_found() -> None:
    assert broken(history()[:-1], final()) == {"every viewer's map is the authority's"}


def test_a_wrong_map_at_the_right_version_is_found() -> None:
    records = copy.deepcopy(history())
    records[-1]["p"]["sold"] = [0, 1]
    assert broken(records, final()) == {"every viewer's map is the authority's"}


def test_what_never_comes_to_rest_is_found() -> None:
    end = final()
    end.shows[SHOW].digits = "2221"
    end.shows[SHOW].live = {BALA: "held"}
    end.outbox["west"] = 1
    end.parked["west"] = 1
    assert broken(history(), end) >= {
        "no seat is held for ever",
        "no hold lives for ever",
        "every outbox is empty in the end",
        "nothing is set aside",
    }


def test_a_ledger_that_books_a_sold_seat_again_is_found() -> None:
    end = final()
    end.booked_again[SHOW][1] = False
    assert broken(history(), end) == {"the ledger refuses a seat that is sold"}


def test_a_request_that_made_two_holds_is_found() -> None:
    records = history()
    records.append(ask(90, "asha", 8, "seats:hold", show=SHOW, seats=["A-1", "A-2"], request_id="r1"))
    records.append(told(92, "asha", 8, "seats:hold", hold=held(CHITRA, "A-1", "A-2")))
    assert "the same request makes the same hold" in broken(records, final())
