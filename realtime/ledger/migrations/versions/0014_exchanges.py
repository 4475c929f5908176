"""Exchanges of seats within a show."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0014"
down_revision = "0013"


def upgrade(op: Operations) -> None:
    """Add the column and the table. No booking was exchanged before."""
    op.add_column("bookings", sa.Column("sequence", sa.Integer, nullable=False, server_default="0"))
    op.create_table(
        "exchanges",
        sa.Column("booking_id", sa.String(128), sa.ForeignKey("bookings.id"), primary_key=True),
        sa.Column("sequence", sa.Integer, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("seats_before", sa.Text, nullable=False),
        sa.Column("seats_after", sa.Text, nullable=False),
    )
