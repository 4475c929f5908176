"""Theatres and shows: as masters store them, and as clients get them."""

from __future__ import annotations

from typing import Any

import msgspec

from realtime.model import Show, Theatre
from realtime.sales_window import cancel_deadline, iso, window_of


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
