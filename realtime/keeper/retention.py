"""Deletes from the ledger what is kept for a limited time only."""

from __future__ import annotations

import logging

from realtime import limits
from realtime.clock import now_ms
from realtime.ledger import Ledger

log = logging.getLogger(__name__)
DAY_MS = 24 * 3600 * 1000
DELIVERIES_KEPT_MS = 30 * DAY_MS
"""How long the log of webhooks is kept."""


class Retention:
    """Deletes what the ledger of one region no longer needs."""

    def __init__(self, ledger: Ledger, contact_days: int) -> None:
        """Contacts are kept for ``contact_days`` after their show."""
        self._ledger = ledger
        self._contact_days = contact_days

    async def turn(self) -> None:
        """Delete contacts, deliveries of webhooks and batches of figures that are old enough."""
        now = now_ms()
        unpaid_ms = limits.ORDER_OPEN_S * 1000 + DAY_MS
        deleted = await self._ledger.delete_old_contacts(now - self._contact_days * DAY_MS, now - unpaid_ms)
        await self._ledger.delete_old_deliveries(now - DELIVERIES_KEPT_MS)
        await self._ledger.delete_figure_batches(now - DAY_MS)
        if deleted:
            log.info("%d contacts were deleted: their time was over", deleted)
