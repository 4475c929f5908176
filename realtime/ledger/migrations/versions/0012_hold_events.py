"""How far keepers have read the logs of shows, for webhooks about holds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0012"
down_revision = "0011"


def upgrade(op: Operations) -> None:
    """Create the table."""
    op.create_table(
        "log_positions",
        sa.Column("show_id", sa.String(64), primary_key=True),
        sa.Column("position", sa.String(48), nullable=False),
    )
