"""Rebuilds shows from the ledger: those that are not on sale since the master was reconciled, and damaged ones.

The keepers of a region take turns. Shows that can still be sold come first, the soonest before the others, several at a
time. A keeper that was frozen between reading the ledger and the rebuild can't do harm: it suspends the show under a
name of its own before it reads, and the rebuild is refused once another keeper has suspended or rebuilt it since.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Sequence

from realtime import keys
from realtime.clock import now_ms
from realtime.errors import RegionUnavailable
from realtime.keeper.points import reach
from realtime.keeper.turns import Turn, TurnLost, renewed_turn
from realtime.ledger import Ledger, LedgerUnavailable
from realtime.ledger.rows import Booked, over_at
from realtime.locks.master import LockMaster
from realtime.locks.seats import Fenced, Paid, Sale, SeatLocks
from realtime.model import SalesState, Show, hold_of, new_epoch

log = logging.getLogger(__name__)
AT_ONCE = 4
"""Shows that are rebuilt at the same time: while the master writes one, the ledger is read for the next."""
_CHUNK = 100


class Rebuilder:
    """Rebuilds the shows of one region."""

    def __init__(self, ledger: Ledger, master: LockMaster, locks: SeatLocks) -> None:
        """All of the same region."""
        self._ledger = ledger
        self._master = master
        self._locks = locks
        self._seen: set[str] = set()

    async def turn(self, token: str) -> int:
        """Rebuild every show that needs it; return how many. ``token`` is that of the present reconciliation.

        Returns 0 while another keeper does it. One show that can't be rebuilt does not stop the others. Raises
        ``RegionUnavailable``, ``LedgerUnavailable``, ``Fenced``.
        """
        async with renewed_turn(self._master, keys.REBUILDING) as turn:
            if turn is None:
                return 0
            names = await self._ledger.active_show_ids()
            unready = await self.unready(names)
            rebuilt = await self._master.command("GET", keys.REBUILT) == token.encode()
            # Once all are rebuilt, one that is not ready may be in the course of being declared: it is left for a turn.
            waiting = [show for show in unready if not rebuilt or show in self._seen]
            self._seen = set(unready)
            if waiting:
                shows = await self._ledger.shows_of(waiting)
                await self._rebuild_all(turn, sorted(shows, key=_urgency))
            elif not unready and not rebuilt:
                await self._master.command("SET", keys.REBUILT, token)
                log.info("%s: all %d shows are on sale", self._master.region, len(names))
            return len(waiting)

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
        log.info("%s: rebuilding %d shows", self._master.region, len(shows))
        left = iter(shows)

        async def work() -> None:
            for show in left:
                await turn.renew()
                try:
                    await self.rebuild_show(show)
                except (RegionUnavailable, LedgerUnavailable, Fenced):
                    raise
                except Exception:
                    # A show whose data can't be used must not keep the others from being sold.
                    log.exception("%s can't be rebuilt", show.id)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(AT_ONCE, len(shows))):
                    group.create_task(work())
        except* TurnLost:
            log.warning("%s: this keeper was too slow; another one rebuilds the shows", self._master.region)
        except* Exception as errors:
            raise errors.exceptions[0] from None

    async def rebuild_show(self, show: Show) -> None:
        """Make a show on the master what the ledger proves. Live holds that collide with no booking stay.

        Nothing of it is sold meanwhile. Raises ``Fenced`` if another keeper rebuilds it at the same time.
        """
        nonce = secrets.token_hex(8)
        now = now_ms()
        declared = self._locks.declare(show, new_epoch(now), for_sale=False)
        await asyncio.gather(declared, self._locks.suspend(show.id, nonce))
        reach("rebuild_suspended")
        sold = [_sale(booking) for booking in await self._ledger.booked(show.id)]
        cancelled = [_sale(booking) for booking in await self._ledger.cancelled(show.id)]
        paid = [Paid(p.hold, p.owner, p.seats, p.order, p.payment) for p in await self._ledger.paid_holds(show.id)]
        blocked = await self._ledger.blocked(show.id)
        reach("rebuild_read")
        epoch = new_epoch(now + 1)
        lost = await self._locks.rebuild(show.id, epoch, sold, blocked, paid, cancelled=cancelled, nonce=nonce)
        if lost:
            log.warning("%s: %d holds were lost", show.id, len(lost))


def _sale(booking: Booked) -> Sale:
    return Sale(hold_of(booking.id), booking.owner, booking.seats, booking.payment)


def _urgency(show: Show) -> tuple[bool, int]:
    over = over_at(show.starts_at)
    return show.sales is SalesState.CLOSED or over < now_ms(), over
