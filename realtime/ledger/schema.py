"""The tables of a ledger. ``PRIMARY KEY (show_id, seat)`` on booked seats is the last word on double booking."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, MetaData, String, Table, Text

metadata = MetaData()

theatres = Table(
    "theatres",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("city", Text, nullable=False),
)

layouts = Table(
    "layouts",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("blob", LargeBinary, nullable=False),
)

shows = Table(
    "shows",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("theatre_id", ForeignKey("theatres.id"), nullable=False),
    Column("layout_id", ForeignKey("layouts.id"), nullable=False),
    Column("starts_at", String(40), nullable=False),
    Column("sales", String(16), nullable=False),
    Column("body", LargeBinary, nullable=False),  # wire.encode_show
)

blocked_seats = Table(
    "blocked_seats",
    metadata,
    Column("show_id", ForeignKey("shows.id"), primary_key=True),
    Column("seat", String(64), primary_key=True),
    Column("seat_index", Integer, nullable=False),
)

bookings = Table(
    "bookings",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("show_id", ForeignKey("shows.id"), nullable=False, index=True),
    Column("owner", String(64), nullable=False),
    Column("payment", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),  # whole rupees
    Column("confirmed_at", BigInteger, nullable=False),  # ms since the epoch, the master's clock
)

booked_seats = Table(
    "booked_seats",
    metadata,
    Column("show_id", ForeignKey("shows.id"), primary_key=True),
    Column("seat", String(64), primary_key=True),
    Column("seat_index", Integer, nullable=False),
    Column("booking_id", ForeignKey("bookings.id"), nullable=False, index=True),
)

fencing_token = Table(
    "fencing_token",
    metadata,
    Column("id", Integer, primary_key=True),  # one row
    Column("token", String(128), nullable=False),  # the master's incarnation, a space, a random part
)
