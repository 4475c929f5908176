"""The SQL ledger of a region. It is authoritative for who bought what, and an empty master is rebuilt from it."""

from realtime.ledger.database import LedgerUnavailable, WrongRegion
from realtime.ledger.fencing import LedgerBehind, StaleFencingToken
from realtime.ledger.rows import NewBooking, Recorded
from realtime.ledger.store import Ledger

__all__ = [
    "Ledger",
    "LedgerBehind",
    "LedgerUnavailable",
    "NewBooking",
    "Recorded",
    "StaleFencingToken",
    "WrongRegion",
]
