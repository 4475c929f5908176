"""Theatres, layouts, shows and blocked seats: what a region has declared, and from which an empty master is rebuilt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from sqlalchemy import Row, Table, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from realtime.clock import now_ms
from realtime.ledger import follow_ups, schema
from realtime.ledger.database import insert_new, parts, read_rows
from realtime.ledger.fencing import Fencing, check_fencing_token
from realtime.ledger.rows import over_at
from realtime.model import SalesState, Show, Theatre
from realtime.wire.shows import Unreadable, decode_show, encode_show, read_record

StillOurs: TypeAlias = Callable[[], Awaitable[None]]
"""A check that raises if another keeper has finished the command in the meantime. It is called with the show locked, so
nobody changes the show between the check and the commit, and a keeper that was frozen undoes no later command."""


class Declarations(Fencing):
    """Reads and records declarations. Every write may be repeated.

    Writes that can undo each other take the fencing token under which they were decided (None: any), and raise
    ``StaleFencingToken``: a keeper that was frozen or cut off must not undo what another keeper has recorded since.
    """

    async def save_theatre(
        self, theatre: Theatre, token: str | None = None, still_ours: StillOurs | None = None
    ) -> None:
        """Record a theatre, or a new name and city of it. Raises what ``still_ours`` raises."""
        values = {"name": theatre.name, "city": theatre.city, "address": theatre.address}
        async with self.transaction() as connection:
            await _begin_theatre_command(connection, theatre.id, token, still_ours)
            await self._save_in(connection, schema.theatres, theatre.id, values)

    async def remove_theatre(
        self, theatre_id: str, token: str | None = None, still_ours: StillOurs | None = None
    ) -> int | None:
        """Delete a theatre if it has no shows. Return how many it has; None if there is no such theatre.

        Raises what ``still_ours`` raises.
        """
        theatres, shows = schema.theatres, schema.shows
        async with self.transaction() as connection:
            if not await _begin_theatre_command(connection, theatre_id, token, still_ours):
                return None
            count = await connection.scalar(select(func.count()).where(shows.c.theatre_id == theatre_id))
            if not count:
                await connection.execute(delete(theatres).where(theatres.c.id == theatre_id))
                await self.advance(connection)
            return int(count or 0)

    async def save_layout(self, layout_id: str, blob: bytes) -> None:
        """Record a layout (``wire.layouts.encode_layout``); its id is the hash of its content, so it can't change."""
        async with self.transaction() as connection:
            await self._save_in(connection, schema.layouts, layout_id, {"blob": blob})

    async def save_show(self, show: Show) -> Show:
        """Record a show, or changes of it; return it as recorded. Each change is sent to the targets of webhooks."""
        async with self.transaction() as connection:
            if await _insert_show(connection, show):
                return await self._revise(connection, show)
            return await self._write_show(connection, await _lock_show(connection, show.id), show)

    async def add_show(self, show: Show, token: str | None = None, still_ours: StillOurs | None = None) -> Show | None:
        """Record a new show; return it as recorded, or None and change nothing if there is a show with this id.

        Raises what ``still_ours`` raises.
        """
        async with self.transaction() as connection:
            await _begin_command(connection, show.id, token, still_ours)
            return await self._revise(connection, show) if await _insert_show(connection, show) else None

    async def change_show(
        self,
        show_id: str,
        change: Callable[[Show], Show],
        token: str | None = None,
        still_ours: StillOurs | None = None,
    ) -> Show | None:
        """Record the show that ``change`` makes of the present one; return it as recorded, None if there is none.

        Raises ``wire.shows.Unreadable``, and what ``change`` and ``still_ours`` raise.
        """
        async with self.transaction() as connection:
            body = await _begin_command(connection, show_id, token, still_ours)
            if body is None:
                return None
            return await self._write_show(connection, body, change(decode_show(body)))

    async def _write_show(self, connection: AsyncConnection, before: bytes | None, show: Show) -> Show:
        known, table = _readable(before), schema.shows
        changed = known != show
        if known is not None and known.revision and not changed:
            await self.advance(connection)
            return known
        await connection.execute(update(table).where(table.c.id == show.id).values(_values(show)))
        return await self._revise(connection, show, changed=changed)

    async def _revise(self, connection: AsyncConnection, show: Show, *, changed: bool = True) -> Show:
        """Give a show that was just written its revision, and notify targets of webhooks if it has changed."""
        if changed:
            await follow_ups.after_show_change(connection, show, now_ms(), self.targets)
        # If it is recorded again from a master, its revision must not be lower than the master's.
        show = replace(show, revision=max(show.revision, await self.advance(connection)))
        table = schema.shows
        await connection.execute(update(table).where(table.c.id == show.id).values(body=encode_show(show)))
        return show

    async def _save_in(self, connection: AsyncConnection, table: Table, key: str, values: dict[str, Any]) -> None:
        changed = await connection.execute(update(table).where(table.c.id == key).values(values))
        if changed.rowcount == 0:
            await connection.execute(insert_new(connection, table).values(id=key, **values))
        await self.advance(connection)

    async def theatres(self, region: str) -> list[Theatre]:
        """Return all theatres; the ledger is ``region``'s."""
        async with self.snapshot() as connection:
            return await theatres_in(connection, region)

    async def theatre(self, region: str, theatre_id: str) -> Theatre | None:
        """Return a theatre, None if this region has not declared it."""
        return next((theatre for theatre in await self.theatres(region) if theatre.id == theatre_id), None)

    async def layout_ids(self) -> list[str]:
        """Return the ids of all layouts."""
        async with self.snapshot() as connection:
            return list((await connection.execute(select(schema.layouts.c.id))).scalars())

    async def layout_blob(self, layout_id: str) -> bytes | None:
        """Return a layout's blob, None if there is no such layout."""
        query = select(schema.layouts.c.blob).where(schema.layouts.c.id == layout_id)
        async with self.snapshot() as connection:
            blob: bytes | None = (await connection.execute(query)).scalar_one_or_none()
            return blob

    async def shows(self) -> list[Show]:
        """Return all shows whose record can be read."""
        async with self.snapshot() as connection:
            return read_rows(await connection.execute(select(schema.shows.c.id, schema.shows.c.body)), _read_show)

    async def active_show_ids(self) -> list[str]:
        """Return the ids of the shows that are not archived, the soonest first."""
        table = schema.shows
        query = select(table.c.id).where(table.c.archived_at.is_(None)).order_by(table.c.over_at)
        async with self.snapshot() as connection:
            return list((await connection.execute(query)).scalars())

    async def active_shows(self) -> list[Show]:
        """Return the shows that are not archived and whose record can be read, the soonest first."""
        return (await self.active_records())[0]

    async def active_records(self) -> tuple[list[Show], dict[str, bytes]]:
        """Return ``active_shows``, and the records of active shows that can't be read, by id."""
        table = schema.shows
        query = select(table.c.id, table.c.body).where(table.c.archived_at.is_(None)).order_by(table.c.over_at)
        async with self.snapshot() as connection:
            rows = list(await connection.execute(query))
        shows = read_rows(rows, _read_show)
        known = {show.id for show in shows}
        return shows, {row.id: row.body for row in rows if row.id not in known}

    async def shows_of(self, ids: Sequence[str]) -> list[Show]:
        """Return those of some shows that are in the ledger and whose record can be read."""
        if not ids:
            return []
        async with self.snapshot() as connection:
            return await shows_in(connection, ids)

    async def shows_over(self, before: int, limit: int) -> list[str]:
        """Return shows that are not archived and were over before a time (ms)."""
        table = schema.shows
        due = (table.c.archived_at.is_(None), table.c.over_at > 0, table.c.over_at < before)
        query = select(table.c.id).where(*due).order_by(table.c.over_at).limit(limit)
        async with self.snapshot() as connection:
            return list((await connection.execute(query)).scalars())

    async def archive_shows(self, ids: Sequence[str], at: int) -> None:
        """Record that no master has these shows any more. Idempotent."""
        table = schema.shows
        async with self.transaction() as connection:
            for some in parts(ids):
                here = (table.c.id.in_(some), table.c.archived_at.is_(None))
                await connection.execute(update(table).where(*here).values(archived_at=at))
            await self.advance(connection)

    async def archived_of(self, ids: Sequence[str]) -> list[str]:
        """Return those of some shows that are archived."""
        table, found = schema.shows, []
        async with self.snapshot() as connection:
            for some in parts(ids):
                query = select(table.c.id).where(table.c.id.in_(some), table.c.archived_at.is_not(None))
                found += list((await connection.execute(query)).scalars())
        return found

    async def is_archived(self, show_id: str) -> bool:
        """Return whether a show is in the ledger and archived."""
        table = schema.shows
        query = select(table.c.id).where(table.c.id == show_id, table.c.archived_at.is_not(None))
        async with self.snapshot() as connection:
            return await connection.scalar(query) is not None

    async def show(self, show_id: str) -> Show | None:
        """Return a show, None if there is no such show. Raises ``wire.shows.Unreadable``."""
        query = select(schema.shows.c.body).where(schema.shows.c.id == show_id)
        async with self.snapshot() as connection:
            body = (await connection.execute(query)).scalar_one_or_none()
            return decode_show(body) if body is not None else None

    async def set_sales(
        self, show_id: str, sales: SalesState, token: str | None = None, still_ours: StillOurs | None = None
    ) -> Show | None:
        """Record the sales state; see ``change_show``."""
        return await self.change_show(show_id, lambda show: replace(show, sales=sales), token, still_ours)

    # --- blocked seats --------------------------------------------------------------------------------------------
    async def block(
        self,
        show_id: str,
        seats: Sequence[tuple[str, int]],
        reason: str = "",
        at: int = 0,
        token: str | None = None,
        still_ours: StillOurs | None = None,
    ) -> None:
        """Record that seats (id, index) are not for sale, with the reason and the time of the decision (ms)."""
        table = schema.blocked_seats
        more = {"show_id": show_id, "reason": reason, "blocked_at": at}
        rows = [{"seat": seat, "seat_index": index, **more} for seat, index in seats]
        async with self.transaction() as connection:
            await _begin_command(connection, show_id, token, still_ours)
            for part in parts([seat for seat, _index in seats]):
                await connection.execute(delete(table).where(table.c.show_id == show_id, table.c.seat.in_(part)))
            if rows:
                await connection.execute(insert_new(connection, table), rows)
            await self.advance(connection)

    async def unblock(
        self, show_id: str, seats: Sequence[str], token: str | None = None, still_ours: StillOurs | None = None
    ) -> None:
        """Record seats as for sale again."""
        table = schema.blocked_seats
        async with self.transaction() as connection:
            await _begin_command(connection, show_id, token, still_ours)
            for part in parts(seats):
                await connection.execute(delete(table).where(table.c.show_id == show_id, table.c.seat.in_(part)))
            await self.advance(connection)

    async def blocks(self, show_id: str) -> list[tuple[str, str, int]]:
        """Return the blocked seats of a show in plan order: id, reason, and since when (ms; 0 if unknown)."""
        table = schema.blocked_seats
        query = select(table.c.seat, table.c.reason, table.c.blocked_at).where(table.c.show_id == show_id)
        async with self.snapshot() as connection:
            return [tuple(row) for row in await connection.execute(query.order_by(table.c.seat_index))]


async def theatres_in(connection: AsyncConnection, region: str) -> list[Theatre]:
    """Do what ``Declarations.theatres`` does, in the transaction of the caller."""
    rows = await connection.execute(select(schema.theatres))
    return [Theatre(row.id, row.name, row.city, region, row.address) for row in rows]


async def shows_in(connection: AsyncConnection, ids: Sequence[str]) -> list[Show]:
    """Do what ``Declarations.shows_of`` does, in the transaction of the caller."""
    table = schema.shows
    found: list[Show] = []
    for some in parts(ids):
        query = select(table.c.id, table.c.body).where(table.c.id.in_(some))
        found += read_rows(await connection.execute(query), _read_show)
    return found


async def _begin_command(
    connection: AsyncConnection, show_id: str, token: str | None, still_ours: StillOurs | None
) -> bytes | None:
    """Check that this keeper may carry out a command about a show; return what ``_lock_show`` returns."""
    await check_fencing_token(connection, token)
    body = await _lock_show(connection, show_id)
    if still_ours is not None:
        await still_ours()
    return body


async def _begin_theatre_command(
    connection: AsyncConnection, theatre_id: str, token: str | None, still_ours: StillOurs | None
) -> bool:
    """Do the same for a command about a theatre; return whether it exists. Nobody else changes it before the commit."""
    await check_fencing_token(connection, token)
    # This lock lets others record shows that refer to the theatre meanwhile.
    query = select(schema.theatres.c.id).where(schema.theatres.c.id == theatre_id).with_for_update(key_share=True)
    known = await connection.scalar(query)
    if still_ours is not None:
        await still_ours()
    return known is not None


async def _insert_show(connection: AsyncConnection, show: Show) -> bool:
    """Insert a show; return False if there is one with its id. Waits for a keeper that inserts it at the same time."""
    values = {"id": show.id, **_values(show)}
    inserted = await connection.execute(insert_new(connection, schema.shows).values(values))
    return inserted.rowcount > 0


def _values(show: Show) -> dict[str, Any]:
    return {
        "theatre_id": show.theatre,
        "layout_id": show.layout,
        "starts_at": show.starts_at,
        "sales": show.sales.value,
        "body": encode_show(show),
        "over_at": over_at(show.starts_at),
    }


async def _lock_show(connection: AsyncConnection, show_id: str) -> bytes | None:
    """Lock and return the record of a show, so that nobody else changes it before the commit; None if there is none.

    The lock lets others record bookings, which refer to the show, meanwhile.
    """
    table = schema.shows
    query = select(table.c.body).where(table.c.id == show_id).with_for_update(key_share=True)
    body: bytes | None = await connection.scalar(query)
    return body


def _readable(body: bytes | None) -> Show | None:
    try:
        return None if body is None else decode_show(body)
    except Unreadable:
        return None


def _read_show(row: Row[tuple[str, bytes]]) -> Show:
    return read_record(decode_show, row.id, row.body)
