"""Maps of shows: the statuses of seats as masters store them and viewers get them, and the changes between two maps."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from realtime.model import SalesState, SeatStatus

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
