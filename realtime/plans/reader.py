"""Reads a whole plan: parses it, reads zones, rows and seats in order, and passes decorations to ``areas``.

It accepts what real files vary in (extra keys, floats, numbers as text, missing row positions and sizes), and refuses
a plan whose seats could not be sold, with the place of the error.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import orjson

from realtime import limits
from realtime.errors import InvalidPlan
from realtime.model import Category, Layout, Row, Seat, Shape
from realtime.plans import areas, colors, marks, report, rows
from realtime.plans.values import Place, Point, label, listing, mapping, number, point, rounded, seat_id, shown, spell
from realtime.wire.layouts import make_layout

_SHOWN_DUPLICATES = 500
_MARGIN = 30.0
"""Space around the outermost seats of a plan without a size: one and a half seats."""


def read_plan(blob: bytes, name: str = "") -> Layout:
    """Read a seating plan in pretix's JSON format; seats are indexed in plan order (zone, row, seat).

    The section of a seat is the name of its zone. ``name`` overrides the name in the plan. Raises ``InvalidPlan`` with
    the place of the first error, or of all seats whose id is used before, and no other exception, whatever the bytes
    are.
    """
    return _Reader(_parse(blob)).read_layout(name)


def import_plan(blob: bytes, name: str = "") -> tuple[Layout, tuple[report.Finding, ...]]:
    """Read a seating plan as ``read_plan`` does, and return what its seller should know about it too."""
    reader = _Reader(_parse(blob))
    layout = reader.read_layout(name)
    return layout, report.inspect(layout, reader.marked, reader.place.dropped)


def _parse(blob: bytes) -> dict[str, Any]:
    if len(blob) > limits.MAX_PLAN_BYTES:
        raise InvalidPlan(f"The plan has {len(blob):,} bytes; the limit is {limits.MAX_PLAN_BYTES:,}.")
    try:
        text = blob.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte = blob[error.start]
        raise InvalidPlan(f"The plan is not UTF-8 text: byte {error.start:,} (0x{byte:02x}) is invalid.") from None
    try:
        plan = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InvalidPlan(f"The plan is not valid JSON: {where}: {error.msg.partition(': line ')[0]}.") from None
    if not isinstance(plan, dict):
        raise InvalidPlan(f"The plan is {shown(plan)}, not an object with zones and categories.")
    return plan


class _Reader:
    def __init__(self, plan: dict[str, Any]) -> None:
        self._plan = plan
        self.place = Place()
        self._categories: dict[str, Category] = {}
        self._seats: list[Seat] = []
        self._found_at: dict[str, tuple[int, int, int]] = {}
        self._duplicates: list[str] = []
        self.marked: list[str] = []
        self._shapes: list[Shape] = []
        self._row_list: list[Row] = []
        self._rows = 0
        self._points = 0

    def read_layout(self, name: str) -> Layout:
        self._read_categories()
        zones = listing(self._plan.get("zones"), self.place.at(), limits.MAX_PLAN_ZONES, "zones")
        for z, zone in enumerate(zones):
            self._read_zone(z, mapping(zone, self.place.at("zones", z)))
            self.place.note = ""
        if not self._seats:
            raise self.place.at("zones").fault("the plan has no seats")
        if self._duplicates:
            raise InvalidPlan(_refusal(self._duplicates))
        place = self.place.at()
        title = label(name, place, limits.MAX_TEXT_LENGTH, "name") or label(
            self._plan.get("name"), place, limits.MAX_TEXT_LENGTH, "name"
        )
        width, height = self._size()
        return make_layout(
            title or "Seating plan",
            width,
            height,
            tuple(self._categories.values()),
            tuple(self._seats),
            tuple(self._shapes),
            rows.listed(self._row_list, self._seats),
        )

    def _read_categories(self) -> None:
        found = listing(self._plan.get("categories"), self.place, limits.MAX_PLAN_CATEGORIES, "categories")
        for c, entry in enumerate(found):
            place = self.place.at("categories", c)
            category = mapping(entry, place)
            name = label(category.get("name"), place, limits.MAX_TEXT_LENGTH, "name")
            if not name:
                raise place.fault("a category needs a name", "name")
            if name in self._categories:
                raise place.fault(f"{shown(name)} is already the name of another category", "name")
            color = colors.read(category.get("color"), place, "color") or colors.palette(c)
            self._categories[name] = Category(name, color)

    def _read_zone(self, z: int, zone: dict[str, Any]) -> None:
        place = self.place
        section = label(zone.get("name"), place, limits.MAX_TEXT_LENGTH, "name") or label(
            zone.get("zone_id"), place, limits.MAX_TEXT_LENGTH, "zone_id"
        )
        place.note = section
        origin = point(zone.get("position"), place, "position", default=(0.0, 0.0))
        found = listing(zone.get("rows"), place, limits.MAX_PLAN_ROWS, "rows")
        self._rows += len(found)
        if self._rows > limits.MAX_PLAN_ROWS:
            raise place.fault(f"the plan has more than {limits.MAX_PLAN_ROWS:,} rows", "rows")
        for r, row in enumerate(found):
            place.note = section
            self._read_row(z, r, mapping(row, place.at("zones", z, "rows", r)), section, origin)
        place.note = section
        for a, area in enumerate(listing(zone.get("areas"), place.at("zones", z), limits.MAX_PLAN_SHAPES, "areas")):
            self._add_shapes(areas.read(mapping(area, place.at("zones", z, "areas", a)), origin, place))

    def _read_row(self, z: int, r: int, row: dict[str, Any], section: str, zone: Point) -> None:
        place = self.place
        number = label(row.get("row_number"), place, limits.MAX_SEAT_LABEL_LENGTH, "row_number")
        place.note = ", ".join(filter(None, (section, number and f"row {number}")))
        named = rows.names(row, number, place)
        name = number or named.label
        place.note = ", ".join(filter(None, (section, name and f"row {name}")))
        dx, dy = point(row.get("position"), place, "position", default=(0.0, 0.0))
        origin = (zone[0] + dx, zone[1] + dy)
        accessible = marks.accessible(row)
        seats = listing(row.get("seats"), place, limits.MAX_LAYOUT_SEATS, "seats")
        if len(self._seats) + len(seats) > limits.MAX_LAYOUT_SEATS:
            raise place.fault(f"the plan has more than {limits.MAX_LAYOUT_SEATS:,} seats", "seats")
        first = len(self._seats)
        radii = []
        for s, seat in enumerate(seats):
            place.at("zones", z, "rows", r, "seats", s)
            read = mapping(seat, place)
            self._seats.append(self._read_seat((z, r, s), read, section, name, origin, accessible))
            radii.append(rows.radius(read, place))
            if marks.taken(read) or marks.taken(row):
                self.marked.append(self._seats[-1].id)
        self._row_list.append(replace(named, first=first, count=len(seats), radius=rows.radii(radii)))

    def _read_seat(
        self, at: tuple[int, int, int], seat: dict[str, Any], section: str, row: str, origin: Point, accessible: bool
    ) -> Seat:
        place = self.place
        guid = seat_id(seat.get("seat_guid"), place)
        first = self._found_at.setdefault(guid, at)
        if first is not at:
            before = spell(("zones", first[0], "rows", first[1], "seats", first[2]))
            self._duplicates.append(place.fault(f"seat_guid {shown(guid)} is already used at {before}").message)
        category = label(seat.get("category"), place, limits.MAX_TEXT_LENGTH, "category")
        if category not in self._categories:
            raise place.fault(self._no_category(category))
        dx, dy = point(seat.get("position"), place, "position")
        x, y = rounded(origin[0] + dx, origin[1] + dy)
        if max(abs(x), abs(y)) > limits.MAX_PLAN_COORDINATE:
            raise place.fault(
                f"its position on the plan is {x:g}, {y:g}; coordinates are limited to {limits.MAX_PLAN_COORDINATE:,}"
            )
        seat_number = label(seat.get("seat_number"), place, limits.MAX_SEAT_LABEL_LENGTH, "seat_number")
        return Seat(guid, section, row, seat_number, category, x, y, accessible or marks.accessible(seat))

    def _no_category(self, category: str) -> str:
        known = ", ".join(shown(name) for name in list(self._categories)[:10]) or "none"
        if not category:
            return f"the seat has no category; the plan's categories are: {known}"
        return f"there is no category {shown(category)}; the plan's categories are: {known}"

    def _add_shapes(self, shapes: list[Shape]) -> None:
        self._shapes += shapes
        self._points += sum(len(shape.points) for shape in shapes)
        if len(self._shapes) > limits.MAX_PLAN_SHAPES:
            raise self.place.fault(f"the plan has more than {limits.MAX_PLAN_SHAPES:,} shapes and texts")
        if self._points > limits.MAX_PLAN_POINTS:
            raise self.place.fault(f"the plan's shapes have more than {limits.MAX_PLAN_POINTS:,} points")

    def _size(self) -> Point:
        """Return width and height: those in the plan, or larger ones if the seats need more space."""
        size = mapping(self._plan.get("size") or {}, self.place, "size")
        found = []
        for side, reach in (("width", max(s.x for s in self._seats)), ("height", max(s.y for s in self._seats))):
            named = 0.0 if size.get(side) is None else number(size[side], self.place, "size", side)
            found.append(named if named > 0 and named >= reach else max(1.0, math.ceil(reach + _MARGIN)))
        return found[0], found[1]


def _refusal(duplicates: list[str]) -> str:
    """Return the message about ids that are used more than once: all of them, up to a bound."""
    if len(duplicates) == 1:
        return duplicates[0]
    more = len(duplicates) - _SHOWN_DUPLICATES
    lines = [*duplicates[:_SHOWN_DUPLICATES], *([f"and {more:,} more"] if more > 0 else [])]
    return f"{len(duplicates):,} seats have an id that is already used:\n" + "\n".join(lines)
