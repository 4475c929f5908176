"""Histories as EDN: what Knossos requires of processes, and that nothing is missing."""

from __future__ import annotations

import io
import re

from loadtest.faults.judge import edn
from loadtest.faults.judge.checker import Checker
from tests.loadtest.clean_run import SHOW, clean_run

LINE = re.compile(
    r"\{:index (\d+), :time (\d+), :process (\d+), :type :(invoke|ok|info), :f :([a-z-]+), "
    r':value \["([^"]+)" "([^"]*)"\]\}'
)


def exported() -> list[tuple[str, ...]]:
    run = clean_run()
    checker = Checker(run.final)
    for record in run.records:
        checker.add(record)
    out = io.StringIO()
    count = edn.write(checker.seat_histories(), out)
    lines = [LINE.fullmatch(line) for line in out.getvalue().splitlines()]
    assert len(lines) == count
    assert None not in lines
    return [line.groups() for line in lines if line is not None]


def test_lines_are_numbered_and_in_the_order_of_time() -> None:
    lines = exported()
    assert [int(line[0]) for line in lines] == list(range(len(lines)))
    times = [int(line[1]) for line in lines]
    assert times == sorted(times)


def test_a_process_has_one_operation_at_a_time_and_none_after_an_unknown_one() -> None:
    open_operations: dict[str, tuple[str, ...]] = {}
    crashed = set()
    for _index, _time, process, kind, *operation in exported():
        assert process not in crashed
        if kind == "invoke":
            assert process not in open_operations
            open_operations[process] = tuple(operation)
        else:
            assert open_operations.pop(process) == tuple(operation)
            if kind == "info":
                crashed.add(process)


def test_every_seat_has_its_operations_and_losses() -> None:
    lines = exported()
    functions = {line[4] for line in lines}
    assert {
        "hold",
        "release",
        "confirm",
        "alive",
        "ended",
        "see-taken",
        "see-free",
        "firm",
        "expire",
        "lose",
        "block",
        "unblock",
    } == functions
    assert {line[5] for line in lines} == {f"{SHOW} A-{number}" for number in range(1, 9)}
