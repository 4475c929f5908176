"""Answers operators' queries about bookings: which there are, and everything that is known about one."""

from __future__ import annotations

import contextlib
import logging
import zlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict
from typing import Any

import msgspec
import orjson

from realtime import keys
from realtime.errors import ShowNotFound
from realtime.ledger import Ledger
from realtime.ledger.money import Filter
from realtime.ledger.rows import BookingRow
from realtime.ledger.search import Find
from realtime.ledger.shows import Shows, UnknownShow, seat_indices
from realtime.locks.master import LockMaster
from realtime.model import hold_of
from realtime.wire.queries import Wanted
from realtime.wire.requests import LongId, parse_json

log = logging.getLogger(__name__)
UNREADABLE = (ValueError, LookupError, OSError, EOFError, zlib.error, msgspec.MsgspecError, UnknownShow)
"""Raised for a row of the ledger that can't be read, or whose show or layout can't be read."""
DetailOf = Callable[[BookingRow], Awaitable[dict[str, Any]]]


class _Booking(msgspec.Struct):
    booking: LongId


async def details(detail_of: DetailOf, rows: Iterable[BookingRow]) -> list[dict[str, Any]]:
    """Return the details of bookings. A booking whose show, layout or prices can't be read is logged and left out."""
    found = []
    for row in rows:
        try:
            found.append(await detail_of(row))
        except UNREADABLE as error:
            log.error("the booking %s can't be read: %r", row.id, error)
    return found


class BookingSearch:
    """The queries ``find`` and ``story`` of one region."""

    def __init__(self, ledger: Ledger, master: LockMaster, shows: Shows, detail_of: DetailOf) -> None:
        """``detail_of`` returns the details of a booking."""
        self._ledger = ledger
        self._master = master
        self._shows = shows
        self._detail_of = detail_of

    async def find(self, body: bytes) -> list[dict[str, Any]]:
        """Return the bookings that match, the newest first. Raises ``ShowNotFound``, ``SeatNotFound``."""
        ask = parse_json(Wanted, body)
        index = await self._index(ask.show, ask.seat) if ask.seat else -1
        wanted = Find(seat_index=index, **{name: getattr(ask, name) for name in ask.__struct_fields__})
        return await details(self._detail_of, await self._ledger.find_bookings(wanted))

    async def _index(self, show_id: str, seat: str) -> int:
        try:
            layout = await self._shows.layout((await self._shows.show(show_id)).layout)
        except UnknownShow:
            raise ShowNotFound() from None
        return seat_indices(layout, [seat])[0]

    async def story(self, body: bytes) -> dict[str, Any] | None:
        """Return a booking with all that is known about it; None if there is none."""
        booking = await self._ledger.booking(parse_json(_Booking, body).booking)
        if booking is None:
            return None
        hold = hold_of(booking.id)
        refunds = await self._ledger.refunds(Filter(hold=hold))
        record = await self._master.command("HGET", keys.holds(booking.show_id), hold)
        admission = await self._ledger.admission(booking.id)
        return {
            "booking": await self._detail_of(booking),
            "exchanges": await self._exchanges(booking),
            "hold": _hold(record),
            "orders": await self._ledger.orders_of(hold),
            "payments": [asdict(row) for row in await self._ledger.payments(Filter(hold=hold))],
            "refunds": [asdict(row) for row in refunds],
            "tasks": [asdict(row) for row in await self._ledger.tasks_about([booking.id, *(r.id for r in refunds)])],
            "admission": asdict(admission) if admission is not None else None,
            "conflicts": [asdict(row) for row in await self._ledger.gate_conflicts(booking.id)],
        }

    async def _exchanges(self, booking: BookingRow) -> list[dict[str, Any]]:
        """Return the exchanges of a booking: ids of the seats before and after, and what tickets print of each."""
        found = await self._ledger.exchanges(booking.id)
        layout = await self._shows.layout((await self._shows.show(booking.show_id)).layout)
        return [
            {
                "at": each.at,
                "before": [layout.seats[index].id for index in each.before],
                "after": [layout.seats[index].id for index in each.after],
                "seats": layout.printed_by_id((*each.before, *each.after)),
            }
            for each in found
        ]


def _hold(record: bytes | None) -> Any:
    """Return the record of a hold; None if there is none that can be read."""
    with contextlib.suppress(ValueError):
        return orjson.loads(record or b"")
    return None
