"""Helpers for the sample plans: geometry of rows of seats on arcs, and output in pretix's JSON format.

Lengths are in the units of the plan: neighbouring seats are ``PITCH`` apart, rows ``ROW``. Angles are in radians,
clockwise from straight up; y grows downwards, as on a screen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

Point: TypeAlias = tuple[float, float]
Json: TypeAlias = dict[str, Any]

PITCH = 24.0
ROW = 30.0
SEAT_RADIUS = 10
MARGIN = 60.0


@dataclass(frozen=True, slots=True)
class Spot:
    """One seat; ``at`` is its position on the whole plan."""

    guid: str
    number: str
    at: Point
    category: str
    accessible: bool = False
    radius: int = SEAT_RADIUS


@dataclass(frozen=True, slots=True)
class Row:
    """A named row of at least one seat."""

    name: str
    spots: Sequence[Spot]


def letters(index: int) -> str:
    """Return the name of a row by its index: A to Z, then AA, AB, ..."""
    return letters(index // 26 - 1) + letters(index % 26) if index >= 26 else chr(ord("A") + index)


def on_arc(centre: Point, radius: float, angle: float) -> Point:
    """Return the point of a circle at ``angle``."""
    return centre[0] + radius * math.sin(angle), centre[1] - radius * math.cos(angle)


@dataclass(frozen=True, slots=True)
class Stretch:
    """The part of a row in one block: an arc from its first seat to its last one."""

    centre: Point
    radius: float
    start: float
    end: float

    @property
    def length(self) -> float:
        """The length of the arc."""
        return self.radius * abs(self.end - self.start)

    def points(self, count: int) -> list[Point]:
        """Return ``count`` points (two or more) at equal distances along the arc, including both ends."""
        step = (self.end - self.start) / (count - 1)
        return [on_arc(self.centre, self.radius, self.start + n * step) for n in range(count)]


def between_aisles(centre: Point, radius: float, start: float, end: float, aisle: float) -> Stretch:
    """Return the part of a row in the block from angle ``start`` to ``end``.

    There is an aisle at each edge, which has the same width in all rows.
    """
    inset = math.copysign(math.asin((aisle / 2 + PITCH / 2) / radius), end - start)
    return Stretch(centre, radius, start + inset, end - inset)


def even_spacing(stretches: Sequence[Stretch], total: int) -> float:
    """Return the spacing at which ``total`` seats fill the stretches; each has a seat on both its ends."""
    return sum(stretch.length for stretch in stretches) / (total - len(stretches))


def share_out(stretches: Sequence[Stretch], total: int) -> list[int]:
    """Return how many seats each stretch gets, ``total`` together, spaced as evenly as whole seats allow."""
    spacing = even_spacing(stretches, total)
    ideal = [stretch.length / spacing + 1 for stretch in stretches]
    counts = [int(n) for n in ideal]
    by_remainder = sorted(range(len(ideal)), key=lambda n: counts[n] - ideal[n])
    for n in by_remainder[: total - sum(counts)]:
        counts[n] += 1
    return counts


def zone(name: str, rows: Sequence[Row], areas: Iterable[Json] = ()) -> Json:
    """Return a zone in pretix's format, with its origin at the corner of its seats; ``areas`` have plan coordinates."""
    spots = [spot for row in rows for spot in row.spots]
    left, top = math.floor(min(s.at[0] for s in spots)), math.floor(min(s.at[1] for s in spots))
    return {
        "name": name,
        "zone_id": name.replace(" ", "-"),
        "position": {"x": left, "y": top},
        "rows": [_row(row, (left, top)) for row in rows],
        "areas": [{**area, "position": _position(area["position"], (left, top))} for area in areas],
    }


def _row(row: Row, zone_at: Point) -> Json:
    first = row.spots[0].at
    return {
        "row_number": row.name,
        "row_number_position": "both",
        "position": _position(first, zone_at),
        "seats": [_seat(spot, first) for spot in row.spots],
    }


def _seat(spot: Spot, row_at: Point) -> Json:
    seat: Json = {
        "seat_guid": spot.guid,
        "seat_number": spot.number,
        "position": _position(spot.at, row_at),
        "category": spot.category,
        "radius": spot.radius,
    }
    return {**seat, "wheelchair": True} if spot.accessible else seat


def _position(at: Point, origin: Point) -> Json:
    return {"x": round(at[0] - origin[0], 2), "y": round(at[1] - origin[1], 2)}


def polygon(corners: Sequence[Point], color: str, border: str) -> Json:
    """Return a polygon area."""
    origin = corners[0]
    return {
        "shape": "polygon",
        "position": origin,
        "color": color,
        "border_color": border,
        "rotation": 0,
        "polygon": {"points": [_position(corner, origin) for corner in corners]},
    }


def ellipse(centre: Point, rx: float, ry: float, color: str, border: str) -> Json:
    """Return an ellipse area."""
    return {
        "shape": "ellipse",
        "position": centre,
        "color": color,
        "border_color": border,
        "rotation": 0,
        "ellipse": {"radius": {"x": rx, "y": ry}},
    }


def rectangle(corner: Point, width: float, height: float, color: str, border: str) -> Json:
    """Return a rectangle area."""
    return {
        "shape": "rectangle",
        "position": corner,
        "color": color,
        "border_color": border,
        "rotation": 0,
        "rectangle": {"width": width, "height": height},
    }


def text(middle: Point, words: str, size: int, *, rotation: float = 0, color: str = "") -> Json:
    """Return a text area; without ``color`` a page draws it in its own text colour."""
    label: Json = {"text": words, "size": size, "position": {"x": 0, "y": 0}}
    if color:
        label["color"] = color
    return {"shape": "text", "position": middle, "rotation": rotation, "text": label}


def plan(name: str, size: Point, categories: Sequence[tuple[str, str]], zones: Sequence[Json]) -> bytes:
    """Return the JSON of the plan; ``categories`` are pairs of name and colour."""
    return orjson.dumps(
        {
            "name": name,
            "categories": [{"name": category, "color": color} for category, color in categories],
            "zones": zones,
            "size": {"width": math.ceil(size[0]), "height": math.ceil(size[1])},
        }
    )
