"""Contacts of buyers, ticket files, and what the tasks of the queues tickets and mail need."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0006"
down_revision = "0005"


def upgrade(op: Operations) -> None:
    """Create the tables.

    Tasks of the former queue ``bookings`` become done tasks of ``tickets``: those tickets are drawn when somebody asks
    for them.
    """
    op.add_column("tasks", sa.Column("kind", sa.String(32), nullable=False, server_default=""))
    op.add_column("tasks", sa.Column("claimed_until", sa.BigInteger, nullable=False, server_default="0"))
    op.execute(
        "UPDATE tasks SET id = 'tickets.' || subject, queue = 'tickets', done_at = coalesce(done_at, created_at) "
        "WHERE queue = 'bookings'"
    )
    op.create_table(
        "contacts",
        sa.Column("hold_id", sa.String(128), primary_key=True),
        sa.Column("show_id", sa.String(64), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("phone", sa.String(32), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("locale", sa.String(8), nullable=False),
        sa.Column("given_at", sa.BigInteger, nullable=False),
        sa.Column("erased_at", sa.BigInteger),
    )
    for column in ("show_id", "email", "phone", "given_at"):
        op.create_index(f"ix_contacts_{column}", "contacts", [column])
    op.create_table(
        "ticket_files",
        sa.Column("booking_id", sa.String(128), sa.ForeignKey("bookings.id"), primary_key=True),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("locale", sa.String(8), nullable=False),
        sa.Column("pdf", sa.LargeBinary, nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
    )
