"""Why and since when a seat is blocked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0013"
down_revision = "0012"


def upgrade(op: Operations) -> None:
    """Add the columns; keepers of the previous release leave them empty."""
    op.add_column("blocked_seats", sa.Column("reason", sa.Text, nullable=False, server_default=""))
    op.add_column("blocked_seats", sa.Column("blocked_at", sa.BigInteger, nullable=False, server_default="0"))
