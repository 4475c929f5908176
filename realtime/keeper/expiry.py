"""Ends holds whose time is over, and deletes their records some time later."""

from __future__ import annotations

from realtime import limits
from realtime.locks.seats import SeatLocks


class Expiry:
    """The sweeps of one keeper: they make visible that the seats of lapsed holds are free."""

    def __init__(self, locks: SeatLocks) -> None:
        """``locks`` are those of the keeper's region."""
        self._locks = locks
        self.wait_s = limits.EXPIRY_POLL_MS / 1000
        """The pause after a turn: until the next hold can lapse."""
        self._left = 0
        """How many lapsed holds this round of sweeps has left, because their shows are not rebuilt yet."""

    async def turn(self) -> None:
        """End the holds that have lapsed, and set ``wait_s``."""
        self.wait_s = limits.EXPIRY_POLL_MS / 1000
        due_ms = await self._locks.until_due()
        if due_ms is not None and due_ms <= 0:
            await self._expire_due()
        else:
            # A hold that is made during this pause lapses no earlier than the pause ends.
            longest_ms = limits.MIN_HOLD_S * 1000
            self.wait_s = min(due_ms or longest_ms, longest_ms) / 1000

    async def _expire_due(self) -> None:
        """End the lapsed holds of one turn; the next turn continues where this one ends."""
        for _ in range(limits.EXPIRY_LOOKS):
            due = await self._locks.due(limits.EXPIRY_LOOK, self._left)
            self._left += (await self._locks.expire(due)).left
            if len(due) < limits.EXPIRY_LOOK:
                self._left = 0
                return

    async def forget(self) -> None:
        """Delete the records of holds that ended some time ago."""
        while await self._locks.forget(limits.KEEPER_BATCH) == limits.KEEPER_BATCH:
            pass
