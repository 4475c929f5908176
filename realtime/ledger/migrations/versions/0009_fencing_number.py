"""The number and region of the fencing token, the position of the ledger, archived shows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

from realtime.ledger.rows import over_at

revision = "0009"
down_revision = "0008"


def upgrade(op: Operations) -> None:
    """Add the columns. Keepers of the previous release leave them as they are."""
    op.add_column("fencing_token", sa.Column("number", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("fencing_token", sa.Column("config_epoch", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("fencing_token", sa.Column("region", sa.String(16), nullable=False, server_default=""))
    position = op.create_table(
        "ledger_position",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(position, [{"id": 1, "position": 0}])
    op.add_column("shows", sa.Column("over_at", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("shows", sa.Column("archived_at", sa.BigInteger))
    op.add_column("shows", sa.Column("last_command", sa.String(64), nullable=False, server_default=""))
    op.create_index("ix_shows_archived_at_over_at", "shows", ["archived_at", "over_at"])
    connection = op.get_bind()
    for show_id, starts_at in connection.execute(sa.text("SELECT id, starts_at FROM shows")).all():
        values = {"id": show_id, "over_at": over_at(starts_at)}
        connection.execute(sa.text("UPDATE shows SET over_at = :over_at WHERE id = :id"), values)
