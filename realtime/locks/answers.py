"""What the functions of the library answer, as values and as the errors of ``realtime.errors``."""

from __future__ import annotations

from typing import Any

import msgspec

from realtime.errors import (
    CODES,
    AddressLimit,
    BadRequest,
    BookingRejected,
    ExtendLimit,
    RegionUnavailable,
    SalesNotStarted,
    SeatsResting,
)
from realtime.model import Hold, HoldState


class Fenced(Exception):
    """Nothing was written: the master was reconciled again, or another keeper has carried out the entry."""


class ShowNotReady(RegionUnavailable):
    """The show is not on sale on this master until it is rebuilt."""


class OrderedSeats(msgspec.Struct):
    """An order of a hold, in its record."""

    seats: str


class Record(msgspec.Struct):
    """A hold as the master stores it (a field of ``keys.holds``)."""

    owner: str
    seats: tuple[int, ...]
    state: HoldState
    expires_at: int
    extensions: int = 0
    payment: str = ""
    order: str = ""
    cancelled: bool = False
    """Whether the hold was booked and the ledger has cancelled the booking; ``state`` is then ``released``."""
    reserved: tuple[int, ...] = ()
    """The seats to which a booking is about to move."""
    exchanges: int = 0
    orders: tuple[OrderedSeats, ...] = ()


_decode = msgspec.json.Decoder(Record, strict=False).decode


def decode_record(blob: bytes) -> Record:
    """Return the record of a hold; raises ``msgspec.MsgspecError`` if it can't be read."""
    try:
        return _decode(blob)
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from None


def check_reply(reply: list[Any], region: str) -> list[Any]:
    """Return the reply of a function if it is ``ok``; otherwise raise the error class that has its code."""
    code = reply[0].decode(errors="replace")
    if code == "ok":
        return reply
    if code == "show_not_found":
        # The caller knows the show, so this master has lost data and is not reconciled yet.
        raise ShowNotReady(RegionUnavailable().message, region=region)
    if code == "fenced":
        raise Fenced("another keeper has taken over")
    if code == BookingRejected.code and len(reply) > 3:
        raise BookingRejected(_NOT_BOOKABLE.get(why := reply[3].decode(errors="replace")), reason=why)
    detail = reply[1].decode() if len(reply) > 1 else ""
    raise _refusal(code, detail, int(reply[2]) if len(reply) > 2 else 0)


_NOT_BOOKABLE = {
    "not_on_sale": "The show was not on sale any more when the payment came, too late. The payment is refunded.",
    "lost": "The hold was lost in a server failure, and its seats are not known any more. The payment is refunded.",
}
"""The messages of ``BookingRejected`` if the seats were not sold to another buyer, by reason."""


def _refusal(code: str, detail: str, retry_after_ms: int) -> Exception:
    # An unknown code comes from a show whose terms are damaged; a keeper writes them again.
    kind = CODES.get(code, RegionUnavailable)
    if kind is AddressLimit:
        return AddressLimit(retry_after_ms=retry_after_ms)
    if kind is SeatsResting:
        return SeatsResting(seats=[int(seat) for seat in detail.split(",")], retry_after_ms=retry_after_ms)
    if kind is BadRequest:
        return BadRequest(f"A hold on this show takes 1 to {detail} seats.")
    if kind is ExtendLimit:
        return ExtendLimit(expires_at=int(detail))
    if kind is SalesNotStarted:
        return SalesNotStarted(sales_start=int(detail))
    if detail:
        return kind(seats=[int(seat) for seat in detail.split(",")])
    return kind()


def read_hold(hold_id: str, reply: list[Any]) -> Hold:
    """Return the hold in a reply (``ok``, record, master's time). A lapsed hold is ``expired``, swept or not."""
    record = decode_record(reply[1])
    state = record.state
    if state is HoldState.HELD and record.expires_at <= int(reply[2]):
        state = HoldState.EXPIRED
    if record.cancelled:
        state = HoldState.CANCELLED
    orders = tuple(each.seats for each in record.orders)
    return Hold(hold_id, record.owner, record.seats, state, record.expires_at, record.extensions, orders)
