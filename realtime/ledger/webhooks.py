"""Webhooks to the shop's systems: events, their deliveries, and the log of attempts.

An event is written in the same transaction as the change that it reports, with one delivery and one task for each
target that wants it. Deliveries are numbered in the order in which they are written. Deliveries about the same hold, or
about the same show, are made in this order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import orjson
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from realtime import limits
from realtime.clock import now_ms
from realtime.ledger import schema
from realtime.ledger.database import insert_new, read_rows
from realtime.ledger.fencing import Fencing
from realtime.ledger.rows import Queue, task_id
from realtime.ledger.targets import EventType, Target

DELIVERY_MS = 24 * 3600 * 1000
"""For how long a delivery is tried."""


class DeliveryState(StrEnum):
    """Whether a target has accepted an event."""

    OPEN = "open"
    DONE = "done"
    FAILED = "failed"
    """The delivery was given up; an operator may have it tried again."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at a time (ms). ``subject`` is the booking, refund or show.

    ``about`` is the hold or the show whose events are delivered in order. ``key`` distinguishes events of one type; by
    default it is the subject.
    """

    type: EventType
    about: str
    subject: str
    at: int
    data: Mapping[str, Any]
    key: str = ""

    @property
    def id(self) -> str:
        """The id of the event, the same however often it is written."""
        digest = hashlib.sha256(f"{self.type.value} {self.key or self.subject}".encode()).hexdigest()
        return f"evt_{digest[:24]}"

    def body(self) -> bytes:
        """Return the body that targets are sent."""
        time = datetime.fromtimestamp(self.at / 1000, UTC).isoformat().replace("+00:00", "Z")
        return orjson.dumps({"type": self.type.value, "timestamp": time, "data": self.data})


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request to a target. ``status`` is the HTTP status, 0 without an answer."""

    at: int
    status: int
    duration_ms: int
    detail: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event on its way to one target; ``id`` is also that of its task. Times are ms."""

    id: str
    number: int
    event: str
    type: str
    target: str
    about: str
    subject: str
    body: bytes
    state: DeliveryState
    detail: str
    created_at: int
    give_up_at: int
    attempts: tuple[Attempt, ...] = ()


class WebhookDeliveries(Fencing):
    """Reads and records deliveries."""

    async def delivery(self, delivery_id: str) -> Delivery | None:
        """Return a delivery, None if it is not here."""
        table = schema.webhook_deliveries
        async with self.snapshot() as connection:
            row = (await connection.execute(select(table).where(table.c.id == delivery_id))).one_or_none()
            return _delivery(row) if row is not None else None

    async def open_deliveries_before(self, delivery: Delivery) -> list[Delivery]:
        """Return, in order, the earlier open deliveries to the same target about the same hold or show."""
        table = schema.webhook_deliveries
        query = select(table).where(
            table.c.about == delivery.about,
            table.c.target == delivery.target,
            table.c.state == DeliveryState.OPEN.value,
            table.c.number < delivery.number,
        )
        async with self.snapshot() as connection:
            return [_delivery(row) for row in await connection.execute(query.order_by(table.c.number))]

    async def record_attempt(self, delivery_id: str, attempt: Attempt, state: DeliveryState) -> None:
        """Add an attempt to the log of a delivery, and record the delivery's new state, unless it is done already."""
        table = schema.webhook_deliveries
        async with self.transaction() as connection:
            await connection.execute(
                insert(schema.webhook_attempts).values(
                    delivery_id=delivery_id,
                    at=attempt.at,
                    status=attempt.status,
                    duration_ms=attempt.duration_ms,
                    detail=attempt.detail[:200],
                )
            )
            await connection.execute(
                update(table)
                .where(table.c.id == delivery_id, table.c.state != DeliveryState.DONE.value)
                .values(state=state.value, detail=attempt.detail[:200])
            )

    async def reopen_delivery(self, delivery_id: str, at: int) -> None:
        """Reopen a delivery that was made or given up, and its task. It is then tried for another day."""
        table, tasks = schema.webhook_deliveries, schema.tasks
        async with self.transaction() as connection:
            values = {"state": DeliveryState.OPEN.value, "give_up_at": at + DELIVERY_MS}
            await connection.execute(update(table).where(table.c.id == delivery_id).values(**values))
            again = {"done_at": None, "claimed_until": 0}
            await connection.execute(update(tasks).where(tasks.c.id == delivery_id).values(**again))
            await self.advance(connection)

    async def deliveries(self, *, about: str = "", state: str = "", limit: int = 100) -> list[Delivery]:
        """Return deliveries with their attempts, the newest first."""
        table, attempts = schema.webhook_deliveries, schema.webhook_attempts
        query = select(table).order_by(table.c.number.desc()).limit(min(limit, limits.MAX_LISTED))
        if about:
            query = query.where(table.c.about == about)
        if state:
            query = query.where(table.c.state == state)
        async with self.snapshot() as connection:
            rows = (await connection.execute(query)).all()
            log: dict[str, list[Attempt]] = {row.id: [] for row in rows}
            made = select(attempts).where(attempts.c.delivery_id.in_(log)).order_by(attempts.c.id)
            for each in await connection.execute(made):
                log[each.delivery_id].append(Attempt(each.at, each.status, each.duration_ms, each.detail))
        return read_rows(rows, lambda row: _delivery(row, tuple(log[row.id])))

    async def delete_old_deliveries(self, before: int) -> None:
        """Delete deliveries that were made or given up, and their attempts, from before a time (ms)."""
        table, attempts = schema.webhook_deliveries, schema.webhook_attempts
        tasks = schema.tasks
        over = select(table.c.id).where(table.c.created_at < before, table.c.state != DeliveryState.OPEN.value)
        async with self.transaction() as connection:
            given_up = (tasks.c.id.in_(over), tasks.c.done_at.is_(None))
            await connection.execute(update(tasks).where(*given_up).values(done_at=before, detail="given up"))
            await connection.execute(delete(attempts).where(attempts.c.delivery_id.in_(over)))
            await connection.execute(delete(table).where(table.c.id.in_(over)))


async def write_events(connection: AsyncConnection, events: Sequence[Event], targets: Sequence[Target]) -> None:
    """Write the deliveries and tasks of events, in the transaction of the caller. Existing ones stay as they are."""
    wanted = [(event, target) for event in events for target in targets if target.wants(event.type)]
    if not wanted:
        return
    deliveries = [_new_delivery(event, target) for event, target in wanted]
    tasks = [
        {
            "id": delivery["id"],
            "queue": Queue.WEBHOOKS.value,
            "subject": delivery["subject"],
            "created_at": delivery["created_at"],
            "done_at": None,
            "detail": "",
            "kind": delivery["type"],
        }
        for delivery in deliveries
    ]
    await connection.execute(insert_new(connection, schema.webhook_deliveries), deliveries)
    await connection.execute(insert_new(connection, schema.tasks), tasks)


def _new_delivery(event: Event, target: Target) -> dict[str, Any]:
    now = now_ms()  # by this machine's clock, because workers compare it with theirs, and a lock master's may be wrong
    return {
        "id": task_id(Queue.WEBHOOKS, event.id, target.name),
        "event": event.id,
        "type": event.type.value,
        "target": target.name,
        "about": event.about,
        "subject": event.subject,
        "body": event.body(),
        "state": DeliveryState.OPEN.value,
        "detail": "",
        "created_at": now,
        "give_up_at": now + DELIVERY_MS,
    }


def _delivery(row: Any, attempts: tuple[Attempt, ...] = ()) -> Delivery:
    return Delivery(
        row.id,
        row.number,
        row.event,
        row.type,
        row.target,
        row.about,
        row.subject,
        row.body,
        DeliveryState(row.state),
        row.detail,
        row.created_at,
        row.give_up_at,
        attempts,
    )
