"""The Lua library can import nothing: what it repeats of the limits of the Python code must be the same."""

from __future__ import annotations

import re

import pytest

from realtime import limits
from realtime.ledger import analytics
from realtime.locks import library, rebuild_plan


def constant(name: str) -> int:
    """Return a number that the library declares, alone or with others."""
    (line,) = re.findall(rf"^local ((?:\w+, )*{name}\b.*)", library.source(), re.MULTILINE)
    names, _, values = line.partition("--")[0].partition(" = ")
    return int(values.split(",")[names.split(", ").index(name)])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OUTBOX_LIMIT", limits.OUTBOX_LIMIT),
        ("MAX_ORDERS", limits.MAX_ORDERS_PER_HOLD),
        ("REST_KEPT_MS", int(limits.MAX_REST_S * 1000)),
        ("ARGS_PER_COMMAND", rebuild_plan.ARGS_PER_COMMAND),
        ("HOUR_MS", analytics.HOUR_MS),
        ("INDIA_OFFSET_MS", analytics.INDIA_OFFSET_MS),
    ],
)
def test_a_number_that_the_library_repeats_is_that_of_the_python_code(name: str, value: int) -> None:
    assert constant(name) == value
