"""The wire form of holds, bookings, orders and prices, with seats by id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, Literal, NotRequired, TypedDict

import orjson

from realtime import limits
from realtime.clock import now_ms
from realtime.errors import SeatNotFound, TicketError
from realtime.feeds.directory import SeatIds
from realtime.model import Admission, Fee, Hold, HoldState, Show, booking_of, hold_of
from realtime.payments.prices import PricesBody, all_in_price, encode_price_lines, price_lines
from realtime.payments.taxes import supply_day

CACHED = 4096
"""How many price lines, and prices of shows, a node caches."""


class HoldBody(TypedDict):
    """A hold; ``prices`` while it can be paid for."""

    id: str
    show: str
    seats: list[str]
    expires_at: int
    state: str
    extensions_left: int
    prices: NotRequired[PricesBody]


class BookingBody(TypedDict):
    """A booking; ``instead_of`` has the wanted seats, if it was given equal seats instead."""

    id: str
    hold: str
    show: str
    seats: list[str]
    state: Literal["booked", "cancelled", "pending"]
    instead_of: NotRequired[list[str]]


def seat_indices(known: SeatIds, seats: Sequence[str]) -> list[int]:
    """Return the indices of seat ids, each once; raise ``SeatNotFound`` (details ``seats``: the unknown ones)."""
    unknown = [seat for seat in seats if seat not in known.index]
    if unknown:
        raise SeatNotFound(seats=unknown)
    return [known.index[seat] for seat in dict.fromkeys(seats)]


def seat_ids(known: SeatIds, indices: Sequence[int]) -> list[str]:
    """Return the ids of seats."""
    return [known.ids[index] for index in indices]


def with_seat_ids(error: TicketError, known: SeatIds) -> TicketError:
    """Replace the seat indices in an error of the lock master by seat ids."""
    if "seats" in error.details:
        error.details["seats"] = seat_ids(known, error.details["seats"])
    return error


@dataclass(frozen=True, slots=True)
class Priced:
    """What seats cost, in paise, and the same in its wire form. ``body`` is shared: don't change it."""

    total: int
    body: PricesBody


def prices_of(show: Show, known: SeatIds, indices: Sequence[int]) -> Priced:
    """Return what seats cost today."""
    categories = tuple(sorted(known.categories_of(indices)))
    return _priced(tuple(show.prices.items()), categories, show.fee, show.admission, supply_day(now_ms()))


def all_in_prices(show: Show) -> dict[str, int]:
    """Return the total price of one seat of each category today, in paise, as buyers see it before they choose.

    The answer is shared: don't change it.
    """
    return _all_in_prices(tuple(show.prices.items()), show.fee, show.admission, supply_day(now_ms()))


@lru_cache(CACHED)
def _all_in_prices(prices: tuple[tuple[str, int], ...], fee: Fee, admission: Admission, day: date) -> dict[str, int]:
    return {name: all_in_price(dict(prices), name, fee, admission, day) for name, _price in prices}


# Cached: every answer about a live hold has prices, and the holds of a show have few combinations of categories.
@lru_cache(CACHED)
def _priced(
    prices: tuple[tuple[str, int], ...], categories: tuple[str, ...], fee: Fee, admission: Admission, day: date
) -> Priced:
    lines = price_lines(dict(prices), categories, fee, admission, day)
    return Priced(lines.total, orjson.loads(encode_price_lines(lines)))


def hold_body(hold: Hold, show: Show, known: SeatIds) -> HoldBody:
    """Return a hold; ``prices`` while it can be paid for."""
    body: HoldBody = {
        "id": hold.id,
        "show": hold.show,
        "seats": seat_ids(known, hold.seats),
        "expires_at": hold.expires_at,
        "state": hold.state.value,
        "extensions_left": limits.MAX_EXTENSIONS - hold.extensions,
    }
    if hold.state is HoldState.HELD and hold.seats:
        body["prices"] = prices_of(show, known, hold.seats).body
    return body


_BOOKING_STATES: dict[HoldState, Literal["booked", "cancelled"]] = {
    HoldState.BOOKED: "booked",
    HoldState.CANCELLED: "cancelled",
}


def booking_body(hold: Hold, known: SeatIds, state: HoldState, wanted: Sequence[int] = ()) -> BookingBody:
    """Return a booking; ``instead_of`` has the ``wanted`` seats, if it was given equal seats instead."""
    body: BookingBody = {
        "id": booking_of(hold.id),
        "hold": hold.id,
        "show": hold.show,
        "seats": seat_ids(known, hold.seats),
        "state": _BOOKING_STATES.get(state, "pending"),
    }
    if wanted and not set(hold.seats) <= set(wanted):
        body["instead_of"] = seat_ids(known, wanted)
    return body


def recorded_booking_body(booking: Mapping[str, Any]) -> BookingBody:
    """Return a booking from the ledger, which is an answer of ``keeper.queries``."""
    return {
        "id": booking["id"],
        "hold": hold_of(booking["id"]),
        "show": booking["show"],
        "seats": [seat["id"] for seat in booking["seats"]],
        "state": booking["state"],
    }
