"""Orders at the gateway, and the gateway's events: which payments may still come, and when to ask about them."""

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
"""``checks`` of an order that the gateway has named since it was asked last: maybe somebody has paid it."""


class Orders(Fencing):
    """Reads and records orders; a booking or a refund of one settles it (``ledger.money``)."""

    async def save_orders(self, orders: Sequence[OrderRow], contacts: Sequence[GivenContact] = ()) -> None:
        """Record orders in one transaction; those that are known are left as they are.

        ``contacts`` came with them and are recorded in any case.
        """
        # In one sequence, so that keepers that record the same orders wait for each other in one direction only.
        rows = [_order_values(order) for order in sorted(orders, key=lambda order: order.id)]
        async with self.transaction() as connection:
            if rows:
                await connection.execute(insert_new(connection, schema.orders), rows)
            await follow_ups.record_contacts(connection, contacts)
            await self.advance(connection)

    async def order(self, order_id: str) -> OrderRow | None:
        """Return an order, None if it is not here."""
        async with self.snapshot() as connection:
            row = (await connection.execute(select(schema.orders).where(schema.orders.c.id == order_id))).one_or_none()
            return _order(row) if row is not None else None

    async def claim_due_orders(self, now: int, retry_at: int, limit: int) -> list[OrderRow]:
        """Return orders whose ``check_at`` has come, and move it to ``retry_at``: no other keeper takes them.

        Those that the gateway has named come first: most of the others are not paid, and there may be thousands.
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
        """Have the gateway asked about an order that it has named at ``at`` (ms), whatever became of it.

        It is asked before other orders, and then in the pauses of a new one.
        """
        table = schema.orders
        async with self.transaction() as connection:
            await connection.execute(update(table).where(table.c.id == order_id).values(check_at=at, checks=NAMED))
            await self.advance(connection)

    async def order_checked(self, order: OrderRow, check_at: int, detail: str, *, answered: bool = True) -> None:
        """Record what the gateway answered about an order, and when to ask again; 0: not any more.

        An order that is still open then is ``unpaid``. If the gateway has not ``answered``, an order that it has named
        still comes before others. Where ``order_due`` was called since ``order`` was read, the gateway's answer may be
        older than what it has to be asked about: what that call has set stays.
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
        """Record the id of a gateway's event; return whether it is new. Call it after the event was processed."""
        try:
            async with self.transaction() as connection:
                await connection.execute(insert(schema.webhooks_received).values(id=event_id, received_at=at))
                await self.advance(connection)
        except IntegrityError:
            return False
        return True

    async def knows_webhook(self, event_id: str) -> bool:
        """Return whether an event was processed before."""
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
