"""The search for a linearization agrees with trying every order, on small histories of a register."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.faults.judge import linear
from loadtest.faults.judge.linear import Operation, find_failure

Action = tuple[str, int]
"""``write`` a value, or ``read`` it."""


@dataclass(frozen=True)
class Register:
    """A register that starts with 0 and may lose its value (become 0) between two times."""

    lossy: tuple[float, float] = (math.inf, -math.inf)

    def initial(self) -> int:
        return 0

    def step(self, state: int, action: Action, at: float) -> Iterable[int]:
        kind, value = action
        if kind == "write":
            return (value,)
        return (state,) if state == value else ()

    def quiet(self, state: int, at: float) -> Iterable[int]:
        return (0,) if self.lossy[0] <= at <= self.lossy[1] else ()

    def moments(self) -> Iterable[float]:
        return (self.lossy[1],) if self.lossy[1] > -math.inf else ()


def write(value: int, start: float, end: float = math.inf, *, certain: bool = True) -> Operation[Action]:
    return Operation(("write", value), start, end, certain)


def read(value: int, start: float, end: float) -> Operation[Action]:
    return Operation(("read", value), start, end, reads=True)


def is_linearizable_by_trying(operations: Sequence[Operation[Action]], model: Register) -> bool:
    """Try every order of every subset that contains the operations that must have taken effect."""
    needed = {n for n, each in enumerate(operations) if each.certain and each.end != math.inf}
    times = sorted({t for each in operations for t in (each.start, each.end) if t != math.inf} | {*model.moments()})
    for size in range(len(needed), len(operations) + 1):
        for chosen in itertools.combinations(range(len(operations)), size):
            if needed <= set(chosen) and any(
                _explains(order, operations, model, times) for order in itertools.permutations(chosen)
            ):
                return True
    return False


def _explains(
    order: Sequence[int], operations: Sequence[Operation[Action]], model: Register, times: list[float]
) -> bool:
    """Let the operations take effect in this order at any of the times, with quiet changes in between."""

    def place(rest: Sequence[int], state: int, earliest: float) -> bool:
        if not rest:
            return True
        operation = operations[rest[0]]
        for at in times:
            if at < max(earliest, operation.start) or at > operation.end:
                continue
            before = {state}
            for moment in times:
                if earliest <= moment <= at:
                    before |= {after for each in before for after in model.quiet(each, moment)}
            for each in before:
                if any(place(rest[1:], after, at) for after in model.step(each, operation.action, at)):
                    return True
        return False

    return place(order, model.initial(), -math.inf)


def test_a_read_returns_the_last_write() -> None:
    assert find_failure([write(1, 0, 1), read(1, 2, 3)], Register()) is None
    failure = find_failure([write(1, 0, 1), read(2, 2, 3)], Register())
    assert failure is not None
    assert failure.operation == read(2, 2, 3)
    assert failure.states == {1}


def test_overlapping_operations_may_take_effect_in_either_order() -> None:
    assert find_failure([write(1, 0, 10), write(2, 0, 10), read(1, 11, 12)], Register()) is None
    assert find_failure([write(1, 0, 10), write(2, 0, 10), read(1, 11, 12), read(2, 13, 14)], Register()) is not None


def test_an_operation_without_an_answer_may_have_taken_effect_at_any_later_time_or_never() -> None:
    unanswered = write(1, 0)
    assert find_failure([unanswered, read(0, 5, 6), read(1, 50, 60)], Register()) is None
    assert find_failure([unanswered, read(0, 5, 6), read(0, 50, 60)], Register()) is None
    assert find_failure([unanswered, read(1, 5, 6), read(0, 50, 60)], Register()) is not None


def test_an_uncertain_operation_with_an_end_takes_no_effect_after_it() -> None:
    uncertain = write(1, 0, 10, certain=False)
    assert find_failure([uncertain, read(1, 11, 12)], Register()) is None
    assert find_failure([uncertain, read(0, 11, 12)], Register()) is None
    assert find_failure([uncertain, read(0, 11, 12), read(1, 13, 14)], Register()) is not None


def test_a_quiet_change_is_possible_only_in_its_time() -> None:
    lossy = Register((20, 30))
    assert find_failure([write(1, 0, 1), read(0, 5, 6)], lossy) is not None
    assert find_failure([write(1, 0, 1), read(0, 40, 50)], lossy) is None
    assert find_failure([write(1, 0, 1), read(1, 31, 32), read(0, 40, 50)], lossy) is not None
    assert find_failure([write(1, 35, 36), read(0, 40, 50)], lossy) is not None


def test_a_search_that_grows_too_large_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "MAX_CONFIGURATIONS", 10)
    failure = find_failure([write(n, 0, 10) for n in range(6)], Register())
    assert failure is not None
    assert not failure.decided


def test_requests_that_are_open_at_once_do_not_let_the_search_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "MAX_CONFIGURATIONS", 200)
    unanswered = [write(n, 0) for n in range(60)]
    reads = [read(7, 5, 30 + n) for n in range(60)]
    assert find_failure([*unanswered, *reads], Register()) is None
    failure = find_failure([*unanswered, *reads, read(99, 40, 50)], Register())
    assert failure is not None
    assert failure.decided


@st.composite
def operations(draw: st.DrawFn) -> Operation[Action]:
    start = draw(st.integers(0, 8))
    end = draw(st.one_of(st.just(math.inf), st.integers(start, 9)))
    kind = draw(st.sampled_from(("read", "write")))
    reads = kind == "read" and draw(st.booleans())
    return Operation((kind, draw(st.integers(0, 2))), start, end, draw(st.booleans()), reads)


@given(st.lists(operations(), max_size=5), st.sampled_from(((math.inf, -math.inf), (0, 3), (2, 2), (4, 7))))
@settings(max_examples=400)
def test_the_search_agrees_with_trying_every_order(
    history: list[Operation[Action]], lossy: tuple[float, float]
) -> None:
    model = Register(lossy)
    assert (find_failure(history, model) is None) == is_linearizable_by_trying(history, model)
