"""Webhook events about holds, which are read from the logs of shows, and the position up to which each log was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import delete, select, update

from realtime.ledger import schema
from realtime.ledger.database import Database, insert_new, parts
from realtime.ledger.fencing import check_fencing_token
from realtime.ledger.webhooks import Event, write_events

START = ""
"""Stands in place of a show: the position from which a log is read that was not read before."""


class HoldEvents(Database):
    """Reads and writes positions in the logs of shows."""

    async def log_positions(self) -> dict[str, str]:
        """Return the id of the last entry that was read of each log, by show; that of ``START`` is for all others."""
        table = schema.log_positions
        async with self.snapshot() as connection:
            return {row.show_id: row.position for row in await connection.execute(select(table))}

    async def record_hold_events(self, token: str, positions: Mapping[str, str], events: Sequence[Event]) -> None:
        """Write events with their deliveries, and how far the logs were read, in one transaction. Idempotent.

        If a target was already sent the booking of a hold, it is not sent earlier events of the hold any more. Raises
        ``StaleFencingToken``.
        """
        table, deliveries = schema.log_positions, schema.webhook_deliveries
        async with self.transaction() as connection:
            # Alone, because the booking of a hold that another keeper records at the same time must not come before
            # these events.
            await check_fencing_token(connection, token, alone=True)
            booked: set[tuple[str, str]] = set()
            for holds in parts([event.about for event in events]):
                sent = select(deliveries.c.about, deliveries.c.target).where(
                    deliveries.c.about.in_(holds), deliveries.c.type.like("booking.%")
                )
                booked.update((row.about, row.target) for row in await connection.execute(sent))
            for target in self.targets:
                await write_events(
                    connection, [event for event in events if (event.about, target.name) not in booked], [target]
                )
            for show, position in positions.items():
                await connection.execute(insert_new(connection, table).values(show_id=show, position=position))
                await connection.execute(update(table).where(table.c.show_id == show).values(position=position))

    async def forget_log_positions(self, shows: Sequence[str] | None = None) -> None:
        """Delete the positions of some shows, or all with ``START``."""
        table = schema.log_positions
        async with self.transaction() as connection:
            if shows is None:
                await connection.execute(delete(table))
            for some in parts(shows or ()):
                await connection.execute(delete(table).where(table.c.show_id.in_(some)))
