"""A concert hall of 1,000 seats: curved stalls around the stage, and a balcony behind them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from realtime.dev.samples.drawing import (
    MARGIN,
    ROW,
    Json,
    Point,
    Row,
    Spot,
    Stretch,
    between_aisles,
    even_spacing,
    letters,
    on_arc,
    plan,
    polygon,
    share_out,
    text,
    zone,
)

_SEATS = 1_000
_CATEGORIES = (("Platinum", "#9b6fc0"), ("Gold", "#d1a23d"), ("Silver", "#7c93ad"), ("Balcony", "#4f9e8f"))
_AISLE = 26.0

_STALLS_ROWS, _BALCONY_ROWS = 16, 5
_STALLS_RADIUS = 400.0
_BALCONY_RADIUS = _STALLS_RADIUS + (_STALLS_ROWS - 1) * ROW + 104.0
_STALLS_CUTS = (50.0, 18.0, -18.0, -50.0)
"""Edges of the blocks from left to right, in degrees off the hall's axis."""
_BALCONY_CUTS = (54.0, 37.0, 18.0, -18.0, -37.0, -54.0)

_OUTERMOST = _BALCONY_RADIUS + (_BALCONY_ROWS - 1) * ROW
_CENTRE = (MARGIN + _OUTERMOST * math.sin(math.radians(_BALCONY_CUTS[0])), -110.0)


@dataclass(frozen=True, slots=True)
class _HallRow:
    zone: str
    name: str
    blocks: Sequence[Stretch]

    @property
    def middle(self) -> Stretch:
        return self.blocks[len(self.blocks) // 2]


def concert_hall_plan() -> bytes:
    """Return the plan in pretix's format; seat ids are ``Balcony-C-14``: zone, row and number."""
    rows = _rows("Stalls", _STALLS_ROWS, _STALLS_RADIUS, _STALLS_CUTS)
    rows += _rows("Balcony", _BALCONY_ROWS, _BALCONY_RADIUS, _BALCONY_CUTS)
    placed = list(zip(rows, _seat(rows), strict=True))
    stalls, balcony = (
        [_row(row, points) for row, points in placed if row.zone == name] for name in ("Stalls", "Balcony")
    )
    size = (2 * _CENTRE[0], _CENTRE[1] + _OUTERMOST + MARGIN)
    return plan("Great hall", size, _CATEGORIES, [zone("Stalls", stalls, _decor()), zone("Balcony", balcony)])


def _rows(name: str, count: int, radius: float, cuts: Sequence[float]) -> list[_HallRow]:
    angles = [math.pi + math.radians(cut) for cut in cuts]
    return [
        _HallRow(
            name,
            letters(n),
            [between_aisles(_CENTRE, radius + n * ROW, start, end, _AISLE) for start, end in pairwise(angles)],
        )
        for n in range(count)
    ]


def _seat(rows: Sequence[_HallRow]) -> list[list[Point]]:
    """Return each row's places from left to right, ``_SEATS`` in all.

    Blocks left and right of the axis mirror each other; the middle ones take what is missing to the exact number.
    """
    spacing = even_spacing([block for row in rows for block in row.blocks], _SEATS)
    counts = {b: round(b.length / spacing) + 1 for row in rows for b in row.blocks if b is not row.middle}
    middles = [row.middle for row in rows]
    counts |= zip(middles, share_out(middles, _SEATS - sum(counts.values())), strict=True)
    return [[point for block in row.blocks for point in block.points(counts[block])] for row in rows]


def _row(row: _HallRow, points: Sequence[Point]) -> Row:
    # Wheelchairs come in at the ends of the first row and of the last row of the stalls.
    level = row.zone == "Stalls" and row.name in (letters(0), letters(_STALLS_ROWS - 1))
    spots = [
        Spot(
            f"{row.zone}-{row.name}-{n}",
            str(n),
            point,
            _category(row),
            accessible=level and not 2 < n < len(points) - 1,
        )
        for n, point in enumerate(points, 1)
    ]
    return Row(row.name, spots)


def _category(row: _HallRow) -> str:
    if row.zone == "Balcony":
        return "Balcony"
    if row.name < "E":
        return "Platinum"
    return "Gold" if row.name < "K" else "Silver"


def _decor() -> list[Json]:
    apron = [on_arc(_CENTRE, _STALLS_RADIUS - 84, math.pi + math.radians(d)) for d in range(52, -53, -4)]
    wings = [(apron[-1][0], MARGIN / 2), (apron[0][0], MARGIN / 2)]
    rail_radius = _BALCONY_RADIUS - 40
    edge = [math.pi + math.radians(d) for d in range(54, -55, -3)]
    rail = [on_arc(_CENTRE, rail_radius, angle) for angle in edge]
    rail += [on_arc(_CENTRE, rail_radius - 6, angle) for angle in reversed(edge)]
    return [
        polygon([*apron, *wings], "#a9896b", "#876b50"),
        text((_CENTRE[0], 110.0), "STAGE", 26, color="#ffffff"),
        polygon(rail, "#8d98a8", "#8d98a8"),
    ]
