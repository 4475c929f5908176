"""Records again in the ledger what it has lost and the lock master proves: theatres, layouts, shows, bookings and
exchanges of seats.

A ledger loses commits when a standby is promoted that was behind, or when an old backup is restored. The master knows
how far the ledger had come (``keys.POSITION``), so that is noticed, and nothing is sold until this has run. Refunds of
the time between are on no master: the gateway is asked about their orders again.
"""

from __future__ import annotations

from typing import Any

from redis.asyncio import Redis

from realtime import connect, keys
from realtime.keeper.entries import new_booking
from realtime.keeper.outbox import Entry
from realtime.ledger import Ledger
from realtime.ledger.rows import NewExchange
from realtime.ledger.shows import Shows
from realtime.locks.answers import Record, decode_record
from realtime.model import HoldState, hold_of
from realtime.wire.shows import decode_show, decode_theatre, read_records


async def is_behind(redis: Redis, ledger: Ledger) -> bool:
    """Return whether the master knows of a later position, or a later fencing token, than the ledger has."""
    position, fence = await redis.get(keys.POSITION), await redis.get(keys.FENCE)
    state = await ledger.fencing_state()
    number = int(fence.split()[0]) if fence else 0
    return int(position or 0) > state.position or number > state.number


async def record_again(redis: Redis, ledger: Ledger) -> None:
    """Record what the master proves, then let the keepers go on. Idempotent; the keepers wait meanwhile."""
    await _declarations(redis, ledger)
    shows = Shows(ledger)
    for show in await ledger.active_shows():
        known = {booking.id: booking for booking in await ledger.booked(show.id)}
        pairs = connect.pairs(await redis.hgetall(keys.holds(show.id)))
        records = {hold.decode(): decode_record(record) for hold, record in pairs}
        now = connect.time_ms(await redis.time())
        entries = [_entry(hold, record, now) for hold, record in records.items()]
        bookings = [await new_booking(entry, shows) for entry in entries if entry is not None]
        moved = [
            NewExchange(each.id, exchanges, each.seats, now, each.prices)
            for each in bookings
            if each.id in known and (exchanges := records[hold_of(each.id)].exchanges) > known[each.id].sequence
        ]
        await ledger.exchange_again(moved)
        await ledger.record([booking for booking in bookings if booking.id not in known])
    position, fence = await redis.get(keys.POSITION), await redis.get(keys.FENCE)
    await ledger.catch_up(int(position or 0), int(fence.split()[0]) if fence else 0)


async def _declarations(redis: Redis, ledger: Ledger) -> None:
    theatres = {theatre.id for theatre in await ledger.theatres("")}
    known, _reasons = read_records(decode_theatre, connect.pairs(await redis.hgetall(keys.THEATRES)))
    for theatre in known.values():
        if theatre.id not in theatres:
            await ledger.save_theatre(theatre)
    layouts = set(await ledger.layout_ids())
    # What can't be read proves nothing.
    declared, _reasons = read_records(decode_show, connect.pairs(await redis.hgetall(keys.SHOWS)))
    for show in declared.values():
        if await ledger.show(show.id) is not None:
            continue
        layout: Any = await redis.get(keys.layout(show.layout))
        if show.layout not in layouts:
            if layout is None:
                continue
            await ledger.save_layout(show.layout, layout)
            layouts.add(show.layout)
        await ledger.save_show(show)


def _entry(hold: str, record: Record, now: int) -> Entry | None:
    """Return the outbox entry from which a booked hold could have come; None for others."""
    if record.state is not HoldState.BOOKED or not record.payment or not record.seats:
        return None
    seats = ",".join(map(str, record.seats))
    fields = {"hold": hold, "owner": record.owner, "seats": seats, "payment": record.payment, "at": str(now)}
    return Entry(b"", fields)
