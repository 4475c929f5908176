"""Checks that the history of one object is linearizable: "just-in-time linearization" (Wing and Gong; Lowe, 2017).

Operations overlap in time; each takes effect at one moment between its beginning and its end. A history is linearizable
if there is an order of these moments that the object's model allows. The checker reads the beginnings and ends in the
order of time and keeps every *configuration* that is possible so far: a state of the object, and which of the open
operations have taken effect in it. A configuration goes if another in the same state can do all that it can: one in
which the same or more reads have taken effect, and the same or fewer operations that need not. That keeps the search
small however many requests are open at once.

Two things go beyond a plain register, because some causes are never answered to anybody:

- an operation with ``certain`` False may have taken effect or not (a request without an answer);
- the model may change the state by itself, as often as it likes (``quiet``): a deadline passes, a server loses data.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
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
    reads: bool = False
    """Whether it never changes the state."""

    @property
    def optional(self) -> bool:
        """Whether it need not take effect."""
        return not self.certain or self.end == math.inf


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
            if not search.end_operation(number):
                return Failure(operations[number], before)
    return None


@dataclass(frozen=True, slots=True)
class _Configuration(Generic[State]):
    """A state, and the numbers of the open operations that took effect: reads, optional ones, and the others."""

    state: State
    reads: frozenset[int] = frozenset()
    optional: frozenset[int] = frozenset()
    others: frozenset[int] = frozenset()

    def covers(self, other: _Configuration[State]) -> bool:
        """Whether everything that can follow ``other``, of the same state and the same others, can follow this."""
        return self.reads >= other.reads and self.optional <= other.optional


class _Search(Generic[State, Action]):
    """The possible configurations at one moment."""

    def __init__(self, operations: Sequence[Operation[Action]], model: Model[State, Action]) -> None:
        self.open: set[int] = set()
        self._operations = operations
        self._model = model
        self._found: dict[tuple[State, frozenset[int]], list[_Configuration[State]]] = {}
        self._size = 0
        self._add(_Configuration(model.initial()))

    def states(self) -> frozenset[State]:
        return frozenset(state for state, _others in self._found)

    def expand(self, at: float) -> bool:
        """Add every configuration that can be reached until ``at``; False if there are too many."""
        waiting = [each for same in self._found.values() for each in same]
        while waiting:
            waiting += [each for each in self._reached(waiting.pop(), at) if self._add(each)]
            if self._size > MAX_CONFIGURATIONS:
                return False
        return True

    def end_operation(self, number: int) -> bool:
        """End an operation: if it is certain, only configurations in which it took effect remain; False if none do."""
        certain = self._operations[number].certain
        self.open.discard(number)
        before, self._found, self._size = self._found, {}, 0
        ended = frozenset((number,))
        for each in itertools.chain.from_iterable(before.values()):
            if not certain or number in each.reads or number in each.others:
                without = (done - ended for done in (each.reads, each.optional, each.others))
                self._add(_Configuration(each.state, *without))
        return bool(self._found)

    def _reached(self, before: _Configuration[State], at: float) -> Iterator[_Configuration[State]]:
        """Yield what follows a configuration in one step: all reads that are possible, or else any one change."""
        state = before.state
        waiting = self.open - before.reads - before.optional - before.others
        possible = {number: self._step(state, number, at) for number in waiting}
        reads = frozenset(n for n, after in possible.items() if after and self._is_read(n))
        if reads:
            yield replace(before, reads=before.reads | reads)
            return
        for after in self._model.quiet(state, at):
            yield replace(before, state=after)
        for number, states in possible.items():
            for after in states:
                if self._operations[number].optional:
                    yield replace(before, state=after, optional=before.optional | {number})
                else:
                    yield replace(before, state=after, others=before.others | {number})

    def _step(self, state: State, number: int, at: float) -> Sequence[State]:
        return tuple(self._model.step(state, self._operations[number].action, at))

    def _is_read(self, number: int) -> bool:
        operation = self._operations[number]
        return operation.reads and not operation.optional

    def _add(self, new: _Configuration[State]) -> bool:
        """Add a configuration in place of those that it covers; False if one covers it."""
        same = self._found.setdefault((new.state, new.others), [])
        if any(each.covers(new) for each in same):
            return False
        kept = [each for each in same if not new.covers(each)]
        self._size += 1 + len(kept) - len(same)
        same[:] = [*kept, new]
        return True
