"""Moves a booking to other free seats of its show, for an operator: the command ``exchange``.

1. The new seats are reserved on the master, all or none, so that no buyer can take them.
2. The ledger records the exchange, with its history and tasks, in one transaction.
3. The master sells the new seats and frees the old ones, in one step.

If a keeper dies in between, the command is still in the outbox. Another keeper reserves the same seats again, or finds
the exchange in the ledger and continues with step 3. If the master is lost in between, it is rebuilt with the seats
that the ledger has. If the command is lost but the master is not, keepers free the seats that it has reserved
(``end_abandoned``). The price of the new seats must equal the amount that was paid; the code and the payment stay.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import msgspec
import orjson

from realtime import connect, keys
from realtime.errors import (
    BadRequest,
    BookingCancelled,
    BookingNotFound,
    PriceDiffers,
    SeatsTaken,
)
from realtime.jobs import Jobs
from realtime.keeper.outbox import unfinished_entries
from realtime.keeper.points import reach
from realtime.ledger import Ledger
from realtime.ledger.rows import BookingRow, NewExchange
from realtime.ledger.shows import Shows, seat_indices
from realtime.locks.answers import Fenced
from realtime.locks.replies import new_reply_id
from realtime.locks.seats import Sale, SeatLocks
from realtime.model import Layout, Show, booking_of, hold_of
from realtime.payments.prices import encode_price_lines
from realtime.wire.requests import Id, LongId, SeatIds, parse_json


class _ExchangeBody(msgspec.Struct):
    """``show`` is the booking's show. It is named because commands about one show are carried out in order."""

    booking: LongId
    show: Id
    seats: SeatIds


class Exchanges:
    """Exchanges of one region."""

    def __init__(self, ledger: Ledger, locks: SeatLocks, shows: Shows, jobs: Jobs) -> None:
        """All arguments belong to the same region."""
        self._ledger = ledger
        self._locks = locks
        self._shows = shows
        self._jobs = jobs

    async def exchange(self, body: bytes, fencing_token: str | None, entry: bytes) -> dict[str, Any]:
        """Carry out the command. If the booking has these seats already, nothing changes.

        Raises ``BookingNotFound``, ``BookingCancelled``, ``SeatNotFound``, ``SeatsTaken`` (details: ids),
        ``PriceDiffers``, ``BadRequest`` for another number of seats or an archived show; ``Fenced`` or
        ``StaleFencingToken`` if another keeper has carried it out.
        """
        ask = parse_json(_ExchangeBody, body)
        booking = await self._ledger.booking(ask.booking)
        if booking is None or booking.show_id != ask.show:
            raise BookingNotFound()
        if booking.cancelled_at is not None:
            raise BookingCancelled()
        if await self._ledger.is_archived(booking.show_id):
            raise BadRequest("This show is archived: its bookings can't be exchanged any more.")
        show = await self._shows.show(booking.show_id)
        layout = await self._shows.layout(show.layout)
        indices = tuple(sorted(seat_indices(layout, ask.seats)))
        if len(indices) != len(booking.seats):
            raise BadRequest(f"This booking has {len(booking.seats)} seats: name as many others.")
        if indices != booking.seats:
            await self._move(booking, layout, indices, fencing_token, entry)
            booking = replace(booking, seats=indices, sequence=booking.sequence + 1)
        else:
            await self._ledger.tell_reached()
        await self._locks.exchange(_sale(booking, entry))
        await self._jobs.add(await self._ledger.open_tasks(booking.id))
        seats = [layout.seats[index].id for index in indices]
        return {"booking": {"id": booking.id, "show": show.id, "seats": seats, "exchanges": booking.sequence}}

    async def _move(
        self, booking: BookingRow, layout: Layout, indices: tuple[int, ...], fencing_token: str | None, entry: bytes
    ) -> None:
        """Reserve the seats and record the exchange; on a refusal the booking stays as it was."""
        show = await self._shows.show(booking.show_id)
        lines = await self._shows.prices(show, indices, booking.confirmed_at, booking.amount)
        if lines.total != booking.amount:
            raise PriceDiffers(amount=booking.amount, price=lines.total)
        at = await self._locks.master.time_ms()
        sale = _sale(booking, entry)
        await self._locks.settle(booking.show_id, [sale])  # another keeper may have recorded it a moment ago
        try:
            await self._locks.reserve(sale, indices)
        except SeatsTaken as error:
            taken = [layout.seats[index].id for index in error.details["seats"]]
            raise SeatsTaken("A booking is exchanged for free seats only; these are not.", seats=taken) from None
        reach("exchange_reserved")
        named = tuple((layout.seats[index].id, index) for index in indices)
        move = NewExchange(booking.id, booking.sequence + 1, named, at, encode_price_lines(lines))
        try:
            if not await self._ledger.exchange(move, fencing_token):
                raise Fenced("another keeper has exchanged the seats of this booking")
        except (BookingCancelled, SeatsTaken):
            await self._locks.exchange(sale)
            raise
        reach("exchange_recorded")


async def end_abandoned(ledger: Ledger, locks: SeatLocks, show: Show, holds: Iterable[str]) -> list[str]:
    """Free seats that are reserved for bookings (``holds``) whose exchange was abandoned; return the holds concerned.

    An exchange is abandoned if its command is neither in the outbox nor among the dead letters. The seats are freed by
    a new command, an exchange for the seats that the booking already has, because commands about one show are carried
    out in order.
    """
    under_way = set[str]()
    async for fields in unfinished_entries(locks.master):
        if fields.get("name") == "exchange":
            under_way.add(_booking_in(fields))
    layout, ended = await Shows(ledger).layout(show.layout), list[str]()
    for hold in sorted(holds):
        booking = await ledger.booking(booking_of(hold))
        if booking is None or booking.id in under_way:
            continue
        body = {"booking": booking.id, "show": show.id, "seats": [layout.seats[index].id for index in booking.seats]}
        entry = {"kind": "command", "id": new_reply_id(), "name": "exchange", "body": orjson.dumps(body).decode()}
        await locks.write([("XADD", keys.OUTBOX, ("*", *connect.flat(entry)))])
        ended.append(hold)
    return ended


def _booking_in(fields: dict[str, str]) -> str:
    """Return the booking that a command is about, "" if its body can't be read."""
    try:
        return msgspec.json.decode(fields.get("body", ""), type=_ExchangeBody).booking
    except (msgspec.MsgspecError, ValueError):
        return ""


def _sale(booking: BookingRow, entry: bytes) -> Sale:
    owner, payment = booking.owner, booking.payment
    return Sale(hold_of(booking.id), owner, booking.seats, payment, entry, booking.sequence)
