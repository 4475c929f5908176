"""Reconciles a region's lock master with the ledger after it was started, replaced or lost data.

How a master is fenced, in order:

1. Every server process in one role is an *incarnation* (``locks.master.incarnation_of``): a restart, a promotion and a
   demotion each begin a new one.
2. The mark ``keys.RECONCILED`` on the master names the incarnation in which it was reconciled, and the fencing token of
   that reconciliation. A failover copies the mark to a server in another incarnation, a restart begins another
   incarnation, a wipe deletes the mark: in each case the mark no longer matches, and nodes don't use the master.
3. A keeper that finds no matching mark takes the turn (``keys.RECONCILING``) and begins a new fencing token in the
   ledger, if the newest one is still the one that it has read: a keeper that was frozen since begins none. Behind
   Sentinels, a keeper that knows only an older configuration of them begins none either.
4. It sets the fence on the master (``locks/lua/fencing.lua``): from now on no keeper writes under an earlier token. It
   stops the sales of every show, declares what the ledger has, and writes the mark, all under its own token.
5. The shows are rebuilt from the ledger one by one (``keeper.rebuild``). Each is on sale as soon as it is rebuilt.
6. The ledger compares the fencing token in the transaction of every booking. A booking that was confirmed on an earlier
   incarnation is either committed before step 5 reads the ledger, or it is never committed.

If the ledger's last fencing token is unknown to this master, another master has sold since: this master's data has
*diverged*. Its holds are void, and the payments in its outbox are refunded. Only then the master remembers the new
token: if the keeper dies before, the next one sees the same.

Ledger and master know how far the ledger has come (``ledger.fencing``). If the ledger is behind, it has lost commits:
nothing is sold until an operator has repaired it.

``reach`` marks moments at which tests stop a keeper (``keeper.points``).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from dataclasses import dataclass

from realtime import connect, keys
from realtime.errors import RegionUnavailable
from realtime.keeper.declare import Declarations
from realtime.keeper.outbox import stream_entries
from realtime.keeper.points import reach
from realtime.keeper.staff_commands import still_valid_since
from realtime.keeper.turns import TurnLost, renewed_turn
from realtime.ledger import Ledger, LedgerBehind, LedgerUnavailable, StaleFencingToken, WrongRegion
from realtime.locks.answers import Fenced
from realtime.locks.master import LockMaster, incarnation_of, reconciled_in
from realtime.locks.seats import Fence, SeatLocks
from realtime.logs import escaped
from realtime.model import Show
from realtime.wire.shows import encode_show, encode_theatre

log = logging.getLogger(__name__)
TOKENS_KEPT = 20
"""Fencing tokens that a master remembers."""
BEHIND = "the ledger has lost commits; run check --repair"
_REMEMBERED = (keys.FENCING_TOKENS, keys.FENCING_TOKENS_BEFORE)
"""Both names of the list: keepers of two releases may take turns."""
_CHUNK = 200
"""Shows that are suspended in one round trip."""


@dataclass(frozen=True, slots=True)
class _State:
    """What the master says about itself: the values of ``keys.RECONCILED`` (the mark), ``FENCE`` and ``POSITION``."""

    incarnation: bytes
    process: str
    """The server's ``run_id``."""
    mark: bytes | None
    fence: bytes | None
    position: int
    halted: bool
    generation: int
    """That of the link: another one may lead to another server."""

    @property
    def number(self) -> int | None:
        """The number of the token in the mark, if keepers may write under it in this server process; else None."""
        parts = (self.mark or b"").split()
        number = connect.count(parts[2]) if len(parts) == 3 else None
        return number if self.fence == f"{number} {self.process}".encode() else None


def check_region(name: bytes | None, region: str) -> None:
    """Raise ``WrongRegion`` if a master has the name (``keys.REGION``) of another region."""
    if name not in (None, region.encode()):
        raise WrongRegion(f"this is the lock master of {escaped(name.decode(errors='replace'))}, not of {region}")


class Reconciler:
    """Reconciles one region's master, in turn with the other keepers of the region."""

    def __init__(self, region: str, ledger: Ledger, master: LockMaster, locks: SeatLocks) -> None:
        """All of ``region``. ``locks.fence`` is set to the number of the token under which this keeper writes."""
        self._region = region
        self._ledger = ledger
        self._master = master
        self._locks = locks
        self._fence = locks.fence = locks.fence or Fence()
        self._declare = Declarations(master, locks)
        self._invalidated = False

    async def ensure_reconciled(self) -> str | None:
        """Return the fencing token under which the master is reconciled; reconcile it first if that is necessary.

        Shows that have to be rebuilt are not on sale yet then. Returns None while another keeper reconciles it. Raises
        ``RegionUnavailable``, ``LedgerUnavailable``, ``WrongRegion``, ``LedgerBehind``.
        """
        # In one pipeline: this is asked all the time.
        state, _ = await asyncio.gather(self._read_state(), self._load_functions())
        marked = reconciled_in(state.mark, state.incarnation, self._master.config_epoch)
        in_order = not state.halted and marked and state.number is not None
        if in_order and not self._invalidated:
            self._fence.number = state.number
            assert state.mark is not None, "it names an incarnation"
            return state.mark.decode(errors="replace")
        self._fence.number = None
        async with renewed_turn(self._master, keys.RECONCILING) as turn:
            if turn is None:
                return None
            try:
                return await self._reconcile(turn.nonce, state)
            except (TurnLost, Fenced, StaleFencingToken) as error:
                # Another keeper reconciles the master, or has just done so: its mark is read the next time.
                log.warning("%s: another keeper reconciles the master (%s)", self._region, error or "turn lost")
                return None

    def invalidate(self) -> None:
        """Reconcile the master again, whatever its mark says: the ledger has refused the fencing token."""
        self._invalidated = True

    async def _load_functions(self) -> None:
        """Load the functions if they are missing (a flush, a restore) or of an older release."""
        if await self._master.load_functions():
            new = await self._master.command("GET", keys.RECONCILED) is None
            level = logging.INFO if new else logging.WARNING
            log.log(level, "%s: the functions were missing or old on the master and are loaded", self._region)

    async def _read_state(self) -> _State:
        command = self._master.command
        info, mark, fence, region, position, halted = await asyncio.gather(
            command("INFO", "server", "replication"),
            *(command("GET", key) for key in (keys.RECONCILED, keys.FENCE, keys.REGION, keys.POSITION, keys.HALTED)),
        )
        check_region(region, self._region)
        state = _State(
            incarnation_of(info),
            str(info["run_id"]),
            mark,
            fence,
            connect.count(position),
            halted is not None,
            self._master.generation,
        )
        self._ledger.known_position = state.position
        return state

    # --- reconciling ----------------------------------------------------------------------------------------------
    async def _reconcile(self, nonce: str, state: _State) -> str:
        log.info("%s: reconciling the master with the ledger", self._region)
        token, diverged = await self._begin_token(nonce, state)
        if diverged:
            log.warning("%s: the master's data has diverged: another master has sold since", self._region)
        await self._locks.write([("SET", keys.REGION, (self._region,))])
        shows, unreadable = await self._ledger.active_records()
        await self._suspend_all([show.id for show in shows], nonce, diverged=diverged)
        await self._declare_all(shows, unreadable)
        if diverged:
            await self._empty_outbox()
            # Not before: if this keeper dies, the next one must find that this data has diverged.
            await self._remember(token)
        reach("reconcile_declared")
        # Nobody else has begun a token meanwhile, or this would be refused; so the mark is of the newest one.
        await self._locks.raise_position((await self._ledger.fencing_state()).position)
        await self._locks.write([("DEL", keys.HALTED, ()), ("SET", keys.RECONCILED, (token,))])
        await self._declare.announce()
        self._invalidated = False
        return token

    async def _begin_token(self, nonce: str, state: _State) -> tuple[str, bool]:
        """Begin a fencing token; return it, and whether the one before it is unknown to this master."""
        epoch = await self._master.check_master()
        ledger = await self._ledger.fencing_state()
        fence = connect.count((state.fence or b"").partition(b" ")[0])
        if ledger.position < state.position or ledger.number < fence or ledger.behind:
            await self.halt(state.position, fence)
            raise LedgerBehind(f"the ledger is at {ledger.position}, the lock master knows {state.position}")
        # Where all of them agree on an older epoch, they were set up anew.
        if epoch.number < ledger.config_epoch and not epoch.unanimous:
            raise StaleFencingToken("the Sentinels that answer don't know of the last failover")
        token = f"{state.incarnation.decode()} {nonce}.{epoch.number} {ledger.number + 1}"
        reach("reconcile_token_read")
        known = {state.mark, b""}
        for remembered in _REMEMBERED:
            known.update(await self._master.command("LRANGE", remembered, 0, -1))
        diverged = ledger.token.encode() not in known
        if not diverged:
            # Before it begins: a keeper that finds this token in the ledger knows then that this data is current.
            await self._remember(token)
        if self._master.generation != state.generation:
            # The token is that of the server whose state was read: another one must not count as current by it.
            raise RegionUnavailable(region=self._region)
        # Before the bookings are read: nothing that was confirmed under an earlier token is committed after this.
        await self._ledger.begin_fencing_token(token, after=ledger, region=self._region, config_epoch=epoch.number)
        reach("reconcile_token_begun")
        reply = await self._master.call("tt_fence", [keys.FENCE], ledger.number + 1)
        if reply[0] != b"ok":
            raise Fenced(f"the fence is at {reply[1].decode()}")
        self._fence.number = ledger.number + 1
        reach("reconcile_fenced")
        return token, diverged

    async def _remember(self, token: str) -> None:
        """Record on the master that a token belongs to its data."""
        for remembered in _REMEMBERED:
            await self._master.small_write("LPUSH", remembered, token)
            await self._master.command("LTRIM", remembered, 0, TOKENS_KEPT - 1)

    async def _suspend_all(
        self, active: list[str], nonce: str, *, diverged: bool, locks: SeatLocks | None = None
    ) -> None:
        """Stop the sales of every show until it is rebuilt, also in a process that has sold it before.

        Under the fence, unless ``locks`` are given that have none.
        """
        on_master = connect.names(await self._master.command("HKEYS", keys.SHOWS))
        shows = sorted({*active, *on_master})
        for start in range(0, len(shows), _CHUNK):
            some = shows[start : start + _CHUNK]
            await asyncio.gather(*((locks or self._locks).suspend(show, nonce, diverged=diverged) for show in some))

    async def _declare_all(self, shows: list[Show], unreadable: dict[str, bytes]) -> None:
        """Put theatres, layouts and shows on the master, before the mark: a node that reads the mark finds them all.

        ``unreadable`` are records of shows that this release can't read. They are put there as they are, so that
        directories report them to operators.
        """
        theatres = {theatre.id: encode_theatre(theatre) for theatre in await self._ledger.theatres(self._region)}
        on_master = await self._master.command("HKEYS", keys.THEATRES)
        gone = [name for name in on_master if name.decode(errors="replace") not in theatres]
        if gone:
            await self._declare.theatres_removed(gone)
        await self._declare.records(keys.THEATRES, theatres)
        await self._declare.staff(await self._ledger.staff_tokens())
        await self._declare.revoked_guests(await self._ledger.revoked_guests(still_valid_since()))
        layouts = sorted({show.layout for show in shows})
        there = await asyncio.gather(*(self._master.command("EXISTS", keys.layout(each)) for each in layouts))
        for layout_id in (each for each, exists in zip(layouts, there, strict=True) if not exists):
            blob = await self._ledger.layout(layout_id)
            assert blob is not None, "layouts are never deleted"
            await self._declare.layout(layout_id, blob)
        await self._declare.records(keys.SHOWS, {**unreadable, **{show.id: encode_show(show) for show in shows}})

    async def _empty_outbox(self) -> None:
        """Turn the bookings in the outbox into refunds: the other master may have sold their seats since.

        Remove the commands, which nobody was answered: operators may have decided otherwise since.
        """
        async for entry_id, fields in stream_entries(self._master, keys.OUTBOX):
            if fields.get("kind") == "booking":
                refund = {**fields, "kind": "refund", "reason": "lost"}
                await self._master.small_write("XADD", keys.OUTBOX, "*", *connect.flat(refund))
            if fields.get("kind") in ("booking", "command"):
                await self._master.command("XDEL", keys.OUTBOX, entry_id)

    # --- a ledger that has lost commits ---------------------------------------------------------------------------
    async def halt(self, position: int, number: int = 0) -> None:
        """Stop all sales of the region until the ledger is repaired; operators see why.

        The ledger remembers it as well, if it has no such position and number of a token: a master that is emptied
        before the repair proves nothing any more.
        """
        with contextlib.suppress(LedgerUnavailable):
            await self._ledger.mark_behind(position, number)
        # Without the fence: this keeper may have no token yet.
        command, unfenced = self._master.command, SeatLocks(self._master)
        if await command("GET", keys.HALTED) is None:
            log.error("%s: %s; all sales of this region are stopped", self._region, BEHIND)
        await command("DEL", keys.RECONCILED)
        await self._suspend_all([], secrets.token_hex(8), diverged=False, locks=unfenced)
        await self._master.small_write("SET", keys.HALTED, BEHIND)
