"""What operators asked for: the operations on seats and on the sales of shows that follow, and their checks."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from loadtest.faults.history import Record
from loadtest.faults.judge.end_state import FinalState
from loadtest.faults.judge.holds import HoldBook
from loadtest.faults.judge.linear import Operation, find_failure
from loadtest.faults.judge.seat_model import BLOCKED, Act, SeatAction
from loadtest.faults.judge.seat_operations import SeatOperation, operation
from loadtest.faults.judge.verdict import Verdict
from realtime.model import SalesState

SALES = "sales are what operators decided"
"""A hold is acknowledged while sales are open, ``sales_paused`` while they are paused, and the end is the last."""
ANSWERED = "every operator's command is answered"
BLOCKS = "ledger and master have the same blocked seats"
SAME_SALES = "ledger and master have the same sales state"
_ACTS = {"ops:block": Act.BLOCK, "ops:unblock": Act.UNBLOCK}
_OPEN, _PAUSED = SalesState.OPEN.value, SalesState.PAUSED.value
_SALES = {"ops:open": _OPEN, "ops:pause": _PAUSED}


@dataclass(slots=True)
class Command:
    """One command of an operator, from its first request to its final answer. ``end`` is infinite without one."""

    event: str
    show: str
    seats: tuple[str, ...]
    start: float
    end: float = math.inf
    requests: int = 0
    done: bool = False
    """Whether it was carried out."""
    taken: tuple[str, ...] = ()
    """The seats for which it was refused."""


class CommandBook:
    """Collects the commands of a history. Call ``add`` for every record, in order."""

    def __init__(self) -> None:
        """Empty."""
        self._by_key: dict[str, Command] = {}
        self._requested: dict[tuple[str, int], Command] = {}

    @property
    def commands(self) -> list[Command]:
        """All commands, in the order of their first requests."""
        return list(self._by_key.values())

    def add(self, record: Record) -> None:
        """Read one record."""
        event = record.get("e", "")
        if not event.startswith("ops:"):
            return
        if record["k"] == "request":
            asked = record["p"]
            new = Command(event, asked["show"], tuple(asked["seats"]), record["t"])
            command = self._requested[record["c"], record["n"]] = self._by_key.setdefault(asked["key"], new)
            command.requests += 1
        elif record["k"] == "answer":
            self._answer(self._requested[record["c"], record["n"]], record["a"], record["t"])

    def _answer(self, command: Command, answer: dict[str, Any], at: float) -> None:
        if answer["ok"] or not answer["error"]["retryable"]:
            command.end, command.done = at, answer["ok"]
            command.taken = () if answer["ok"] else tuple(answer["error"].get("seats", ()))


# --- seats ------------------------------------------------------------------------------------------------------------
def block_operations(commands: Iterable[Command]) -> dict[tuple[str, str], list[SeatOperation]]:
    """Return what commands did to seats, or showed about them, by (show, seat)."""
    found: defaultdict[tuple[str, str], list[SeatOperation]] = defaultdict(list)
    for command in commands:
        if (act := _ACTS.get(command.event)) is not None:
            for seat in command.seats:
                found[command.show, seat] += _on_seat(command, act, seat)
    return found


def _on_seat(command: Command, act: Act, seat: str) -> Iterator[SeatOperation]:
    action = SeatAction(act, BLOCKED.hold, command.start)
    if command.done or command.end == math.inf:
        yield operation(action, command.start, command.end)
    elif seat in command.taken:
        yield operation(action._replace(act=Act.SEE_TAKEN), command.start, command.end)
    if command.requests > 1 and act is Act.BLOCK:
        # A master that was lost before it had answered may have blocked the seat for an earlier request.
        yield operation(action, command.start, command.end, certain=False)


# --- sales ------------------------------------------------------------------------------------------------------------
class SalesAction(NamedTuple):
    """An operator's decision, or (``reads``) what a client was answered that shows the sales state."""

    sales: str
    reads: bool
    what: str


class _SalesModel:
    """The sales of a show: open at first. They are in the ledger before the master, so no fault changes them."""

    def initial(self) -> str:
        return _OPEN

    def step(self, state: str, action: SalesAction, at: float) -> Iterable[str]:
        return (action.sales,) if not action.reads or state == action.sales else ()

    def quiet(self, state: str, at: float) -> Iterable[str]:
        return ()

    def moments(self) -> Iterable[float]:
        return ()


def _read(sales: str, what: str, start: float, end: float) -> Operation[SalesAction]:
    return Operation(SalesAction(sales, True, what), start, end, reads=True)


def check_operators(
    commands: Iterable[Command], book: HoldBook, final: FinalState, ended_at: float, verdict: Verdict
) -> None:
    """Check commands, the sales of every show, and what is blocked at the end, which is at ``ended_at`` (ms)."""
    operations: defaultdict[str, list[Operation[SalesAction]]] = defaultdict(list)
    for command in commands:
        text = f"{command.event} of {command.show} was not answered in {command.requests} requests"
        verdict.check(ANSWERED, command.end != math.inf, text)
        if (sales := _SALES.get(command.event)) is not None and (command.done or command.end == math.inf):
            action = SalesAction(sales, False, command.event)
            operations[command.show].append(Operation(action, command.start, command.end))
    for hold in book.holds:
        if hold.granted:
            operations[hold.show].append(_read(_OPEN, hold.id, hold.requested_at, hold.answered_at))
    for attempt in book.paused:
        operations[attempt.payload["show"]].append(_read(_PAUSED, attempt.client, attempt.start, attempt.end))
    for show_id, show in final.shows.items():
        end = _read(show.sales, "the end", ended_at, ended_at)
        _check_sales(show_id, [*operations[show_id], end], verdict)
        blocked = {index for index, digit in enumerate(show.digits) if digit == "3"}
        differ = sorted(show.seat_ids[index] for index in blocked ^ show.blocked)
        verdict.check(BLOCKS, not differ, f"{show_id}: {', '.join(differ)} blocked in one of them only")
        text = f"{show_id}: {show.ledger_sales} in the ledger, {show.sales} on the master"
        verdict.check(SAME_SALES, show.sales == show.ledger_sales, text)


def _check_sales(show: str, operations: Sequence[Operation[SalesAction]], verdict: Verdict) -> None:
    failure = find_failure(operations, _SalesModel())
    text = ""
    if failure is not None:
        seen = failure.operation
        text = (
            f"{show}: {seen.action.what} found sales {seen.action.sales} between {seen.start:.0f} and {seen.end:.0f}, "
            f"but they can only have been {' or '.join(sorted(failure.states))}"
        )
    verdict.check(SALES, failure is None, text)
