"""Theatres, layouts, shows, blocked seats, bookings, booked seats."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0001"
down_revision = None


def upgrade(op: Operations) -> None:
    """Make the tables; those that are there (made before there were revisions) are taken over."""
    op.create_table(
        "theatres",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("city", sa.Text, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "layouts",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("blob", sa.LargeBinary, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "shows",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("theatre_id", sa.String(64), sa.ForeignKey("theatres.id"), nullable=False),
        sa.Column("layout_id", sa.String(64), sa.ForeignKey("layouts.id"), nullable=False),
        sa.Column("starts_at", sa.String(40), nullable=False),
        sa.Column("sales", sa.String(16), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "blocked_seats",
        sa.Column("show_id", sa.String(64), sa.ForeignKey("shows.id"), primary_key=True),
        sa.Column("seat", sa.String(64), primary_key=True),
        sa.Column("seat_index", sa.Integer, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "bookings",
        sa.Column("id", sa.String(128), primary_key=True),
        sa.Column("show_id", sa.String(64), sa.ForeignKey("shows.id"), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("payment", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("confirmed_at", sa.BigInteger, nullable=False),
        if_not_exists=True,
    )
    op.create_index("ix_bookings_show_id", "bookings", ["show_id"], if_not_exists=True)
    op.create_table(
        "booked_seats",
        sa.Column("show_id", sa.String(64), sa.ForeignKey("shows.id"), primary_key=True),
        sa.Column("seat", sa.String(64), primary_key=True),
        sa.Column("seat_index", sa.Integer, nullable=False),
        sa.Column("booking_id", sa.String(128), sa.ForeignKey("bookings.id"), nullable=False),
        if_not_exists=True,
    )
    op.create_index("ix_booked_seats_booking_id", "booked_seats", ["booking_id"], if_not_exists=True)
