"""Gates without a network: leases of tickets, and admissions that contradict another."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0016"
down_revision = "0015"


def upgrade(op: Operations) -> None:
    """Add the column and the tables."""
    op.add_column("admissions", sa.Column("lease", sa.String(32), nullable=False, server_default=""))
    op.create_table(
        "gate_leases",
        sa.Column("booking_id", sa.String(128), sa.ForeignKey("bookings.id"), primary_key=True),
        sa.Column("show_id", sa.String(64), nullable=False),
        sa.Column("lease", sa.String(32), nullable=False),
        sa.Column("gate", sa.String(64), nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_gate_leases_show_id", "gate_leases", ["show_id"])
    op.create_index("ix_gate_leases_lease", "gate_leases", ["lease"])
    op.create_table(
        "gate_conflicts",
        sa.Column("booking_id", sa.String(128), sa.ForeignKey("bookings.id"), primary_key=True),
        sa.Column("lease", sa.String(32), primary_key=True),
        sa.Column("gate", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("admitted_at", sa.BigInteger, nullable=False),
        sa.Column("reported_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_gate_conflicts_reported_at", "gate_conflicts", ["reported_at"])
