"""Orders, payments, refunds, tasks and commands; amounts in paise; one booking for a payment."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0004"
down_revision = "0003"


def upgrade(op: Operations) -> None:
    """Create the tables of money, and a payment for each booking that exists already."""
    op.execute("UPDATE bookings SET amount = amount * 100")
    op.add_column("bookings", sa.Column("prices", sa.LargeBinary))
    _name_payments_once(op)
    op.create_index("ux_bookings_payment", "bookings", ["payment"], unique=True)
    op.create_table(
        "orders",
        sa.Column("id", sa.String(128), primary_key=True),
        sa.Column("hold_id", sa.String(128), nullable=False),
        sa.Column("show_id", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("seats", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("check_at", sa.BigInteger, nullable=False),
        sa.Column("checks", sa.Integer, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_index("ix_orders_hold_id", "orders", ["hold_id"])
    op.create_index("ix_orders_check_at", "orders", ["check_at"])
    op.create_index("ix_orders_state_created_at", "orders", ["state", "created_at"])
    op.create_table(
        "payments",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("order_id", sa.String(128), nullable=False),
        sa.Column("hold_id", sa.String(128), nullable=False),
        sa.Column("show_id", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("booking_id", sa.String(128), sa.ForeignKey("bookings.id")),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_payments_hold_id", "payments", ["hold_id"])
    op.create_index("ix_payments_show_id", "payments", ["show_id"])
    op.create_index("ix_payments_created_at", "payments", ["created_at"])
    op.execute(
        "INSERT INTO payments (id, order_id, hold_id, show_id, owner, amount, booking_id, created_at) "
        "SELECT payment, '', replace(id, '.b', '.h'), show_id, owner, amount, id, confirmed_at FROM bookings"
    )
    op.create_table(
        "refunds",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("payment_id", sa.Text, sa.ForeignKey("payments.id"), nullable=False, unique=True),
        sa.Column("hold_id", sa.String(128), nullable=False),
        sa.Column("show_id", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_refunds_hold_id", "refunds", ["hold_id"])
    op.create_index("ix_refunds_created_at", "refunds", ["created_at"])
    op.create_table(
        "tasks",
        sa.Column("id", sa.String(160), primary_key=True),
        sa.Column("queue", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(128), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("done_at", sa.BigInteger),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_index("ix_tasks_done_at_created_at", "tasks", ["done_at", "created_at"])
    op.create_index("ix_tasks_subject", "tasks", ["subject"])
    op.create_table(
        "webhooks_received",
        sa.Column("id", sa.String(128), primary_key=True),
        sa.Column("received_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "commands",
        sa.Column("owner", sa.String(64), primary_key=True),
        sa.Column("request_id", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(128), nullable=False),
        sa.Column("outcome", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_commands_at", "commands", ["at"])


def _name_payments_once(op: Operations) -> None:
    """Give each booking a payment of its own: the releases before accepted one payment for several bookings.

    The first booking keeps the payment. The others were acknowledged to their buyers, so they stay; their payment
    becomes ``<payment>#<booking>``, which no gateway knows. No money came for them, so none is returned.
    """
    op.create_index("ix_bookings_payment_once", "bookings", ["payment"])
    op.execute(
        "UPDATE bookings SET payment = payment || '#' || id WHERE EXISTS (SELECT 1 FROM bookings AS first "
        "WHERE first.payment = bookings.payment AND (first.confirmed_at < bookings.confirmed_at "
        "OR (first.confirmed_at = bookings.confirmed_at AND first.id < bookings.id)))"
    )
    op.drop_index("ix_bookings_payment_once", "bookings")
