"""Checks the keys on a lock master that belong to no show: their types, theatres, tokens of staff and guests.

``comparison`` does the same for the keys of shows. A keeper deletes keys that can't be used, and declares again what
the ledger has and the master lacks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from realtime import connect, keys
from realtime.cancellation import pause
from realtime.keeper.declare import Declarations, readable_theatre
from realtime.keeper.staff_commands import still_valid_since
from realtime.ledger import Ledger
from realtime.locks.damage import delete_unusable_of_region
from realtime.locks.master import LockMaster
from realtime.locks.seats import SeatLocks

T = TypeVar("T")
log = logging.getLogger(__name__)
LOOK_AGAIN_S = 5.0
"""The pause between two looks. A difference of tokens or theatres counts if both see it, because they may be
changing."""
DECLARED = frozenset((keys.THEATRES, keys.SHOWS, keys.STAFF, keys.REVOKED_GUESTS, keys.DEADLINES, keys.REGION))
"""Keys whose content a keeper writes when it reconciles the master."""


class RegionKeys:
    """The keys of one region that belong to no show."""

    def __init__(self, ledger: Ledger, master: LockMaster, locks: SeatLocks, stopping: asyncio.Event) -> None:
        """All arguments belong to the same region."""
        self._ledger = ledger
        self._master = master
        self._declarations = Declarations(master, locks)
        self._stopping = stopping
        self._gone_under = ""
        """The fencing token under which the last look of ``check_shows`` found no shows."""

    async def check_types(self) -> None:
        """Delete keys that can't be used. If the ledger has the content of one, have the master reconciled.

        Raises ``RegionUnavailable``.
        """
        found = await delete_unusable_of_region(self._master)
        if not found:
            return
        region = self._master.region
        log.error("%s: deleted on the lock master, because it can't be used: %s", region, ", ".join(found.values()))
        if DECLARED & found.keys():
            await self._master.command("DEL", keys.RECONCILED)
        await self._master.small_write("INCRBY", keys.DAMAGED, len(found))

    async def check_shows(self, token: str) -> None:
        """Have the master reconciled if all its shows are gone, although the ledger has some.

        Nodes would otherwise answer that the shows do not exist. Acts at the second look only, because a new show is on
        the master a moment later than in the ledger. Raises ``RegionUnavailable``, ``LedgerUnavailable``.
        """
        command = self._master.command
        mark, there = await asyncio.gather(command("GET", keys.RECONCILED), command("EXISTS", keys.SHOWS))
        gone = mark == token.encode() and not there and bool(await self._ledger.active_show_ids())
        if gone and self._gone_under == token:
            log.error("%s: all shows are gone from the lock master; it is reconciled", self._master.region)
            await command("DEL", keys.RECONCILED)
            await self._master.small_write("INCRBY", keys.DAMAGED, 1)
        self._gone_under = token if gone else ""

    async def compare(self, _token: str) -> None:
        """Declare theatres and the accepted tokens of staff and guests again, if the master differs from the ledger.

        Raises ``RegionUnavailable``, ``LedgerUnavailable``.
        """
        await self._compare(self._staff, self._declare_staff)
        await self._compare(self._guests, self._declare_guests)
        await self._compare(self._theatres, self._declare_theatres)

    async def _compare(
        self, look: Callable[[], Awaitable[set[T]]], declare: Callable[[set[T]], Awaitable[None]]
    ) -> None:
        differ = await look()
        if differ:
            await pause(LOOK_AGAIN_S, self._stopping)
            differ &= await look()
        if differ and not self._stopping.is_set():
            await declare(differ)
            await self._master.small_write("INCRBY", keys.DAMAGED, len(differ))

    async def _staff(self) -> set[str]:
        """Return the ids of tokens that the master accepts and the ledger does not, or the other way round."""
        on_master = set(connect.names(await self._master.command("HKEYS", keys.STAFF)))
        return on_master ^ await self._live_staff()

    async def _live_staff(self) -> set[str]:
        return {token.id for token in await self._ledger.staff_tokens() if not token.revoked_at}

    async def _declare_staff(self, differ: set[str]) -> None:
        lacking = differ & await self._live_staff()
        for token_id in lacking:
            await self._declarations.add_staff_token(token_id)
        await self._declarations.revoke_staff_tokens(differ - lacking)
        log.error("%s: %d staff tokens differed on the lock master from the ledger", self._master.region, len(differ))

    async def _guests(self) -> set[str]:
        """Return the guests who are revoked in the ledger only."""
        on_master = set(connect.names(await self._master.command("HKEYS", keys.REVOKED_GUESTS)))
        return set(await self._ledger.revoked_guests(still_valid_since())) - on_master

    async def _declare_guests(self, lacking: set[str]) -> None:
        for owner in lacking:
            await self._declarations.revoke_guest(owner)
        log.error("%s: %d revoked guests were missing on the lock master", self._master.region, len(lacking))

    async def _theatres(self) -> set[bytes]:
        """Return the ids of theatres that differ between master and ledger, or that only one of them has.

        A theatre that only the master has matters too: it would conflict with the same theatre of another region.
        """
        on_master = dict(connect.pairs(await self._master.command("HGETALL", keys.THEATRES)))
        wanted = {theatre.id.encode(): theatre for theatre in await self._ledger.theatres(self._master.region)}
        differ = {name for name, theatre in wanted.items() if readable_theatre(on_master.get(name)) != theatre}
        return differ | (on_master.keys() - wanted.keys())

    async def _declare_theatres(self, differ: set[bytes]) -> None:
        wanted = {theatre.id.encode(): theatre for theatre in await self._ledger.theatres(self._master.region)}
        for name in differ & wanted.keys():
            await self._declarations.declare_theatre(wanted[name])
        if foreign := differ - wanted.keys():
            await self._declarations.remove_theatres(sorted(foreign))
        log.error("%s: %d theatres differed on the lock master from the ledger", self._master.region, len(differ))
