"""Reconciles a region's lock master with the ledger after it was started, replaced or lost data.

How a master is fenced, in order:

1. Every server process in one role is an *incarnation* (``locks.master.incarnation_of``): a restart, a promotion and a
   demotion each begin a new one.
2. The mark ``keys.RECONCILED`` on the master names the incarnation in which it was reconciled, and the fencing token of
   that reconciliation. After a failover the mark is a copy on a server in another incarnation, after a restart the
   server has another incarnation, after a wipe there is no mark. In each case no mark matches the present incarnation,
   and nodes don't use the master.
3. A keeper that finds no matching mark takes the turn (``keys.RECONCILING``) and begins a new fencing token in the
   ledger. The ledger refuses this if its newest token is not the one that the keeper has read before, so a keeper that
   was frozen in between begins none. Behind Sentinels, a keeper that knows only an older configuration of them begins
   none either.
4. The keeper sets the fence on the master (``locks/lua/fencing.lua``): from now on no keeper writes under an earlier
   token. Then it stops the sales of every show, declares what the ledger has, and writes the mark, all under its own
   token.
5. The shows are rebuilt from the ledger one by one (``keeper.rebuild``). Each is on sale as soon as it is rebuilt.
6. The ledger compares the fencing token in the transaction of every booking. A booking that was confirmed on an earlier
   incarnation is either committed before step 5 reads the ledger, or it is never committed.

If this master does not know the ledger's last fencing token, another master has sold since its data was current: the
data has *diverged*. Its holds are void, and the payments in its outbox are refunded. Only after that is the new token
recorded on the master, so that if the keeper dies before, the next keeper also finds the data diverged.

The ledger has a position that rises with its transactions, and keepers copy it to the master (``ledger.fencing``). If
the ledger's position is behind the copy, the ledger has lost commits: nothing is sold until an operator has repaired
it.

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
"""How many fencing tokens a master remembers. The ledger's newest one has to be among them, and each keeper that dies
between steps 3 and 4 leaves one that the ledger may not have."""
BEHIND = "the ledger has lost commits; run check --repair"
"""Why nothing is sold while the ledger is behind: the text of ``keys.HALTED``, for operators."""
_REMEMBERED = (keys.FENCING_TOKENS, keys.FENCING_TOKENS_BEFORE)
"""Both names of the list: keepers of two releases may take turns."""
_CHUNK = 200
"""How many shows are suspended in one round trip."""


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
    """Whether there is a ``keys.HALTED``: an operator has to act first."""
    generation: int
    """``LockMaster.generation`` when this was read. In a later generation the link may lead to another server."""

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
        """All arguments belong to ``region``.

        ``locks.fence``, shared with everything that writes through ``locks``, gets the number of this keeper's fencing
        token; None while it has none, and may not write.
        """
        self._region = region
        self._ledger = ledger
        self._master = master
        self._locks = locks
        self._fence = locks.fence = locks.fence or Fence()
        self._declarations = Declarations(master, locks)
        self._invalidated = False

    async def ensure_reconciled(self) -> str | None:
        """Return the fencing token under which the master is reconciled; reconcile it first if that is necessary.

        ``record_path`` asks before each look into the outbox, so nothing is recorded for a master that is not in order.
        When it returns, shows that have to be rebuilt are not on sale yet. Returns None while another keeper reconciles
        the master. Raises ``RegionUnavailable``, ``LedgerUnavailable``, ``WrongRegion``, ``LedgerBehind``.
        """
        # Both go out in one pipeline, because this method is called all the time.
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
                # Another keeper reconciles the master, or has just done so. The next call reads its mark.
                log.warning("%s: another keeper reconciles the master (%s)", self._region, error or "turn lost")
                return None

    def invalidate(self) -> None:
        """Make the next ``ensure_reconciled`` reconcile the master, whatever its mark says.

        For a caller whose fencing token the ledger has refused.
        """
        self._invalidated = True

    async def _load_functions(self) -> None:
        """Load the functions if they are missing (a flush, a restore) or of an older release."""
        if await self._master.load_functions():
            new = await self._master.command("GET", keys.RECONCILED) is None  # no keeper was here yet
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
            incarnation=incarnation_of(info),
            process=str(info["run_id"]),
            mark=mark,
            fence=fence,
            position=connect.count(position),
            halted=halted is not None,
            generation=self._master.generation,
        )
        # The ledger compares it within each transaction, and raises ``LedgerBehind``.
        self._ledger.known_position = state.position
        return state

    # --- reconciling ----------------------------------------------------------------------------------------------
    async def _reconcile(self, nonce: str, state: _State) -> str:
        """Carry out steps 3 and 4 above; return the new token. ``nonce`` names the turn, the token and the suspension.

        Raises also ``TurnLost``, ``Fenced`` and ``StaleFencingToken``, if another keeper does the same.
        """
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
            # Only now: if this keeper dies earlier, the next one must still find that this data has diverged.
            await self._remember(token)
        reach("reconcile_declared")
        # If another keeper had begun a token meanwhile, this write would be refused. So the mark names the newest
        # token.
        await self._locks.raise_position((await self._ledger.fencing_state()).position)
        await self._locks.write([("DEL", keys.HALTED, ()), ("SET", keys.RECONCILED, (token,))])
        await self._declarations.announce()
        self._invalidated = False
        return token

    async def _begin_token(self, nonce: str, state: _State) -> tuple[str, bool]:
        """Begin a fencing token (``keys.RECONCILED`` has its form) and set the fence.

        Return the token, and whether this master's data has diverged: whether the token before is unknown to it.
        """
        config_epoch = await self._master.check_master()
        ledger = await self._ledger.fencing_state()
        # Its number, for any server process: the ledger counts tokens, so it knows of as many unless it lost commits.
        fence = connect.count((state.fence or b"").partition(b" ")[0])
        if ledger.position < state.position or ledger.number < fence or ledger.behind:
            await self.halt(state.position, fence)
            raise LedgerBehind(f"the ledger is at {ledger.position}, the lock master knows {state.position}")
        # If all Sentinels agree on an older configuration epoch, they were set up again from scratch.
        if config_epoch.number < ledger.config_epoch and not config_epoch.unanimous:
            raise StaleFencingToken("the Sentinels that answer don't know of the last failover")
        token = f"{state.incarnation.decode()} {nonce}.{config_epoch.number} {ledger.number + 1}"
        reach("reconcile_token_read")
        known = {state.mark, b""}  # "" is the token of a ledger under which nothing was ever reconciled
        for remembered in _REMEMBERED:
            known.update(await self._master.command("LRANGE", remembered, 0, -1))
        diverged = ledger.token.encode() not in known
        if not diverged:
            # Recorded before the token begins in the ledger: a keeper that finds it there must also find it on this
            # master, and so see that this data is current.
            await self._remember(token)
        if self._master.generation != state.generation:
            # The token belongs to the server whose state was read. The link may lead to another server now, whose data
            # must not count as current because of this token.
            raise RegionUnavailable(region=self._region)
        # Begun before the bookings are read: from now on the ledger commits nothing that was confirmed under an earlier
        # token.
        number = config_epoch.number
        await self._ledger.begin_fencing_token(token, after=ledger, region=self._region, config_epoch=number)
        reach("reconcile_token_begun")
        reply = await self._master.call("tt_fence", [keys.FENCE], ledger.number + 1)
        if reply[0] != b"ok":
            raise Fenced(f"the fence is at {reply[1].decode()}")
        self._fence.number = ledger.number + 1
        reach("reconcile_fenced")
        return token, diverged

    async def _remember(self, token: str) -> None:
        """Record on the master that its data is current under a token.

        What adds a little is written by ``small_write``, here and below, because that works on a master without memory.
        What only shortens or deletes is a plain command.
        """
        for remembered in _REMEMBERED:
            await self._master.small_write("LPUSH", remembered, token)
            await self._master.command("LTRIM", remembered, 0, TOKENS_KEPT - 1)

    async def _suspend_all(
        self, active: list[str], nonce: str, *, diverged: bool, locks: SeatLocks | None = None
    ) -> None:
        """Stop the sales of every show until it is rebuilt, even if this server process has sold it before.

        ``active`` are shows of the ledger; those that only the master has are added. Written under the fence of this
        keeper, unless ``locks`` without a fence are given.
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
            await self._declarations.remove_theatres(gone)
        await self._declarations.declare_records(keys.THEATRES, theatres)
        await self._declarations.replace_staff_tokens(await self._ledger.staff_tokens())
        await self._declarations.replace_revoked_guests(await self._ledger.revoked_guests(still_valid_since()))
        layouts = sorted({show.layout for show in shows})
        there = await asyncio.gather(*(self._master.command("EXISTS", keys.layout(each)) for each in layouts))
        for layout_id in (each for each, exists in zip(layouts, there, strict=True) if not exists):
            blob = await self._ledger.layout_blob(layout_id)
            assert blob is not None, "layouts are never deleted"
            await self._declarations.declare_layout(layout_id, blob)
        await self._declarations.declare_records(
            keys.SHOWS, {**unreadable, **{show.id: encode_show(show) for show in shows}}
        )

    async def _empty_outbox(self) -> None:
        """Turn the bookings in the outbox into refunds: the other master may have sold their seats in the meantime.

        Remove the commands, which were never answered: operators may have decided differently in the meantime.
        """
        async for entry_id, fields in stream_entries(self._master, keys.OUTBOX):
            if fields.get("kind") == "booking":
                refund = {**fields, "kind": "refund", "reason": "lost"}
                await self._master.small_write("XADD", keys.OUTBOX, "*", *connect.flat(refund))
            if fields.get("kind") in ("booking", "command"):
                await self._master.command("XDEL", keys.OUTBOX, entry_id)

    # --- a ledger that has lost commits ---------------------------------------------------------------------------
    async def halt(self, position: int, number: int = 0) -> None:
        """Stop all sales of the region until the ledger is repaired; ``keys.HALTED`` tells operators why.

        ``position`` and ``number`` (of a fencing token, 0 if it is not known) are what the master knows of the ledger.
        The ledger records the halt too, unless it has reached both by now. Without that record, nothing would prove the
        loss if the master were emptied before the repair. ``record_path`` calls this as well, when a transaction finds
        that the ledger is behind.
        """
        with contextlib.suppress(LedgerUnavailable):
            await self._ledger.mark_behind(position, number)
        # These writes go without a fence, because this keeper may have no token yet.
        command, unfenced = self._master.command, SeatLocks(self._master)
        if await command("GET", keys.HALTED) is None:
            log.error("%s: %s; all sales of this region are stopped", self._region, BEHIND)
        await command("DEL", keys.RECONCILED)
        await self._suspend_all([], secrets.token_hex(8), diverged=False, locks=unfenced)
        await self._master.small_write("SET", keys.HALTED, BEHIND)
