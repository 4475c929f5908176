"""What an imported plan contains that will trouble those who sell from it: the report beside the layout.

Nothing in it prevents an import. Pure.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from realtime.model import Layout

EXAMPLES = 12
"""How many examples a finding has."""
LYING_SHARE = 0.5
"""Seats whose middles are nearer than this share of the usual distance lie on each other. The map uses the same share
(``static/seat-map/spacing.js``)."""
_CLOSED = re.compile(
    r"\b(not[ _-]?(available|for sale|on sale)|unavailable|sold([ _-]?out)?|blocked|reserved|occupied|booked|taken"
    r"|disabled seats?|closed|house seats?|kills?|n/a)\b"
    r"|^(\u0905\u0928\u0941\u092a\u0932\u092c\u094d\u0927|gesperrt|belegt|indisponible|no disponible)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Finding:
    """``count`` things of one ``kind``; ``message`` says it in a sentence, ``examples`` are the first of them."""

    kind: str
    count: int
    message: str
    examples: tuple[str, ...] = ()


def inspect(layout: Layout, marked: Sequence[str], dropped: Sequence[str]) -> tuple[Finding, ...]:
    """Return the findings about a layout, the worst kind first.

    ``marked`` are the ids of seats that the file marks as sold or blocked, ``dropped`` describes what was not used.
    """
    found = [
        _overlaps(layout),
        _equal_names(layout),
        _finding("marked_seats", marked, "marked as sold or blocked in the file; all seats of a new show are free"),
        _closed_categories(layout),
        _finding(
            "unnumbered_seats", [s.id for s in layout.seats if not s.number], "without a number: named by row or id"
        ),
        _unnamed_rows(layout),
        _unnamed_sections(layout),
        _dropped(dropped),
    ]
    return tuple(finding for finding in found if finding is not None)


def _finding(kind: str, seats: Sequence[str], what: str) -> Finding | None:
    return Finding(kind, len(seats), f"{_count(len(seats), 'seat')} {what}", tuple(seats[:EXAMPLES])) if seats else None


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


# --- seats on seats ---------------------------------------------------------------------------------------------------
def _overlaps(layout: Layout) -> Finding | None:
    pairs = overlapping(layout)
    if not pairs:
        return None
    names = [f"{layout.seats[top].id} on {layout.seats[below].id}" for top, below in pairs]
    on_top = len({top for top, _below in pairs})
    message = (
        f"{_count(on_top, 'seat')} {'lies' if on_top == 1 else 'lie'} on others, which can't be clicked on the map"
    )
    return Finding("overlapping_seats", on_top, message, tuple(names[:EXAMPLES]))


def overlapping(layout: Layout) -> list[tuple[int, int]]:
    """Return pairs of seats that lie on each other, as (painted on top, below it); one pair for each seat on top."""
    points = [(seat.x, seat.y) for seat in layout.seats]
    side = LYING_SHARE * usual_distance(layout)
    if not math.isfinite(side) or side <= 0:
        side = 1e-3  # one seat, or all seats at one place
    cells: dict[tuple[int, int], list[int]] = defaultdict(list)
    pairs = []
    for n, (x, y) in enumerate(points):
        column, line = math.floor(x / side), math.floor(y / side)
        near = (m for c in (-1, 0, 1) for d in (-1, 0, 1) for m in cells.get((column + c, line + d), ()))
        below = next((m for m in near if math.dist(points[m], (x, y)) < side), None)
        if below is None:
            cells[column, line].append(n)
        else:
            pairs.append((n, below))
    return pairs


def usual_distance(layout: Layout) -> float:
    """Return the 30th percentile of the distances from a seat to the nearest of its row; infinite without any."""
    found = []
    for _name, row in groupby(layout.seats, key=lambda seat: (seat.section, seat.row)):
        points = sorted((seat.x, seat.y) for seat in row)
        found += [_nearest(points, n) for n in range(len(points))]
    distances = sorted(distance for distance in found if 0 < distance < math.inf)
    return distances[len(distances) * 3 // 10] if distances else math.inf


def _nearest(ordered: Sequence[tuple[float, float]], n: int) -> float:
    """Return the distance to the nearest other place: outwards in x until that alone is too far."""
    here, best = ordered[n], math.inf
    for step in (1, -1):
        k = n + step
        while 0 <= k < len(ordered) and abs(ordered[k][0] - here[0]) < best:
            if ordered[k] != here:
                best = min(best, math.dist(ordered[k], here))
            k += step
    return best


# --- names ------------------------------------------------------------------------------------------------------------
def _equal_names(layout: Layout) -> Finding | None:
    counts = Counter(printed_names(layout))
    twice = {name: count for name, count in counts.items() if count > 1 and name[2]}
    if not twice:
        return None
    most = max(twice.values())
    each = "two seats each" if most == 2 else f"up to {most:,} seats each"
    message = f"{_count(len(twice), 'printed name')} {'belongs' if len(twice) == 1 else 'belong'} to {each}"
    examples = [" ".join(part for part in name if part) for name in twice]
    return Finding("equal_names", len(twice), message + "; block or id is added", tuple(examples[:EXAMPLES]))


def printed_names(layout: Layout) -> Iterable[tuple[str, str, str]]:
    """Yield section, row and number of each seat as they are printed, without block and id."""
    for index, seat in enumerate(layout.seats):
        row = layout.row_of(index) if layout.rows else None
        label = row.label if row is not None and row.label else seat.row
        number = row.seat_label.replace("%s", seat.number) if row is not None and row.seat_label else seat.number
        yield seat.section, label, number


def _unnamed_rows(layout: Layout) -> Finding | None:
    seats = [seat.id for seat in layout.seats if not seat.row]
    return _finding("unnamed_rows", seats, "in rows without a name")


def _unnamed_sections(layout: Layout) -> Finding | None:
    seats = [seat.id for seat in layout.seats if not seat.section]
    return _finding("unnamed_sections", seats, "in zones without a name")


def _closed_categories(layout: Layout) -> Finding | None:
    names = [category.name for category in layout.categories if _CLOSED.search(category.name.strip())]
    if not names:
        return None
    subject = "1 category looks" if len(names) == 1 else f"{len(names):,} categories look"
    return Finding(
        "closed_categories",
        len(names),
        f'{subject} like "not available": block its seats after a show is declared',
        tuple(names[:EXAMPLES]),
    )


def _dropped(dropped: Sequence[str]) -> Finding | None:
    if not dropped:
        return None
    message = f"{_count(len(dropped), 'value')} {'is' if len(dropped) == 1 else 'are'} not used"
    return Finding("dropped", len(dropped), message, tuple(dropped[:EXAMPLES]))
