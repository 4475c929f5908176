"""Writes declarations of the ledger through to the region's master, from where every directory reads them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import orjson
from redis.exceptions import ResponseError

from realtime import connect, keys
from realtime.ledger import Ledger
from realtime.locks.master import LockMaster
from realtime.locks.seats import SeatLocks
from realtime.model import Show, Theatre, new_epoch
from realtime.staff import StaffToken
from realtime.wire.shows import decode_show, decode_theatre, encode_show, encode_theatre

_LAYOUTS_KNOWN = 1_000
_FIELDS = 400
"""The most fields of a hash that one command writes."""


class Declarations:
    """Puts theatres, layouts and shows on one region's master. Idempotent."""

    def __init__(self, master: LockMaster, locks: SeatLocks) -> None:
        """Both arguments belong to the same region."""
        self._master = master
        self._locks = locks

    async def declare_theatre(self, theatre: Theatre, *, entry: bytes = b"") -> None:
        """Declare a theatre."""
        await self._locks.write([("HSET", keys.THEATRES, (theatre.id, encode_theatre(theatre)))], entry=entry)
        await self.announce(theatre=theatre.id)

    async def remove_theatres(self, theatres: Sequence[str | bytes], *, entry: bytes = b"") -> bool:
        """Remove theatres from the master; return whether it had one of them."""
        return bool(await self._remove(keys.THEATRES, theatres, entry))

    async def declare_records(self, key: str, values: Mapping[str, bytes]) -> None:
        """Write the records of theatres or shows to the master, at ``keys.THEATRES`` or ``keys.SHOWS``."""
        for fields in _parts(connect.flat(values)):
            await self._locks.write([("HSET", key, fields)])

    async def remove_shows(self, shows: Sequence[str]) -> None:
        """Remove the records of shows from the master."""
        await self._remove(keys.SHOWS, shows)

    async def _remove(self, key: str, names: Sequence[str | bytes], entry: bytes = b"") -> int:
        """Delete fields of a hash of records; return how many there were."""
        found = 0
        for start in range(0, len(names), _FIELDS):
            found += await self._locks.write([("HDEL", key, names[start : start + _FIELDS])], entry=entry)
        await self.announce()
        return found

    async def declare_layout(self, layout_id: str, blob: bytes) -> None:
        """Store a layout, unless the master has it."""
        await self._locks.write([("SET", keys.layout(layout_id), (blob, "NX"))])

    async def declare_show(self, show: Show, *, entry: bytes = b"") -> None:
        """Declare a new show with its seats, which are for sale at once. The ledger must not have had it before."""
        epoch, record = new_epoch(await self._master.time_ms()), encode_show(show)
        await self._locks.declare(show, epoch, record=record, entry=entry)
        await self.announce(show=show.id)

    async def declare_terms(self, show: Show, *, entry: bytes = b"") -> None:
        """Declare the terms of sale of a show. If the master has lost the show, it stays off sale until it is rebuilt.

        Terms of an earlier revision than the master's change nothing.
        """
        epoch, record = new_epoch(await self._master.time_ms()), encode_show(show)
        await self._locks.declare(show, epoch, for_sale=False, record=record, entry=entry)
        await self.announce(show=show.id)

    async def add_staff_token(self, token_id: str, *, entry: bytes = b"") -> None:
        """Declare a new staff token."""
        await self._locks.write([("HSET", keys.STAFF, (token_id, "1"))], entry=entry)

    async def revoke_staff_tokens(self, token_ids: Iterable[str]) -> None:
        """Declare that staff tokens are revoked."""
        if ids := list(token_ids):
            await self._master.command("HDEL", keys.STAFF, *ids)

    async def revoke_guest(self, owner: str) -> None:
        """Declare that no token of a guest is accepted any more."""
        await self._locks.write([("HSET", keys.REVOKED_GUESTS, (owner, "1"))])

    async def replace_staff_tokens(self, tokens: Iterable[StaffToken]) -> None:
        """Declare which staff tokens are valid; all others count as revoked. Only while reconciling the master."""
        await self._replace(keys.STAFF, [token.id for token in tokens if not token.revoked_at])

    async def replace_revoked_guests(self, owners: Iterable[str]) -> None:
        """Declare whose tokens are not accepted any more. Only while reconciling the master."""
        await self._replace(keys.REVOKED_GUESTS, owners)

    async def _replace(self, key: str, names: Iterable[str]) -> None:
        """Replace the fields of a hash in one step, so that at no moment a wrong set of names counts."""
        fields = _parts([part for name in names for part in (name, "1")])
        await self._locks.write([("DEL", key, ()), *(("HSET", key, some) for some in fields)])

    async def announce(self, **what: str) -> None:
        """Make all directories read ``what`` again: a theatre, a show, or everything if empty."""
        await self._master.command("PUBLISH", keys.DIRECTORY, orjson.dumps(what))


class Declared:
    """Finds declarations of a show that are missing or damaged on the master, and declares them again."""

    def __init__(self, ledger: Ledger, master: LockMaster, locks: SeatLocks) -> None:
        """All arguments belong to the same region."""
        self._ledger = ledger
        self._master = master
        self._locks = locks
        self._declarations = Declarations(master, locks)
        self._lengths: dict[str, int] = {}
        """The length in bytes of layouts in the ledger, by id. It is kept because a layout never changes."""

    async def missing(self, show: Show, known: Theatre | None) -> list[str]:
        """Return which records differ on the master. A layout is compared by its length only.

        ``known`` is the show's theatre in the ledger.
        """
        wanted = await self._layout_length(show.layout)
        calls = (
            ("HGET", keys.THEATRES, show.theatre),
            ("HGET", keys.SHOWS, show.id),
            ("STRLEN", keys.layout(show.layout)),
        )
        theatre, declared, length = await asyncio.gather(
            *(self._master.command(*call) for call in calls), return_exceptions=True
        )
        for reply in (theatre, declared, length):
            if isinstance(reply, BaseException) and not isinstance(reply, ResponseError):
                raise reply
        found = []
        if known is not None and readable_theatre(theatre) != known:
            found.append(f"the record of theatre {show.theatre}")
        if _read(decode_show, declared) != show:
            found.append("its declaration")
        if length != wanted:
            found.append(f"layout {show.layout}")
        return found

    async def declare_again(self, show: Show) -> None:
        """Declare a show, its theatre and its layout."""
        theatre = await self._ledger.theatre(show.region, show.theatre)
        if theatre is not None:
            await self._declarations.declare_theatre(theatre)
        blob = await self._ledger.layout_blob(show.layout)
        assert blob is not None, "layouts are never deleted"
        await self._locks.write([("SET", keys.layout(show.layout), (blob,))])
        await self._declarations.declare_terms(show)

    async def _layout_length(self, layout_id: str) -> int:
        if layout_id not in self._lengths:
            if len(self._lengths) >= _LAYOUTS_KNOWN:
                self._lengths.clear()
            self._lengths[layout_id] = len(await self._ledger.layout_blob(layout_id) or b"")
        return self._lengths[layout_id]


def _parts(fields: Sequence[str | bytes]) -> Iterator[Sequence[str | bytes]]:
    """Divide alternating fields and values into lists that fit into one command."""
    return (fields[start : start + 2 * _FIELDS] for start in range(0, len(fields), 2 * _FIELDS))


def readable_theatre(record: Any) -> Theatre | None:
    """Return the theatre of a record, None for one that is missing or can't be read."""
    theatre: Theatre | None = _read(decode_theatre, record)
    return theatre


def _read(decode: Callable[[bytes], Any], record: Any) -> Any:
    """Return a decoded record, None for one that is missing or can't be read."""
    try:
        return decode(record) if isinstance(record, bytes) else None
    except (msgspec.MsgspecError, ValueError):
        return None
