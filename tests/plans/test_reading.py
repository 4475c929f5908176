"""A plan becomes a layout: positions add up, the order is kept, variations of real files are accepted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.plans import read_plan
from realtime.wire.layouts import decode_layout, encode_layout
from tests.plans.samples import Plan, dump, editor_plan, plan, seat


def one_row(*seats: Plan, **row: object) -> Plan:
    zone = {"name": "Z", "position": {"x": 0, "y": 0}, "rows": [{"row_number": "1", "seats": list(seats), **row}]}
    return plan(zones=[zone])


def test_positions_of_zone_row_and_seat_add_up() -> None:
    layout = read_plan(dump(plan()))
    first, last = layout.seats[0], layout.seats[-1]
    assert (first.id, first.section, first.row, first.number) == ("Stalls-A-1", "Stalls", "A", "1")
    assert (first.x, first.y) == (45, 100)
    assert (last.id, last.x, last.y) == ("Balcony-B-3", 10 + 20 + 75, 430)


def test_seats_keep_the_order_of_zones_rows_and_seats() -> None:
    ids = [s.id for s in read_plan(dump(plan())).seats]
    assert ids == [f"{zone}-{row}-{n}" for zone in ("Stalls", "Balcony") for row in "AB" for n in (1, 2, 3)]


def test_name_size_and_categories_are_read() -> None:
    layout = read_plan(dump(plan()))
    assert (layout.name, layout.width, layout.height) == ("Small hall", 600, 500)
    assert [(c.name, c.color) for c in layout.categories] == [("Standard", "#cccccc")]


def test_a_given_name_overrides_that_of_the_plan() -> None:
    assert read_plan(dump(plan()), "Hall 2").name == "Hall 2"
    assert read_plan(dump(plan(name=None))).name == "Seating plan"
    assert read_plan(dump(plan()), "a\ud800b\x00").name == "a b"


def test_a_plan_of_the_current_editor_is_read() -> None:
    layout = read_plan(dump(editor_plan()))
    assert len(layout.seats) == 32
    seat = layout.seats[9]
    assert (seat.section, seat.row, seat.number) == ("Parkett links", "2", "2")
    assert (seat.x, seat.y) == (33.3 + 40.5 + 51, 66.6 + 60.5 + 0.25)
    assert [s.kind for s in layout.shapes] == ["rectangle", "text", "circle", "ellipse", "polygon", "text"]
    assert [s.text for s in layout.shapes if s.kind == "text"] == ["Bühne", "Ausgang"]
    assert list(layout.shapes[0].points) == [(33.3, 66.6), (200, 40)]
    assert list(layout.shapes[1].points) == [(133.3, 86.6), (0, 24)]
    assert list(layout.shapes[2].points) == [(43.3, 86.6), (5, 5)]
    assert layout.shapes[3].rotation == 45
    assert layout.shapes[4].points[2] == (33.3 + 52, 66.6 + 64)
    assert layout.shapes[0].color == "#eeeeee"


def test_a_layout_read_from_a_plan_survives_the_wire() -> None:
    layout = read_plan(dump(editor_plan()))
    assert decode_layout(encode_layout(layout)) == layout


def test_the_first_version_of_the_format_is_read() -> None:
    area = {"width": 80, "height": 20, "position": {"x": 5, "y": 5}, "color": "red", "text": "Stage"}
    old = plan()
    del old["size"]
    old["zones"][0] = {"position": {"x": 0, "y": 0}, "displayed": True, "areas": [area], **old["zones"][0]}
    old["zones"][0]["areas"] = [area]
    layout = read_plan(dump(old))
    assert [(s.kind, s.text) for s in layout.shapes] == [("rectangle", ""), ("text", "Stage")]
    assert layout.shapes[0].color == "#ff0000"
    assert list(layout.shapes[1].points) == [(5 + 40, 105 + 10)]
    assert layout.width >= max(s.x for s in layout.seats)
    assert layout.height >= max(s.y for s in layout.seats)


def test_rotated_rectangles_become_polygons_turned_about_their_position() -> None:
    area = {
        "shape": "rectangle",
        "rotation": 90,
        "position": {"x": 100, "y": 100},
        "rectangle": {"width": 40, "height": 10},
        "text": {"text": "Bar", "position": {"x": 20, "y": 5}},
    }
    turned = plan()
    turned["zones"][0]["areas"] = [area]
    figure, text = read_plan(dump(turned)).shapes
    assert figure.kind == "polygon"
    assert list(figure.points) == [(100, 200), (100, 240), (90, 240), (90, 200)]
    assert (text.points[0], text.rotation) == ((95, 220), 90)


def test_decorations_of_unknown_kinds_are_omitted() -> None:
    strange = plan()
    strange["zones"][0]["areas"] = [{"shape": "hologram", "position": {"x": 1, "y": 1}}, {}]
    assert read_plan(dump(strange)).shapes == ()


@pytest.mark.parametrize(
    ("number", "read"),
    [("12", "12"), (12, "12"), (12.0, "12"), (12.5, "12.5"), ("", ""), (None, ""), (" 7b ", "7b"), ("1\n2", "1 2")],
)
def test_seat_numbers_come_as_texts_and_as_numbers(number: object, read: str) -> None:
    layout = read_plan(dump(one_row(seat("a", number, 0, 0))))
    assert layout.seats[0].number == read


def test_rows_without_number_label_or_position_are_accepted() -> None:
    bare = {"seat_guid": 17, "category": "Standard", "position": {"x": "1.5", "y": " -2e1 "}}
    found = read_plan(dump(plan(zones=[{"zone_id": "Z1", "rows": [{"row_label": "Loge", "seats": [bare]}]}]))).seats[0]
    assert (found.id, found.section, found.row, found.number) == ("17", "Z1", "Loge", "")
    assert (found.x, found.y) == (1.5, -20)


@pytest.mark.parametrize("mark", [True, "true", "Yes", 1])
def test_wheelchair_seats_are_accessible(mark: object) -> None:
    seats = read_plan(dump(one_row(seat("a", 1, 0, 0, wheelchair=mark), seat("b", 2, 30, 0)))).seats
    assert [s.accessible for s in seats] == [True, False]


@pytest.mark.parametrize("mark", [False, None, 0, "no", [], {"true": 1}])
def test_other_marks_do_not_make_a_seat_accessible(mark: object) -> None:
    assert not read_plan(dump(one_row(seat("a", 1, 0, 0, wheelchair=mark)))).seats[0].accessible


def test_a_row_marked_for_wheelchairs_marks_its_seats_but_a_name_does_not() -> None:
    assert read_plan(dump(one_row(seat("a", 1, 0, 0), wheelchair=True))).seats[0].accessible
    named = plan(categories=[{"name": "Wheelchair", "color": "#fff", "wheelchair": True}])
    named["zones"] = [{"name": "Wheelchair", "rows": [{"seats": [seat("a", 1, 0, 0, "Wheelchair")]}]}]
    assert not read_plan(dump(named)).seats[0].accessible


def test_a_plan_size_that_is_too_small_is_enlarged_to_fit_the_seats() -> None:
    layout = read_plan(dump(plan(size={"width": 10, "height": 10})))
    assert layout.width > max(s.x for s in layout.seats)
    assert layout.height > max(s.y for s in layout.seats)


@pytest.mark.parametrize(
    ("given_color", "read"),
    [
        ("#ABCDEF", "#abcdef"),
        ("#abc", "#aabbcc"),
        ("#abc8", "#aabbcc88"),
        ("#11223344", "#11223344"),
        ("Red", "#ff0000"),
        ("rebeccapurple", "#663399"),
        ("transparent", "#00000000"),
        ("rgb(255, 0, 16)", "#ff0010"),
        ("rgba(255,0,16,0.5)", "#ff001080"),
        ("rgb(999,0,0)", "#ff0000"),
    ],
)
def test_plain_colours_become_hex(given_color: str, read: str) -> None:
    layout = read_plan(dump(plan(categories=[{"name": "Standard", "color": given_color}])))
    assert layout.categories[0].color == read


@pytest.mark.parametrize(
    "given_color",
    [
        "",
        None,
        "red;background:url(//x)",
        "url(#x)",
        "var(--x)",
        "#12345",
        "expression(1)",
        "#abc\n",
        "a" * 10_000,
        "#abç",
    ],
)
def test_unknown_colours_are_replaced_by_one_of_the_palette(given_color: object) -> None:
    color = read_plan(dump(plan(categories=[{"name": "Standard", "color": given_color}]))).categories[0].color
    assert color in ("#4c8dd6", "#aabbcc")


def test_a_byte_order_mark_is_accepted() -> None:
    assert read_plan(b"\xef\xbb\xbf" + dump(plan())) == read_plan(dump(plan()))


def test_sixty_thousand_seats_are_read() -> None:
    rows = [
        {
            "row_number": str(r),
            "position": {"x": 0, "y": 30 * r},
            "seats": [seat(f"{r}-{n}", str(n), 30 * n, 0, uuid="0" * 36) for n in range(200)],
        }
        for r in range(300)
    ]
    layout = read_plan(dump(plan(zones=[{"name": "Z", "position": {"x": 0, "y": 0}, "rows": rows}])))
    assert len(layout.seats) == 60_000


coordinates = st.one_of(st.integers(-5000, 5000), st.floats(-5000, 5000, allow_nan=False))
positions = st.fixed_dictionaries({"x": coordinates, "y": coordinates})
names = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=30)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    categories = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    guids = iter(draw(st.lists(names, min_size=12, max_size=12, unique=True)))
    zones = []
    for z in range(draw(st.integers(1, 3))):
        rows = []
        for _ in range(draw(st.integers(1, 2))):
            seats = [
                {
                    "seat_guid": next(guids),
                    "seat_number": draw(names),
                    "position": draw(positions),
                    "category": draw(st.sampled_from(categories)),
                }
                for _ in range(draw(st.integers(1, 2)))
            ]
            rows.append({"row_number": draw(names), "position": draw(positions), "seats": seats})
        zones.append({"name": f"Zone {z}", "position": draw(positions), "rows": rows, "areas": []})
    return {"name": draw(names), "categories": [{"name": n, "color": "#123456"} for n in categories], "zones": zones}


@given(plans())
def test_any_plan_round_trips(made: Plan) -> None:
    layout = read_plan(dump(made))
    expected = [(zone, row, seat) for zone in made["zones"] for row in zone["rows"] for seat in row["seats"]]
    assert [s.id for s in layout.seats] == [seat["seat_guid"] for _, _, seat in expected]
    for found, (zone, row, made_seat) in zip(layout.seats, expected, strict=True):
        parts = [thing["position"] for thing in (zone, row, made_seat)]
        assert found.x == pytest.approx(sum(p["x"] for p in parts), abs=1e-5)
        assert found.y == pytest.approx(sum(p["y"] for p in parts), abs=1e-5)
        assert (found.section, found.row, found.number) == (
            zone["name"],
            row["row_number"],
            made_seat["seat_number"],
        )
        assert found.category == made_seat["category"]
    assert decode_layout(encode_layout(layout)) == layout
    assert read_plan(dump(made)).id == layout.id
