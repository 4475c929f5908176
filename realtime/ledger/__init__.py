"""The SQL ledger of a region: the last word on who bought what, and what an empty master is rebuilt from."""

from realtime.ledger.store import Ledger, LedgerUnavailable, NewBooking, Recorded, StaleFencingToken

__all__ = ["Ledger", "LedgerUnavailable", "NewBooking", "Recorded", "StaleFencingToken"]
