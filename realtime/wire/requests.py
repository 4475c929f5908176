"""What clients send: payloads of Socket.IO events and bodies of HTTP requests, validated here and nowhere else."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from realtime import limits
from realtime.contact import Contact
from realtime.errors import BadRequest
from realtime.model import PLAIN_TEXT, Admission

Id = Annotated[str, Meta(min_length=1, max_length=limits.MAX_ID_LENGTH, pattern=PLAIN_TEXT)]
LongId = Annotated[str, Meta(min_length=1, max_length=2 * limits.MAX_ID_LENGTH, pattern=PLAIN_TEXT)]
Text = Annotated[str, Meta(min_length=1, max_length=limits.MAX_TEXT_LENGTH, pattern=PLAIN_TEXT)]
SeatIds = Annotated[list[Id], Meta(min_length=1, max_length=limits.MAX_SEATS_PER_HOLD)]
Reason = Annotated[str, Meta(max_length=limits.MAX_TEXT_LENGTH, pattern=PLAIN_TEXT)]
RequestId = Annotated[str, Meta(max_length=limits.MAX_ID_LENGTH, pattern=PLAIN_TEXT)]
Solution = Annotated[str, Meta(max_length=limits.MAX_SOLUTION_LENGTH)]
Payment = Annotated[str, Meta(min_length=1, max_length=limits.MAX_PAYMENT_LENGTH, pattern=PLAIN_TEXT)]
ReturnUrl = Annotated[str, Meta(max_length=500, pattern=PLAIN_TEXT)]
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
    return_url: ReturnUrl = ""
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


class RepairRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of ``POST /ops/records/repair``: a record that can't be read."""

    region: Id
    kind: Literal["show", "theatre"]
    id: Annotated[str, Meta(max_length=limits.MAX_TEXT_LENGTH)]


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
