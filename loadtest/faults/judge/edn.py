"""Writes the operations on every seat as EDN, one map a line, as Knossos and Porcupine read histories.

Each operation is two lines, ``:invoke`` and its completion; ``:index`` numbers the lines, ``:time`` is in ns. The value
is ``["show seat" "hold"]``, so that a checker can split the history by its first element, as ``jepsen.independent``
does. A completion is

- ``:ok``: the operation took effect between its two lines;
- ``:info``: it may have taken effect or not, at any time after its first line.

Processes have one operation at a time, and none after an ``:info``, as Knossos requires. The functions are those of
``seat_model.Act``; docs/reliability.md says what they do to a seat. What nobody is answered is written as operations
that end with ``:info``: ``:expire`` (from the deadline of a hold on) and ``:lose`` (in a window of data loss).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TextIO

from loadtest.faults.judge.seats import SeatHistory

NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class _Line:
    """The first or the last line of the operation ``number``."""

    at: float
    last: bool
    number: int


@dataclass(frozen=True, slots=True)
class _Entry:
    """One operation as it is written."""

    f: str
    key: str
    hold: str
    start: float
    end: float
    certain: bool


def write(histories: Iterable[SeatHistory], out: TextIO) -> int:
    """Write the histories of all seats in the order of time; return the number of lines."""
    entries = [entry for history in histories for entry in _entries(history)]
    lines = [_Line(entry.start, False, number) for number, entry in enumerate(entries)]
    lines += [_Line(entry.end, True, number) for number, entry in enumerate(entries) if entry.end != math.inf]
    lines.sort(key=lambda line: (line.at, line.last, line.number))
    processes = _Processes()
    for index, line in enumerate(lines):
        entry = entries[line.number]
        kind = "invoke"
        if line.last:
            kind = "ok" if entry.certain else "info"
        process = processes.end(line.number, entry.certain) if line.last else processes.begin(line.number)
        out.write(
            f"{{:index {index}, :time {round(line.at * NS_PER_MS)}, :process {process}, :type :{kind}, "
            f":f :{entry.f}, :value [{_text(entry.key)} {_text(entry.hold)}]}}\n"
        )
    return len(lines)


def _entries(history: SeatHistory) -> Iterator[_Entry]:
    key = f"{history.show} {history.seat}"
    for operation in history.operations:
        action = operation.action
        yield _Entry(action.act.value, key, action.hold, operation.start, operation.end, operation.certain)
    for hold in history.model.holds.values():
        if hold.earliest_end != math.inf:
            yield _Entry("expire", key, hold.id, hold.earliest_end, math.inf, certain=False)
    for start, end in history.model.losses:
        yield _Entry("lose", key, "", start, end, certain=False)


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class _Processes:
    """Gives every operation a process that has no other one open; one that ended with ``:info`` is not used again."""

    def __init__(self) -> None:
        self._free: list[int] = []
        self._made = 0
        self._of: dict[int, int] = {}

    def begin(self, number: int) -> int:
        if self._free:
            process = heapq.heappop(self._free)
        else:
            process, self._made = self._made, self._made + 1
        self._of[number] = process
        return process

    def end(self, number: int, certain: bool) -> int:
        process = self._of.pop(number)
        if certain:
            heapq.heappush(self._free, process)
        return process
