"""The table ``reign`` becomes ``fencing_token``; a view of the old name serves keepers of the previous release."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0003"
down_revision = "0002"


def upgrade(op: Operations) -> None:
    """Move the one row; the view takes the reads, row locks and updates of keepers that still run."""
    op.create_table(
        "fencing_token",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("token", sa.String(128), nullable=False),
    )
    op.execute("INSERT INTO fencing_token (id, token) SELECT id, name FROM reign")
    op.drop_table("reign")
    op.execute("CREATE VIEW reign AS SELECT id, token AS name FROM fencing_token")
    if op.get_bind().dialect.name == "sqlite":  # PostgreSQL updates a view as simple as this one by itself
        op.execute(
            "CREATE TRIGGER reign_update INSTEAD OF UPDATE ON reign "
            "BEGIN UPDATE fencing_token SET token = NEW.name WHERE id = OLD.id; END"
        )
