"""A storm of changes: holds and releases on the owning master at a given rate, all over the plan."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections import deque
from collections.abc import AsyncIterator

from realtime.errors import SeatsTaken
from realtime.locks.seats import SeatLocks

SEATS = 8
"""Seats of one hold."""
LIVE_HOLDS = 60
"""Holds at the same time; the oldest is released first."""
_numbers = itertools.count(1)


@contextlib.asynccontextmanager
async def storm(locks: SeatLocks, show: str, seat_count: int, rate: float) -> AsyncIterator[None]:
    """Change ``rate`` seats a second during the context."""
    task = asyncio.create_task(_change_seats(locks, show, seat_count, rate))
    try:
        yield
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _change_seats(locks: SeatLocks, show: str, seat_count: int, rate: float) -> None:
    rng = random.Random(1)
    live: deque[str] = deque()
    # Each hold changes its seats twice: held, and free again.
    every = 2 * SEATS / rate
    for number in _numbers:
        hold = f"{show}.hstorm{number:017d}"
        first = rng.randrange(seat_count - SEATS)
        with contextlib.suppress(SeatsTaken):
            await locks.hold(hold, f"storm-{number}", range(first, first + SEATS))
            live.append(hold)
        if len(live) > LIVE_HOLDS:
            old = live.popleft()
            await locks.release(old, f"storm-{int(old.rpartition('hstorm')[2])}")
        await asyncio.sleep(every)
