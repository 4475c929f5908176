"""What a plan says beyond seats and prices: names of rows and seats, colours, and the report after an import."""

from __future__ import annotations

import pytest

from realtime.errors import InvalidPlan
from realtime.plans import import_plan, read_plan
from realtime.plans.colors import read as read_colour
from realtime.plans.values import Place
from realtime.wire.layouts import decode_layout, encode_layout
from tests.plans.samples import Plan, dump, plan, seat


def hall(*rows: Plan, **changes: object) -> Plan:
    return plan(zones=[{"name": "Hall", "rows": list(rows)}], **changes)


def row(name: str, y: float, *seats: Plan, **more: object) -> Plan:
    return {"row_number": name, "position": {"x": 0, "y": y}, "seats": list(seats), **more}


def line(prefix: str, count: int, pitch: float = 25, x: float = 0) -> list[Plan]:
    return [seat(f"{prefix}{n}", str(n), x + pitch * n, 0) for n in range(1, count + 1)]


def found(sample: Plan) -> dict[str, tuple[int, tuple[str, ...]]]:
    return {finding.kind: (finding.count, finding.examples) for finding in import_plan(dump(sample))[1]}


def test_a_plain_plan_has_no_findings() -> None:
    assert found(plan()) == {}


def test_all_ids_that_are_used_twice_are_named() -> None:
    twice = hall(row("A", 0, *line("a", 30)), row("B", 30, *line("a", 30)))
    with pytest.raises(InvalidPlan) as caught:
        read_plan(dump(twice))
    assert "30 seats have an id that is already used" in caught.value.message
    assert all(
        f'"a{n}" is already used at zones[0].rows[0].seats[{n - 1}]' in caught.value.message for n in range(1, 31)
    )


@pytest.mark.parametrize(
    ("kind", "sample", "count", "examples"),
    [
        (
            "overlapping_seats",
            hall(row("A", 0, *line("w", 6)), row("B", 0, *line("e", 6, x=4 * 25))),
            2,
            ("e1 on w5", "e2 on w6"),
        ),
        ("overlapping_seats", hall(row("A", 0, *line("w", 6), seat("x", "7", 28, 2))), 1, ("x on w1",)),
        ("overlapping_seats", hall(row("A", 0, seat("p", "1", 5, 5), seat("q", "2", 5, 5))), 1, ("q on p",)),
        (
            "equal_names",
            hall(row("A", 0, *line("a", 2)), row("A", 90, *line("b", 2))),
            2,
            ("Hall A 1", "Hall A 2"),
        ),
        ("equal_names", hall(row("A", 0, seat("p", "7", 0, 0), seat("q", "7", 25, 0))), 1, ("Hall A 7",)),
        ("marked_seats", hall(row("A", 0, seat("p", "1", 0, 0, status="sold"), seat("q", "2", 25, 0))), 1, ("p",)),
        ("marked_seats", hall(row("A", 0, seat("p", "1", 0, 0, available=False))), 1, ("p",)),
        ("marked_seats", hall(row("A", 0, seat("p", "1", 0, 0), blocked=True)), 1, ("p",)),
        ("unnumbered_seats", hall(row("A", 0, seat("p", "", 0, 0), seat("q", None, 25, 0))), 2, ("p", "q")),
        ("unnamed_rows", hall(row("", 0, *line("a", 2))), 2, ("a1", "a2")),
        (
            "closed_categories",
            plan(categories=[{"name": "Standard"}, {"name": "Not available"}, {"name": "Available"}]),
            1,
            ("Not available",),
        ),
    ],
)
def test_what_will_trouble_the_seller_is_reported(
    kind: str, sample: Plan, count: int, examples: tuple[str, ...]
) -> None:
    assert found(sample)[kind] == (count, examples)


@pytest.mark.parametrize(
    "sample",
    [
        hall(row("A", 0, *line("a", 3, pitch=12)), row("B", 11, *line("b", 3, pitch=12))),
        hall(row("A", 0, *line("a", 2), seat("c", "3", 500, 0))),
        hall(row("A", 0, seat("alone", "1", 0, 0))),
    ],
)
def test_close_and_lonely_seats_are_no_overlaps(sample: Plan) -> None:
    assert "overlapping_seats" not in found(sample)


def test_dropped_values_are_reported_with_their_place() -> None:
    star = {"shape": "star", "position": {"x": 0, "y": 0}, "color": "reddish"}
    spoilt = hall(row("A", 0, *line("a", 2), row_number_position="middle"))
    spoilt["zones"][0]["areas"] = [star]
    _count, examples = found(spoilt)["dropped"]
    assert 'zones[0].rows[0].row_number_position (Hall, row A): is "middle", not start, end, both or null' in examples
    assert 'zones[0].areas[0].color (Hall): "reddish" is not a colour' in examples
    assert any('"star" can\'t be drawn' in example for example in examples)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("#AbC", "#aabbcc"),
        ("#11223380", "#11223380"),
        ("RebeccaPurple", "#663399"),
        ("transparent", "#00000000"),
        ("rgb(255 0 0 / 50%)", "#ff000080"),
        ("rgba(100%, 0%, 0%, .5)", "#ff000080"),
        ("rgb(300, 0, 0)", "#ff0000"),
        ("hsl(120deg 100% 25%)", "#008000"),
        ("hsla(.5turn, 100%, 50%, 25%)", "#00ffff40"),
        ("hwb(0 40% 40%)", "#996666"),
        ("lab(52.2345% 40.1645 59.9971)", "#c65d06"),
        ("lch(52.2345% 72.2 56.2)", "#c65d06"),
        ("oklab(59.69% 0.1007 0.1191)", "#c65d07"),
        ("oklch(59.69% 0.156 49.77)", "#c65d07"),
        ("color(srgb 1 0.5 0)", "#ff8000"),
        ("rgb(none 0 0)", "#000000"),
        ("rgb(9e99 0 0)", "#ff0000"),
        ("url(x)", ""),
        ("rgb(1 2)", ""),
        ("hsl(red 1% 1%)", ""),
    ],
)
def test_colours_of_css_are_read(written: str, read: str) -> None:
    assert read_colour(written, Place()) == read


def test_labels_and_ends_of_rows_are_kept() -> None:
    layout = read_plan(
        dump(
            hall(
                row("7", 0, *line("a", 2), row_label="Box %s", seat_label="Chair %s", row_number_position="start"),
                row("8", 30, *line("b", 2), row_number_position=None),
                row("9", 60, *line("c", 2)),
                row("10", 90, seat("d1", "1", 0, 0, radius=8), seat("d2", "2", 25, 0, radius=8)),
            )
        )
    )
    assert [(r.first, r.count, r.label, r.seat_label, r.names, r.radius) for r in layout.rows] == [
        (0, 2, "Box 7", "Chair %s", "start", ()),
        (2, 2, "", "", "none", ()),
        (6, 2, "", "", "both", (8.0,)),
    ]
    assert [layout.printed(n) for n in (0, 2)] == [("Hall", "Box 7", "Chair 1"), ("Hall", "8", "1")]
    assert decode_layout(encode_layout(layout)) == layout


def test_no_two_seats_are_printed_alike() -> None:
    layout = read_plan(
        dump(
            hall(
                row("A", 0, *line("a", 3)),
                row("A", 90, *line("b", 3), seat("b9", "3", 200, 0)),
                row("B", 120, seat("u", "", 0, 0), seat("v", "", 25, 0)),
            )
        )
    )
    printed = [layout.printed(n) for n in range(len(layout.seats))]
    assert len(set(printed)) == len(printed)
    assert printed[0] == ("Hall (1)", "A", "1")
    assert printed[3] == ("Hall (2)", "A", "1")
    assert printed[5:] == [
        ("Hall (2)", "A", "3 (b3)"),
        ("Hall (2)", "A", "3 (b9)"),
        ("Hall", "B", "u"),
        ("Hall", "B", "v"),
    ]


def test_parts_of_a_row_that_continue_its_numbers_are_no_blocks() -> None:
    right = [seat(f"r{n}", str(n), 25 * n + 60, 0) for n in (4, 5, 6)]
    layout = read_plan(dump(hall(row("A", 0, *line("l", 3)), row("A", 0, *right))))
    assert [(r.first, r.count, r.block) for r in layout.rows] == [(0, 3, 0), (3, 3, 0)]


def test_a_plan_without_such_rows_keeps_the_id_that_it_always_had() -> None:
    assert read_plan(dump(plan())).id == "02179e219edd4b329eb59d3049160ad6"
