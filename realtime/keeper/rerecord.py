"""Records again in the ledger what it has lost and the lock master proves: theatres, layouts, shows and their sales,
blocked seats, bookings, cancellations, exchanges of seats and revoked tokens.

A ledger loses commits when a standby that was behind is promoted, or when an old backup is restored. The master has the
ledger's last position (``keys.POSITION``), so keepers notice the loss, and nothing is sold until this has run. The
master has no refunds and no amounts, but it has the orders of its holds. Keepers ask the gateway about the orders that
the ledger has lost: a payment without a booking or refund gets one of the two, and a refund that the gateway has made
is recorded.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from realtime import connect, keys
from realtime.clock import now_ms
from realtime.jobs import Jobs
from realtime.keeper.entries import new_booking
from realtime.keeper.outbox import Entry
from realtime.keeper.settlement import unidentified_order
from realtime.ledger import Ledger
from realtime.ledger.database import parts
from realtime.ledger.rows import ANY_TIME, CancelledBy, NewBooking, NewExchange
from realtime.ledger.shows import Shows
from realtime.ledger.truth import ShowTruth
from realtime.locks.answers import Record, decode_record
from realtime.model import HoldState, Layout, Show, hold_of, is_hold_id, show_of
from realtime.wire.shows import decode_show, decode_theatre, read_records

log = logging.getLogger(__name__)
PAGE = 500
_BLOCKED = ord("3")


async def is_behind(redis: Redis, ledger: Ledger) -> bool:
    """Return whether the ledger has lost commits: the master knows later ones, or a keeper has noticed it before."""
    position, number = await _reached(redis)
    state = await ledger.fencing_state()
    return position > state.position or number > state.number or state.behind


async def record_again(redis: Redis, ledger: Ledger, jobs: Jobs) -> None:
    """Record what the master proves, then let the keepers go on, which wait until this is done. Idempotent."""
    await _declarations(redis, ledger)
    if await redis.exists(keys.POSITION):  # otherwise the master was emptied, and lost the staff's tokens too
        await _revocations(redis, ledger)
    for show in await ledger.active_shows():
        await _show_again(redis, ledger, show)
    # The jobs of these tasks may have ended, and the ledger has lost what they wrote (a drawn ticket, for example). So
    # they run again.
    after = ""
    while tasks := await ledger.unfinished_tasks(ANY_TIME, PAGE, after):
        await jobs.add_anew(tasks)
        after = tasks[-1].id
    await ledger.catch_up(*await _reached(redis))


async def _reached(redis: Redis) -> tuple[int, int]:
    """Return the position of the ledger, and the number of a fencing token, that the master knows."""
    position: Any = await redis.get(keys.POSITION)
    fence: Any = await redis.get(keys.FENCE)
    return connect.count(position), connect.count((fence or b"").partition(b" ")[0])


async def _revocations(redis: Redis, ledger: Ledger) -> None:
    """Revoke the tokens that the master does not accept. New staff tokens are lost: the master has only their ids.

    If the master accepts no staff token at all, its list may have been evicted. Then none is revoked, because all of
    the staff would be locked out.
    """
    live, now = set(await _names(redis, keys.STAFF)), now_ms()
    accepted = [token for token in await ledger.staff_tokens() if not token.revoked_at]
    if accepted and not live:
        log.warning("the master has lost which staff tokens are revoked: look through the list of staff tokens")
        accepted = []
    for token in accepted:
        if token.id not in live:
            await ledger.revoke_staff_tokens(token.id, now)
    for owner in await _names(redis, keys.REVOKED_GUESTS):
        await ledger.revoke_guest(owner, now)


async def _names(redis: Redis, key: str) -> list[str]:
    """Return the fields of a hash; none if the key has another type (keepers delete such a key)."""
    with contextlib.suppress(ResponseError):
        return connect.names(await redis.hkeys(key))
    return []


async def _show_again(redis: Redis, ledger: Ledger, show: Show) -> None:
    truth, now = (await ledger.truths([show.id]))[show.id], connect.time_ms(await redis.time())
    shows = Shows(ledger)
    records = await _records(redis, show)
    await _blocks_again(redis, ledger, await shows.layout(show.layout), show.id, truth.blocked)
    # The gateway knows whether these orders were paid, and what became of the money. Orders that the ledger still has
    # are left as they are. The time is this machine's, because keepers compare it with their own clocks.
    orders = {record.order: hold for hold, record in records.items() if record.order}
    await ledger.save_orders(
        [unidentified_order(order, now_ms(), hold, records[hold].owner) for order, hold in orders.items()]
    )
    # Cancellations first, because they free seats that may have been sold to others since.
    cancelled = [await _booking(hold, record, shows, now) for hold, record in records.items() if record.cancelled]
    await _cancelled_again(ledger, truth, [each for each in cancelled if each is not None], now)
    known = {booking.id: booking for booking in await ledger.booked(show.id)}
    booked = [await _booking(hold, record, shows, now) for hold, record in records.items() if not record.cancelled]
    bookings = [each for each in booked if each is not None]
    moved = [
        NewExchange(each.id, exchanges, each.seats, now, each.prices)
        for each in bookings
        if each.id in known and (exchanges := records[hold_of(each.id)].exchanges) > known[each.id].sequence
    ]
    await ledger.exchange_again(moved)
    for new in parts([booking for booking in bookings if booking.id not in known], PAGE):
        await ledger.record(new)
    # Payments that were refused, and whose refund the ledger has lost. When a keeper asks about their orders, the
    # master sends the refund to the ledger again.
    paid = {record.payment: record.order for record in records.values() if record.order and record.payment}
    recorded = await ledger.known_payments(sorted(paid))
    for payment, order in paid.items():
        if payment not in recorded:
            await ledger.order_due(order, now_ms())


async def _records(redis: Redis, show: Show) -> dict[str, Record]:
    """Return the readable records of a show's holds, by hold. The others prove nothing; keepers rebuild them."""
    pairs: Any = []
    with contextlib.suppress(ResponseError):
        pairs = connect.pairs(await redis.hgetall(keys.holds(show.id)))
    found: dict[str, Record] = {}
    for name, blob in pairs:
        hold = name.decode(errors="replace")
        with contextlib.suppress(msgspec.MsgspecError):
            record = decode_record(blob)
            is_whole = all(0 <= seat < show.seat_count for seat in record.seats)
            if is_hold_id(hold) and show_of(hold) == show.id and is_whole:
                found[hold] = record
    return found


async def _blocks_again(redis: Redis, ledger: Ledger, layout: Layout, show: str, blocked: Sequence[int]) -> None:
    """Block and unblock seats in the ledger as on the master, unless the master has lost the show's seats."""
    digits: Any = None
    with contextlib.suppress(ResponseError):
        digits = await redis.get(keys.seats(show))
    if digits is None or len(digits) != len(layout.seats):
        return
    wanted = {index for index, digit in enumerate(digits) if digit == _BLOCKED}
    if new := sorted(wanted.difference(blocked)):
        await ledger.block(show, [(layout.seats[index].id, index) for index in new], at=now_ms())
    if gone := sorted(set(blocked) - wanted):
        await ledger.unblock(show, [layout.seats[index].id for index in gone])


async def _cancelled_again(ledger: Ledger, truth: ShowTruth, bookings: Sequence[NewBooking], now: int) -> None:
    booked, cancelled = {each.id for each in truth.booked}, {each.id for each in truth.cancelled}
    lost = [each for each in bookings if each.id not in cancelled]
    for booking in sorted(lost, key=lambda each: each.id not in booked):
        await ledger.record([booking])
        await ledger.cancel(booking.id, CancelledBy.OPERATOR, now)


async def _declarations(redis: Redis, ledger: Ledger) -> None:
    on_master, _reasons = read_records(decode_theatre, connect.pairs(await redis.hgetall(keys.THEATRES)))
    for theatre in on_master.values():
        if await ledger.theatre(theatre.region, theatre.id) != theatre:
            await ledger.save_theatre(theatre)
    layouts = set(await ledger.layout_ids())
    # Records that can't be read prove nothing.
    declared, _reasons = read_records(decode_show, connect.pairs(await redis.hgetall(keys.SHOWS)))
    for show in declared.values():
        known = await ledger.show(show.id)
        if known is not None:
            if known != show:
                await ledger.save_show(show)  # its sales or its terms of sale
            continue
        layout: Any = await redis.get(keys.layout(show.layout))
        if show.layout not in layouts:
            if layout is None:
                continue
            await ledger.save_layout(show.layout, layout)
            layouts.add(show.layout)
        await ledger.save_show(show)


async def _booking(hold: str, record: Record, shows: Shows, now: int) -> NewBooking | None:
    """Return the booking of a hold; None if it has none."""
    if not (record.state is HoldState.BOOKED or record.cancelled) or not record.payment or not record.seats:
        return None
    seats = ",".join(map(str, record.seats))
    fields = {"hold": hold, "owner": record.owner, "seats": seats, "payment": record.payment, "order": record.order}
    return await new_booking(Entry(b"", {**fields, "at": str(now)}), shows)
