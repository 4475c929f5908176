"""Layouts: the gzipped JSON that the ledger and masters store and clients get, and the id, which is its hash."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import msgspec
import orjson
from msgspec import Struct

from realtime.model import Category, Layout, Row, Seat, Shape


def _layout_body(
    name: str,
    width: float,
    height: float,
    categories: Iterable[Category],
    seats: Iterable[Seat],
    shapes: Iterable[Shape],
    rows: tuple[Row, ...],
) -> dict[str, Any]:
    return {
        "name": name,
        "size": {"width": float(width), "height": float(height)},
        "categories": [{"name": c.name, "color": c.color} for c in categories],
        "shapes": [
            {
                "kind": s.kind,
                "points": [(float(x), float(y)) for x, y in s.points],
                "color": s.color,
                "border": s.border,
                "text": s.text,
                "rotation": float(s.rotation),
            }
            for s in shapes
        ],
        # Left out when empty: layouts without it keep the id that they had before rows could be listed.
        **({"rows": [row_body(row) for row in rows]} if rows else {}),
        "seats": [
            {
                "id": s.id,
                "section": s.section,
                "row": s.row,
                "number": s.number,
                "category": s.category,
                "x": float(s.x),
                "y": float(s.y),
                **({"accessible": True} if s.accessible else {}),
            }
            for s in seats
        ],
    }


def layout_json(layout: Layout) -> dict[str, Any]:
    """Return the body of ``GET /layouts/{id}``."""
    size = layout.width, layout.height
    body = _layout_body(layout.name, *size, layout.categories, layout.seats, layout.shapes, layout.rows)
    return {"id": layout.id, **body}


def layout_head(layout: Layout) -> dict[str, Any]:
    """Return the body of ``GET /layouts/{id}`` without the seats."""
    body = layout_json(replace(layout, seats=()))
    del body["seats"]
    return body


def row_body(row: Row) -> dict[str, Any]:
    """Return the JSON of an entry of a layout's ``rows``."""
    return {
        "first": row.first,
        "count": row.count,
        **({"label": row.label} if row.label else {}),
        **({"seat_label": row.seat_label} if row.seat_label else {}),
        **({"names": row.names} if row.names != "both" else {}),
        **({"block": row.block} if row.block else {}),
        **({"radius": [float(radius) for radius in row.radius]} if row.radius else {}),
    }


def make_layout(
    name: str,
    width: float,
    height: float,
    categories: tuple[Category, ...],
    seats: tuple[Seat, ...],
    shapes: tuple[Shape, ...] = (),
    rows: tuple[Row, ...] = (),
) -> Layout:
    """Return a layout whose id is the hash of its content (32 hex digits)."""
    body = orjson.dumps(_layout_body(name, width, height, categories, seats, shapes, rows), option=orjson.OPT_SORT_KEYS)
    digest = hashlib.sha256(body).hexdigest()[:32]
    return Layout(digest, name, width, height, categories, seats, shapes, rows)


def encode_layout(layout: Layout) -> bytes:
    """Return the gzipped JSON of ``GET /layouts/{id}``; seats in index order. Equal layouts give equal bytes."""
    return gzip.compress(orjson.dumps(layout_json(layout)), compresslevel=6, mtime=0)


class LayoutBody(Struct):
    """The JSON of a layout; seats in index order."""

    id: str
    name: str
    size: dict[str, float]
    categories: list[Category]
    shapes: list[Shape]
    seats: list[Seat]
    rows: list[Row] = []


_decode_layout = msgspec.json.Decoder(LayoutBody).decode


def decode_layout(blob: bytes) -> Layout:
    """Decode what ``encode_layout`` wrote; raise ``ValueError`` if the content does not match its id."""
    body = _decode_layout(gzip.decompress(blob))
    layout = make_layout(
        body.name,
        body.size["width"],
        body.size["height"],
        tuple(body.categories),
        tuple(body.seats),
        tuple(body.shapes),
        tuple(body.rows),
    )
    if layout.id != body.id:
        raise ValueError(f"layout {body.id} has the content of {layout.id}")
    return layout
