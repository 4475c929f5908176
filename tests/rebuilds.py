"""Rebuilds a show as a keeper does: suspends it, then writes what the ledger proves."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence

from realtime.locks.rebuild import Truth, Written, write_differences
from realtime.locks.seats import Paid, Sale, SeatLocks


async def rebuild_show(
    locks: SeatLocks,
    show_id: str,
    epoch: str,
    sold: Sequence[Sale] = (),
    blocked: Iterable[int] = (),
    *,
    cancelled: Sequence[Sale] = (),
    paid: Sequence[Paid] = (),
    diverged: bool = False,
) -> Written:
    """Return what was written."""
    nonce = secrets.token_hex(8)
    await locks.suspend(show_id, nonce, diverged=diverged)
    truth = Truth(sold, blocked, paid, cancelled=cancelled)
    written = await write_differences(locks, show_id, truth, nonce)
    await locks.finish_rebuild(show_id, nonce, epoch, written.seats)
    return written
