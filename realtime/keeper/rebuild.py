"""Rebuilds shows from the ledger: those that are not on sale since the master was reconciled, and damaged ones.

The keepers of a region take turns. Shows that can still be sold come first, in the order of their start times, several
at a time. If a show agrees with the ledger, only its new epoch is written (``locks.rebuild``). A keeper that was frozen
between reading the ledger and writing can do no harm: before it reads, it suspends the show under a nonce of its own,
and every later write is refused once another keeper has suspended or rebuilt the show.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence

from realtime import keys
from realtime.clock import now_ms
from realtime.errors import RegionUnavailable
from realtime.keeper.points import reach
from realtime.keeper.turns import Turn, TurnLost, renewed_turn
from realtime.ledger import Ledger, LedgerUnavailable
from realtime.ledger.rows import over_at
from realtime.locks.answers import Fenced
from realtime.locks.damage import delete_unusable
from realtime.locks.master import LockMaster
from realtime.locks.rebuild import write_differences
from realtime.locks.seats import SeatLocks
from realtime.model import SalesState, Show, new_epoch

log = logging.getLogger(__name__)
AT_ONCE = 4
"""How many batches are rebuilt at the same time: while the master writes one, the ledger is read for the next."""
BATCH_SEATS = 10_000
"""About how many seats the shows of one batch have together. The ledger is read once for a batch."""
_CHUNK = 100
"""Shows in one call of ``tt_unready``."""
TURNS_PER_LOOK = 2
"""How many turns there are from one search for damaged shows to the next."""
_LISTED = 20
"""How many shows a log line names."""


class Rebuilder:
    """Rebuilds the shows of one region."""

    def __init__(self, ledger: Ledger, master: LockMaster, locks: SeatLocks) -> None:
        """All arguments belong to the same region."""
        self._ledger = ledger
        self._master = master
        self._locks = locks
        self._seen: set[str] = set()
        """Shows that were not ready at the last search for damaged shows."""
        self._turns = 0
        self._failed: dict[str, str] = {}
        """The error of each show (by id) that could not be rebuilt, as it was logged."""

    async def turn(self, token: str) -> int:
        """Rebuild every show that needs it; return how many. ``token`` is that of the present reconciliation.

        Returns 0 while another keeper rebuilds, and while the master is reconciled under a later token. A show that
        can't be rebuilt does not stop the others. Raises ``RegionUnavailable``, ``LedgerUnavailable``, ``Fenced``.
        """
        in_force, rebuilt = await self._progress(token)
        if not in_force:
            return 0
        damaged = await self._damaged() if rebuilt else []
        if rebuilt and not damaged:
            return 0
        async with renewed_turn(self._master, keys.REBUILDING) as turn:
            if turn is None:
                return 0
            names = damaged or await self._ledger.active_show_ids()
            # Asked again for damaged shows too: another keeper may have rebuilt them since.
            waiting = await self.unready(names)
            shows = await self._ledger.shows_of(waiting)
            if shows:
                await self._rebuild_all(turn, sorted(shows, key=_urgency))
                # Shows that failed are tried again in every turn.
                if rebuilt and (healed := [show.id for show in shows if show.id not in self._failed]):
                    listed = ", ".join(healed[:_LISTED])
                    await self.count_damaged(f"not for sale, or without seats: {listed}", len(healed))
            # Shows whose records can't be read, or that can't be rebuilt, stay off sale (the latter are tried again).
            # The mark is set all the same, because the other shows are compared with the ledger only after that.
            failed = set(waiting) - {show.id for show in shows} | self._failed.keys()
            if not rebuilt and failed.issuperset(left := await self.unready(names)):
                await self._master.small_write("SET", keys.REBUILT, token)
                log.info("%s: %d of %d shows are on sale", self._master.region, len(names) - len(left), len(names))
            return len(shows)

    async def _damaged(self) -> list[str]:
        """Return shows that were on sale and are not ready; none in turns that do not look.

        A show that is not ready may be in the middle of its declaration, so only a show that two searches have found
        counts.
        """
        self._turns += 1
        if self._turns % TURNS_PER_LOOK:
            return []
        unready = await self.unready(await self._ledger.active_show_ids())
        found = [show for show in unready if show in self._seen]
        self._seen = set(unready)
        return found

    async def is_rebuilt(self, token: str) -> bool:
        """Return whether all shows were on sale under this token, and no later token has begun."""
        return all(await self._progress(token))

    async def _progress(self, token: str) -> tuple[bool, bool]:
        """Return whether keepers write under this token now, and whether all shows were on sale under it."""
        rebuilt, fence = await asyncio.gather(
            self._master.command("GET", keys.REBUILT), self._master.command("GET", keys.FENCE)
        )
        in_force = (fence or b"").split()[:1] == token.encode().split()[-1:]
        return in_force, rebuilt == token.encode()

    async def count_damaged(self, what: str, count: int = 1) -> None:
        """Log and count shows that were damaged on the master, and are rebuilt."""
        log.error("%s: damaged on the lock master, and rebuilt: %s", self._master.region, what)
        await self._master.small_write("INCRBY", keys.DAMAGED, count)

    async def unready(self, shows: Sequence[str]) -> list[str]:
        """Return those of some shows that are not for sale in this process, or whose seats are gone."""
        found: list[str] = []
        for start in range(0, len(shows), _CHUNK):
            some = shows[start : start + _CHUNK]
            names = [key for show in some for key in (keys.meta(show), keys.seats(show))]
            reply = await self._master.call("tt_unready", names)
            found += [some[int(place)] for place in reply[1]]
        return found

    async def _rebuild_all(self, turn: Turn, shows: list[Show]) -> None:
        begun, differed = time.monotonic(), 0
        left = iter(_batches(shows))

        async def work() -> None:
            nonlocal differed
            for batch in left:
                await turn.renew()
                count = await self._rebuild_each(batch)
                differed += count

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(AT_ONCE, len(shows))):
                    group.create_task(work())
        except* TurnLost:
            log.warning("%s: this keeper was too slow; another one rebuilds the shows", self._master.region)
        except* Exception as errors:
            raise errors.exceptions[0] from None
        took_s = time.monotonic() - begun
        text = "%s: %d shows were compared with the ledger, %d of them differed and were rebuilt; %.1f s"
        log.info(text, self._master.region, len(shows), differed, took_s)

    async def _rebuild_each(self, shows: Sequence[Show]) -> int:
        """Rebuild some shows together; if that fails, one by one."""
        try:
            return await self.rebuild_shows(shows)
        except (RegionUnavailable, LedgerUnavailable, Fenced):
            raise
        except Exception:
            # A show whose data can't be used must not keep the others from being sold.
            if len(shows) == 1:
                return await self.rebuild_damaged(shows[0])
            return sum([await self._rebuild_each([show]) for show in shows])

    async def rebuild_damaged(self, show: Show) -> int:
        """Rebuild one show after its unusable keys are deleted; return 1 if it differed, 0 if not or if it failed.

        A failure is logged. Raises what ``turn`` raises.
        """
        try:
            if unusable := await delete_unusable(self._master, show):
                log.error("%s: deleted on the lock master, because it can't be used: %s", show.id, ", ".join(unusable))
            differed = await self.rebuild_shows([show])
        except (RegionUnavailable, LedgerUnavailable, Fenced):
            raise
        except Exception as error:
            # The show is tried again in every turn.
            if self._failed.get(show.id) != repr(error):
                log.exception("%s can't be rebuilt", show.id)
            self._failed[show.id] = repr(error)
            return 0
        self._failed.pop(show.id, None)
        return differed

    async def rebuild_shows(self, shows: Sequence[Show]) -> int:
        """Make shows on the master what the ledger proves; return how many of them differed from it.

        Live holds that collide with no booking stay. Nothing of the shows is sold meanwhile. Raises ``Fenced`` if
        another keeper rebuilds one of them at the same time.
        """
        nonce = secrets.token_hex(8)
        now = now_ms()
        # A show that is unknown here is declared under an epoch that sorts before that of its rebuild.
        declared = (self._locks.declare(show, new_epoch(now), for_sale=False) for show in shows)
        await asyncio.gather(*declared, *(self._locks.suspend(show.id, nonce) for show in shows))
        reach("rebuild_suspended")
        truths = await self._ledger.truths([show.id for show in shows])
        # Read after the shows were suspended: archiving deletes the keys of a suspended show, so the writes of this
        # rebuild are refused if a show is archived later.
        archived = set(await self._ledger.archived_of([show.id for show in shows]))
        reach("rebuild_read")
        differed = 0
        for show in shows:
            if show.id in archived:
                await self._locks.archive(show.id)
                continue
            written = await write_differences(self._locks, show, truths[show.id], nonce)
            reach("rebuild_written")
            await self._locks.finish_rebuild(show.id, nonce, new_epoch(now + 1), written.seats)
            differed += written.differed
            if written.lost:
                log.warning("%s: %d holds were lost", show.id, len(written.lost))
        return differed


def _batches(shows: Iterable[Show]) -> Iterator[list[Show]]:
    """Divide shows into batches of about ``BATCH_SEATS``; the most urgent show is a batch of its own."""
    batch: list[Show] = []
    for n, show in enumerate(shows):
        batch.append(show)
        if n == 0 or sum(each.seat_count for each in batch) >= BATCH_SEATS:
            yield batch
            batch = []
    if batch:
        yield batch


def _urgency(show: Show) -> tuple[bool, int]:
    over = over_at(show.starts_at)
    return show.sales is SalesState.CLOSED or over < now_ms(), over
