"""Tasks, each of which is delivered as a job in a queue, and commands, whose outcome a client may ask for later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import delete, func, select, update

from realtime.ledger import schema
from realtime.ledger.database import clock_ms, insert_new
from realtime.ledger.fencing import Fencing
from realtime.ledger.follow_ups import open_tasks, task_row
from realtime.ledger.rows import CommandRow, Queue, TaskRow


class Tasks(Fencing):
    """Reads tasks and commands, and records what became of them."""

    async def unfinished_tasks(self, before: int, limit: int, after: str = "") -> list[TaskRow]:
        """Return unfinished tasks that were created before a time (ms), sorted by id and beginning ``after`` an id."""
        table = schema.tasks
        query = (
            select(table)
            .where(table.c.done_at.is_(None), table.c.created_at < before, table.c.id > after)
            .where(table.c.queue.in_([queue.value for queue in Queue]))
            .order_by(table.c.id)
            .limit(limit)
        )
        async with self.snapshot() as connection:
            return [task_row(row) for row in await connection.execute(query)]

    async def task(self, task_id: str) -> TaskRow | None:
        """Return a task, None if it is not in the ledger."""
        async with self.snapshot() as connection:
            row = (await connection.execute(select(schema.tasks).where(schema.tasks.c.id == task_id))).one_or_none()
            return task_row(row) if row is not None else None

    async def open_tasks(self, subject: str) -> list[TaskRow]:
        """Return the unfinished tasks of a booking, refund or show, except those of the queue ``refunds``."""
        async with self.snapshot() as connection:
            return await open_tasks(connection, [subject])

    async def claim_task(self, task_id: str, lasts_ms: int) -> bool:
        """Claim a task for the caller, for ``lasts_ms``; return False if it is done or claimed already.

        Times are by the ledger's clock, because those of the workers may differ.
        """
        table = schema.tasks
        async with self.transaction() as connection:
            now = clock_ms(connection)
            free = (table.c.id == task_id, table.c.done_at.is_(None), table.c.claimed_until <= now)
            claimed = await connection.execute(update(table).where(*free).values(claimed_until=now + lasts_ms))
            return claimed.rowcount == 1

    async def release_task(self, task_id: str) -> None:
        """End a claim: the caller has failed, and the task may be tried again at once."""
        table = schema.tasks
        async with self.transaction() as connection:
            await connection.execute(update(table).where(table.c.id == task_id).values(claimed_until=0))

    async def finish_task(self, task_id: str, at: int, detail: str = "") -> None:
        """Record that a task is done. Idempotent: the first time is kept."""
        table = schema.tasks
        async with self.transaction() as connection:
            await connection.execute(
                update(table).where(table.c.id == task_id, table.c.done_at.is_(None)).values(done_at=at, detail=detail)
            )

    # --- commands -------------------------------------------------------------------------------------------------
    async def save_commands(self, commands: Sequence[CommandRow]) -> None:
        """Record the outcomes of some requests in one transaction; the first outcome of each request is kept."""
        if not commands:
            return
        async with self.transaction() as connection:
            await connection.execute(insert_new(connection, schema.commands), [asdict(each) for each in commands])
            await self.advance(connection)

    async def command(self, owner: str, request_id: str) -> CommandRow | None:
        """Return the outcome of an owner's request, None if it is unknown or was deleted."""
        table = schema.commands
        query = select(table).where(table.c.owner == owner, table.c.request_id == request_id)
        async with self.snapshot() as connection:
            row = (await connection.execute(query)).one_or_none()
            if row is None:
                return None
            return CommandRow(row.owner, row.request_id, row.kind, row.subject, row.outcome, row.at)

    async def outcomes_of(self, owner: str) -> int:
        """Return how many outcomes of an owner's requests are kept."""
        table = schema.commands
        async with self.snapshot() as connection:
            found = await connection.scalar(select(func.count()).select_from(table).where(table.c.owner == owner))
            return int(found or 0)

    async def delete_old(self, before: int) -> None:
        """Delete commands and ids of webhooks from before a time (ms), and leases of gates that ended before it."""
        async with self.transaction() as connection:
            await connection.execute(delete(schema.commands).where(schema.commands.c.at < before))
            received = schema.webhooks_received
            await connection.execute(delete(received).where(received.c.received_at < before))
            await connection.execute(delete(schema.gate_leases).where(schema.gate_leases.c.until < before))
