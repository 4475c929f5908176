"""Equal seats: as many others of the same category, together, for a payment that came too late for its own.

"Together" is what a box office means by it: neighbours in one row, with no seat between them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby

from realtime.locks.seats import SeatLocks
from realtime.model import Layout, Seat

MAX_BLOCKS = 20
"""Blocks that are offered: the nearest ones."""


def equal_blocks(layout: Layout, seats: Sequence[int], free: Collection[int]) -> list[list[int]]:
    """Return blocks of free neighbours, as many as ``seats`` and of their category; the nearest to them first.

    Empty if the seats are of several categories: no block is equal to them then. Accessible spaces are only equal to
    accessible spaces. Pure.
    """
    wanted = [layout.seats[index] for index in seats]
    kinds = {(seat.category, seat.accessible) for seat in wanted}
    if len(kinds) != 1:
        return []
    (kind,) = kinds
    x, y = (sum(getattr(seat, axis) for seat in wanted) / len(wanted) for axis in ("x", "y"))
    found: list[tuple[float, list[int]]] = []
    for run in _runs(layout, kind, free):
        for start in range(len(run) - len(seats) + 1):
            block = run[start : start + len(seats)]
            middle = [layout.seats[index] for index in block]
            distance = sum((seat.x - x) ** 2 + (seat.y - y) ** 2 for seat in middle)
            found.append((distance, sorted(block)))
    found.sort()
    return [block for _distance, block in found[:MAX_BLOCKS]]


def _runs(layout: Layout, kind: tuple[str, bool], free: Collection[int]) -> list[list[int]]:
    """Return runs of free neighbours of one kind, in the order in which they stand in their row."""

    def row(entry: tuple[int, Seat]) -> tuple[str, str]:
        return entry[1].section, entry[1].row

    runs: list[list[int]] = []
    for _row, members in groupby(sorted(enumerate(layout.seats), key=row), key=row):
        run: list[int] = []
        for index, seat in sorted(members, key=lambda entry: (entry[1].x, entry[1].y)):
            if index in free and (seat.category, seat.accessible) == kind:
                run.append(index)
            elif run:
                runs.append(run)
                run = []
        if run:
            runs.append(run)
    return runs


async def free_equal_blocks(locks: SeatLocks, show_id: str, layout: Layout, seats: Sequence[int]) -> list[list[int]]:
    """Return the equal blocks of a show that are free now. Raises ``RegionUnavailable``."""
    return equal_blocks(layout, seats, await locks.free_seats(show_id))
