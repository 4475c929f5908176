"""The wire formats: what clients send (validated here, once), what nodes send, and what masters store as JSON.

Pure codecs between bytes and plain values. ``docs/protocol.md`` describes the formats.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, TypeVar

import msgspec
import orjson
from msgspec import Meta, Struct

from realtime import limits
from realtime.contact import Contact
from realtime.errors import BadRequest
from realtime.model import (
    PLAIN_TEXT,
    Admission,
    Category,
    Layout,
    Row,
    SalesState,
    Seat,
    SeatStatus,
    Shape,
    Show,
    Theatre,
)
from realtime.sales_window import cancel_deadline, iso, window_of

# --- what clients send --------------------------------------------------------------------------------------------
Id = Annotated[str, Meta(min_length=1, max_length=limits.MAX_ID_LENGTH)]
LongId = Annotated[str, Meta(min_length=1, max_length=2 * limits.MAX_ID_LENGTH)]
Text = Annotated[str, Meta(min_length=1, max_length=limits.MAX_TEXT_LENGTH, pattern=PLAIN_TEXT)]
SeatIds = Annotated[list[Id], Meta(min_length=1, max_length=limits.MAX_SEATS_PER_HOLD)]
Reason = Annotated[str, Meta(max_length=limits.MAX_TEXT_LENGTH, pattern=PLAIN_TEXT)]
RequestId = Annotated[str, Meta(max_length=limits.MAX_ID_LENGTH)]
Solution = Annotated[str, Meta(max_length=limits.MAX_SOLUTION_LENGTH)]
Payment = Annotated[str, Meta(min_length=1, max_length=limits.MAX_PAYMENT_LENGTH)]
Moment = Annotated[str, Meta(max_length=40)]
"""ISO 8601 with offset, or ""."""
Rupees = Annotated[int, Meta(ge=0, le=limits.MAX_PRICE_RUPEES)]


class Since(Struct, frozen=True):
    """The epoch and version of the map that a returning viewer has."""

    epoch: Id
    version: Annotated[int, Meta(ge=0)]


class Watch(Struct, frozen=True):
    """``show:watch``."""

    show: Id
    since: Since | None = None
    deflate: bool = False
    """Whether the client takes ``deflated`` in place of ``seats``."""


class Unwatch(Struct, frozen=True):
    """``show:unwatch``."""

    show: Id


class HoldSeats(Struct, frozen=True):
    """``seats:hold``; seats are seat ids without repetition."""

    show: Id
    seats: SeatIds
    request_id: Id
    challenge: Solution | None = None


class ReleaseSeats(Struct, frozen=True):
    """``seats:release``; without ``seats`` the whole hold."""

    hold: LongId
    seats: SeatIds | None = None
    request_id: RequestId = ""


class ExtendHold(Struct, frozen=True):
    """``seats:extend``."""

    hold: LongId
    request_id: RequestId = ""


class ResumeHold(Struct, frozen=True):
    """``hold:resume``."""

    hold: LongId


class OrderHold(Struct, frozen=True):
    """``seats:order``; without ``seats`` the whole hold. ``return_url`` is where the gateway sends the buyer back."""

    hold: LongId
    seats: SeatIds | None = None
    return_url: Annotated[str, Meta(max_length=500)] = ""
    contact: Contact | None = None
    request_id: RequestId = ""


class ConfirmHold(Struct, frozen=True):
    """``seats:confirm``; ``payment`` is the payment service's proof; without ``seats`` the whole hold is booked."""

    hold: LongId
    payment: Payment
    seats: SeatIds | None = None
    request_id: RequestId = ""
    contact: Contact | None = None


class NewFee(Struct, frozen=True, forbid_unknown_fields=True):
    """The fee for booking one seat, before tax: a fixed sum in paise, and a share of the price in basis points."""

    paise: Annotated[int, Meta(ge=0, le=limits.MAX_FEE_PAISE)] = 0
    basis_points: Annotated[int, Meta(ge=0, le=limits.MAX_FEE_BASIS_POINTS)] = 0


class NewTheatre(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of ``PUT /theatres/{id}``."""

    name: Text
    city: Text
    region: Id
    address: Annotated[str, Meta(max_length=limits.MAX_TEXT_LENGTH, pattern=PLAIN_TEXT)] = ""


class NewShow(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of ``POST /shows``; prices are whole rupees by category name, one for each category of the layout.

    ``equal_seats`` allows a late payment to book other seats of the same category, together. Seats are sold from
    ``sales_start`` ("": at once) to ``sales_end`` ("": ``limits.SALES_AFTER_START_S`` after the start).
    Owners may cancel until ``cancel_until`` ("": ``limits.CANCEL_BEFORE_START_S`` before the start).
    """

    theatre: Id
    layout: Id
    title: Text
    starts_at: str
    prices: dict[Text, Rupees]
    id: Id | None = None
    hold_s: Annotated[int, Meta(ge=limits.MIN_HOLD_S, le=limits.MAX_HOLD_S)] = limits.DEFAULT_HOLD_S
    max_seats: Annotated[int, Meta(ge=1, le=limits.MAX_SEATS_PER_HOLD)] = limits.MAX_SEATS_PER_HOLD
    fee: NewFee = NewFee()
    admission: Admission = Admission.OTHER
    equal_seats: bool = False
    sales_start: Moment = ""
    sales_end: Moment = ""
    cancel_until: Moment = ""


class NewTerms(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of ``POST /shows/{show}/terms``: what changes. "" stands for the default of a show."""

    sales_start: Moment | None = None
    sales_end: Moment | None = None
    cancel_until: Moment | None = None


class UnblockSeats(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of ``POST /shows/{show}/unblock``."""

    seats: Annotated[list[Id], Meta(min_length=1, max_length=limits.MAX_LAYOUT_SEATS)]


class BlockSeats(UnblockSeats, frozen=True, forbid_unknown_fields=True):
    """Body of ``POST /shows/{show}/block``; ``reason`` is for operators."""

    reason: Reason = ""


class PayDemo(Struct, frozen=True):
    """Body of ``POST /demo/pay``."""

    hold: LongId


T = TypeVar("T")


def parse(kind: type[T], payload: object) -> T:
    """Validate a decoded payload (the object of a Socket.IO event) as ``kind``; raise ``BadRequest``."""
    try:
        return msgspec.convert(payload, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise BadRequest(f"Invalid payload: {error}") from None


def parse_json(kind: type[T], body: bytes) -> T:
    """Decode a JSON body and validate it as ``kind``; raise ``BadRequest``."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadRequest(f"Invalid body: {error}") from None


# --- seats --------------------------------------------------------------------------------------------------------
_FROM_ASCII = bytes(max(0, min(3, i - 48)) for i in range(256))
STATUS_KEYS: tuple[str, ...] = tuple(s.value for s in SeatStatus)


def statuses_from_master(ascii_digits: bytes) -> bytearray:
    """Convert the master's string (one ASCII digit per seat) to one byte 0-3 per seat."""
    return bytearray(ascii_digits.translate(_FROM_ASCII))


def pack_seats(statuses: bytes | bytearray) -> str:
    """Return base64 of 2 bits per seat (the first seat in the lowest bits), given one byte 0-3 per seat."""
    padded = bytes(statuses) + b"\0" * (-len(statuses) % 4)
    # Shifting big integers packs at C speed: lane k has every fourth byte, starting with the k-th.
    lanes = [int.from_bytes(padded[k::4], "little") << (2 * k) for k in range(4)]
    packed = lanes[0] | lanes[1] | lanes[2] | lanes[3]
    return base64.b64encode(packed.to_bytes(len(padded) // 4, "little")).decode()


def deflate_seats(packed: str) -> str:
    """Return what ``pack_seats`` returned, compressed: base64 of raw DEFLATE of the same bytes."""
    squeeze = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    return base64.b64encode(squeeze.compress(base64.b64decode(packed)) + squeeze.flush()).decode()


def unpack_seats(text: str, count: int) -> bytearray:
    """Return one byte 0-3 per seat; the inverse of ``pack_seats`` for ``count`` seats."""
    packed = base64.b64decode(text, validate=True)
    out = bytearray(len(packed) * 4)
    for k in range(4):
        out[k::4] = packed.translate(_LANES[k])
    return out[:count]


_LANES = [bytes((byte >> (2 * k)) & 3 for byte in range(256)) for k in range(4)]


def changed_payload(
    show: str, epoch: str, from_version: int, version: int, seats: Mapping[int, int]
) -> dict[str, object]:
    """Return the payload of ``seats:changed``. ``seats`` maps index to status 0-3; empty lists are omitted."""
    return {"show": show, "epoch": epoch, "from": from_version, "version": version, **seat_lists(seats)}


def seat_lists(seats: Mapping[int, int]) -> dict[str, list[int]]:
    """Group seat indices by status: ``{"free": [...], "held": [...], ...}``; empty lists are omitted."""
    lists: dict[str, list[int]] = {}
    for index in sorted(seats):
        lists.setdefault(STATUS_KEYS[seats[index]], []).append(index)
    return lists


class ChangeMessage(Struct, frozen=True):
    """One message of a changes channel, as published by the Lua library."""

    epoch: str
    version: int
    free: list[int] = []
    held: list[int] = []
    sold: list[int] = []
    blocked: list[int] = []
    sales: SalesState | None = None
    sales_start: int | None = None
    sales_end: int | None = None

    def seats(self) -> dict[int, int]:
        """Return the status 0-3 of each changed seat, by index."""
        changed: dict[int, int] = {}
        for digit, indices in enumerate((self.free, self.held, self.sold, self.blocked)):
            for index in indices:
                changed[index] = digit
        return changed


decode_change = msgspec.json.Decoder(ChangeMessage).decode

# --- declarations -------------------------------------------------------------------------------------------------


def encode_theatre(theatre: Theatre) -> bytes:
    """Return the JSON of a theatre as a master stores it."""
    return msgspec.json.encode(theatre)


decode_theatre = msgspec.json.Decoder(Theatre).decode


def encode_show(show: Show) -> bytes:
    """Return the JSON of a show as a master stores it."""
    return msgspec.json.encode(show)


decode_show = msgspec.json.Decoder(Show).decode


def show_payload(show: Show, status: str) -> dict[str, Any]:
    """Return a show as ``GET /shows`` lists it; ``status`` is one of ``rooms.room.Room.status``."""
    window = window_of(show)
    return {
        "id": show.id,
        "title": show.title,
        "theatre": show.theatre,
        "theatre_name": show.theatre_name,
        "region": show.region,
        "city": show.city,
        "starts_at": show.starts_at,
        "sales_start": iso(window.start),
        "sales_end": iso(window.end),
        "cancel_until": iso(cancel_deadline(show)),
        "layout": show.layout,
        "seat_count": show.seat_count,
        "prices": show.prices,
        "currency": "INR",
        "hold_s": show.hold_s,
        "max_seats": show.max_seats,
        "fee": {"paise": show.fee.paise, "basis_points": show.fee.basis_points},
        "admission": show.admission.value,
        "equal_seats": show.equal_seats,
        "status": status,
    }


# --- layouts ------------------------------------------------------------------------------------------------------
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
    """Return everything of that body but the seats."""
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


class _LayoutBody(Struct):
    id: str
    name: str
    size: dict[str, float]
    categories: list[Category]
    shapes: list[Shape]
    seats: list[Seat]
    rows: list[Row] = []


_decode_layout = msgspec.json.Decoder(_LayoutBody).decode


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
