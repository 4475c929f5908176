"""Figures by show and hour, from counts, and from entries that workers write for bookings, cancellations and refunds.

Hours are those of Indian clocks, which begin in the middle of an hour of UTC. Amounts are paise, times ms.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, Table, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from realtime.errors import BadRequest
from realtime.ledger import schema
from realtime.ledger.database import Database, insert_new
from realtime.ledger.hour_counts import NAMES, hour_counts
from realtime.ledger.rows import AnalyticsKind, seats_of
from realtime.model import hold_of

HOUR_MS = 3_600_000
INDIA_OFFSET_MS = 19_800_000
MAX_ROWS = 20_000
"""The most rows of one kind in an answer."""


@dataclass(frozen=True, slots=True)
class HourFigures:
    """What happened to one show in one hour (``hour`` is its beginning).

    ``orders`` counts the payments that were begun, ``paid_orders`` those of them that became a booking or a refund:
    their ratio is the conversion at the payment step. ``pay_ms`` is the mean time from order to booking, None without a
    booking. ``viewers`` is the highest number at one time, ``conflicts`` counts holds that were refused because of
    taken seats, and ``admitted`` counts bookings whose people were admitted.
    """

    show: str
    hour: int
    bookings: int = 0
    seats: int = 0
    revenue: int = 0
    cancelled: int = 0
    refunds: int = 0
    refunded: int = 0
    orders: int = 0
    paid_orders: int = 0
    pay_ms: int | None = None
    viewers: int = 0
    holds: int = 0
    conflicts: int = 0
    admitted: int = 0


class Analytics(Database):
    """Writes entries, and sums them up."""

    async def enter_booking(self, booking: str) -> bool:
        """Write the entry of a booking; return whether the booking is in the ledger. Idempotent."""
        orders, seats = schema.orders, schema.booked_seats
        async with self.transaction() as connection:
            row = await _row(connection, schema.bookings, booking)
            if row is None:
                return False
            count = select(func.count()).select_from(seats).where(seats.c.booking_id == booking)
            begun = select(func.min(orders.c.created_at)).where(orders.c.hold_id == hold_of(booking))
            ordered_at = await connection.scalar(begun)
            await _enter(
                connection,
                AnalyticsKind.BOOKED,
                row,
                row.confirmed_at,
                # A cancelled booking has its seats in a column of its own.
                seats=len(seats_of(row.cancelled_seats)) or await connection.scalar(count),
                pay_ms=max(0, row.confirmed_at - ordered_at) if ordered_at is not None else None,
            )
            return True

    async def enter_cancellation(self, booking: str, at: int) -> bool:
        """Write the entry of a cancelled booking; return whether the booking is in the ledger. Idempotent."""
        async with self.transaction() as connection:
            row = await _row(connection, schema.bookings, booking)
            if row is not None:
                await _enter(connection, AnalyticsKind.CANCELLED, row, at)
            return row is not None

    async def enter_refund(self, refund: str) -> bool:
        """Write the entry of a refund that was made; return whether it is in the ledger. Idempotent."""
        async with self.transaction() as connection:
            row = await _row(connection, schema.refunds, refund)
            if row is not None:
                await _enter(connection, AnalyticsKind.REFUNDED, row, row.updated_at)
            return row is not None

    async def figures(self, since: int, until: int, show: str = "") -> list[HourFigures]:
        """Return the figures of all hours that begin in ``since`` <= t < ``until``, by hour and show.

        Raises ``BadRequest`` if there are more than ``MAX_ROWS``, because a part of them would give wrong sums.
        """
        found: dict[tuple[int, str], dict[str, Any]] = {}
        async with self.snapshot() as connection:
            for row in await _rows(connection, _entries(since, until, show)):
                one = found.setdefault((int(row.hour), row.show_id), {})
                if row.kind == AnalyticsKind.BOOKED.value:
                    one |= {"bookings": row.count, "seats": int(row.seats), "revenue": int(row.amount)}
                    one["pay_ms"] = int(row.pay_ms) if row.pay_ms is not None else None
                elif row.kind == AnalyticsKind.CANCELLED.value:
                    one["cancelled"] = row.count
                else:
                    one |= {"refunds": row.count, "refunded": int(row.amount)}
            for row in await _rows(connection, _orders(since, until, show)):
                one = found.setdefault((int(row.hour), row.show_id), {})
                one["orders"] = one.get("orders", 0) + row.count
                if row.state == "settled":
                    one["paid_orders"] = row.count
            for row in await _rows(connection, _admissions(since, until, show)):
                found.setdefault((int(row.hour), row.show_id), {})["admitted"] = row.count
            for row in await _rows(connection, hour_counts(since, until, show)):
                one = found.setdefault((int(row.hour), row.show_id), {})
                one |= {name: getattr(row, name) for name in NAMES}
        return list(_sorted(found))


def indian_hour(at: int) -> int:
    """Return the beginning (ms) of the hour on Indian clocks that contains a time (ms)."""
    return at - (at + INDIA_OFFSET_MS) % HOUR_MS


async def _rows(connection: AsyncConnection, query: Select[Any]) -> Sequence[Any]:
    """Return all rows of a query; raise ``BadRequest`` if there are too many."""
    rows: Sequence[Any] = (await connection.execute(query.limit(MAX_ROWS + 1))).all()
    if len(rows) > MAX_ROWS:
        raise BadRequest("There are too many figures in this time: ask for less time, or for one show.")
    return rows


async def _row(connection: AsyncConnection, table: Table, subject: str) -> Any:
    return (await connection.execute(select(table).where(table.c.id == subject))).one_or_none()


async def _enter(
    connection: AsyncConnection,
    kind: AnalyticsKind,
    row: Any,
    at: int,
    *,
    seats: int | None = 0,
    pay_ms: int | None = None,
) -> None:
    """Write the entry of a booking or refund (its row), for the hour of a time (ms)."""
    values = {
        "kind": kind.value,
        "subject": row.id,
        "show_id": row.show_id,
        "hour": indian_hour(at),
        "seats": seats,
        "amount": row.amount,
        "pay_ms": pay_ms,
    }
    await connection.execute(insert_new(connection, schema.analytics).values(values))


def _entries(since: int, until: int, show: str) -> Select[Any]:
    table = schema.analytics
    query = (
        select(
            table.c.show_id,
            table.c.hour,
            table.c.kind,
            func.count().label("count"),
            func.sum(table.c.seats).label("seats"),
            func.sum(table.c.amount).label("amount"),
            func.avg(table.c.pay_ms).label("pay_ms"),
        )
        .where(table.c.hour >= since, table.c.hour < until)
        .group_by(table.c.show_id, table.c.hour, table.c.kind)
    )
    return query.where(table.c.show_id == show) if show else query


def _admissions(since: int, until: int, show: str) -> Select[Any]:
    table, bookings = schema.admissions, schema.bookings
    hour = table.c.admitted_at - (table.c.admitted_at + INDIA_OFFSET_MS) % HOUR_MS
    query = (
        select(bookings.c.show_id, hour.label("hour"), func.count().label("count"))
        .join_from(table, bookings, table.c.booking_id == bookings.c.id)
        .where(table.c.admitted_at >= since, hour >= since, hour < until)
        .group_by(bookings.c.show_id, hour)
    )
    return query.where(bookings.c.show_id == show) if show else query


def _orders(since: int, until: int, show: str) -> Select[Any]:
    table = schema.orders
    hour = table.c.created_at - (table.c.created_at + INDIA_OFFSET_MS) % HOUR_MS
    query = (
        select(table.c.show_id, hour.label("hour"), table.c.state, func.count().label("count"))
        .where(table.c.created_at >= since, hour >= since, hour < until, table.c.hold_id != "")
        .group_by(table.c.show_id, hour, table.c.state)
    )
    return query.where(table.c.show_id == show) if show else query


def _sorted(found: dict[tuple[int, str], dict[str, Any]]) -> Iterable[HourFigures]:
    for (hour, show), figures in sorted(found.items()):
        yield HourFigures(show, hour, **figures)
