"""The tables of a ledger.

``PRIMARY KEY (show_id, seat)`` of booked seats makes double booking impossible. The primary key of payments and the
unique ``payment_id`` of refunds do the same for money: a payment has one row, which names its booking, or it has one
refund; it has both if the booking was cancelled. Amounts are paise, times ms since the epoch.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    func,
    text,
)

metadata = MetaData()

theatres = Table(
    "theatres",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("city", Text, nullable=False),
    Column("address", Text, nullable=False, server_default=""),
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
    Column("body", LargeBinary, nullable=False),  # wire.shows.encode_show
    Column("over_at", BigInteger, nullable=False, server_default="0"),  # when it is certainly over
    Column("archived_at", BigInteger),  # since when no master has it
    Column("last_command", String(64), nullable=False, server_default=""),  # of operators, see ``declarations``
    Index("ix_shows_archived_at_over_at", "archived_at", "over_at"),
)

blocked_seats = Table(
    "blocked_seats",
    metadata,
    Column("show_id", ForeignKey("shows.id"), primary_key=True),
    Column("seat", String(64), primary_key=True),
    Column("seat_index", Integer, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("blocked_at", BigInteger, nullable=False, server_default="0"),  # ms; 0: by an earlier release
)

bookings = Table(
    "bookings",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("show_id", ForeignKey("shows.id"), nullable=False, index=True),
    Column("owner", String(64), nullable=False),
    Column("payment", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("confirmed_at", BigInteger, nullable=False),  # the master's clock
    Column("prices", LargeBinary),  # payments.prices.encode_price_lines; none for bookings of the first releases
    Column("code", String(8)),  # tickets.code; none for bookings of the first releases
    Column("cancelled_at", BigInteger),
    Column("cancelled_by", String(16)),  # CancelledBy
    Column("cancelled_seats", Text),  # indices, comma-separated; booked_seats has them while it is not cancelled
    Column("sequence", Integer, nullable=False, server_default="0"),  # how often its seats were exchanged
    Column("links_revoked_at", BigInteger, nullable=False, server_default="0"),  # 0: never
    Index("ux_bookings_payment", "payment", unique=True),
    Index("ux_bookings_code", "code", unique=True),
    Index("ix_bookings_owner", "owner"),
)

booked_seats = Table(
    "booked_seats",
    metadata,
    Column("show_id", ForeignKey("shows.id"), primary_key=True),
    Column("seat", String(64), primary_key=True),
    Column("seat_index", Integer, nullable=False),
    Column("booking_id", ForeignKey("bookings.id"), nullable=False, index=True),
)

exchanges = Table(
    "exchanges",
    metadata,
    Column("booking_id", ForeignKey("bookings.id"), primary_key=True),
    Column("sequence", Integer, primary_key=True),  # 1, 2, ...
    Column("at", BigInteger, nullable=False),  # the master's clock
    Column("seats_before", Text, nullable=False),  # indices, comma-separated
    Column("seats_after", Text, nullable=False),
)

admissions = Table(
    "admissions",
    metadata,
    Column("booking_id", ForeignKey("bookings.id"), primary_key=True),  # a ticket admits once
    Column("admitted_at", BigInteger, nullable=False),  # the master's clock
    Column("gate", String(64), nullable=False),  # as its staff calls it
    Column("lease", String(32), nullable=False, server_default=""),  # gate_leases.lease_key; "" if none was named
)

gate_leases = Table(
    "gate_leases",
    metadata,
    Column("booking_id", ForeignKey("bookings.id"), primary_key=True),  # one device at a time
    Column("show_id", String(64), nullable=False, index=True),
    Column("lease", String(32), nullable=False, index=True),
    Column("gate", String(64), nullable=False),
    Column("until", BigInteger, nullable=False),  # the master's clock
)

gate_conflicts = Table(
    "gate_conflicts",
    metadata,
    Column("booking_id", ForeignKey("bookings.id"), primary_key=True),
    Column("lease", String(32), primary_key=True),
    Column("gate", String(64), nullable=False),
    Column("kind", String(16), nullable=False),  # ConflictKind
    Column("admitted_at", BigInteger, nullable=False),  # as the device says
    Column("reported_at", BigInteger, nullable=False, index=True),  # the master's clock
)

fencing_token = Table(
    "fencing_token",
    metadata,
    Column("id", Integer, primary_key=True),  # one row
    Column("token", String(128), nullable=False),  # the master's incarnation, a random part, the number
    Column("number", BigInteger, nullable=False, server_default="0"),  # rises with every token
    Column("config_epoch", BigInteger, nullable=False, server_default="0"),  # of the Sentinels; 0 without
    Column("region", String(16), nullable=False, server_default=""),  # whose ledger this is
)

ledger_position = Table(
    "ledger_position",
    metadata,
    Column("id", Integer, primary_key=True),  # one row
    Column("position", BigInteger, nullable=False),  # rises with every transaction that must not be lost
)

orders = Table(
    "orders",
    metadata,
    Column("id", String(128), primary_key=True),  # the gateway's
    Column("hold_id", String(128), nullable=False, index=True),
    Column("show_id", String(64), nullable=False),
    Column("owner", String(64), nullable=False),
    Column("seats", Text, nullable=False),  # indices, comma-separated
    Column("amount", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),  # OrderState
    Column("created_at", BigInteger, nullable=False),
    Column("check_at", BigInteger, nullable=False, index=True),  # when the gateway is asked next; 0: not any more
    Column("checks", Integer, nullable=False),  # how often it was asked; -1: named by it since
    Column("detail", Text, nullable=False),  # what it answered last, for operators
    Index("ix_orders_state_created_at", "state", "created_at"),
)

payments = Table(
    "payments",
    metadata,
    Column("id", Text, primary_key=True),  # the gateway's
    Column("order_id", String(128), nullable=False),  # "" where the gateway has no orders
    Column("hold_id", String(128), nullable=False, index=True),
    Column("show_id", String(64), nullable=False, index=True),  # no foreign key: a payment may outlive its show
    Column("owner", String(64), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("booking_id", ForeignKey("bookings.id")),  # none: it has a refund
    Column("created_at", BigInteger, nullable=False, index=True),
)

refunds = Table(
    "refunds",
    metadata,
    Column("id", String(64), primary_key=True),  # payments.service.refund_key: made from hold and payment
    Column("payment_id", ForeignKey("payments.id"), nullable=False, unique=True),
    Column("hold_id", String(128), nullable=False, index=True),
    Column("show_id", String(64), nullable=False),
    Column("owner", String(64), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("reason", String(32), nullable=False),
    Column("state", String(16), nullable=False),  # RefundProgress
    Column("attempt", Integer, nullable=False),  # rises when the gateway has refused an attempt permanently
    Column("detail", Text, nullable=False),  # why it failed or waits, for operators
    Column("created_at", BigInteger, nullable=False, index=True),
    Column("updated_at", BigInteger, nullable=False),
)

tasks = Table(
    "tasks",
    metadata,
    Column("id", String(160), primary_key=True),  # also the job's id
    Column("queue", String(32), nullable=False),
    Column("subject", String(128), nullable=False, index=True),  # id of a booking or a refund
    Column("created_at", BigInteger, nullable=False),
    Column("done_at", BigInteger),
    Column("detail", Text, nullable=False),
    Column("kind", String(32), nullable=False, server_default=""),
    Column("claimed_until", BigInteger, nullable=False, server_default="0"),  # a worker carries it out until then
    Index("ix_tasks_done_at_created_at", "done_at", "created_at"),
)

contacts = Table(
    "contacts",
    metadata,
    Column("hold_id", String(128), primary_key=True),  # no foreign key: it may come with an order, before a booking
    Column("show_id", String(64), nullable=False, index=True),
    Column("email", String(254), nullable=False),
    Column("phone", String(32), nullable=False),
    Column("name", Text, nullable=False),
    Column("locale", String(8), nullable=False),
    Column("given_at", BigInteger, nullable=False, index=True),
    Column("erased_at", BigInteger),  # the row stays until the show is over, so that nothing writes it again
)
email_lower: ColumnElement[str] = func.lower(contacts.c.email)
phone_digits: ColumnElement[str] = contacts.c.phone
for _character in (" ", "-", "+"):
    # Constants: an index on an expression serves a query with the same one, and a parameter is another.
    phone_digits = func.replace(phone_digits, text(f"'{_character}'"), text("''"))
Index("ix_contacts_email_lower", email_lower)
Index("ix_contacts_phone_digits", phone_digits)

ticket_files = Table(
    "ticket_files",
    metadata,
    Column("booking_id", ForeignKey("bookings.id"), primary_key=True),
    Column("sequence", Integer, nullable=False),  # of which change of the booking
    Column("locale", String(8), nullable=False),
    Column("pdf", LargeBinary, nullable=False),
    Column("made_at", BigInteger, nullable=False),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),  # their order
    Column("id", String(160), nullable=False),  # also the task's
    Column("event", String(32), nullable=False),
    Column("type", String(32), nullable=False),
    Column("target", String(32), nullable=False),  # its name in the topology
    Column("about", String(128), nullable=False),  # id of a hold or a show
    Column("subject", String(128), nullable=False),  # id of a booking, refund or show
    Column("body", LargeBinary, nullable=False),
    Column("state", String(16), nullable=False),  # DeliveryState
    Column("detail", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False, index=True),
    Column("give_up_at", BigInteger, nullable=False),
    Index("ux_webhook_deliveries_id", "id", unique=True),
    Index("ix_webhook_deliveries_about_target", "about", "target"),
)

webhook_attempts = Table(
    "webhook_attempts",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("delivery_id", String(160), nullable=False, index=True),
    Column("at", BigInteger, nullable=False),
    Column("status", Integer, nullable=False),  # HTTP; 0 without an answer
    Column("duration_ms", BigInteger, nullable=False),
    Column("detail", Text, nullable=False),
)

analytics = Table(
    "analytics",
    metadata,
    Column("kind", String(16), primary_key=True),  # AnalyticsKind
    Column("subject", String(128), primary_key=True),  # id of a booking or a refund
    Column("show_id", String(64), nullable=False),
    Column("hour", BigInteger, nullable=False),
    Column("seats", Integer, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("pay_ms", BigInteger),
    Index("ix_analytics_hour", "hour"),
    Index("ix_analytics_show_id_hour", "show_id", "hour"),
)

webhooks_received = Table(
    "webhooks_received",
    metadata,
    Column("id", String(128), primary_key=True),  # the gateway's id of the event
    Column("received_at", BigInteger, nullable=False),
)

show_hours = Table(
    "show_hours",
    metadata,
    Column("show_id", String(64), primary_key=True),
    Column("hour", BigInteger, primary_key=True),  # its beginning on Indian clocks
    Column("viewers", Integer, nullable=False),  # the most at one time
    Column("holds", Integer, nullable=False),
    Column("conflicts", Integer, nullable=False),
    Index("ix_show_hours_hour", "hour"),
)

figure_batches = Table(
    "figure_batches",
    metadata,
    Column("id", String(32), primary_key=True),  # counts of the master that were added to show_hours
    Column("recorded_at", BigInteger, nullable=False),
)

log_positions = Table(
    "log_positions",
    metadata,
    Column("show_id", String(64), primary_key=True),  # "": where a log begins to be read that was not read before
    Column("position", String(48), nullable=False),  # id of an entry of the show's log on the master
)

commands = Table(
    "commands",
    metadata,
    Column("owner", String(64), primary_key=True),
    Column("request_id", String(64), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("subject", String(128), nullable=False),
    Column("outcome", LargeBinary, nullable=False),  # JSON: what the request was answered
    Column("at", BigInteger, nullable=False, index=True),
)

staff_tokens = Table(
    "staff_tokens",
    metadata,
    Column("id", String(64), primary_key=True),  # the token's jti
    Column("name", String(64), nullable=False, index=True),
    Column("role", String(16), nullable=False),  # staff.Role
    Column("theatre", String(64), nullable=False),  # "": of no theatre
    Column("issued_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger, nullable=False),  # 0: not revoked
)

revoked_guests = Table(
    "revoked_guests",
    metadata,
    Column("owner", String(64), primary_key=True),
    Column("at", BigInteger, nullable=False),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("at", BigInteger, nullable=False, index=True),  # the node's clock
    Column("who", Text, nullable=False),
    Column("role", String(16), nullable=False),
    Column("token", Text, nullable=False),  # the id of the token, "" for the operator key
    Column("address", String(64), nullable=False),
    Column("action", Text, nullable=False),  # method and route, or a command
    Column("subject", Text, nullable=False),  # the path, or what the command was about
    Column("detail", Text, nullable=False),  # the beginning of the body
    Column("status", Integer, nullable=False),  # of the HTTP answer; 0 for a command
)
