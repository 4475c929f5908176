"""Turns what the history has about holds into the operations on each seat."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

from loadtest.faults.judge.holds import Attempt, HoldHistory
from loadtest.faults.judge.linear import Operation
from loadtest.faults.judge.seat_model import Act, SeatAction

SeatOperation = Operation[SeatAction]
_CHANGES = frozenset({Act.HOLD, Act.RELEASE, Act.CONFIRM, Act.BLOCK, Act.UNBLOCK})
ENDED_CODES = frozenset({"hold_expired", "hold_lost", "hold_ended", "hold_not_found", "request_reused"})
"""Refusals that say that a hold does not have its seats (any more)."""
_DOES: Mapping[str, Act] = {"seats:hold": Act.HOLD, "seats:release": Act.RELEASE, "seats:confirm": Act.CONFIRM}


def operation(action: SeatAction, start: float, end: float = math.inf, *, certain: bool = True) -> SeatOperation:
    """Return an operation on a seat."""
    return Operation(action, start, end, certain, reads=action.act not in _CHANGES)


def operations(
    holds: Iterable[HoldHistory], refusals: Iterable[tuple[HoldHistory, Attempt]]
) -> dict[tuple[str, str], list[SeatOperation]]:
    """Return the operations by (show, seat). ``refusals`` are requests for holds that were answered ``seats_taken``."""
    found: dict[tuple[str, str], list[SeatOperation]] = {}
    for hold in holds:
        for seat in hold.seats:
            found.setdefault((hold.show, seat), []).extend(_of_hold(hold, seat))
    for hold, refusal in refusals:
        assert refusal.answer is not None
        taken = refusal.answer["error"].get("seats", ())
        for seat in refusal.payload["seats"]:
            act = Act.SEE_TAKEN if seat in taken else Act.SEE_FREE
            action = SeatAction(act, hold.id, refusal.start)
            found.setdefault((refusal.payload["show"], seat), []).append(operation(action, refusal.start, refusal.end))
    return found


def _of_hold(hold: HoldHistory, seat: str) -> Iterator[SeatOperation]:
    unknown: dict[Act, float] = {}
    for attempt in hold.attempts:
        act = _act(attempt, seat)
        if act is None:
            continue
        if attempt.unknown:
            # Repeated attempts of one request count as one: which of them was carried out makes no difference.
            unknown[act] = min(attempt.start, unknown.get(act, math.inf))
        elif act is Act.RELEASE:
            # Another release may have done it already; then this one was answered as that one.
            yield operation(SeatAction(act, hold.id, attempt.start), attempt.start, attempt.end, certain=False)
            yield operation(SeatAction(Act.ENDED, hold.id, attempt.start), attempt.start, attempt.end)
        else:
            yield operation(SeatAction(act, hold.id, attempt.start), attempt.start, attempt.end)
    for act, start in unknown.items():
        yield operation(SeatAction(act, hold.id, start), start)
    for notice in hold.notices:
        if notice.became != "booked" and hold.answered_at < notice.at:
            # Strictly after the answer: before it the seat might not have been held yet.
            yield operation(
                SeatAction(Act.ENDED, hold.id, notice.at), math.nextafter(hold.answered_at, math.inf), notice.at
            )
        elif notice.became == "booked" and seat in notice.seats:
            yield operation(SeatAction(Act.FIRM, hold.id, notice.at), hold.requested_at, notice.at)


def _act(attempt: Attempt, seat: str) -> Act | None:
    """Return what an attempt did to a seat of its hold, or showed about it; None if nothing."""
    if attempt.ok or attempt.unknown:
        return _carried_out(attempt, seat)
    if attempt.code == "extend_limit":
        return Act.ALIVE
    if attempt.code in ENDED_CODES or (attempt.code == "booking_rejected" and attempt.event == "seats:confirm"):
        return Act.ENDED
    return None


def _carried_out(attempt: Attempt, seat: str) -> Act | None:
    named = attempt.payload.get("seats")
    if attempt.ok and attempt.answer is not None:
        # The answer has the seats that the hold or booking has now.
        body = attempt.answer.get("booking") or attempt.answer.get("hold") or {}
        if attempt.event in ("seats:hold", "seats:confirm", "seats:extend"):
            named = body["seats"]
    if named is None or seat in named:
        if attempt.event == "seats:extend":
            return Act.ALIVE if attempt.ok else None
        return _DOES[attempt.event]
    # A confirm that names its seats releases the others.
    return Act.RELEASE if attempt.event == "seats:confirm" else None
