"""Tells a region's lock master how far its ledger has come.

A ledger that is behind the position on the master has lost commits. For this to be certain, a keeper reports each of
its commits to the master before it answers anybody, acknowledges an entry, moves one to the dead letters or adds a job
because of that commit.
"""

from __future__ import annotations

from redis.exceptions import ResponseError

from realtime.errors import RegionUnavailable
from realtime.ledger import Ledger
from realtime.locks.seats import SeatLocks


class Position:
    """Reports the ledger's position from one keeper to its master."""

    def __init__(self, ledger: Ledger, locks: SeatLocks) -> None:
        """``locks`` have the fence of this keeper. The caller sets ``ledger.on_commit`` to ``tell``."""
        self._ledger = ledger
        self._locks = locks
        self._known: tuple[int | None, int] = (None, 0)
        """The number of a fencing token, and the last position that was reported to the master under it."""

    async def tell(self, position: int) -> None:
        """Return when the master knows at least this position; raises ``RegionUnavailable`` or ``Fenced``.

        A position that was reported is not reported again under the same fencing token. A master that has lost data, or
        was replaced, is reconciled under another token.
        """
        number = self._locks.fence.number if self._locks.fence is not None else None
        under, known = self._known
        if number is not None and number == under and position <= known:
            return
        try:
            await self._locks.raise_position(position)
        except ResponseError as error:
            # A retryable error, so that the entry stays in the outbox. As a dead letter, it would not be processed
            # again by itself.
            raise RegionUnavailable(region=self._locks.master.region) from error
        if number != self._known[0] or position > self._known[1]:
            self._known = (number, position)
        self._ledger.known_position = max(self._ledger.known_position, position)
