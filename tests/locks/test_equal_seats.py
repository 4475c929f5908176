"""Equal seats: which blocks a late payment may book instead, on straight, curved and broken rows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.locks.equal_seats import MAX_BLOCKS, equal_blocks
from realtime.model import Category, Layout, Seat
from realtime.wire.layouts import make_layout

CATEGORIES = (Category("Gold", "#d4a017"), Category("Silver", "#c0c0c0"))


def layout_of(seats: Sequence[Seat]) -> Layout:
    return make_layout("Hall", 1000, 1000, CATEGORIES, tuple(seats))


def line(row: str, positions: Sequence[float], y: float, category: str = "Gold") -> list[Seat]:
    return [Seat(f"{row}-{n}", "Stalls", row, str(n), category, x, y) for n, x in enumerate(positions)]


def evenly(count: int, start: float = 0.0) -> list[float]:
    return [start + 10.0 * n for n in range(count)]


def test_the_nearest_blocks_come_first() -> None:
    hall = layout_of([*line("A", evenly(4), 0), *line("B", evenly(4), 12), *line("C", evenly(4), 24)])
    found = equal_blocks(hall, [0, 1], range(4, 12))
    assert found == [[4, 5], [5, 6], [6, 7], [8, 9], [9, 10], [10, 11]]


def test_an_aisle_and_a_missing_seat_part_neighbours() -> None:
    aisle = layout_of(line("A", [0, 10, 20, 45, 55, 65], 0))
    assert sorted(equal_blocks(aisle, [0, 1], range(6))) == [[0, 1], [1, 2], [3, 4], [4, 5]]
    missing = layout_of(line("A", [0, 10, 30, 40], 0))
    assert sorted(equal_blocks(missing, [0, 1], range(4))) == [[0, 1], [2, 3]]
    assert equal_blocks(missing, [0, 1, 2], range(4)) == []


def test_somebody_between_parts_neighbours() -> None:
    hall = layout_of(line("A", evenly(5), 0))
    assert equal_blocks(hall, [0, 1], [0, 1, 3, 4]) == [[0, 1], [3, 4]]
    assert equal_blocks(hall, [0, 1], [0, 2, 4]) == []


def test_a_seat_of_another_category_or_row_or_section_is_not_equal() -> None:
    hall = layout_of(
        [
            *line("A", evenly(2), 0),
            *line("B", evenly(2), 10, "Silver"),
            *line("C", evenly(1), 20),
            replace(line("C", [10.0], 20)[0], id="D-1", section="Balcony"),
        ]
    )
    assert equal_blocks(hall, [0, 1], range(2, 6)) == []


def test_accessible_spaces_are_only_equal_to_accessible_spaces() -> None:
    plain = line("A", evenly(6), 0)
    hall = layout_of([replace(seat, accessible=n in (0, 3)) for n, seat in enumerate(plain)])
    assert equal_blocks(hall, [1], range(2, 6)) == [[2], [4], [5]]
    assert equal_blocks(hall, [0], range(1, 6)) == [[3]]
    # A space and the seat of a companion.
    assert equal_blocks(hall, [0, 1], range(2, 6)) == [[2, 3], [3, 4]]


def test_seats_of_several_categories_are_equal_to_as_many_of_each() -> None:
    row = line("A", evenly(8), 0)
    hall = layout_of([replace(seat, category="Silver") if n >= 4 else seat for n, seat in enumerate(row)])
    assert equal_blocks(hall, [0, 1, 4], range(8)) == [[2, 3, 4]]


def test_odd_numbers_on_the_left_and_even_ones_on_the_right_are_no_matter() -> None:
    numbers = [7, 5, 3, 1, 2, 4, 6, 8]
    seats = [Seat(f"A-{n}", "Stalls", "A", str(n), "Gold", 10.0 * place, 0) for place, n in enumerate(numbers)]
    hall = layout_of(sorted(seats, key=lambda seat: int(seat.number)))
    found = equal_blocks(hall, [0, 1], range(8))
    names = {tuple(sorted(int(hall.seats[index].number) for index in block)) for block in found}
    assert names == {(5, 7), (3, 5), (1, 3), (1, 2), (2, 4), (4, 6), (6, 8)}


def test_two_seats_alone_in_their_row_are_no_pair_if_they_are_far_apart() -> None:
    hall = layout_of([*line("A", evenly(6), 0), *line("B", evenly(6), 10), *line("C", [0.0, 50.0], 20)])
    assert [12, 13] not in equal_blocks(hall, [0, 1], range(14))


def test_a_row_around_an_arena_has_no_ends() -> None:
    circle = [
        Seat(
            f"A-{n}", "Ring", "A", str(n), "Gold", 100 * math.cos(n * math.tau / 40), 100 * math.sin(n * math.tau / 40)
        )
        for n in range(40)
    ]
    found = equal_blocks(layout_of(circle), [20, 21], [38, 39, 0, 1])
    assert sorted(found) == [[0, 1], [0, 39], [38, 39]]
    assert equal_blocks(layout_of(circle[:3]), [0, 1, 2], range(3)) == [[0, 1, 2]]


def test_nothing_equals_no_seats_and_the_number_of_blocks_is_bounded() -> None:
    hall = layout_of(line("A", evenly(60), 0))
    assert equal_blocks(hall, [], range(60)) == []
    assert len(equal_blocks(hall, [0], range(60))) == MAX_BLOCKS


# --- against brute force ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Hall:
    """A layout whose neighbours are known: ``order`` has the place of each seat along its row, aisles leave a gap."""

    layout: Layout
    order: tuple[tuple[int, int], ...]


@st.composite
def halls(draw: st.DrawFn) -> Hall:
    """Rows in any direction, straight or curved, with aisles, seats in any order, two categories, accessible spaces."""
    seats: list[tuple[Seat, tuple[int, int]]] = []
    pitch = draw(st.floats(0.5, 30))
    for row in range(draw(st.integers(1, 4))):
        turn, radius = draw(st.floats(0, math.tau)), draw(st.floats(20, 500))
        place, along = 0, 0.0
        for number in range(draw(st.integers(1, 14))):
            # An aisle after the first three seats at the earliest: else the usual distance is that of the aisles.
            if number > 2 and draw(st.integers(0, 5)) == 0:
                along += pitch * draw(st.floats(1.2, 4))
                place += 2
            angle = turn + along / (radius * pitch)
            x, y = radius * pitch * math.cos(angle), radius * pitch * math.sin(angle) + row * 5 * pitch
            category = draw(st.sampled_from(["Gold", "Gold", "Silver"]))
            accessible = draw(st.integers(0, 7)) == 0
            seat = Seat(f"{row}-{number}", "Stalls", str(row), str(number), category, x, y, accessible)
            seats.append((seat, (row, place)))
            along += pitch * draw(st.floats(0.9, 1.1))
            place += 1
    shuffled = draw(st.permutations(seats))
    return Hall(layout_of([seat for seat, _order in shuffled]), tuple(order for _seat, order in shuffled))


def brute_force(hall: Hall, wanted: Sequence[int], free: set[int]) -> set[tuple[int, ...]]:
    def kinds(some: Sequence[int]) -> Counter[tuple[str, bool]]:
        return Counter((hall.layout.seats[n].category, hall.layout.seats[n].accessible) for n in some)

    by_place = {order: index for index, order in enumerate(hall.order)}
    found = set()
    for row, place in hall.order:
        block = [by_place.get((row, place + n)) for n in range(len(wanted))]
        if all(each is not None and each in free for each in block):
            known = [each for each in block if each is not None]
            if kinds(known) == kinds(wanted):
                found.add(tuple(sorted(known)))
    return found


@given(halls(), st.data())
def test_blocks_are_those_of_brute_force_and_the_nearest_come_first(hall: Hall, data: st.DataObject) -> None:
    indices = range(len(hall.layout.seats))
    wanted = data.draw(st.lists(st.sampled_from(indices), min_size=1, max_size=4, unique=True))
    free = data.draw(st.sets(st.sampled_from(indices)))
    found = [tuple(block) for block in equal_blocks(hall.layout, wanted, free)]
    expected = brute_force(hall, wanted, free)
    assert len(found) == len(set(found)) == min(len(expected), MAX_BLOCKS)
    assert set(found) <= expected
    seats = hall.layout.seats
    x, y = sum(seats[n].x for n in wanted) / len(wanted), sum(seats[n].y for n in wanted) / len(wanted)

    def distance(block: Sequence[int]) -> float:
        return sum((seats[n].x - x) ** 2 + (seats[n].y - y) ** 2 for n in block)

    away = [distance(block) for block in found]
    assert away == pytest.approx(sorted(away))
    nearest = sorted(map(distance, expected))[: len(found)]
    assert away == pytest.approx(nearest)
