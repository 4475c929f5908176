"""Writes declarations of the ledger through to the region's master, from where every directory reads them."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from realtime import keys
from realtime.locks.master import LockMaster
from realtime.locks.seats import SeatLocks
from realtime.model import Show, Theatre, new_epoch
from realtime.staff import StaffToken
from realtime.wire.shows import encode_show, encode_theatre

_REPLACE_HASH = """
redis.call('DEL', KEYS[1])
for n = 1, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[n], ARGV[n + 1]) end
"""


class Declarations:
    """Puts theatres, layouts and shows on one region's master. Idempotent."""

    def __init__(self, master: LockMaster, locks: SeatLocks) -> None:
        """Both of the same region."""
        self._master = master
        self._locks = locks

    async def theatre(self, theatre: Theatre) -> None:
        """Declare a theatre."""
        await self._master.command("HSET", keys.THEATRES, theatre.id, encode_theatre(theatre))
        await self.announce(theatre=theatre.id)

    async def layout(self, layout_id: str, blob: bytes) -> None:
        """Store a layout, unless it is there."""
        await self._master.command("SET", keys.layout(layout_id), blob, "NX")

    async def show(self, show: Show) -> None:
        """Declare a show with its seats; an earlier revision than the master has changes nothing."""
        await self._locks.declare(show, new_epoch(await self._master.time_ms()), record=encode_show(show))
        await self.announce(show=show.id)

    async def terms_of_sale(self, show: Show) -> None:
        """Declare the terms of sale of a show that the master has. One that it has lost stays off sale.

        An earlier revision than the master has changes nothing.
        """
        epoch, record = new_epoch(await self._master.time_ms()), encode_show(show)
        await self._locks.declare(show, epoch, for_sale=False, record=record)
        await self.announce(show=show.id)

    async def add_staff_token(self, token_id: str) -> None:
        """Declare a new staff token."""
        await self._master.command("HSET", keys.STAFF, token_id, "1")

    async def revoke_staff_tokens(self, token_ids: Iterable[str]) -> None:
        """Declare that staff tokens are revoked. No keeper that was frozen before can undo it: see ``staff``."""
        if ids := list(token_ids):
            await self._master.command("HDEL", keys.STAFF, *ids)

    async def revoke_guest(self, owner: str) -> None:
        """Declare that no token of a guest is accepted any more."""
        await self._master.command("HSET", keys.REVOKED_GUESTS, owner, "1")

    async def staff(self, tokens: Iterable[StaffToken]) -> None:
        """Declare which staff tokens are not revoked; all others are. Only for a keeper that reconciles the master."""
        live = [part for token in tokens if not token.revoked_at for part in (token.id, "1")]
        # In one step, so that nobody is refused in between.
        await self._master.command("EVAL", _REPLACE_HASH, 1, keys.STAFF, *live)

    async def revoked_guests(self, owners: Iterable[str]) -> None:
        """Declare whose tokens are not accepted any more. Only for a keeper that reconciles the master."""
        parts = [part for owner in owners for part in (owner, "1")]
        await self._master.command("EVAL", _REPLACE_HASH, 1, keys.REVOKED_GUESTS, *parts)

    async def announce(self, **what: str) -> None:
        """Make all directories read ``what`` again: a theatre, a show, or everything if empty."""
        await self._master.command("PUBLISH", keys.DIRECTORY, orjson.dumps(what))
