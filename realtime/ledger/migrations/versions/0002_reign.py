"""The reign of the lock master that the ledger books for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0002"
down_revision = "0001"


def upgrade(op: Operations) -> None:
    """Make the table and its one row; nobody reigns until a keeper reconciles."""
    reign = op.create_table(
        "reign",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(128), nullable=False),
    )
    op.bulk_insert(reign, [{"id": 1, "name": ""}])
