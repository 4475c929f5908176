"""Processes that run jobs: the deliveries of the ledger's tasks. Several may run in a region."""
