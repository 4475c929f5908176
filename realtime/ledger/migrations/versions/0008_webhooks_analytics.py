"""Webhooks to the shop's systems, and figures by show and hour."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0008"
down_revision = "0007"


def upgrade(op: Operations) -> None:
    """Create the tables; the bookings and refunds that are there get their entries."""
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "webhook_deliveries",
        sa.Column("number", number, primary_key=True),
        sa.Column("id", sa.String(160), nullable=False),
        sa.Column("event", sa.String(32), nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("target", sa.String(32), nullable=False),
        sa.Column("about", sa.String(128), nullable=False),
        sa.Column("subject", sa.String(128), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("give_up_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ux_webhook_deliveries_id", "webhook_deliveries", ["id"], unique=True)
    op.create_index("ix_webhook_deliveries_about_target", "webhook_deliveries", ["about", "target"])
    op.create_index("ix_webhook_deliveries_created_at", "webhook_deliveries", ["created_at"])
    op.create_table(
        "webhook_attempts",
        sa.Column("id", number, primary_key=True),
        sa.Column("delivery_id", sa.String(160), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("duration_ms", sa.BigInteger, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_index("ix_webhook_attempts_delivery_id", "webhook_attempts", ["delivery_id"])
    op.create_table(
        "analytics",
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("subject", sa.String(128), primary_key=True),
        sa.Column("show_id", sa.String(64), nullable=False),
        sa.Column("hour", sa.BigInteger, nullable=False),
        sa.Column("seats", sa.Integer, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("pay_ms", sa.BigInteger),
    )
    op.create_index("ix_analytics_hour", "analytics", ["hour"])
    op.create_index("ix_analytics_show_id_hour", "analytics", ["show_id", "hour"])
    # An hour of Indian clocks begins half an hour into an hour of UTC, as in realtime.ledger.analytics.
    op.execute(
        "INSERT INTO analytics (kind, subject, show_id, hour, seats, amount) "
        "SELECT 'booked', id, show_id, confirmed_at - (confirmed_at + 19800000) % 3600000, "
        "(SELECT count(*) FROM booked_seats WHERE booking_id = bookings.id), amount FROM bookings"
    )
    op.execute(
        "INSERT INTO analytics (kind, subject, show_id, hour, seats, amount) "
        "SELECT 'cancelled', id, show_id, cancelled_at - (cancelled_at + 19800000) % 3600000, 0, amount "
        "FROM bookings WHERE cancelled_at IS NOT NULL"
    )
    op.execute(
        "INSERT INTO analytics (kind, subject, show_id, hour, seats, amount) "
        "SELECT 'refunded', id, show_id, updated_at - (updated_at + 19800000) % 3600000, 0, amount "
        "FROM refunds WHERE state = 'done'"
    )
