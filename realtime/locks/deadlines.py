"""Knows when holds end, and keeps a hold alive while the payment service is asked about its payment.

A confirm asks the payment service, which may be silent for longer than the hold lasts. Meanwhile, a buyer who has paid
must not lose the hold to somebody else, and a hold that nobody has paid for must not become longer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from realtime import limits
from realtime.errors import PaymentRefused, PaymentUnavailable, TicketError
from realtime.model import Hold, HoldState
from realtime.payments.errors import PaymentMismatch

if TYPE_CHECKING:
    from realtime.locks.holds import Holds

log = logging.getLogger(__name__)
RETRY_S = 0.5
"""The pause before the next call if the master did not answer."""
T = TypeVar("T")


class Deadlines:
    """The deadlines of the holds about which this process got answers last, by its own monotonic clock."""

    def __init__(self) -> None:
        self._ends = OrderedDict[str, float]()

    def note(self, hold: Hold, now: int) -> None:
        """Note the deadline in a master's answer about a hold; ``now`` is the master's time (ms)."""
        self._ends.pop(hold.id, None)
        if hold.state is HoldState.HELD:
            self._ends[hold.id] = time.monotonic() + (hold.expires_at - now) / 1000
            if len(self._ends) > limits.KNOWN_DEADLINES:
                self._ends.popitem(last=False)

    def left_s(self, hold_id: str) -> float:
        """Return for how many more seconds a hold lasts; 0 if that is not known."""
        return max(self._ends.get(hold_id, 0.0) - time.monotonic(), 0.0)


async def while_kept(locks: Holds, hold_id: str, asking: Coroutine[Any, Any, T]) -> T:
    """Await ``asking``, a question to the payment service about a hold, and keep the hold until it is answered.

    The master is called only if the hold could end before the answer, or if this process does not know when it ends. If
    the service says that nothing was paid (``PaymentRefused``), the hold gets its former deadline back. If the service
    does not answer (``PaymentUnavailable``), the hold is kept for ``limits.PROLONG_STEP_MS`` from then. Together this
    makes a hold at most ``limits.PROLONG_MS`` longer. If a hold can't be prolonged, because it has ended or the master
    is silent, that is only logged.
    """
    task = asyncio.ensure_future(asking)
    wait_s: float | None = max(locks.left_s(hold_id) - limits.PROLONG_BEFORE_S, 0.0)
    kept_ms = 0
    try:
        # If the service can refuse the proof by itself, the task is done before the first wait ends, and nothing is
        # prolonged.
        while not (await asyncio.wait({task}, timeout=wait_s))[0]:
            moved_ms, wait_s = await _prolong(locks, hold_id, limits.ASKING_STEP_MS)
            kept_ms += moved_ms
        return await task
    except PaymentRefused as error:
        # A payment that does not match is still money, of which the ledger may make a booking. So the hold keeps its
        # time.
        if kept_ms and not isinstance(error, PaymentMismatch):
            await _prolong(locks, hold_id, 0, kept_ms)
        raise
    except PaymentUnavailable:
        await keep_for_retry(locks, hold_id)
        raise
    finally:
        task.cancel()


async def keep_for_retry(locks: Holds, hold_id: str) -> None:
    """Keep a hold for ``limits.PROLONG_STEP_MS`` from now, for the next attempt with its payment; errors are logged."""
    await _prolong(locks, hold_id, limits.PROLONG_STEP_MS)


async def _prolong(locks: Holds, hold_id: str, step_ms: int, back_ms: int = 0) -> tuple[int, float | None]:
    """Prolong a hold; return by how much (ms), and after how many seconds to do it again (None: not again)."""
    try:
        moved_ms = await locks.prolong(hold_id, step_ms, back_ms)
    except TicketError as error:
        log.info("hold %s can't be prolonged: %s", hold_id, error.code)
        return 0, RETRY_S if error.retryable else None
    left_s = locks.left_s(hold_id) - limits.PROLONG_BEFORE_S
    return moved_ms, left_s if left_s > 0 else None
