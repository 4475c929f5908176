"""Archives shows that are over: their keys leave the lock master, their bookings stay in the ledger.

The cost of recovery, of ``check`` and of the directory therefore depends on how many shows are on sale, not on how old
the installation is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from realtime import connect, keys, limits
from realtime.clock import now_ms
from realtime.errors import HoldConfirmed
from realtime.keeper.declare import Declarations
from realtime.ledger import Ledger
from realtime.locks.master import LockMaster
from realtime.locks.seats import SeatLocks

log = logging.getLogger(__name__)
PAGE = 200
"""Shows that are archived in one transaction."""
PAGES_PER_TURN = 50


class Archiver:
    """Archives the shows of one region. Every step may be repeated, by any keeper."""

    def __init__(self, ledger: Ledger, master: LockMaster, locks: SeatLocks) -> None:
        """All arguments belong to the same region."""
        self._ledger = ledger
        self._master = master
        self._locks = locks
        self._declarations = Declarations(master, locks)

    async def turn(self) -> None:
        """Archive the shows that have been over for ``limits.ARCHIVE_AFTER_S``.

        Raises ``RegionUnavailable`` or ``LedgerUnavailable``.
        """
        before = now_ms() - limits.ARCHIVE_AFTER_S * 1000
        for _page in range(PAGES_PER_TURN):
            due = await self._ledger.shows_over(before, PAGE)
            done = await self.archive(due)
            if len(done) < PAGE:
                break
        # The master may still have archived shows: a keeper died after it had written the ledger, or an old master came
        # back.
        on_master = connect.names(await self._master.command("HKEYS", keys.SHOWS))
        await self.remove(await self._ledger.archived_of(on_master))

    async def archive(self, shows: Sequence[str]) -> list[str]:
        """Archive some shows; return those that were archived. A show with a live hold is left for later."""
        removed = await self.remove(shows)
        if removed:
            await self._ledger.archive_shows(removed, now_ms())
            # A rebuild that began before the commit may have put some of them back on the master.
            await self._remove_keys(removed)
            log.info("%s: %d shows are archived", self._master.region, len(removed))
        return removed

    async def remove(self, shows: Sequence[str]) -> list[str]:
        """Remove some shows from the master; return those that were removed. A show with a live hold stays."""
        removed = await self._remove_keys(shows)
        if removed:
            await self._declarations.remove_shows(removed)
        return removed

    async def _remove_keys(self, shows: Sequence[str]) -> list[str]:
        answers = await asyncio.gather(*(self._locks.archive(show) for show in shows), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, HoldConfirmed):
                raise answer
        return [show for show, answer in zip(shows, answers, strict=True) if answer is None]
