"""Since when the links to the ticket of a booking are revoked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0017"
down_revision = "0016"


def upgrade(op: Operations) -> None:
    """Add the column. No link was revoked before."""
    op.add_column("bookings", sa.Column("links_revoked_at", sa.BigInteger, nullable=False, server_default="0"))
