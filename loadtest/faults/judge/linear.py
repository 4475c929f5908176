"""Checks that the history of one object is linearizable: "just-in-time linearization" (Wing and Gong; Lowe, 2017).

Operations overlap in time; each takes effect at one moment between its beginning and its end. A history is linearizable
if there is an order of these moments that the object's model allows. The checker reads the beginnings and ends in the
order of time and keeps every *configuration* that is possible so far: a state of the object, and which of the open
operations have taken effect in it. Equal configurations are merged, which is what keeps the search small.

Two things go beyond a plain register, because some causes are never answered to anybody:

- an operation with ``certain`` False may have taken effect or not (a request without an answer);
- the model may change the state by itself, as often as it likes (``quiet``): a deadline passes, a server loses data.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

MAX_CONFIGURATIONS = 100_000
"""More than this at one moment are not searched: the history counts as undecided."""

State = TypeVar("State", bound=Hashable)
Action = TypeVar("Action")
Action_contra = TypeVar("Action_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Operation(Generic[Action]):
    """One operation. It takes effect between ``start`` and ``end`` (ms, both inclusive); ``end`` may be infinite."""

    action: Action
    start: float
    end: float = math.inf
    certain: bool = True
    """Whether it is known that it took effect. An operation that never ends is never required to."""


class Model(Protocol[State, Action_contra]):
    """What an object can do. States are hashable values; ``at`` is a time in ms."""

    def initial(self) -> State:
        """Return the state before the first operation."""

    def step(self, state: State, action: Action_contra, at: float) -> Iterable[State]:
        """Return the states that an action may lead to; none if it is impossible in ``state``.

        ``at`` is not before the moment at which the action takes effect, and not after its end.
        """

    def quiet(self, state: State, at: float) -> Iterable[State]:
        """Return the states that the object may change to by itself at ``at``."""

    def moments(self) -> Iterable[float]:
        """Return the times after which a quiet change is no longer possible. It is considered at each of them."""


@dataclass(frozen=True, slots=True)
class Failure(Generic[State, Action]):
    """Why a history is not linearizable: ``operation`` can't be explained in any of ``states``.

    ``decided`` is False if the search was given up: then nothing is known.
    """

    operation: Operation[Action]
    states: frozenset[State]
    decided: bool = True


def find_failure(operations: Sequence[Operation[Action]], model: Model[State, Action]) -> Failure[State, Action] | None:
    """Return the first operation that no order can explain, or None if the history is linearizable."""
    # At one moment: beginnings first, so that operations that only touch count as overlapping.
    events = [(operation.start, 0, number) for number, operation in enumerate(operations)]
    events += [(moment, 1, -1) for moment in model.moments()]
    events += [(each.end, 2, number) for number, each in enumerate(operations) if each.end != math.inf]
    search = _Search(operations, model)
    for at, kind, number in sorted(events):
        if kind == 0:
            search.open.add(number)
        elif not search.expand(at):
            return Failure(operations[number], search.states(), decided=False)
        elif kind == 2:
            before = search.states()
            if not search.close(number):
                return Failure(operations[number], before)
    return None


class _Search(Generic[State, Action]):
    """The possible configurations at one moment: a state, and the numbers of the open operations that took effect."""

    def __init__(self, operations: Sequence[Operation[Action]], model: Model[State, Action]) -> None:
        self.open: set[int] = set()
        self._operations = operations
        self._model = model
        self._found: set[tuple[State, frozenset[int]]] = {(model.initial(), frozenset())}

    def states(self) -> frozenset[State]:
        return frozenset(state for state, _done in self._found)

    def expand(self, at: float) -> bool:
        """Add every configuration that can be reached until ``at``; False if there are too many."""
        waiting = list(self._found)
        while waiting:
            state, done = waiting.pop()
            reached = [(after, done) for after in self._model.quiet(state, at)]
            for number in self.open - done:
                now_done = done | {number}
                reached += [(after, now_done) for after in self._model.step(state, self._operations[number].action, at)]
            for configuration in reached:
                if configuration not in self._found:
                    self._found.add(configuration)
                    waiting.append(configuration)
            if len(self._found) > MAX_CONFIGURATIONS:
                return False
        return True

    def close(self, number: int) -> bool:
        """End an operation: if it is certain, only configurations in which it took effect remain; False if none do."""
        certain = self._operations[number].certain
        self.open.discard(number)
        self._found = {(state, done - {number}) for state, done in self._found if number in done or not certain}
        return bool(self._found)
