"""Reconciles a region's lock master with the ledger after it was started, replaced or lost data.

How a master is fenced, in order:

1. Every server process in one role is an *incarnation* (``locks.master.incarnation_of``): a restart, a promotion and a
   demotion each begin a new one.
2. The mark ``keys.RECONCILED`` on the master names the incarnation in which it was reconciled, and the fencing token of
   that reconciliation. A failover copies the mark to a server in another incarnation, a restart begins another
   incarnation, a wipe deletes the mark: in each case the mark no longer matches, and nodes don't use the master.
3. A keeper that finds no matching mark takes the turn (``keys.RECONCILING``), begins a new fencing token in the ledger,
   rebuilds every show from the ledger, then writes the mark.
4. The ledger compares the fencing token in the transaction of every booking. A booking that was confirmed on an earlier
   incarnation is either committed before step 3 reads the ledger, or it is never committed.

If the ledger's last fencing token is unknown to this master, another master has sold since: this master's data has
*diverged*. Its holds are void, and the payments in its outbox are refunded.

A keeper whose turn has run out (its process was frozen) stops before it writes the mark.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets

from realtime import connect, keys, limits, wire
from realtime.cancellation import cancel_all
from realtime.errors import RegionUnavailable
from realtime.keeper.declare import Declarations
from realtime.ledger import Ledger
from realtime.ledger.rows import Booked
from realtime.locks.master import LockMaster, incarnation_of, reconciled_in
from realtime.locks.seats import Paid, Sale, SeatLocks
from realtime.model import Show, hold_of, new_epoch

log = logging.getLogger(__name__)
TOKENS_KEPT = 20
"""Fencing tokens that a master remembers."""
SHOWS_AT_ONCE = 256
"""Questions about shows in one pipeline."""
TURN_MS = 4_000
"""How long the turn of a keeper lasts that has died while it reconciled. A live one renews its turn."""


class _TurnLost(Exception):
    """Another keeper has taken the turn in the meantime."""


class Reconciler:
    """Reconciles one region's master, in turn with the other keepers of the region."""

    def __init__(self, region: str, ledger: Ledger, master: LockMaster, locks: SeatLocks) -> None:
        """All of ``region``."""
        self._region = region
        self._ledger = ledger
        self._master = master
        self._locks = locks
        self._declare = Declarations(master, locks)
        self._invalidated = False
        self._functions_loaded = False

    async def ensure_reconciled(self) -> str | None:
        """Return the fencing token under which the master is reconciled; reconcile it first if that is necessary.

        Returns None while another keeper reconciles it. Raises ``RegionUnavailable``, ``LedgerUnavailable``.
        """
        incarnation = incarnation_of(await self._master.command("INFO", "server", "replication"))
        mark = await self._master.command("GET", keys.RECONCILED)
        if not self._invalidated and reconciled_in(mark, incarnation):
            await self._load_functions_once()
            return str(mark.decode())
        return await self._reconcile_in_turn(incarnation)

    async def _load_functions_once(self) -> None:
        # The first keeper of a new release brings its functions to a master that needs no reconciliation.
        if not self._functions_loaded:
            await self._master.load_functions()
            await self._declare_windows()
            self._functions_loaded = True

    async def _declare_windows(self) -> None:
        """Declare the sales windows of the shows that only keepers of an earlier release have declared."""
        shows = await self._ledger.shows()
        for n in range(0, len(shows), SHOWS_AT_ONCE):
            some = shows[n : n + SHOWS_AT_ONCE]
            known = await asyncio.gather(
                *(self._master.command("HMGET", keys.meta(show.id), "epoch", "sales_end") for show in some)
            )
            for show, (epoch, end) in zip(some, known, strict=True):
                if epoch is not None and end is None:
                    await self._declare.terms_of_sale(show)

    def invalidate(self) -> None:
        """Reconcile the master again, whatever its mark says: the ledger has refused the fencing token."""
        self._invalidated = True

    # --- taking turns ---------------------------------------------------------------------------------------------
    async def _reconcile_in_turn(self, incarnation: bytes) -> str | None:
        turn = secrets.token_hex(8).encode()
        if not await self._master.command("SET", keys.RECONCILING, turn, "NX", "PX", TURN_MS):
            return None
        token = f"{incarnation.decode()} {turn.decode()}"
        # Renewed by a task: reconciling many shows on a busy machine may take longer than one turn.
        renewing = asyncio.create_task(self._renew_turn_repeatedly(turn))
        try:
            await self._reconcile(turn, token)
            await self._renew_turn(turn)
            await self._master.command("SET", keys.RECONCILED, token)
            await self._declare.announce()
        except _TurnLost:
            log.warning("%s: this keeper was too slow; another one reconciles the master", self._region)
            return None
        finally:
            await cancel_all(renewing)
            if await self._master.command("GET", keys.RECONCILING) == turn:
                await self._master.command("DEL", keys.RECONCILING)
        self._invalidated = False
        return token

    async def _renew_turn_repeatedly(self, turn: bytes) -> None:
        while True:
            await asyncio.sleep(TURN_MS / 4000)
            with contextlib.suppress(_TurnLost, RegionUnavailable):
                await self._renew_turn(turn)

    async def _renew_turn(self, turn: bytes) -> None:
        if await self._master.command("GET", keys.RECONCILING) != turn:
            raise _TurnLost
        await self._master.command("PEXPIRE", keys.RECONCILING, TURN_MS)

    # --- reconciling ----------------------------------------------------------------------------------------------
    async def _reconcile(self, turn: bytes, token: str) -> None:
        log.info("%s: reconciling the master with the ledger", self._region)
        diverged = await self._begin_token(token)
        if diverged:
            log.warning("%s: the master's data has diverged: another master has sold since", self._region)
        await self._master.load_functions()
        await self._master.command("SET", keys.REGION, self._region)
        for theatre in await self._ledger.theatres(self._region):
            await self._master.command("HSET", keys.THEATRES, theatre.id, wire.encode_theatre(theatre))
        await self._restore_layouts(turn)
        if diverged:
            await self._refund_outbox()
        shows = await self._ledger.shows()
        for show in shows:
            await self._renew_turn(turn)
            await self.rebuild_show(show, diverged=diverged)
        log.info("%s: %d shows are reconciled", self._region, len(shows))

    async def _begin_token(self, token: str) -> bool:
        """Begin a fencing token; return whether the one before belongs to a master that this one knows nothing of."""
        mark = await self._master.command("GET", keys.RECONCILED)
        known = {mark}
        for remembered in (keys.FENCING_TOKENS, keys.FENCING_TOKENS_BEFORE):
            known.update(await self._master.command("LRANGE", remembered, 0, -1))
            # The master first: a keeper that finds this token in the ledger knows then that this data is current.
            await self._master.command("LPUSH", remembered, token)
            await self._master.command("LTRIM", remembered, 0, TOKENS_KEPT - 1)
        # Before the bookings are read: nothing that was confirmed under an earlier token is committed after this.
        before = await self._ledger.begin_fencing_token(token)
        return before != "" and before.encode() not in known

    async def _restore_layouts(self, turn: bytes) -> None:
        for layout_id in await self._ledger.layout_ids():
            await self._renew_turn(turn)
            if not await self._master.command("EXISTS", keys.layout(layout_id)):
                blob = await self._ledger.layout(layout_id)
                assert blob is not None, "layouts are never deleted"
                await self._declare.layout(layout_id, blob)

    async def _refund_outbox(self) -> None:
        """Turn the bookings in the outbox into refunds: their buyers may have been answered differently since."""
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

    async def rebuild_show(self, show: Show, *, diverged: bool = False) -> None:
        """Make a show on the master what the ledger proves.

        Live holds that collide with no booking stay, unless the master's data has ``diverged``.
        """
        epoch = new_epoch(await self._master.time_ms())
        await self._locks.declare(show, epoch, for_sale=False)
        sold = [_sale(booking) for booking in await self._ledger.booked(show.id)]
        cancelled = [_sale(booking) for booking in await self._ledger.cancelled(show.id)]
        paid = [Paid(p.hold, p.owner, p.seats, p.order, p.payment) for p in await self._ledger.paid_holds(show.id)]
        blocked = await self._ledger.blocked(show.id)
        lost = await self._locks.rebuild(show.id, epoch, sold, blocked, paid, cancelled=cancelled, diverged=diverged)
        await self._master.command("HSET", keys.SHOWS, show.id, wire.encode_show(show))
        if lost:
            log.warning("%s: %d holds were lost", show.id, len(lost))


def _sale(booking: Booked) -> Sale:
    return Sale(hold_of(booking.id), booking.owner, booking.seats, booking.payment)
