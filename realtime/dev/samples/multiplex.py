"""A multiplex screen of 280 seats: rows A to N, two aisles, recliners at the back; the screen at the top."""

from __future__ import annotations

import math

from realtime.dev.samples.drawing import MARGIN, PITCH, ROW, Json, Point, Row, Spot, letters, plan, polygon, text, zone

_CATEGORIES = (("Recliner", "#b5657a"), ("Gold", "#d1a23d"), ("Silver", "#7c93ad"))
_CURVE = 1_150.0
"""Radius of row A: a gentle bend, as multiplexes have it."""
_AISLE = 30.0
_WALKWAY = 34.0
"""The cross-aisle between silver and gold, and the step up to the recliners."""
_RECLINER_PITCH = 2 * PITCH
_HALF_WIDTH = 6 * PITCH + _AISLE + 3 * _RECLINER_PITCH
_CENTRE = (MARGIN + _HALF_WIDTH, MARGIN + 140.0 - _CURVE)
_WHEELCHAIR = {"A-1", "A-2", "A-17", "A-18", "E-1", "E-22"}


def multiplex_plan() -> bytes:
    """Return the plan in pretix's format; seat ids are ``F-12``: row and number."""
    rows = []
    depth = 0.0
    for index in range(14):
        name = letters(index)
        if name in "EM":
            depth += _WALKWAY
        rows.append(_row(name, _CURVE + depth))
        depth += 46.0 if name in "MN" else ROW
    bottom = max(spot.at[1] for row in rows for spot in row.spots)
    size = (2 * _CENTRE[0], bottom + MARGIN)
    return plan("Screen 1", size, _CATEGORIES, [zone("Screen 1", rows, _decor())])


def _row(name: str, radius: float) -> Row:
    category, side, pitch, seat = _kind(name)
    middle = [(n - 5.5) * PITCH for n in range(12)] if pitch == PITCH else [(n - 2.5) * pitch for n in range(6)]
    # The first seat next to an aisle keeps the aisle's width, whatever the width of the seats.
    first = 6 * PITCH + _AISLE + pitch / 2
    right = [first + n * pitch for n in range(side)]
    across = [-x for x in reversed(right)] + middle + right
    spots = []
    for n, x in enumerate(across, 1):
        guid = f"{name}-{n}"
        spots.append(Spot(guid, str(n), _bend(x, radius), category, guid in _WHEELCHAIR, seat))
    return Row(name, spots)


def _kind(name: str) -> tuple[str, int, float, int]:
    """Return category, seats at each side, pitch and seat radius of a row."""
    if name in "MN":
        return "Recliner", 3, _RECLINER_PITCH, 16
    return "Silver" if name in "ABCD" else "Gold", 3 if name in "AB" else 5, PITCH, 10


def _bend(x: float, radius: float) -> Point:
    return _CENTRE[0] + x, _CENTRE[1] + math.sqrt(radius * radius - x * x)


def _decor() -> list[Json]:
    top, reach, sag = MARGIN, 290.0, 22.0

    def edge(n: int, thickness: float) -> Point:
        # The screen bends towards the seats, as the rows bend towards the screen.
        return _CENTRE[0] + n / 12 * reach, top + thickness + sag * (n / 12) ** 2

    corners = [edge(n, 0.0) for n in range(-12, 13)] + [edge(n, 12.0) for n in range(12, -13, -1)]
    return [polygon(corners, "#8fa3bf", "#6d819d"), text((_CENTRE[0], top + 42), "SCREEN", 16)]
