"""Tells a region's lock master how far its ledger has come.

What the master knows proves that a ledger has lost commits. So a keeper notifies it of each of its commits before it
answers anybody, acknowledges an entry, moves one to the dead letters or adds a job because of it.
"""

from __future__ import annotations

from redis.exceptions import ResponseError

from realtime.errors import RegionUnavailable
from realtime.ledger import Ledger
from realtime.locks.seats import SeatLocks


class Position:
    """The ledger's position as one keeper tells it to its master."""

    def __init__(self, ledger: Ledger, locks: SeatLocks) -> None:
        """``locks`` have the fence of this keeper; ``ledger.on_commit`` is to be ``tell``."""
        self._ledger = ledger
        self._locks = locks
        self._known: tuple[int | None, int] = (None, 0)
        """The number of a fencing token, and the position that the master got under it."""

    async def tell(self, position: int) -> None:
        """Return when the master knows at least this position; raises ``RegionUnavailable`` or ``Fenced``.

        What the master knows is remembered for as long as the fencing token is the same: a master that has lost data,
        or was replaced, is reconciled under another one.
        """
        number = self._locks.fence.number if self._locks.fence is not None else None
        under, known = self._known
        if number is not None and number == under and position <= known:
            return
        try:
            await self._locks.raise_position(position)
        except ResponseError as error:
            # The entry has to wait: nobody processes a dead letter again after the loss was noticed.
            raise RegionUnavailable(region=self._locks.master.region) from error
        if number != self._known[0] or position > self._known[1]:
            self._known = (number, position)
        self._ledger.known_position = max(self._ledger.known_position, position)
