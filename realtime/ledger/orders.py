"""Orders at the gateway, with the times at which to ask about them, and the ids of the gateway's webhooks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import case, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from realtime.ledger import follow_ups, schema
from realtime.ledger.contacts import GivenContact
from realtime.ledger.database import insert_new, read_rows
from realtime.ledger.fencing import Fencing
from realtime.ledger.rows import OrderRow, OrderState, seats_of

NAMED = -1
"""The value of ``checks`` for an order that a webhook has named since the last question: somebody may have paid it."""


class Orders(Fencing):
    """Reads and records orders. A booking or a refund of an order's payment settles the order (``ledger.money``)."""

    async def save_orders(self, orders: Sequence[OrderRow], contacts: Sequence[GivenContact] = ()) -> None:
        """Record orders in one transaction; known orders stay as they are.

        ``contacts`` came with them, and are recorded also for known orders.
        """
        # Sorted, so that keepers that record the same orders can't deadlock.
        rows = [_order_values(order) for order in sorted(orders, key=lambda order: order.id)]
        async with self.transaction() as connection:
            if rows:
                await connection.execute(insert_new(connection, schema.orders), rows)
            await follow_ups.record_contacts(connection, contacts)
            await self.advance(connection)

    async def order(self, order_id: str) -> OrderRow | None:
        """Return an order, None if there is no such order."""
        async with self.snapshot() as connection:
            row = (await connection.execute(select(schema.orders).where(schema.orders.c.id == order_id))).one_or_none()
            return _order(row) if row is not None else None

    async def claim_due_orders(self, now: int, retry_at: int, limit: int) -> list[OrderRow]:
        """Return orders whose ``check_at`` has come; set it to ``retry_at``, so that no other keeper takes them.

        Orders that a webhook has named come first, because there may be thousands of others, most of them unpaid.
        """
        table = schema.orders
        due = (
            select(table)
            .where(table.c.check_at > 0, table.c.check_at <= now)
            .order_by(case((table.c.checks == NAMED, 0), else_=1), table.c.check_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        async with self.transaction() as connection:
            rows = (await connection.execute(due)).all()
            if rows:
                ids = [row.id for row in rows]
                await connection.execute(update(table).where(table.c.id.in_(ids)).values(check_at=retry_at))
            return [replace(order, check_at=retry_at) for order in read_rows(rows, _order)]

    async def order_due(self, order_id: str, at: int) -> None:
        """Have the gateway asked at ``at`` (ms) about an order that a webhook has named, whatever its state.

        It comes before other orders, and after that with the pauses of a new order.
        """
        table = schema.orders
        async with self.transaction() as connection:
            await connection.execute(update(table).where(table.c.id == order_id).values(check_at=at, checks=NAMED))
            await self.advance(connection)

    async def order_checked(self, order: OrderRow, check_at: int, detail: str, *, answered: bool = True) -> None:
        """Record the gateway's answer about an order, and when to ask again (0: never).

        With 0, an order that is still open becomes ``unpaid``. If the gateway has not ``answered``, an order that a
        webhook has named still comes before others. If ``order_due`` was called since ``order`` was read, the gateway's
        answer may be older than the webhook, so the time that ``order_due`` has set is kept.
        """
        table = schema.orders
        changed = update(table).where(table.c.id == order.id)
        unchanged = changed.where(table.c.check_at == order.check_at)
        checks = NAMED if order.checks == NAMED and not answered else table.c.checks + 1
        async with self.transaction() as connection:
            await connection.execute(changed.values(detail=detail[:500]))
            if check_at == 0:
                still_open = table.c.state == OrderState.OPEN.value
                await connection.execute(unchanged.where(still_open).values(state=OrderState.UNPAID.value))
            await connection.execute(unchanged.values(check_at=check_at, checks=checks))

    async def orders_of_hold(self, hold: str, amount: int) -> list[OrderRow]:
        """Return the orders of a hold that have this amount (paise), the newest first."""
        table = schema.orders
        query = select(table).where(table.c.hold_id == hold, table.c.amount == amount)
        async with self.snapshot() as connection:
            return read_rows(await connection.execute(query.order_by(table.c.created_at.desc())), _order)

    async def new_webhook(self, event_id: str, at: int) -> bool:
        """Record the id of a webhook; return whether it is new. Call it after the webhook was processed."""
        try:
            async with self.transaction() as connection:
                await connection.execute(insert(schema.webhooks_received).values(id=event_id, received_at=at))
                await self.advance(connection)
        except IntegrityError:
            return False
        return True

    async def knows_webhook(self, event_id: str) -> bool:
        """Return whether a webhook was processed before."""
        table = schema.webhooks_received
        async with self.snapshot() as connection:
            return await connection.scalar(select(table.c.id).where(table.c.id == event_id)) is not None


def _order_values(order: OrderRow) -> dict[str, Any]:
    return {
        "id": order.id,
        "hold_id": order.hold,
        "show_id": order.show_id,
        "owner": order.owner,
        "seats": ",".join(map(str, order.seats)),
        "amount": order.amount,
        "state": order.state.value,
        "created_at": order.created_at,
        "check_at": order.check_at,
        "checks": order.checks,
        "detail": order.detail,
    }


async def open_orders(connection: AsyncConnection) -> tuple[int, int]:
    """Return how many orders are open, and when the oldest of them was created (ms; 0 if there is none)."""
    table = schema.orders
    query = select(func.count(), func.min(table.c.created_at)).where(table.c.state == OrderState.OPEN.value)
    count, oldest = (await connection.execute(query)).one()
    return int(count), int(oldest or 0)


def _order(row: Any) -> OrderRow:
    return OrderRow(
        row.id,
        row.hold_id,
        row.show_id,
        row.owner,
        seats_of(row.seats),
        row.amount,
        OrderState(row.state),
        row.created_at,
        row.check_at,
        row.checks,
        row.detail,
    )
