"""Counts by show and hour that come from nodes and the lock master: viewers, holds, conflicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from realtime.ledger import schema
from realtime.ledger.database import Database, insert_new
from realtime.ledger.fencing import check_fencing_token

NAMES = ("viewers", "holds", "conflicts")


@dataclass(frozen=True, slots=True)
class HourCount:
    """How often something happened to a show in the hour from ``hour`` (ms). ``name`` is ``holds`` or ``conflicts``."""

    show: str
    hour: int
    name: str
    count: int


class HourCounts(Database):
    """Adds up counts."""

    async def add_hour_counts(self, token: str, batch: str, counts: Sequence[HourCount], at: int) -> None:
        """Add the counts of a batch; idempotent per batch. Raises ``StaleFencingToken``."""
        async with self.transaction() as connection:
            await check_fencing_token(connection, token)
            new = await connection.execute(
                insert_new(connection, schema.figure_batches).values(id=batch, recorded_at=at)
            )
            if not new.rowcount:
                return
            await _insert_hours(connection, [(each.show, each.hour) for each in counts])
            table = schema.show_hours
            for name in ("holds", "conflicts"):
                added = [{"of": c.show, "at": c.hour, "count": c.count} for c in counts if c.name == name]
                if added:
                    values = {name: table.c[name] + bindparam("count")}
                    await connection.execute(update(table).where(*_THE_HOUR).values(values), added)

    async def raise_viewers(self, hour: int, viewers: Mapping[str, int]) -> None:
        """Record how many people watch each show at one moment of an hour; the ledger keeps the highest number."""
        if not viewers:
            return
        table = schema.show_hours
        async with self.transaction() as connection:
            await _insert_hours(connection, [(show, hour) for show in viewers])
            higher = update(table).where(*_THE_HOUR, table.c.viewers < bindparam("count"))
            rows = [{"of": show, "at": hour, "count": count} for show, count in viewers.items()]
            await connection.execute(higher.values(viewers=bindparam("count")), rows)

    async def delete_figure_batches(self, before: int) -> None:
        """Forget the batches that were added before a time (ms), early enough that none of them is sent again."""
        table = schema.figure_batches
        async with self.transaction() as connection:
            await connection.execute(delete(table).where(table.c.recorded_at < before))


_THE_HOUR = (schema.show_hours.c.show_id == bindparam("of"), schema.show_hours.c.hour == bindparam("at"))


async def _insert_hours(connection: AsyncConnection, hours: Sequence[tuple[str, int]]) -> None:
    zeros = dict.fromkeys(NAMES, 0)
    rows = [{"show_id": show, "hour": hour, **zeros} for show, hour in sorted(set(hours))]
    if rows:
        await connection.execute(insert_new(connection, schema.show_hours), rows)


def hour_counts(since: int, until: int, show: str) -> Select[Any]:
    """Return the query for the hours that begin in ``since`` <= t < ``until``, of one show or (``""``) all."""
    table = schema.show_hours
    query = select(table).where(table.c.hour >= since, table.c.hour < until)
    return query.where(table.c.show_id == show) if show else query
