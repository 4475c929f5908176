"""The decorations of a plan (stage, walls, labels), converted to shapes that a page can draw without geometry.

The rotation of rectangles and polygons is applied to their corners; the text of an area becomes a separate shape.
Decorations of an unknown kind are omitted, because seats can be sold without them; the report says so.
"""

from __future__ import annotations

import math
from typing import Any

from realtime import limits
from realtime.model import Shape
from realtime.plans import colors
from realtime.plans.values import CONTROLS, Place, Point, listing, mapping, number, point, rounded, shown


def read(area: dict[str, Any], zone: Point, place: Place) -> list[Shape]:
    """Return the shapes of one area, which is relative to ``zone``; raise ``InvalidPlan``."""
    dx, dy = point(area.get("position"), place, "position", default=(0.0, 0.0))
    turned = area.get("rotation")
    rotation = 0.0 if turned is None else math.fmod(number(turned, place, "rotation"), 360.0)
    frame = _Frame((zone[0] + dx, zone[1] + dy), rotation)
    body, middle = _body(area, frame, place)
    shapes = [] if body is None else [body]
    label = _text(area, frame, middle, place)
    return shapes if label is None else [*shapes, label]


class _Frame:
    """The coordinate system of an area: its origin is the area's position, and it is rotated about it."""

    def __init__(self, origin: Point, rotation: float) -> None:
        self.origin = origin
        self.rotation = rotation
        self._sin = math.sin(math.radians(rotation))
        self._cos = math.cos(math.radians(rotation))

    def place(self, x: float, y: float) -> Point:
        """Convert a point from the area's coordinates to those of the plan."""
        return rounded(
            self.origin[0] + x * self._cos - y * self._sin,
            self.origin[1] + x * self._sin + y * self._cos,
        )


def _body(area: dict[str, Any], frame: _Frame, place: Place) -> tuple[Shape | None, Point]:
    """Return the shape of an area (None for an unknown kind), and its centre in the area's coordinates."""
    color = colors.read(area.get("color"), place, "color")
    border = colors.read(area.get("border_color"), place, "border_color")
    kind = area.get("shape")
    centre = frame.place(0.0, 0.0)
    # The first version of the format has only rectangles, whose size is on the area itself.
    if kind is None and "width" in area and "height" in area:
        return _rectangle(area, frame, color, border, place, ())
    if kind == "rectangle":
        return _rectangle(mapping(area.get(kind), place, kind), frame, color, border, place, (kind,))
    if kind == "circle":
        radius = abs(number(mapping(area.get(kind), place, kind).get("radius"), place, kind, "radius"))
        return Shape("circle", (centre, (radius, radius)), color, border), (0.0, 0.0)
    if kind == "ellipse":
        rx, ry = point(mapping(area.get(kind), place, kind).get("radius"), place, kind, "radius")
        return Shape("ellipse", (centre, (abs(rx), abs(ry))), color, border, rotation=frame.rotation), (0.0, 0.0)
    if kind == "polygon":
        return _polygon(mapping(area.get(kind), place, kind), frame, color, border, place)
    if kind is not None and not isinstance(kind, str):
        raise place.fault(f"is {shown(kind)}, not the name of a shape", "shape")
    if kind not in (None, "", "text"):
        place.drop(f"shapes of the kind {shown(kind)} can't be drawn", "shape")
    return None, (0.0, 0.0)


def _rectangle(
    size: dict[str, Any], frame: _Frame, color: str, border: str, place: Place, deeper: tuple[str, ...]
) -> tuple[Shape, Point]:
    width = number(size.get("width"), place, *deeper, "width")
    height = number(size.get("height"), place, *deeper, "height")
    middle = (width / 2, height / 2)
    left, top = min(width, 0.0), min(height, 0.0)
    if not frame.rotation:
        return Shape("rectangle", (frame.place(left, top), (abs(width), abs(height))), color, border), middle
    corners = ((0.0, 0.0), (width, 0.0), (width, height), (0.0, height))
    return Shape("polygon", tuple(frame.place(x, y) for x, y in corners), color, border), middle


def _polygon(
    polygon: dict[str, Any], frame: _Frame, color: str, border: str, place: Place
) -> tuple[Shape | None, Point]:
    listed = listing(polygon.get("points"), place, limits.MAX_POLYGON_POINTS, "polygon", "points")
    corners = [point(entry, place, "polygon", "points", n) for n, entry in enumerate(listed)]
    if not corners:
        place.drop("the polygon has no points", "polygon", "points")
        return None, (0.0, 0.0)
    middle = (sum(x for x, _ in corners) / len(corners), sum(y for _, y in corners) / len(corners))
    return Shape("polygon", tuple(frame.place(x, y) for x, y in corners), color, border), middle


def _text(area: dict[str, Any], frame: _Frame, middle: Point, place: Place) -> Shape | None:
    found = area.get("text")
    if isinstance(found, str):
        found = {"text": found}
    if found is None:
        return None
    text = mapping(found, place, "text")
    words = text.get("text")
    if words is None or words == "":
        return None
    if not isinstance(words, str):
        raise place.fault(f"is {shown(words)}, not text", "text", "text")
    words = CONTROLS.sub(" ", words).strip()[: limits.MAX_TEXT_LENGTH]
    if not words:
        return None
    anchor = frame.place(*point(text.get("position"), place, "text", "position", default=middle))
    size = text.get("size")
    points = (anchor,) if size is None else (anchor, (0.0, abs(number(size, place, "text", "size"))))
    color = colors.read(text.get("color"), place, "text", "color")
    return Shape("text", points, color, text=words, rotation=frame.rotation)
