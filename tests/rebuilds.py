"""Rebuilds a show as a keeper does: suspends it, then writes what the ledger proves."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence

from realtime import keys
from realtime.ledger.rows import Booked, PaidHold
from realtime.ledger.truth import ShowTruth
from realtime.locks.rebuild import Written, write_differences
from realtime.locks.seats import Sale, SeatLocks
from realtime.model import Show, booking_of


def booked(sale: Sale) -> Booked:
    """Return the booking that a keeper settles with ``sale``."""
    return Booked(booking_of(sale.hold), sale.owner, sale.seats, sale.payment)


async def rebuild_show(
    locks: SeatLocks,
    show_id: str,
    epoch: str,
    sold: Sequence[Sale] = (),
    blocked: Collection[int] = (),
    *,
    cancelled: Sequence[Sale] = (),
    paid: Sequence[PaidHold] = (),
    diverged: bool = False,
) -> Written:
    """Return what was written."""
    nonce = secrets.token_hex(8)
    await locks.suspend(show_id, nonce, diverged=diverged)
    truth = ShowTruth([*map(booked, sold)], [*map(booked, cancelled)], list(paid), list(blocked))
    size = int(await locks.master.command("HGET", keys.meta(show_id), "size"))
    show = Show(
        show_id, "A show", "gateway", "Gateway", "Mumbai", "west", "a-layout", size, "2030-01-01T18:30:00+05:30"
    )
    written = await write_differences(locks, show, truth, nonce)
    await locks.finish_rebuild(show_id, nonce, epoch, written.seats)
    return written
