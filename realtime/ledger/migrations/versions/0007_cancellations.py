"""Cancelled bookings: the row stays, its seats can be sold again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0007"
down_revision = "0006"


def upgrade(op: Operations) -> None:
    """Add the columns. No booking was cancelled before."""
    op.add_column("bookings", sa.Column("cancelled_at", sa.BigInteger))
    op.add_column("bookings", sa.Column("cancelled_by", sa.String(16)))
    op.add_column("bookings", sa.Column("cancelled_seats", sa.Text))
