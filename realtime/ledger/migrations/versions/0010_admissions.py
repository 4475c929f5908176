"""Admissions: a ticket admits once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0010"
down_revision = "0009"


def upgrade(op: Operations) -> None:
    """Create the table."""
    op.create_table(
        "admissions",
        sa.Column("booking_id", sa.String(128), sa.ForeignKey("bookings.id"), primary_key=True),
        sa.Column("admitted_at", sa.BigInteger, nullable=False),
        sa.Column("gate", sa.String(64), nullable=False),
    )
