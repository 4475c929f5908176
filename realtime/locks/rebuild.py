"""Rebuilds a show: brings the lock master's data of the show in line with what the ledger proves.

The master's data of a suspended show is read and compared with what the ledger proves (``locks.rebuild_plan``). What
differs is written in parts (``locks/lua/rebuild.lua``), so that no call keeps the master busy for long. If a show
agrees with the ledger, only its new epoch is written.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from realtime import connect, keys
from realtime.ledger.truth import ShowTruth
from realtime.locks.master import LockMaster
from realtime.locks.rebuild_plan import OnMaster, parts, plan_rebuild
from realtime.locks.seats import SeatLocks
from realtime.model import Show

FIELDS_AT_ONCE = 40_000
"""A hash with more fields than this is read in several calls, which in total cost the master more."""
FIELDS_PER_SCAN = 5_000


@dataclass(frozen=True, slots=True)
class Written:
    """The map of a show, which the caller writes last, and the lost holds as (hold, owner).

    ``differed``: whether the master's data differed from what the ledger proves.
    """

    seats: bytes
    lost: list[tuple[str, str]]
    differed: bool


async def write_differences(locks: SeatLocks, show: Show, truth: ShowTruth, nonce: str) -> Written:
    """Bring a suspended show in line with the ledger; ``SeatLocks.finish_rebuild`` puts it on sale afterwards.

    ``nonce`` is that of ``SeatLocks.suspend``, which was called before ``truth`` was read. Raises ``Fenced`` if the
    show was suspended or rebuilt again since, ``ValueError`` if its size is damaged (``locks.damage``), and
    ``RegionUnavailable``: then the next keeper compares it again.
    """
    show_id, master = show.id, await read_show(locks.master, show)
    if master.size != show.seat_count:
        raise ValueError(f"its size is {master.size}")
    # In a thread: a big show takes a good part of a second, and this process has other work.
    plan = await asyncio.to_thread(plan_rebuild, truth, master)
    for part in parts(plan.steps):
        await locks.rebuild_part(show_id, nonce, part)
    return Written(bytes(plan.seats), plan.lost, plan.differs(master))


async def read_show(master: LockMaster, show: Show) -> OnMaster:
    """Return what a master has of a show. It is consistent only if the show is suspended."""
    meta, seats, taken, holds, owners = keys.show(show.id)[:5]
    (size, diverged), text, now, *lengths = await asyncio.gather(
        master.command("HMGET", meta, "size", "diverged"),
        master.command("GET", seats),
        master.command("TIME"),
        *(master.command("HLEN", key) for key in (taken, holds, owners)),
    )
    hashes = (read_hash(master, *each) for each in zip((taken, holds, owners), lengths, strict=True))
    takers, records, counts = await asyncio.gather(*hashes)
    return OnMaster(
        int(size or 0),
        show.hold_s * 1000,
        diverged is not None,
        text or b"",
        takers,
        records,
        counts,
        connect.time_ms(now),
    )


async def read_hash(master: LockMaster, key: str, length: int) -> dict[bytes, bytes]:
    """Return a hash of about ``length`` fields. A long one is consistent only if nothing changes while it is read."""
    if length <= FIELDS_AT_ONCE:
        return dict(connect.pairs(await master.command("HGETALL", key)))
    found: dict[bytes, bytes] = {}
    cursor = -1
    while cursor != 0:
        cursor, fields = await master.command("HSCAN", key, max(cursor, 0), "COUNT", FIELDS_PER_SCAN)
        found |= fields
    return found
