"""Theatres and shows: as masters store them, and as clients get them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypedDict, TypeVar

import msgspec

from realtime.model import Show, Theatre, region_of
from realtime.sales_window import cancel_deadline, iso, window_of

Declared = TypeVar("Declared", Show, Theatre)


class FeeBody(TypedDict):
    """The fee for booking one seat, before tax."""

    paise: int
    basis_points: int


class ShowBody(TypedDict):
    """A show. ``prices`` are whole rupees before tax by category, times are ISO 8601."""

    id: str
    title: str
    theatre: str
    theatre_name: str
    region: str
    city: str
    starts_at: str
    sales_start: str
    sales_end: str
    cancel_until: str
    layout: str
    seat_count: int
    prices: dict[str, int]
    currency: str
    hold_s: int
    max_seats: int
    fee: FeeBody
    admission: str
    equal_seats: bool
    status: str


class Unreadable(ValueError):
    """A record of a theatre or a show that can't be read; the message says why."""


def encode_theatre(theatre: Theatre) -> bytes:
    """Return the JSON of a theatre as a master stores it."""
    return msgspec.json.encode(theatre)


_decode_theatre = msgspec.json.Decoder(Theatre).decode


def decode_theatre(blob: bytes) -> Theatre:
    """Return the theatre of a record; raises ``Unreadable``."""
    return _decoded(_decode_theatre, blob)


def encode_show(show: Show) -> bytes:
    """Return the JSON of a show as a master stores it."""
    return msgspec.json.encode(show)


_decode_show = msgspec.json.Decoder(Show).decode


def decode_show(blob: bytes) -> Show:
    """Return the show of a record; raises ``Unreadable``."""
    return _decoded(_decode_show, blob)


def decode_own_show(region: str) -> Callable[[bytes], Show]:
    """Return a function that decodes the show of a record on the master of ``region``; it raises ``Unreadable``."""

    def decode(blob: bytes) -> Show:
        show = decode_show(blob)
        if region_of(show.id) != region or show.region != region:
            raise Unreadable("it belongs to another region")
        return show

    return decode


def _decoded(decode: Callable[[bytes], Declared], blob: bytes) -> Declared:
    try:
        return decode(blob)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Unreadable(str(error)) from None


def read_record(decode: Callable[[bytes], Declared], record_id: str, blob: bytes) -> Declared:
    """Return a record that is kept under an id. Raises ``Unreadable``, also if it is the record of another id."""
    record = decode(blob)
    if record.id != record_id:
        raise Unreadable(f"it has the id {record.id!r}")
    return record


def read_records(
    decode: Callable[[bytes], Declared], records: Iterable[tuple[bytes, bytes]]
) -> tuple[dict[str, Declared], dict[str, str]]:
    """Return the records that can be read, by id, and why each of the others can't. ``records`` are ids and JSON."""
    found: dict[str, Declared] = {}
    reasons: dict[str, str] = {}
    for name, blob in records:
        record_id = name.decode(errors="replace")
        try:
            found[record_id] = read_record(decode, record_id, blob)
        except Unreadable as error:
            reasons[record_id] = str(error)
    return found, reasons


def show_payload(show: Show, status: str) -> ShowBody:
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
