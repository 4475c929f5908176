"""Plans that can't be used are refused with the place of the error, and always with ``InvalidPlan``."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime import limits
from realtime.errors import InvalidPlan
from realtime.model import Layout
from realtime.plans import read_plan
from tests.plans.samples import Plan, dump, editor_plan, plan


def refusal(blob: bytes) -> str:
    with pytest.raises(InvalidPlan) as caught:
        read_plan(blob)
    return caught.value.message


def spoiled(change: Callable[[Plan], object]) -> str:
    made = plan()
    change(made)
    return refusal(dump(made))


def a_seat(made: Plan) -> Plan:
    found: Plan = made["zones"][1]["rows"][1]["seats"][2]
    return found


WHERE = "zones[1].rows[1].seats[2]"
NOTE = "(Balcony, row B)"


def test_a_guid_used_twice_is_refused_with_both_places() -> None:
    message = spoiled(lambda made: a_seat(made).update(seat_guid="Stalls-A-2"))
    assert message == f'{WHERE} {NOTE}: seat_guid "Stalls-A-2" is already used at zones[0].rows[0].seats[1]'


def test_an_unknown_category_is_refused_with_the_known_ones() -> None:
    message = spoiled(lambda made: a_seat(made).update(category="VIP"))
    assert message == f'{WHERE} {NOTE}: there is no category "VIP"; the plan\'s categories are: "Standard"'


@pytest.mark.parametrize("category", ["", None, "  "])
def test_a_seat_without_a_category_is_refused(category: object) -> None:
    assert f"{WHERE} {NOTE}: the seat has no category" in spoiled(lambda made: a_seat(made).update(category=category))


@pytest.mark.parametrize("zones", [[], None, [{"name": "Z", "rows": []}], [{"name": "Z", "rows": [{"seats": []}]}]])
def test_a_plan_without_seats_is_refused(zones: object) -> None:
    assert refusal(dump(plan(zones=zones))) == "zones: the plan has no seats"


@pytest.mark.parametrize(
    ("blob", "place"),
    [
        (b'{"name": "x",\n "zones": [1,,]}', "line 2, column 14"),
        (b'{\n\n"a": NaN}', "line 3, column 6"),
        (b'{"a": 1e999}', "line 1, column 7"),
        (b"", "line 1, column 1"),
        (b"[" * 100_000, "line 1, column"),
        (b'{"name": "\\ud800"}', "line 1, column"),
    ],
)
def test_invalid_json_is_refused_with_line_and_column(blob: bytes, place: str) -> None:
    assert refusal(blob).startswith(f"The plan is not valid JSON: {place}")


def test_text_that_is_not_utf8_is_refused_with_the_byte() -> None:
    assert refusal(b'{"name": "\xe9"}') == "The plan is not UTF-8 text: byte 10 (0xe9) is invalid."


@pytest.mark.parametrize("blob", [b"[]", b"null", b'"plan"', b"3", b"true"])
def test_json_that_is_no_object_is_refused(blob: bytes) -> None:
    assert "not an object with zones and categories" in refusal(blob)


@pytest.mark.parametrize("guid", [None, "", "  ", "x" * 65, "a\nb", "a\x00b", "a\u202eb", True, ["a"]])
def test_a_guid_that_no_client_could_send_is_refused(guid: object) -> None:
    message = spoiled(lambda made: a_seat(made).update(seat_guid=guid))
    assert message.startswith(f"{WHERE}.seat_guid {NOTE}: ")
    assert message.isprintable()


@pytest.mark.parametrize("x", ["NaN", "inf", "1_0", "x", None, True, [], 1_000_001, -1e300, 10**30, "9e99", "١"])
def test_a_coordinate_that_is_no_number_or_too_large_is_refused(x: Any) -> None:
    def change(made: Plan) -> None:
        a_seat(made)["position"]["x"] = float(x) if isinstance(x, int) and x > 2**60 else x

    assert spoiled(change).startswith(f"{WHERE}.position.x {NOTE}: is ")


def test_positions_whose_sum_is_too_large_are_refused() -> None:
    def change(made: Plan) -> None:
        made["zones"][1]["position"]["y"] = limits.MAX_PLAN_COORDINATE

    assert "its position on the plan is" in spoiled(change)


def test_a_seat_without_a_position_is_refused() -> None:
    assert spoiled(lambda made: a_seat(made).pop("position")) == f"{WHERE}.position {NOTE}: is missing"


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda made: made.update(zones={}), "zones: is an object, not a list"),
        (lambda made: made.update(zones=["Stalls"]), 'zones[0]: is "Stalls", not an object'),
        (lambda made: made.update(categories="A"), 'categories: is "A", not a list'),
        (lambda made: made.update(categories=[1]), "categories[0]: is 1, not an object"),
        (lambda made: made.update(categories=[{"name": " "}]), "categories[0].name: a category needs a name"),
        (
            lambda made: made["categories"].append({"name": "Standard"}),
            'categories[1].name: "Standard" is already the name',
        ),
        (lambda made: made["categories"][0].update(color=7), "categories[0].color: is 7, not a colour"),
        (lambda made: made.update(name=["x"]), "name: is a list, not text"),
        (lambda made: made.update(size=[1]), "size: is a list, not an object"),
        (lambda made: made.update(size={"width": "wide"}), 'size.width: is "wide", not a number'),
        (lambda made: made["zones"][0].update(name={}), "zones[0].name: is an object, not text"),
        (lambda made: made["zones"][0].update(rows=1), "zones[0].rows (Stalls): is 1, not a list"),
        (lambda made: made["zones"][0].update(areas="x"), 'zones[0].areas (Stalls): is "x", not a list'),
        (lambda made: made["zones"][0].update(areas=[1]), "zones[0].areas[0] (Stalls): is 1, not an object"),
        (
            lambda made: made["zones"][0].update(areas=[{"shape": "circle", "circle": {"radius": None}}]),
            "zones[0].areas[0].circle.radius (Stalls): is missing",
        ),
        (lambda made: made["zones"][0]["rows"].append(None), "zones[0].rows[2] (Stalls): is missing"),
        (
            lambda made: made["zones"][0]["rows"][0].update(row_number=[1]),
            "zones[0].rows[0].row_number (Stalls): is a list, not text",
        ),
        (
            lambda made: made["zones"][0]["rows"][0]["seats"].append(5),
            "zones[0].rows[0].seats[3] (Stalls, row A): is 5",
        ),
        (lambda made: made["zones"][0].update(position=[0, 0]), "zones[0].position (Stalls): is a list, not an object"),
    ],
)
def test_wrong_types_are_refused_with_their_place(change: Callable[[Plan], object], place: str) -> None:
    assert spoiled(change).startswith(place)


def test_every_limit_is_enforced(monkeypatch: pytest.MonkeyPatch) -> None:
    area = {"shape": "polygon", "polygon": {"points": [{"x": 0, "y": 0}] * 5}}
    crowded = plan()
    crowded["zones"][0]["areas"] = [area, area]
    for bound, words in (
        ("MAX_LAYOUT_SEATS", "seats"),
        ("MAX_PLAN_ROWS", "rows"),
        ("MAX_PLAN_SHAPES", "entries"),
        ("MAX_PLAN_POINTS", "points"),
        ("MAX_POLYGON_POINTS", "entries"),
        ("MAX_PLAN_ZONES", "entries"),
        ("MAX_PLAN_BYTES", "bytes"),
        ("MAX_SEAT_LABEL_LENGTH", "characters"),
        ("MAX_TEXT_LENGTH", "characters"),
        ("MAX_ID_LENGTH", "characters"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(limits, bound, {"MAX_SEAT_LABEL_LENGTH": 0, "MAX_PLAN_POINTS": 7}.get(bound, 1))
            assert words in refusal(dump(crowded)), bound
    read_plan(dump(crowded))
    many = [{"name": f"c{n}"} for n in range(limits.MAX_PLAN_CATEGORIES + 1)]
    assert refusal(dump(plan(categories=many))).startswith("categories: has 201 entries")


def test_a_huge_value_is_shortened_in_the_message() -> None:
    assert len(spoiled(lambda made: a_seat(made).update(category="x" * 150))) < 250
    assert len(spoiled(lambda made: a_seat(made)["position"].update(x="9" * 100_000))) < 250


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False), st.text(max_size=80)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=12), inner, max_size=3)),
    max_leaves=8,
)


def places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every path in a plan but the root's."""
    items: list[tuple[Any, object]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    return [p for key, inner in items for p in ((*path, key), *places(inner, (*path, key)))]


EDITOR = editor_plan()
PLACES = places(EDITOR)


def holder(made: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        made = made[key]
    return made


def only_invalid_plan(blob: bytes) -> Layout | None:
    with contextlib.suppress(InvalidPlan):
        return read_plan(blob)
    return None


@given(st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(["set", "drop", "double"]), values), max_size=4))
def test_no_mutation_of_a_plan_raises_anything_else(changes: list[tuple[tuple[Any, ...], str, object]]) -> None:
    made = copy.deepcopy(EDITOR)
    for path, what, value in changes:
        with contextlib.suppress(KeyError, IndexError, TypeError):
            container = holder(made, path)
            if isinstance(container, dict) and not isinstance(path[-1], str):
                continue  # a list was here before an earlier change
            if what == "set":
                container[path[-1]] = value
            elif what == "drop":
                del container[path[-1]]
            elif isinstance(container, list):
                container.append(copy.deepcopy(container[path[-1]]))
    layout = only_invalid_plan(dump(made))
    if layout is not None:
        assert len({s.id for s in layout.seats}) == len(layout.seats) > 0
        assert all(s.category in {c.name for c in layout.categories} for s in layout.seats)


@given(st.integers(0, 5000), st.integers(0, 40), st.binary(max_size=12))
def test_no_damage_to_the_bytes_raises_anything_else(start: int, length: int, put: bytes) -> None:
    blob = dump(EDITOR)
    only_invalid_plan(blob[:start] + put + blob[start + length :])


@given(values)
def test_no_json_raises_anything_else(value: object) -> None:
    only_invalid_plan(dump(value))
    only_invalid_plan(dump({"zones": value, "categories": [{"name": ""}]}))
    only_invalid_plan(dump(plan(zones=[value])))
