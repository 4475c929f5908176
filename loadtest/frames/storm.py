"""A storm of changes: holds made and given back on the owning master, as fast as asked, all over the plan."""

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
"""In one hold."""
STANDING = 60
"""Holds that stand at a time; older ones are given back."""
_numbers = itertools.count(1)


@contextlib.asynccontextmanager
async def storm(locks: SeatLocks, show: str, seat_count: int, rate: float) -> AsyncIterator[None]:
    """Change ``rate`` seats a second for the time of the context."""
    task = asyncio.create_task(_blow(locks, show, seat_count, rate))
    try:
        yield
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _blow(locks: SeatLocks, show: str, seat_count: int, rate: float) -> None:
    choose = random.Random(1)
    standing: deque[str] = deque()
    # Each hold changes its seats twice: taken, and given back.
    every = 2 * SEATS / rate
    for number in _numbers:
        hold = f"{show}.hstorm{number:017d}"
        first = choose.randrange(seat_count - SEATS)
        with contextlib.suppress(SeatsTaken):
            await locks.hold(hold, f"storm-{number}", range(first, first + SEATS))
            standing.append(hold)
        if len(standing) > STANDING:
            old = standing.popleft()
            await locks.release(old, f"storm-{int(old.rpartition('hstorm')[2])}")
        await asyncio.sleep(every)
