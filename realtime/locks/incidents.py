"""Records in a stream on a lock master what goes wrong in a region, and when it is over.

Nodes and keepers note what they see. Several may see the same incident; only the first to do so records it. What a
process notes while its master is unreachable is recorded when the master is back, with the time at which it was seen.

Not guaranteed: the record is for people. A process that ends loses what it could not record, and a wiped master loses
the stream.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from redis.exceptions import RedisError

from realtime import keys, limits
from realtime.clock import now_ms
from realtime.errors import TicketError
from realtime.locks.master import LockMaster


class Incident(StrEnum):
    """The kinds of incidents. ``RECONCILED`` and those after it happen at one moment and have no end."""

    UNREACHABLE = "unreachable"
    """A node cannot reach the master of a region."""
    DELAYED = "delayed"
    """Changes of a region's maps reach a node late."""
    NO_KEEPER = "no_keeper"
    """No keeper of a region is running."""
    LEDGER = "ledger"
    """The ledger of a region does not answer."""
    PENDING = "pending"
    """Bookings wait for the ledger."""
    DEAD_LETTERS = "dead_letters"
    """No keeper could process an entry of the outbox."""
    REFUNDS = "refunds"
    """Refunds have failed."""
    HALTED = "halted"
    """The ledger has lost commits; nothing is sold."""
    MISCONFIGURED = "misconfigured"
    """The master has settings that can lose data."""
    CLOCK = "clock"
    """The clocks of the master and a keeper differ."""
    RECONCILED = "reconciled"
    """A keeper has reconciled the master: after a failover, a restart or a loss of data."""
    FENCED = "fenced"
    """A write of a keeper was refused, because another keeper has a newer fencing token."""
    GONE = "gone"
    """A node or keeper has ended without deleting its report."""
    CONTRADICTION = "contradiction"
    """The payment service contradicts the ledger about a payment."""


@dataclass(frozen=True, slots=True)
class _Note:
    kind: Incident
    about: str
    state: str
    at: int
    detail: str = ""


_BEGUN, _ENDED, _MOMENT = "begun", "ended", "moment"


class Incidents:
    """Notes incidents of one process, and records them with ``send``, which its owner calls regularly."""

    def __init__(self, name: str, master: LockMaster, *, clock: Callable[[], float] = time.monotonic) -> None:
        """``name`` is the process's, ``master`` that of its own region, ``clock`` any monotonic clock (s)."""
        self._name = name
        self._master = master
        self._clock = clock
        self._states: dict[tuple[Incident, str], str] = {}
        self._waiting: deque[_Note] = deque(maxlen=limits.INCIDENTS_A_MINUTE)
        self._sent: deque[float] = deque()

    def set(self, kind: Incident, about: str, wrong: bool) -> None:
        """Note whether an incident is going on in the region ``about``; only its beginning and end are recorded."""
        state = _BEGUN if wrong else _ENDED
        if self._states.get((kind, about)) != state:
            self._states[kind, about] = state
            self._waiting.append(_Note(kind, about, state, now_ms()))

    def happened(self, kind: Incident, about: str, detail: str) -> None:
        """Note an event in the region ``about``; it is recorded unless the last one of its kind has the same detail."""
        self._waiting.append(_Note(kind, about, _MOMENT, now_ms(), detail))

    async def send(self) -> None:
        """Record what was noted, at most ``limits.INCIDENTS_A_MINUTE``; the rest stays while the master is away."""
        while self._waiting and self._has_room():
            note = self._waiting[0]
            try:
                await self._record(note)
            except (TicketError, RedisError):
                return
            # The queue may have dropped the note in the meantime, because it was full.
            if self._waiting and self._waiting[0] is note:
                self._waiting.popleft()

    def _has_room(self) -> bool:
        now = self._clock()
        while self._sent and now - self._sent[0] > 60:
            self._sent.popleft()
        return len(self._sent) < limits.INCIDENTS_A_MINUTE

    async def _record(self, note: _Note) -> None:
        last = keys.incident(note.kind, note.about)
        value = note.detail or note.state
        before = await self._master.command("GETSET", last, value)
        await self._master.command("EXPIRE", last, limits.INCIDENT_STATE_S)
        # Nothing is recorded for the end of an incident that never began.
        if (before or _ENDED.encode()) == value.encode():
            return
        self._sent.append(self._clock())
        await self._master.command(
            *("XADD", keys.INCIDENTS, "MAXLEN", "~", limits.INCIDENTS_KEPT, "*"),
            *("kind", note.kind, "about", note.about, "state", note.state, "at", note.at),
            *("by", self._name, "detail", note.detail),
        )
