"""A cricket stadium of 60,000 seats: an oval bowl of four stands in two tiers, 48 blocks, around the ground.

The oval is made of four arcs that meet without a corner: flat ones in the north and south, tight ones in the east and
west. Every row runs along them at its own distance, so rows stay parallel all the way round.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from realtime.dev.samples.drawing import (
    MARGIN,
    ROW,
    Json,
    Point,
    Row,
    Spot,
    Stretch,
    between_aisles,
    ellipse,
    letters,
    on_arc,
    plan,
    polygon,
    rectangle,
    share_out,
    text,
    zone,
)

_SEATS = 60_000
_CATEGORIES = (
    ("Pavilion", "#b5657a"),
    ("Premium", "#d1a23d"),
    ("Lower Stand", "#5b8fc7"),
    ("Upper Stand", "#4f9e8f"),
    ("Gallery", "#8d84b8"),
)
_BLOCKS = 6
"""Blocks of one stand in one tier."""
_LOWER_ROWS, _UPPER_ROWS = 34, 38
_GANGWAY = 60.0
_CONCOURSE = 130.0
_TIGHT = 1_750.0
"""Radius of the first row in the east and west."""
_SWEEP = math.radians(35)
"""The northern and southern arcs reach this far to either side."""
_SHIFT = 1_300.0
"""How far the centres of the flat arcs lie across the ground."""
_FLAT = _TIGHT + _SHIFT / math.cos(_SWEEP)
_DEPTH = (_LOWER_ROWS + _UPPER_ROWS - 1) * ROW + _CONCOURSE
_BOARDS = 420.0
"""Room around the bowl for the names of the stands."""

_HALF_WIDTH = _SHIFT * math.tan(_SWEEP) + _TIGHT + _DEPTH
_HALF_HEIGHT = _FLAT - _SHIFT + _DEPTH
_MIDDLE = (MARGIN + _BOARDS + _HALF_WIDTH, MARGIN + _BOARDS + _HALF_HEIGHT)


@dataclass(frozen=True, slots=True)
class _Stand:
    """One arc of the bowl. ``start`` and ``end`` are its angles, clockwise as one looks at the plan."""

    name: str
    centre: Point
    radius: float
    start: float
    end: float

    def stretch(self, block: int, distance: float) -> Stretch:
        """Return the part of the row at ``distance`` behind the first one that lies in a block, 0 to 5."""
        sweep = (self.end - self.start) / _BLOCKS
        left = self.start + block * sweep
        return between_aisles(self.centre, self.radius + distance, left, left + sweep, _GANGWAY)


_ACROSS = _SHIFT * math.tan(_SWEEP)
_STANDS = (
    _Stand("North", (_MIDDLE[0], _MIDDLE[1] + _SHIFT), _FLAT, -_SWEEP, _SWEEP),
    _Stand("East", (_MIDDLE[0] + _ACROSS, _MIDDLE[1]), _TIGHT, _SWEEP, math.pi - _SWEEP),
    _Stand("South", (_MIDDLE[0], _MIDDLE[1] - _SHIFT), _FLAT, math.pi - _SWEEP, math.pi + _SWEEP),
    _Stand("West", (_MIDDLE[0] - _ACROSS, _MIDDLE[1]), _TIGHT, math.pi + _SWEEP, 2 * math.pi - _SWEEP),
)


def stadium_plan() -> bytes:
    """Return the plan in pretix's format; seat ids are ``North-12-B-33``: stand, block, row and number."""
    distances = [n * ROW + (_CONCOURSE if n >= _LOWER_ROWS else 0.0) for n in range(_LOWER_ROWS + _UPPER_ROWS)]
    # All blocks of a flat stand are alike, and so are those of a tight one: two kinds of stretches a row.
    kinds = [stand.stretch(0, distance) for distance in distances for stand in _STANDS[:2]]
    counts = share_out(kinds, _SEATS // (2 * _BLOCKS))
    seats = {"North": counts[::2], "South": counts[::2], "East": counts[1::2], "West": counts[1::2]}
    zones: list[Json] = []
    for stand in _STANDS:
        for number in range(2 * _BLOCKS):
            upper, block = divmod(number, _BLOCKS)
            tier = range(_LOWER_ROWS, len(distances)) if upper else range(_LOWER_ROWS)
            rows = [_row(stand, number + 1, n, stand.stretch(block, distances[n]), seats[stand.name][n]) for n in tier]
            zones.append(zone(f"{stand.name} {number + 1}", rows, [] if zones else _decor()))
    size = (2 * _MIDDLE[0], 2 * _MIDDLE[1])
    return plan("Cricket ground", size, _CATEGORIES, zones)


def _row(stand: _Stand, block: int, index: int, stretch: Stretch, count: int) -> Row:
    upper = index >= _LOWER_ROWS
    name = letters(index - _LOWER_ROWS if upper else index)
    # The concourse runs behind the last row of the lower tier: wheelchairs reach its ends without a step.
    level = index == _LOWER_ROWS - 1
    category = _category(stand.name, upper)
    spots = [
        Spot(f"{stand.name}-{block}-{name}-{n}", str(n), point, category, accessible=level and not 2 < n < count - 1)
        for n, point in enumerate(stretch.points(count), 1)
    ]
    return Row(name, spots)


def _category(stand: str, upper: bool) -> str:
    if upper:
        return "Upper Stand" if stand in ("North", "South") else "Gallery"
    return {"North": "Pavilion", "South": "Premium"}.get(stand, "Lower Stand")


def _oval(distance: float) -> Iterator[Point]:
    """Yield the corners of the bowl's own line at a distance from the first row (negative: inside)."""
    for stand in _STANDS:
        for n in range(24):
            yield on_arc(stand.centre, stand.radius + distance, stand.start + (stand.end - stand.start) * n / 24)


def _decor() -> list[Json]:
    x, y = _MIDDLE
    half_width, half_height = _ACROSS + _TIGHT, _FLAT - _SHIFT
    behind = _DEPTH + 250.0
    return [
        polygon(list(_oval(_DEPTH + 50.0)), "#00000000", "#8d98a8"),
        polygon(list(_oval(-90.0)), "#5d9f62", "#e8eef2"),
        ellipse(_MIDDLE, half_width * 0.45, half_height * 0.5, "#6aac6d", "#a9d0a9"),
        rectangle((x - 56, y - 370), 112, 740, "#cdb083", "#b89a6c"),
        text((x, y - 620), "PITCH", 150, color="#ffffff"),
        text((x, y - half_height - behind), "NORTH STAND", 220),
        text((x + half_width + behind, y), "EAST STAND", 220, rotation=90),
        text((x, y + half_height + behind), "SOUTH STAND", 220),
        text((x - half_width - behind, y), "WEST STAND", 220, rotation=270),
    ]
