"""After a master started, was replaced or lost its memory: put it right from the ledger before anything is settled.

The mark ``tt:reconciled`` on the master names the term (process, and time as master) in which it was put right, and the
reign that began with it. A failover copies the mark to a server in another term, a restart begins a new one, a wipe
takes the mark away: all three are noticed, and nodes use no master whose mark is not of its term. The ledger knows the
reign too, and books for no earlier one: what an earlier master had confirmed and this one has forgotten is either in
the ledger before it is read, or never. Keepers take turns; one whose turn has run out (it was frozen) stops, so that it
can't set the mark for work half done.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets

from realtime import connect, keys, limits, wire
from realtime.errors import RegionUnavailable
from realtime.keeper.declare import Declarations
from realtime.ledger import Ledger
from realtime.locks.master import LockMaster, put_right_in, term_of
from realtime.locks.seats import Sale, SeatLocks
from realtime.model import Show, hold_of, new_epoch

log = logging.getLogger(__name__)
REIGNS = 20
"""How many reigns a master's memory knows of."""
TURN_MS = 4_000
"""A keeper that dies while it reconciles keeps the others waiting for this long at most; one at work asks for more."""


class _TurnLost(Exception):
    """Another keeper has begun in the meantime."""


class Reconciler:
    """Puts one region's master right."""

    def __init__(self, region: str, ledger: Ledger, master: LockMaster, locks: SeatLocks) -> None:
        """All of ``region``."""
        self._region = region
        self._ledger = ledger
        self._master = master
        self._locks = locks
        self._declare = Declarations(master, locks)
        self._distrusted = False
        self._equipped = False

    async def ready(self) -> str | None:
        """Return the reign under which the master is in order; it is put in order if it is this keeper's turn.

        None: another keeper is at it.
        """
        term = term_of(await self._master.command("INFO", "server", "replication"))
        mark = await self._master.command("GET", keys.RECONCILED)
        if not self._distrusted and put_right_in(mark, term):
            if not self._equipped:
                # The keepers of a new release bring its functions to a master that goes on as it is.
                await self._master.load_functions()
                self._equipped = True
            return str(mark.decode())
        token = secrets.token_hex(8).encode()
        if not await self._master.command("SET", keys.RECONCILING, token, "NX", "PX", TURN_MS):
            return None
        reign = f"{term.decode()} {token.decode()}"
        # However slow the work is, on a busy machine or with many shows: a turn ends with its keeper, not with time.
        staying = asyncio.create_task(self._stay(token))
        try:
            await self._reconcile(token, reign)
            await self._keep_turn(token)
            await self._master.command("SET", keys.RECONCILED, reign)
            await self._declare.announce()
        except _TurnLost:
            log.warning("%s: this keeper was too slow; another puts the master right", self._region)
            return None
        finally:
            staying.cancel()
            await asyncio.gather(staying, return_exceptions=True)
            if await self._master.command("GET", keys.RECONCILING) == token:
                await self._master.command("DEL", keys.RECONCILING)
        self._distrusted = False
        return reign

    async def _stay(self, token: bytes) -> None:
        while True:
            await asyncio.sleep(TURN_MS / 4000)
            with contextlib.suppress(_TurnLost, RegionUnavailable):
                await self._keep_turn(token)

    async def _keep_turn(self, token: bytes) -> None:
        if await self._master.command("GET", keys.RECONCILING) != token:
            raise _TurnLost
        await self._master.command("PEXPIRE", keys.RECONCILING, TURN_MS)

    def distrust(self) -> None:
        """Put the master right again, whatever its mark says: the ledger books for another one."""
        self._distrusted = True

    async def _reconcile(self, token: bytes, reign: str) -> None:
        log.info("%s: putting the master right from the ledger", self._region)
        astray = await self._begin(reign)
        if astray:
            log.warning("%s: another master has sold since this one's memory is of", self._region)
        await self._master.load_functions()
        await self._master.command("SET", keys.REGION, self._region)
        for theatre in await self._ledger.theatres(self._region):
            await self._master.command("HSET", keys.THEATRES, theatre.id, wire.encode_theatre(theatre))
        for layout_id in await self._ledger.layout_ids():
            await self._keep_turn(token)
            if not await self._master.command("EXISTS", keys.layout(layout_id)):
                blob = await self._ledger.layout(layout_id)
                assert blob is not None, "layouts are never removed"
                await self._declare.layout(layout_id, blob)
        if astray:
            await self._disown()
        shows = await self._ledger.shows()
        for show in shows:
            await self._keep_turn(token)
            await self.put_right(show, astray=astray)
        log.info("%s: %d shows are in order", self._region, len(shows))

    async def _begin(self, reign: str) -> bool:
        """Begin a reign; tell whether the last one was another master's, that this one's memory knows nothing of."""
        mark = await self._master.command("GET", keys.RECONCILED)
        known = {mark, *await self._master.command("LRANGE", keys.REIGNS, 0, -1)}
        # Noted here first: whoever finds this reign in the ledger can tell by it that this memory is its own.
        await self._master.command("LPUSH", keys.REIGNS, reign)
        await self._master.command("LTRIM", keys.REIGNS, 0, REIGNS - 1)
        # Before anything is read: what is in the ledger now is all that earlier reigns will ever have recorded.
        before = await self._ledger.begin_reign(reign)
        return before != "" and before.encode() not in known

    async def _disown(self) -> None:
        """Refund what the outbox says was paid for: its buyers may have been told otherwise since."""
        while True:
            entries = await self._master.command("XRANGE", keys.OUTBOX, "-", "+", "COUNT", limits.KEEPER_BATCH)
            paid = [(entry_id, connect.text_fields(fields)) for entry_id, fields in entries]
            paid = [(entry_id, fields) for entry_id, fields in paid if fields.get("kind") == "booking"]
            if not paid:
                return
            for entry_id, fields in paid:
                refund = {**fields, "kind": "refund", "reason": "lost"}
                flat = [part for pair in refund.items() for part in pair]
                await self._master.command("XADD", keys.OUTBOX, "*", *flat)
                await self._master.command("XDEL", keys.OUTBOX, entry_id)

    async def put_right(self, show: Show, *, astray: bool = False) -> None:
        """Make the master's side of a show what the ledger proves; live holds that don't collide with it stay.

        None of them stays if the master's memory went ``astray``.
        """
        epoch = new_epoch(await self._declare.now_ms())
        await self._locks.declare(show, epoch, for_sale=False)
        sold = [Sale(hold_of(b.id), b.owner, b.seats) for b in await self._ledger.booked(show.id)]
        lost = await self._locks.rebuild(show.id, epoch, sold, await self._ledger.blocked(show.id), astray=astray)
        await self._master.command("HSET", keys.SHOWS, show.id, wire.encode_show(show))
        if lost:
            log.warning("%s: %d holds were lost", show.id, len(lost))
