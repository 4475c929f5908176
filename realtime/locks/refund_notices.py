"""Notices to buyers about their refunds, published on the lock master like all other notices."""

from __future__ import annotations

import orjson

from realtime import keys
from realtime.ledger.rows import RefundRow
from realtime.locks.master import LockMaster


class RefundNotices:
    """Publishes through one region's master. A notice may get lost; clients may ask for the refund instead."""

    def __init__(self, master: LockMaster) -> None:
        """The master of the region whose ledger has the refunds."""
        self._master = master

    async def publish(self, refund: RefundRow) -> None:
        """Notify the buyer of the state of a refund; raises ``RegionUnavailable``."""
        notice = {
            "kind": "refund",
            "hold": refund.hold,
            "owner": refund.owner,
            "payment": refund.payment,
            "amount": refund.amount,
            "state": refund.state.value,
            "reason": refund.reason.value,
        }
        await self._master.command("PUBLISH", keys.NOTICES, orjson.dumps(notice))
