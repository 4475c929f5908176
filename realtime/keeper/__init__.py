"""The regional background process: expiry, outbox to ledger, reconciliation, jobs."""
