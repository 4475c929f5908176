"""What a test reads and does on the lock master besides the verbs: statuses, lapses, payments, the outbox."""

from __future__ import annotations

import orjson

from realtime import keys
from realtime.locks.holds import PaymentProof
from realtime.locks.seats import Sale, SeatLocks
from realtime.model import Hold

from .conftest import SHOW, hold_id

A, B, C = hold_id("a"), hold_id("b"), hold_id("c")


async def seat_map(locks: SeatLocks) -> str:
    text: bytes = await locks.master.command("GET", keys.seats(SHOW.id))
    return text.decode()


async def lapse(locks: SeatLocks, hold: str) -> None:
    """Let the clock run past a hold's deadline."""
    record = orjson.loads(await locks.master.command("HGET", keys.holds(SHOW.id), hold))
    record["expires_at"] -= 3_600_000
    await locks.master.command("HSET", keys.holds(SHOW.id), hold, orjson.dumps(record))
    await locks.master.command("ZADD", keys.DEADLINES, record["expires_at"], hold)


async def confirm(locks: SeatLocks, hold: str, owner: str, payment: str, seats: list[int] | None = None) -> Hold:
    confirmed, _doubled = await locks.confirm(hold, owner, PaymentProof(payment, 45_000), seats)
    return confirmed


async def outbox(locks: SeatLocks) -> list[dict[bytes, bytes]]:
    return [fields for _id, fields in await locks.master.command("XRANGE", keys.OUTBOX, "-", "+")]


async def version(locks: SeatLocks) -> int:
    return int(await locks.master.command("HGET", keys.meta(SHOW.id), "version"))


async def booked(locks: SeatLocks, hold: str, owner: str, seats: list[int], payment: str) -> Sale:
    await locks.hold(hold, owner, seats)
    await confirm(locks, hold, owner, payment)
    sale = Sale(hold, owner, tuple(seats), payment)
    await locks.settle(SHOW.id, [sale])
    return sale
