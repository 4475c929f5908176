"""Viewers, holds and conflicts by show and hour."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0015"
down_revision = "0014"


def upgrade(op: Operations) -> None:
    """Create the tables."""
    op.create_table(
        "show_hours",
        sa.Column("show_id", sa.String(64), primary_key=True),
        sa.Column("hour", sa.BigInteger, primary_key=True),
        sa.Column("viewers", sa.Integer, nullable=False),
        sa.Column("holds", sa.Integer, nullable=False),
        sa.Column("conflicts", sa.Integer, nullable=False),
    )
    op.create_index("ix_show_hours_hour", "show_hours", ["hour"])
    op.create_table(
        "figure_batches",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
    )
