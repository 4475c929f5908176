"""Reports of a payment service that contradict the ledger: operators are notified of them.

Such a report changes nothing. What became of the payment was decided by the service's own answer when it was asked.
"""

from __future__ import annotations

import contextlib
import logging
from collections import OrderedDict

from redis.exceptions import RedisError

from realtime import keys
from realtime.errors import RegionUnavailable
from realtime.ledger.rows import PaymentRow
from realtime.locks.incidents import Incident, Incidents
from realtime.locks.master import LockMaster
from realtime.payments.service import CURRENCY
from realtime.payments.status import PaymentState, PaymentStatus, ReportConflict
from realtime.transport.limited_log import LimitedLog

log = logging.getLogger(__name__)
REMEMBERED = 1_000
"""How many contradictions a process remembers, to report each once: a service repeats its reports and answers."""


class Contradictions:
    """Logs (one line in ten seconds), counts and records the contradictions of one region, each once per process."""

    def __init__(self, master: LockMaster, incidents: Incidents) -> None:
        """Both arguments belong to the same region."""
        self._master = master
        self._incidents = incidents
        self._log = LimitedLog(log)
        self._noted = OrderedDict[tuple[str, str], None]()

    async def compare(self, known: PaymentRow, heard: PaymentStatus) -> None:
        """Record a report about a payment that the ledger has, if the two can't both be true."""
        cause = contradiction(known, heard)
        if not cause or (known.id, cause) in self._noted:
            return
        self._noted[known.id, cause] = None
        if len(self._noted) > REMEMBERED:
            self._noted.popitem(last=False)
        self._log.warning("the payment service contradicts the ledger", known.id, cause)
        self._incidents.happened(Incident.CONTRADICTION, self._master.region, known.id)
        with contextlib.suppress(RegionUnavailable, RedisError):
            await self._master.small_write("INCR", keys.CONTRADICTIONS)


def contradiction(known: PaymentRow, heard: PaymentStatus) -> str:
    """Return what a report contradicts, for operators; "" if it agrees with the ledger."""
    amount, currency = known.amount, CURRENCY
    if not known.booking:
        # For a payment that was returned, the ledger has the amount that was left to return, and no currency.
        amount, currency = max(amount, heard.amount), heard.currency
    row = PaymentStatus(known.id, PaymentState.CAPTURED, amount, currency, known.order, known.hold)
    try:
        row.merged(heard)
    except ReportConflict as error:
        return str(error)
    if heard.state is PaymentState.REFUNDED and known.booking and known.refund is None:
        return f"refunded, and its booking {known.booking} stands"
    return ""
