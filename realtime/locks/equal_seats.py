"""Equal seats: other seats of the same number and categories, together, for a payment that came too late.

"Together" is what a box office means by it: neighbours in one row, with neither a seat nor an aisle between them. The
numbers of seats don't say who sits beside whom (in some halls the odd ones are on the left), so positions decide, and
rows may be curved or run in any direction.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from statistics import median

from realtime.locks.seats import SeatLocks
from realtime.model import Layout, Seat

MAX_BLOCKS = 20
"""The most blocks that are offered, the nearest first."""
AISLE = 1.5
"""Seats that are further apart than this many usual distances have an aisle or a missing seat between them."""
SPARSE = 2.0
"""A row's usual distance counts as at most this many of the hall's, or two distant seats alone in a row were a pair."""
Kind = tuple[str, bool]
_Point = tuple[float, float]


def equal_blocks(layout: Layout, seats: Sequence[int], free: Collection[int]) -> list[list[int]]:
    """Return up to ``MAX_BLOCKS`` blocks of free neighbours in one row that equal ``seats``, the nearest first.

    A block has as many seats of each category, and as many accessible spaces of each, as ``seats``. Seats are indices;
    a block's are ascending. Pure.
    """
    if not seats:
        return []
    wanted = Counter(_kind(layout.seats[index]) for index in seats)
    x = sum(layout.seats[index].x for index in seats) / len(seats)
    y = sum(layout.seats[index].y for index in seats) / len(seats)

    def distance(block: Sequence[int]) -> float:
        return sum((layout.seats[index].x - x) ** 2 + (layout.seats[index].y - y) ** 2 for index in block)

    found = (
        (distance(block), sorted(block))
        for run in _runs(layout, wanted, set(free))
        for block in _windows(run, len(seats))
        if Counter(_kind(layout.seats[index]) for index in block) == wanted
    )
    return [block for _distance, block in heapq.nsmallest(MAX_BLOCKS, found)]


def _kind(seat: Seat) -> Kind:
    return seat.category, seat.accessible


def _windows(run: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (run[start : start + size] for start in range(len(run) - size + 1))


def _runs(layout: Layout, wanted: Counter[Kind], free: Collection[int]) -> Iterator[list[int]]:
    """Yield runs of free neighbours of the wanted kinds, each long enough for a block, in the order along the row."""
    rows: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, seat in enumerate(layout.seats):
        rows[seat.section, seat.row].append(index)
    size = wanted.total()
    candidates = {
        name: [index for index in row if index in free and _kind(layout.seats[index]) in wanted]
        for name, row in rows.items()
    }
    candidates = {name: some for name, some in candidates.items() if len(some) >= size}
    pitches = {name: _pitch([_point(layout, index) for index in rows[name]]) for name in candidates}
    usual = median(pitches.values()) if pitches else math.inf
    for name, some in candidates.items():
        for run in _chains(layout, some, AISLE * min(pitches[name], SPARSE * usual), size):
            if len(run) >= size:
                yield run


def _point(layout: Layout, index: int) -> _Point:
    return layout.seats[index].x, layout.seats[index].y


# --- neighbours in a row ----------------------------------------------------------------------------------------------
def _pitch(points: Sequence[_Point]) -> float:
    """Return the usual distance between neighbours of a row; infinite for a single seat."""
    ordered = _along(points)
    nearest = (
        min((math.dist(ordered[n], other) for other in _around(ordered, n)), default=math.inf)
        for n in range(len(ordered))
    )
    return median(nearest)


def _along(points: Sequence[_Point]) -> list[_Point]:
    """Return points sorted by the axis along which they extend most, which becomes their first coordinate."""
    width, height = (max(values) - min(values) for values in zip(*points, strict=True))
    return sorted(points if width >= height else [(y, x) for x, y in points])


def _around(ordered: Sequence[_Point], n: int) -> Iterator[_Point]:
    """Yield the points that may be nearest to point ``n``, outwards, until the first coordinate alone is too far."""
    for step in (1, -1):
        best, k = math.inf, n + step
        while 0 <= k < len(ordered) and abs(ordered[k][0] - ordered[n][0]) < best:
            best = min(best, math.dist(ordered[k], ordered[n]))
            yield ordered[k]
            k += step


def _chains(layout: Layout, seats: Sequence[int], limit: float, size: int) -> list[list[int]]:
    """Return the chains that some seats of a row form, linked where they are at most ``limit`` apart.

    A closed row (around an arena) has no ends: its chain continues past its start by ``size`` - 1 seats.
    """
    if size == 1:
        return [[seat] for seat in seats]
    links = _links({seat: _point(layout, seat) for seat in seats}, limit)
    chains: list[list[int]] = []
    seen: set[int] = set()
    for start in sorted(links, key=lambda seat: (len(links[seat]), seat)):  # ends first: what is left then is closed
        if start in seen:
            continue
        chain, seat = [], start
        while seat not in seen:
            seen.add(seat)
            chain.append(seat)
            seat = next((other for other in links[seat] if other not in seen), start)
        closed = len(chain) > 2 and all(len(links[seat]) == 2 for seat in chain)
        chains.append(chain + chain[: min(size - 1, len(chain) - size)] if closed else chain)
    return chains


def _links(places: dict[int, _Point], limit: float) -> dict[int, list[int]]:
    """Return the neighbours of each seat: its two nearest at most, if within the limit, and if the choice is mutual."""
    cells: dict[tuple[int, int], list[int]] = defaultdict(list)
    scale = limit if 0 < limit < math.inf else 1.0
    for seat, (x, y) in places.items():
        cells[math.floor(x / scale), math.floor(y / scale)].append(seat)

    def nearest(seat: int) -> list[int]:
        x, y = places[seat]
        column, line = math.floor(x / scale), math.floor(y / scale)
        near = [
            (math.dist(places[other], places[seat]), other)
            for dx in (-1, 0, 1)
            for dy in (-1, 0, 1)
            for other in cells.get((column + dx, line + dy), ())
            if other != seat
        ]
        return [other for distance, other in sorted(near)[:2] if distance <= limit]

    found = {seat: nearest(seat) for seat in places}
    return {seat: [other for other in others if seat in found[other]] for seat, others in found.items()}


async def free_equal_blocks(locks: SeatLocks, show_id: str, layout: Layout, seats: Sequence[int]) -> list[list[int]]:
    """Return the equal blocks of a show that are free now. Raises ``RegionUnavailable``."""
    return equal_blocks(layout, seats, await locks.free_seats(show_id))
