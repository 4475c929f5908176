"""What must happen after a booking, a cancellation or a refund: tasks, written in the transaction of the caller.

The id of a task is derived from its subject, so writing a task again changes nothing. Keepers and workers add the
tasks' jobs after the commit (``realtime.jobs``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from realtime.clock import now_ms
from realtime.ledger import schema
from realtime.ledger.contacts import GivenContact, holds_with_address, save_contacts
from realtime.ledger.database import insert_new
from realtime.ledger.rows import AnalyticsKind, NewBooking, NewExchange, Queue, RefundRow, TaskRow, task_id
from realtime.ledger.targets import EventType, Target
from realtime.ledger.webhooks import Event, write_events
from realtime.model import SalesState, Show, booking_of, hold_of
from realtime.payments.service import CURRENCY
from realtime.tickets.data import MailKind
from realtime.wire.shows import show_payload


async def after_bookings(
    connection: AsyncConnection, bookings: Sequence[NewBooking], targets: Sequence[Target]
) -> None:
    """Write the tasks of bookings that were just inserted, and the webhooks to ``targets``."""
    tasks = [task(Queue.TICKETS, b.id) for b in bookings]
    tasks += [task(Queue.ANALYTICS, b.id, AnalyticsKind.BOOKED.value) for b in bookings]
    reachable = await holds_with_address(connection, [hold_of(b.id) for b in bookings])
    tasks += [task(Queue.MAIL, b.id, MailKind.TICKET.value) for b in bookings if hold_of(b.id) in reachable]
    await write_tasks(connection, tasks)
    await write_events(connection, [_confirmed(booking) for booking in bookings], targets)


async def after_cancellation(
    connection: AsyncConnection, booking: str, show: str, at: int, targets: Sequence[Target]
) -> None:
    """Write the tasks of a booking that was just cancelled. Its refund is written by ``money.insert_refund``."""
    hold = hold_of(booking)
    tasks = [task(Queue.ANALYTICS, booking, AnalyticsKind.CANCELLED.value)]
    if await holds_with_address(connection, [hold]):
        tasks.append(task(Queue.MAIL, booking, MailKind.CANCELLED.value))
    await write_tasks(connection, tasks)
    data = {"booking": booking, "hold": hold, "show": show, "cancelled_at": at}
    await write_events(connection, [Event(EventType.BOOKING_CANCELLED, hold, booking, at, data)], targets)


async def after_exchange(
    connection: AsyncConnection,
    booking: Any,
    move: NewExchange,
    before: Sequence[tuple[str, int]],
    targets: Sequence[Target],
) -> None:
    """Write the tasks of a booking (its row) that was just moved to other seats: its ticket is drawn and sent again."""
    hold = hold_of(booking.id)
    tasks = [task(Queue.TICKETS, booking.id, sequence=move.sequence)]
    if await holds_with_address(connection, [hold]):
        tasks.append(task(Queue.MAIL, booking.id, MailKind.TICKET.value, move.sequence))
    await write_tasks(connection, tasks)
    data = {
        "booking": booking.id,
        "hold": hold,
        "show": booking.show_id,
        "seats": [seat for seat, _index in move.seats],
        "seats_before": [seat for seat, _index in before],
        "exchanged_at": move.at,
    }
    key = f"{booking.id} {move.sequence}"
    await write_events(connection, [Event(EventType.BOOKING_EXCHANGED, hold, booking.id, move.at, data, key)], targets)


async def after_refund(connection: AsyncConnection, refund: RefundRow, at: int, targets: Sequence[Target]) -> None:
    """Write the tasks of a refund that was just made."""
    await write_tasks(connection, [task(Queue.ANALYTICS, refund.id, AnalyticsKind.REFUNDED.value)])
    await mail_about_refund(connection, refund)
    data = {
        "refund": refund.id,
        "hold": refund.hold,
        "show": refund.show_id,
        "payment": refund.payment,
        "amount": refund.amount,
        "currency": CURRENCY,
        "reason": refund.reason.value,
        "completed_at": at,
    }
    await write_events(connection, [Event(EventType.REFUND_COMPLETED, refund.hold, refund.id, at, data)], targets)


async def mail_about_refund(connection: AsyncConnection, refund: RefundRow) -> None:
    """Write the task of the mail about a refund that was made, unless the amount is 0, as for a free booking."""
    if refund.amount and await holds_with_address(connection, [refund.hold]):
        await write_tasks(connection, [task(Queue.MAIL, refund.id, MailKind.REFUNDED.value)])


async def after_show_change(connection: AsyncConnection, show: Show, at: int, targets: Sequence[Target]) -> None:
    """Write the webhooks about a show that is new or has changed."""
    status = "live" if show.sales is SalesState.OPEN else show.sales.value
    data = {"show": show_payload(show, status), "changed_at": at}
    event = Event(EventType.SHOW_CHANGED, show.id, show.id, at, data, f"{show.id} {at}")
    await write_events(connection, [event], targets)


def _confirmed(booking: NewBooking) -> Event:
    hold = hold_of(booking.id)
    data = {
        "booking": booking.id,
        "hold": hold,
        "show": booking.show_id,
        "seats": [seat for seat, _index in booking.seats],
        "payment": booking.payment,
        "amount": booking.amount,
        "currency": CURRENCY,
        "confirmed_at": booking.confirmed_at,
    }
    return Event(EventType.BOOKING_CONFIRMED, hold, booking.id, booking.confirmed_at, data)


async def record_contacts(connection: AsyncConnection, given: Sequence[GivenContact]) -> None:
    """Record contacts. If a booking was recorded before its contact came, its mail is due now."""
    if not given:
        return
    await save_contacts(connection, given)
    reachable = await holds_with_address(connection, [each.hold for each in given])
    table = schema.bookings
    query = select(table.c.id).where(table.c.id.in_([booking_of(hold) for hold in reachable]))
    rows = await connection.execute(query)
    await write_tasks(connection, [task(Queue.MAIL, row.id, MailKind.TICKET.value) for row in rows])


def task(queue: Queue, subject: str, kind: str = "", sequence: int = 0) -> dict[str, Any]:
    """Return the row of a new task; ``sequence`` distinguishes the tasks after each exchange of seats.

    ``created_at`` is by this machine's clock, because keepers compare it with theirs. A lock master's may be wrong.
    """
    return {
        "id": task_id(queue, subject, kind, sequence),
        "queue": queue.value,
        "subject": subject,
        "created_at": now_ms(),
        "done_at": None,
        "detail": "",
        "kind": kind,
    }


async def write_tasks(connection: AsyncConnection, tasks: Sequence[dict[str, Any]]) -> None:
    """Insert those of some tasks that are not there yet."""
    if tasks:
        await connection.execute(insert_new(connection, schema.tasks), list(tasks))


async def open_tasks(connection: AsyncConnection, subjects: Sequence[str]) -> list[TaskRow]:
    """Return the unfinished tasks of some bookings and refunds, except those of the queue ``refunds``."""
    table = schema.tasks
    query = select(table).where(table.c.subject.in_(subjects), table.c.done_at.is_(None))
    rows = await connection.execute(query.where(table.c.queue.in_([queue.value for queue in Queue])))
    return [task_row(row) for row in rows if row.queue != Queue.REFUNDS.value]


def task_row(row: Any) -> TaskRow:
    """Return a row of the table as a value."""
    return TaskRow(row.id, Queue(row.queue), row.subject, row.created_at, row.done_at, row.detail, row.kind)
