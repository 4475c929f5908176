"""One region's ledger: what keepers and workers write to it and read back.

Every write is idempotent, because keepers repeat a write if they don't know whether it succeeded. If the database can't
be used at the moment, calls raise ``LedgerUnavailable``; any other error of the database is a fault in the data.
"""

from __future__ import annotations

from realtime.ledger.admissions import Admissions
from realtime.ledger.analytics import Analytics
from realtime.ledger.audit import Audit
from realtime.ledger.cancellations import Cancellations
from realtime.ledger.contacts import Contacts
from realtime.ledger.declarations import Declarations
from realtime.ledger.exchanges import Exchanges
from realtime.ledger.gate_leases import GateLeases
from realtime.ledger.hold_events import HoldEvents
from realtime.ledger.hour_counts import HourCounts
from realtime.ledger.money import Money
from realtime.ledger.orders import Orders
from realtime.ledger.search import Search
from realtime.ledger.staff import Staff
from realtime.ledger.tasks import Tasks
from realtime.ledger.ticket_files import TicketFiles
from realtime.ledger.ticket_links import TicketLinkRevocations
from realtime.ledger.truth import Truths
from realtime.ledger.webhooks import WebhookDeliveries


class Ledger(
    Search,
    Cancellations,
    Exchanges,
    Admissions,
    GateLeases,
    Contacts,
    Declarations,
    HoldEvents,
    HourCounts,
    Money,
    Orders,
    Tasks,
    TicketFiles,
    TicketLinkRevocations,
    WebhookDeliveries,
    Analytics,
    Audit,
    Staff,
    Truths,
):
    """All tables of one ledger over one pool of connections. ``open`` it, ``close`` it."""
