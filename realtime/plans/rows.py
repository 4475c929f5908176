"""How rows of a plan are named and drawn: labels, the ends at which the map names them, radii, and rows of one name."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from realtime import limits
from realtime.model import Row, Seat
from realtime.plans.values import Place, label, number, shown

_PLAIN = Row(0, 0)
_ENDS = {None: "none", "": "none", "none": "none", "start": "start", "end": "end", "both": "both"}


def names(row: dict[str, Any], row_number: str, place: Place) -> Row:
    """Return labels and ends of a row; its seats are filled in later. Raises ``InvalidPlan``."""
    printed = label(row.get("row_label"), place, limits.MAX_SEAT_LABEL_LENGTH, "row_label")
    seat_label = label(row.get("seat_label"), place, limits.MAX_SEAT_LABEL_LENGTH, "seat_label")
    ends = row.get("row_number_position", "both")
    if not (ends is None or isinstance(ends, str)) or ends not in _ENDS:
        place.drop(f"is {shown(ends)}, not start, end, both or null", "row_number_position")
        ends = "both"
    return Row(0, 0, printed.replace("%s", row_number).strip(), "" if seat_label == "%s" else seat_label, _ENDS[ends])


def radius(seat: dict[str, Any], place: Place) -> float:
    """Return the radius of a seat, 0 if the plan gives none."""
    return 0.0 if seat.get("radius") is None else abs(number(seat["radius"], place, "radius"))


def radii(found: Sequence[float]) -> tuple[float, ...]:
    """Return the radii of a row as ``Row`` has them: none, one for all seats, or one for each."""
    if not any(found):
        return ()
    return (found[0],) if len(set(found)) == 1 else tuple(found)


def listed(rows: Sequence[Row], seats: Sequence[Seat]) -> tuple[Row, ...]:
    """Return the rows that a layout has to list: those with labels and the like, and those of one name in a section.

    Rows of one name get blocks 1, 2, ... if any of their seats would have equal names.
    """
    same: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row.count:
            same[seats[row.first].section, row.label or seats[row.first].row].append(row)
    result = []
    for group in same.values():
        block = len(group) > 1 and _ambiguous(group, seats)
        for n, row in enumerate(group, 1):
            chosen = replace(row, block=n) if block else row
            if len(group) > 1 or replace(chosen, first=0, count=0) != _PLAIN:
                result.append(chosen)
    return tuple(sorted(result, key=lambda row: row.first))


def _ambiguous(group: Sequence[Row], seats: Sequence[Seat]) -> bool:
    counts = Counter(
        row.seat_label.replace("%s", seat.number) if row.seat_label else seat.number
        for row in group
        for seat in seats[row.first : row.first + row.count]
        if seat.number
    )
    return any(count > 1 for count in counts.values())
