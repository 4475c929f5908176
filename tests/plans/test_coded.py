"""The pages' decoder reads a coded layout as the same layout, exact but for its positions, whatever the plan is."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol

import brotli
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.dev.samples.stadium import stadium_plan
from realtime.model import Category, Layout, Row, Seat
from realtime.plans import coded, read_plan
from realtime.wire.layouts import layout_json, make_layout
from tests.plans.samples import dump, editor_plan

MAX_STADIUM_BYTES = 46_000
CATEGORIES = (Category("Gold", "#d4a017"), Category("Silver", "#7a8fa6"), Category('"Box"', "#000000"))


class Decode(Protocol):
    def __call__(self, body: bytes) -> dict[str, Any]: ...


@pytest.fixture(scope="module")
def decode(node_binary: Path) -> Iterator[Decode]:
    """The decoder of the pages, in Node.js."""
    script = Path(__file__).with_name("decode.mjs")
    with subprocess.Popen([node_binary, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as node:
        assert node.stdin is not None and node.stdout is not None
        into, out = node.stdin, node.stdout

        def ask(body: bytes) -> dict[str, Any]:
            into.write(base64.b64encode(body) + b"\n")
            into.flush()
            answer: dict[str, Any] = orjson.loads(out.readline())
            return answer

        yield ask
        into.close()


def check(decode: Decode, layout: Layout) -> bytes:
    """Code and decode a layout; compare with its JSON. Returns the coded layout."""
    body = coded.encode(layout)
    found = decode(body)
    wanted = orjson.loads(orjson.dumps(layout_json(layout)))
    unit = found["head"]["quantum"]
    assert found["head"]["seat_count"] == len(layout.seats)
    for name in ("id", "name", "size", "categories", "shapes"):
        assert found["head"][name] == wanted[name]
    assert (found["head"].get("rows") or found["rows"]) == wanted.get("rows", [])
    assert len(found["seats"]) == len(wanted["seats"])
    for seat, other in zip(found["seats"], wanted["seats"], strict=True):
        for axis in "xy":
            assert abs(seat.pop(axis) - other.pop(axis)) <= unit * 0.501
        assert seat == other
    return body


text = st.text(st.characters(blacklist_categories=["Cs"]), max_size=8)
label = st.one_of(st.sampled_from(["", "A", "B", "AA", "1", "7", "10", "01"]), text)
place = st.one_of(st.integers(-50, 50).map(float), st.floats(-1e6, 1e6).map(lambda value: round(value, 6)))


@st.composite
def rows_of_seats(draw: st.DrawFn, number: int) -> list[Seat]:
    """Draw a row as people build them: most are regular, but anything may be irregular."""
    section, row = draw(label), draw(label)
    count = draw(st.integers(1, 6))
    first, step = draw(st.integers(-3, 120)), draw(st.sampled_from([1, 1, 2, -1, 0]))
    numbers = [str(first + n * step) for n in range(count)]
    if draw(st.booleans()):
        numbers = [draw(st.one_of(label, st.just(each))) for each in numbers]
    form = draw(st.sampled_from(["{row}-{number}", "{section}/{row}{number}", "{number:0>3}", "{number}", "?"]))
    ids = [f"{number}.{form.format(section=section, row=row, number=each)}" for each in numbers]
    # Ids are unique in a plan.
    ids = [each if ids.count(each) == 1 and form != "?" else f"{number}:{n}{draw(text)}" for n, each in enumerate(ids)]
    x, y, dx, dy = draw(place), draw(place), draw(place), draw(st.sampled_from([0.0, 0.5]))
    bend = draw(st.sampled_from([0.0, 0.01, 0.3]))
    category = draw(st.integers(0, 2))
    return [
        Seat(
            ids[n],
            section,
            row,
            numbers[n],
            CATEGORIES[(category + draw(st.sampled_from([0, 0, 0, 1]))) % 3].name,
            x + n * dx / 100,
            y + n * dy + n * n * bend,
            draw(st.sampled_from([False, False, False, True])),
        )
        for n in range(count)
    ]


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    groups = [draw(rows_of_seats(number)) for number in range(draw(st.integers(1, 5)))]
    seats = tuple(seat for group in groups for seat in group)
    starts = [0, *accumulate(len(group) for group in groups)]
    rows = tuple(
        Row(
            first,
            count,
            draw(text),
            draw(text),
            draw(st.sampled_from(["both", "none"])),
            draw(st.integers(0, 2)),
            radii,
        )
        for first, group in zip(starts, groups, strict=False)
        if draw(st.booleans())
        for count in [draw(st.integers(1, len(group)))]
        for block in [draw(st.integers(0, 2))]
        for radii in [draw(st.sampled_from([(), (10.0,), (1.5,) * count]))]
    )
    return make_layout(draw(text), draw(place), 100.0, CATEGORIES, seats, (), rows)


@settings(max_examples=150)
@given(layout=layouts())
def test_any_layout_is_read_back(decode: Decode, layout: Layout) -> None:
    check(decode, layout)


def test_rows_that_overlap_are_in_the_head(decode: Decode) -> None:
    seats = tuple(Seat(f"s{n}", "Hall", "A" if n < 3 else "B", str(n), "Gold", n * 10.0, 0.0) for n in range(6))
    for rows in ((Row(0, 4), Row(4, 2)), (Row(0, 3), Row(2, 2)), (Row(3, 9),)):
        check(decode, make_layout("Hall", 100, 100, CATEGORIES, seats, (), rows))


def test_the_sample_plans_are_read_back_and_small(decode: Decode) -> None:
    check(decode, read_plan(dump(editor_plan())))
    body = check(decode, read_plan(stadium_plan()))
    assert len(brotli.compress(body, quality=9)) <= MAX_STADIUM_BYTES


def test_positions_on_a_grid_are_exact(decode: Decode) -> None:
    seats = tuple(Seat(f"A-{n}", "Hall", "A", str(n), "Gold", n * 24.0 + 3, 7.5) for n in range(40))
    body = coded.encode(make_layout("Hall", 1000, 100, CATEGORIES, seats))
    assert [(seat["x"], seat["y"]) for seat in decode(body)["seats"]] == [(seat.x, seat.y) for seat in seats]
