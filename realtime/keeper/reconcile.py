"""After a master started, was replaced or lost its memory: put it right from the ledger before anything is settled.

The mark ``tt:reconciled`` on the master names the process that it was put right in. A failover copies the mark to a
process of another name, a restart gives the process a new name, a wipe takes the mark away: all three are noticed.
"""

from __future__ import annotations

import logging
import secrets

from realtime import keys, wire
from realtime.keeper.declare import Declarations
from realtime.ledger import Ledger
from realtime.locks.master import LockMaster
from realtime.locks.seats import Sale, SeatLocks
from realtime.model import Show, hold_of, new_epoch

log = logging.getLogger(__name__)
LOCK_MS = 60_000
"""A keeper that dies while it reconciles keeps the others waiting for this long at most."""


class Reconciler:
    """Puts one region's master right."""

    def __init__(self, region: str, ledger: Ledger, master: LockMaster, locks: SeatLocks) -> None:
        """All of ``region``."""
        self._region = region
        self._ledger = ledger
        self._master = master
        self._locks = locks
        self._declare = Declarations(master, locks)

    async def ready(self) -> bool:
        """Return whether the master is in order, after putting it in order if it was this keeper's turn to."""
        identity = await self._identity()
        if await self._master.command("GET", keys.RECONCILED) == identity:
            return True
        token = secrets.token_hex(8)
        if not await self._master.command("SET", keys.RECONCILING, token, "NX", "PX", LOCK_MS):
            return False  # another keeper is at it
        try:
            await self._reconcile()
            await self._master.command("SET", keys.RECONCILED, identity)
            await self._declare.announce()
        finally:
            if await self._master.command("GET", keys.RECONCILING) == token.encode():
                await self._master.command("DEL", keys.RECONCILING)
        return True

    async def _identity(self) -> bytes:
        info = await self._master.command("INFO", "server")
        run_id = info["run_id"] if isinstance(info, dict) else info
        return str(run_id).encode()

    async def _reconcile(self) -> None:
        log.info("%s: putting the master right from the ledger", self._region)
        await self._master.load_functions()
        await self._master.command("SET", keys.REGION, self._region)
        for theatre in await self._ledger.theatres(self._region):
            await self._master.command("HSET", keys.THEATRES, theatre.id, wire.encode_theatre(theatre))
        for layout_id in await self._ledger.layout_ids():
            if not await self._master.command("EXISTS", keys.layout(layout_id)):
                blob = await self._ledger.layout(layout_id)
                assert blob is not None, "layouts are never removed"
                await self._declare.layout(layout_id, blob)
        shows = await self._ledger.shows()
        for show in shows:
            await self.put_right(show)
        log.info("%s: %d shows are in order", self._region, len(shows))

    async def put_right(self, show: Show) -> None:
        """Make the master's side of a show what the ledger proves; live holds that don't collide with it stay."""
        epoch = new_epoch(await self._declare.now_ms())
        await self._locks.declare(show, epoch)
        sold = [Sale(hold_of(b.id), b.owner, b.seats) for b in await self._ledger.booked(show.id)]
        lost = await self._locks.rebuild(show.id, epoch, sold, await self._ledger.blocked(show.id))
        await self._master.command("HSET", keys.SHOWS, show.id, wire.encode_show(show))
        if lost:
            log.warning("%s: %d holds were lost", show.id, len(lost))
