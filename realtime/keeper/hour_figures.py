"""Writes the figures to the ledger that it can't know by itself: viewers, holds and conflicts by show and hour.

Holds and conflicts are counted on the lock master, and moved in batches: the ledger adds each batch once. Viewers are
counted by the nodes. A keeper adds up the nodes' reports, and the ledger keeps the highest sum of each hour. What was
counted since the last batch is lost if the master is wiped, and may be lost in a failover.
"""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from typing import Annotated

import msgspec

from realtime import connect, keys
from realtime.clock import now_ms
from realtime.ledger import Ledger
from realtime.ledger.analytics import indian_hour
from realtime.ledger.hour_counts import HourCount
from realtime.locks.master import LockMaster
from realtime.locks.seats import SeatLocks
from realtime.model import ID

log = logging.getLogger(__name__)
MOST_VIEWERS = 10**9
"""The most viewers of one show at one node; a report with more is ignored."""


class ViewerReport(msgspec.Struct):
    """What a node writes at ``keys.VIEWERS``: the viewers of each show that somebody watches there, at a time (ms)."""

    time: int
    shows: dict[str, Annotated[int, msgspec.Meta(ge=0, le=MOST_VIEWERS)]]


class HourFigures:
    """Moves the figures of one region. Every step may be repeated, by any keeper."""

    def __init__(self, ledger: Ledger, master: LockMaster, locks: SeatLocks) -> None:
        """All arguments belong to the same region."""
        self._ledger = ledger
        self._master = master
        self._locks = locks
        self._reports: dict[bytes, bytes] = {}

    async def turn(self, token: str) -> None:
        """Move what was counted, and add up who watches; ``token`` is that of the present reconciliation.

        Raises ``RegionUnavailable``, ``LedgerUnavailable``, ``Fenced``, ``StaleFencingToken``.
        """
        batch, fields = await self._locks.take_figures(secrets.token_hex(8))
        if batch:
            counts = [count for field, number in fields.items() if (count := _count(field, number)) is not None]
            await self._ledger.add_hour_counts(token, batch, counts, now_ms())
            await self._locks.drop_figures(batch)
        await self._ledger.raise_viewers(indian_hour(now_ms()), await self._viewers())

    async def _viewers(self) -> Counter[str]:
        """Return the viewers of each show, added up over the nodes whose report has changed since the last turn."""
        before = self._reports
        self._reports = dict(connect.pairs(await self._master.command("HGETALL", keys.VIEWERS)))
        total: Counter[str] = Counter()
        for node, report in self._reports.items():
            if before.get(node, report) == report:
                continue  # the node has stopped, or this keeper sees the report for the first time
            try:
                total.update(msgspec.json.decode(report, type=ViewerReport).shows)
            except msgspec.MsgspecError:
                log.warning("the viewers that %r reports can't be read", node)
        return total


def _count(field: str, number: int) -> HourCount | None:
    """Return what a field of ``figures.lua`` counts; None if it is unknown: a later release, or a person, wrote it."""
    hour, _, rest = field.partition(" ")
    show, _, name = rest.partition(" ")
    at = connect.count(hour)
    return HourCount(show, at, name, number) if at and ID.match(show) and name in ("holds", "conflicts") else None
