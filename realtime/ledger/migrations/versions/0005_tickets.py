"""The printed code of a booking, unique in the region; the address of a theatre."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0005"
down_revision = "0004"


def upgrade(op: Operations) -> None:
    """Add the columns. Bookings of earlier releases have no code."""
    op.add_column("bookings", sa.Column("code", sa.String(8)))
    op.create_index("ux_bookings_code", "bookings", ["code"], unique=True)
    op.create_index("ix_bookings_owner", "bookings", ["owner"])
    op.add_column("theatres", sa.Column("address", sa.Text, nullable=False, server_default=""))
