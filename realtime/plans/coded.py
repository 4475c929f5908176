"""Codes a layout by rows, for pages: two orders of magnitude smaller than its JSON. Pure.

Rows are coded as they are built: their seats have numbers at equal steps, ids that follow from section, row and number,
and positions whose direction changes slowly. What does not follow such a rule is written out, so any layout can be
coded. Positions are rounded to a fraction of the distance of seats; everything else is exact. ``docs/protocol.md``
describes the format, ``static/seat-map/coded-layout.js`` reads it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import orjson

from realtime.model import Layout, Row, Seat
from realtime.plans.id_rules import IdRules, number_rule
from realtime.plans.varints import append, append_signed, append_text
from realtime.wire.layouts import layout_head, row_body

VERSION = 1
MAGIC = f"TTL{VERSION}".encode()
"""The first bytes."""
CHUNK_SEATS = 1_000
"""A chunk ends with the row that reaches this number; a reader can use each chunk as soon as it is there."""
STEPS_PER_SEAT = 64
"""Positions are exact to at least this part of the distance of neighbours: half of it is a third of a pixel for a seat
that is 40 pixels wide."""
NUMBERS_LISTED, IDS_LISTED, CATEGORIES_MIXED, SOME_ACCESSIBLE, IS_LISTED = 1, 2, 4, 8, 16


def path(layout_id: str) -> str:
    """Return the path at which nodes serve the coded layout."""
    return f"/api/v1/layouts/{layout_id}/rows/{VERSION}"


def encode(layout: Layout) -> bytes:
    """Return the coded layout, uncompressed."""
    return _Coder(layout).encode()


class _Chunk:
    """The streams of one chunk: rows, texts, starts, then the bends of the positions in x and y."""

    def __init__(self) -> None:
        self.streams = tuple(bytearray() for _ in range(5))
        self.seats = 0

    def packed(self) -> bytes:
        body = bytearray()
        for stream in self.streams:
            append(body, len(stream))
            body += stream
        out = bytearray()
        append(out, len(body))
        return bytes(out + body)


class _Coder:
    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._quantum = quantum(layout.seats)
        self._sections: dict[str, int] = {}
        self._names: dict[str, int] = {}
        self._ids = IdRules()
        self._categories = {category.name: n for n, category in enumerate(layout.categories)}
        self._listed: dict[Row, int] = {}
        self._listed_bodies: list[dict[str, object]] = []
        self._by_rows = _in_order(layout)
        self._last_text = b""
        # What the next row is compared with: section, name, category, then start and step in x and y.
        self._before = [0, -1, 0]
        self._places = [0, 0, 0, 0]

    def encode(self) -> bytes:
        chunks = [_Chunk()]
        for listed, seats in self._rows():
            if chunks[-1].seats >= CHUNK_SEATS:
                chunks.append(_Chunk())
            self._row(chunks[-1], listed, seats)
        head = orjson.dumps(self._head())
        out = bytearray(MAGIC)
        append(out, len(head))
        return bytes(out + head + b"".join(chunk.packed() for chunk in chunks))

    def _head(self) -> dict[str, object]:
        body = layout_head(self._layout)
        rows = body.pop("rows", None)
        if rows and not self._by_rows:
            body["rows"] = rows
        return {
            **body,
            "seat_count": len(self._layout.seats),
            "quantum": self._quantum,
            "sections": list(self._sections),
            "names": list(self._names),
            "id_rules": list(self._ids.rules),
            "listed": self._listed_bodies,
        }

    def _rows(self) -> Iterator[tuple[Row | None, Sequence[Seat]]]:
        """Yield seats of one section and row that follow each other, with their entry in the layout's ``rows``."""
        seats = self._layout.seats
        listed = iter(self._layout.rows if self._by_rows else ())
        entry = next(listed, None)
        start = 0
        while start < len(seats):
            while entry is not None and entry.first + entry.count <= start:
                entry = next(listed, None)
            inside = entry is not None and entry.first <= start
            bound = len(seats) if entry is None else entry.first + (entry.count if inside else 0)
            first, end = seats[start], start + 1
            while end < bound and seats[end].row == first.row and seats[end].section == first.section:
                end += 1
            yield (entry if inside else None), seats[start:end]
            start = end

    def _row(self, chunk: _Chunk, listed: Row | None, seats: Sequence[Seat]) -> None:
        rows, texts, starts, *bends = chunk.streams
        first, count = seats[0], len(seats)
        chunk.seats += count
        numbers = [seat.number for seat in seats]
        rule = number_rule(numbers)
        id_rule = self._ids.find(seats)
        categories = [self._categories[seat.category] for seat in seats]
        mixed = any(category != categories[0] for category in categories)
        accessible = [n for n, seat in enumerate(seats) if seat.accessible]
        section = self._sections.setdefault(first.section, len(self._sections))
        name = self._names.setdefault(first.row, len(self._names))
        append(rows, count)
        append_signed(rows, section - self._before[0])
        append_signed(rows, name - self._before[1] - 1)
        append(
            rows,
            NUMBERS_LISTED * (rule is None)
            | IDS_LISTED * (id_rule is None)
            | CATEGORIES_MIXED * mixed
            | SOME_ACCESSIBLE * bool(accessible)
            | IS_LISTED * (listed is not None),
        )
        if rule is None:
            self._texts(texts, numbers)
        else:
            for value in rule:
                append_signed(rows, value)
        if id_rule is None:
            self._texts(texts, [seat.id for seat in seats])
        else:
            append(rows, id_rule)
        if mixed:
            _runs(rows, categories)
        else:
            append_signed(rows, categories[0] - self._before[2])
        if accessible:
            append(rows, len(accessible))
            for before, at in pairwise([-1, *accessible]):
                append(rows, at - before - 1)
        if listed is not None:
            append(rows, self._listed_number(listed))
        self._before = [section, name, categories[-1]]
        self._positions(starts, bends, seats)

    def _listed_number(self, row: Row) -> int:
        alike = replace(row, first=0, count=0)
        if alike not in self._listed:
            self._listed[alike] = len(self._listed)
            body = row_body(alike)
            del body["first"], body["count"]
            self._listed_bodies.append(body)
        return self._listed[alike]

    def _texts(self, stream: bytearray, texts: Sequence[str]) -> None:
        for text in texts:
            self._last_text = append_text(stream, text, self._last_text)

    def _positions(self, starts: bytearray, bends: Sequence[bytearray], seats: Sequence[Seat]) -> None:
        scale = 1 / self._quantum
        for axis, places in enumerate(([round(s.x * scale) for s in seats], [round(s.y * scale) for s in seats])):
            append_signed(starts, places[0] - self._places[2 * axis])
            self._places[2 * axis] = places[0]
            if len(places) == 1:
                continue
            steps = [b - a for a, b in pairwise(places)]
            append_signed(starts, steps[0] - self._places[2 * axis + 1])
            self._places[2 * axis + 1] = steps[0]
            stream = bends[axis]
            for before, step in pairwise(steps):
                append_signed(stream, step - before)


def _in_order(layout: Layout) -> bool:
    """Return whether the layout's ``rows`` follow each other, each with seats of one section and row only.

    Then they are written with the seats, else in the head.
    """
    end = 0
    for row in layout.rows:
        if row.first < end or row.count < 1:
            return False
        end = row.first + row.count
        seats = layout.seats[row.first : end]
        if len(seats) != row.count or any(s.row != seats[0].row or s.section != seats[0].section for s in seats):
            return False
    return True


def _runs(out: bytearray, values: Sequence[int]) -> None:
    start = 0
    for n in range(1, len(values) + 1):
        if n == len(values) or values[n] != values[start]:
            append(out, values[start])
            append(out, n - start)
            start = n


def quantum(seats: Sequence[Seat]) -> float:
    """Return the unit of positions, a power of two: at most the ``STEPS_PER_SEAT``-th part of the distance of seats.

    It is larger where all positions are whole multiples of a larger one, so that these are exact. The distance is that
    of neighbours in plan order: one in twenty may be closer.
    """
    gaps = sorted(gap for a, b in pairwise(seats) if (gap := math.hypot(b.x - a.x, b.y - a.y)) > 0)
    reach = max((max(abs(seat.x), abs(seat.y)) for seat in seats), default=0.0)
    usual = gaps[len(gaps) // 20] if gaps else max(reach, 1.0) / 100
    # With 2**44 steps at most, all arithmetic of a reader is exact.
    unit = 2.0 ** math.floor(math.log2(max(usual / STEPS_PER_SEAT, reach / 2**44)))
    while unit < usual and all((s.x / (2 * unit)).is_integer() and (s.y / (2 * unit)).is_integer() for s in seats):
        unit *= 2
    return unit
