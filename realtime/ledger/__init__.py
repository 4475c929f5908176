"""The SQL ledger of a region: the last word on who bought what."""
