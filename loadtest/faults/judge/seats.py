"""Checks that the history of every seat is linearizable, and ends as the ledger has it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from loadtest.faults.judge.end_state import FinalState
from loadtest.faults.judge.holds import HoldBook, HoldHistory
from loadtest.faults.judge.linear import find_failure
from loadtest.faults.judge.losses import Losses
from loadtest.faults.judge.operators import Command, block_operations
from loadtest.faults.judge.seat_model import BLOCKED, Act, SeatAction, SeatModel
from loadtest.faults.judge.seat_operations import SeatOperation, operation, operations
from loadtest.faults.judge.verdict import Verdict
from realtime.model import region_of

RULE = "every seat's history is linearizable"
DECIDED = "every seat's history can be decided"


@dataclass(frozen=True, slots=True)
class SeatHistory:
    """The operations on one seat, and its model."""

    show: str
    seat: str
    operations: list[SeatOperation]
    model: SeatModel


def seat_histories(
    book: HoldBook, commands: Iterable[Command], losses: Losses, final: FinalState, ended_at: float
) -> Iterator[SeatHistory]:
    """Yield the history of every seat that was asked for or is blocked; ``final`` is the state at ``ended_at`` (ms)."""
    by_seat = operations(book.holds, book.refusals)
    for key, more in block_operations(commands).items():
        by_seat.setdefault(key, []).extend(more)
    holds: defaultdict[tuple[str, str], dict[str, HoldHistory]] = defaultdict(dict)
    for hold in book.holds:
        for seat in hold.seats:
            holds[hold.show, seat][hold.id] = hold
    ends = _ends(final, ended_at)
    for key, read in ends.items():
        if read.action.hold == BLOCKED.hold:
            by_seat.setdefault(key, [])
    for (show, seat), found in by_seat.items():
        own = holds[show, seat]
        end = ends.get((show, seat))
        if end is not None and (end.action.hold in (*own, BLOCKED.hold) or end.action.act is Act.SEE_FREE):
            found.append(end)
        first = min((each.start for each in found), default=ended_at)
        windows = [window for window in losses.of(region_of(show)) if window[1] >= first]
        blocks = [(each.start, each.end) for each in found if each.action.act is Act.BLOCK]
        model = SeatModel(own, windows, blocks, losses.clock_steps(region_of(show)))
        yield SeatHistory(show, seat, found, model)


def _ends(final: FinalState, at: float) -> dict[tuple[str, str], SeatOperation]:
    """Return, for every seat that is sold, blocked or free at the end, the operation that reads this."""
    found: dict[tuple[str, str], SeatOperation] = {}
    for show_id, show in final.shows.items():
        for index, seat in enumerate(show.seat_ids):
            digit = show.digits[index : index + 1]
            if digit == "0":
                found[show_id, seat] = operation(SeatAction(Act.SEE_FREE, "(end)", at), at, at)
            elif digit == "3":
                found[show_id, seat] = operation(SeatAction(Act.FIRM, BLOCKED.hold, at), at, at)
        for booking in show.bookings:
            for index in booking.seats:
                found[show_id, show.seat_ids[index]] = operation(SeatAction(Act.FIRM, booking.hold, at), at, at)
    return found


def check_seats(histories: Iterable[SeatHistory], verdict: Verdict) -> None:
    """Check every seat's history."""
    for history in histories:
        failure = find_failure(history.operations, history.model)
        decided = failure is None or failure.decided
        verdict.check(DECIDED, decided, f"{history.show} {history.seat}: too many possible orders")
        if failure is None or not failure.decided:
            verdict.check(RULE, True, "")
            continue
        action = failure.operation.action
        states = " or ".join(sorted(map(str, failure.states)))
        text = (
            f"{history.show} {history.seat}: between {failure.operation.start:.0f} and {failure.operation.end:.0f} "
            f"{action.act} of {action.hold}, but before it the seat can only have been {states}"
        )
        verdict.check(RULE, False, text)
