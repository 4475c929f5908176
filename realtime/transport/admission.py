"""Limits the connections of one address and of all, and decides which are closed when there are too many.

Some kinds of connections cost a stranger little to keep open: with half a request, idle between two requests, with an
answer that is not read, sessions without CONNECT, sessions by long-polling. Each address may have a bounded number of
each kind. If it has more, the oldest is ended, never the newest, because requests that proceed are finished long before
they are the oldest. Connections of a trusted proxy belong to many clients, and count in the total only.
"""

from __future__ import annotations

import logging
import resource
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

from realtime import limits
from realtime.transport.fair_queue import FairQueue
from realtime.transport.limited_log import LimitedLog
from realtime.transport.waste import Waste

limited_log = LimitedLog(logging.getLogger(__name__))
T = TypeVar("T", bound=Hashable)


class BoundedByAddress(Generic[T]):
    """Things of one kind by address; ends the oldest of an address that has too many."""

    def __init__(self, most: int, min_age_s: float, end: Callable[[T], None], most_in_all: int | None = None) -> None:
        """Allow ``most`` of one address, and ``most_in_all``.

        Those younger than ``min_age_s`` are spared, up to four times as many, because a crowd that reconnects at once
        through one address is not an attack. ``end`` must lead to ``discard``.
        """
        self._most = most
        self._most_in_all = most_in_all
        self._min_age_s = min_age_s
        self.end = end
        self._of: dict[str, dict[T, float]] = {}
        self._having: list[dict[str, None]] = [{}]
        """The addresses sorted by how many things they have, because a full node needs the largest for every
        connection."""
        self._count = 0
        self.ended = 0

    def add(self, thing: T, address: str, now: float) -> None:
        """Add a thing; end the oldest of the address if it has too many."""
        things = self._of.setdefault(address, {})
        if thing not in things:
            self._note(address, len(things), len(things) + 1)
        things[thing] = now
        if len(things) > self._most:
            oldest = next(iter(things))
            if now - things[oldest] > self._min_age_s or len(things) > 4 * self._most:
                self._end_oldest_of(address)
        elif self._most_in_all is not None and len(self) > self._most_in_all:
            self.end_oldest()

    def discard(self, thing: T, address: str) -> bool:
        """Remove a thing; return whether it was here."""
        things = self._of.get(address)
        if things is None or things.pop(thing, None) is None:
            return False
        self._note(address, len(things) + 1, len(things))
        if not things:
            del self._of[address]
        return True

    def renew(self, thing: T, address: str, now: float) -> None:
        """Make a thing the newest of its address, if it is here."""
        if self.discard(thing, address):
            self.add(thing, address, now)

    def end_oldest(self) -> bool:
        """End the oldest of the address that has most; return False if there is nothing."""
        if not self._count:
            return False
        self._end_oldest_of(next(iter(self._having[-1])))
        return True

    def _note(self, address: str, before: int, now: int) -> None:
        """Note that an address had ``before`` things and has ``now``: one more, or one less."""
        self._count += now - before
        if now == len(self._having):
            self._having.append({})
        if now:
            self._having[now][address] = None
        if before:
            del self._having[before][address]
            if not self._having[-1]:
                self._having.pop()

    def _end_oldest_of(self, address: str) -> None:
        oldest = next(iter(self._of[address]))
        self.discard(oldest, address)
        self.ended += 1
        self.end(oldest)

    def __len__(self) -> int:
        """How many there are of all addresses."""
        return self._count


class Admission:
    """Counts the open connections of a server."""

    def __init__(self, per_address: int | None = None, most: int | None = None) -> None:
        """``most`` connections in all (None: what the open-files limit allows); None: 3/4 of that per address."""
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self.most = most if most is not None else max(files - limits.OTHER_FILES, files // 2)
        self.per_address = per_address if per_address is not None else self.most * 3 // 4
        self._of: Counter[str] = Counter()
        self.open = 0
        self.refused = 0
        self.waste = Waste()
        self.opening = FairQueue(self.waste.slows)
        """For new connections."""
        self.queue = FairQueue()
        """For other work of which one address could cause much. It does not wait for new connections."""
        self.ending = FairQueue()
        """For ending what a lost connection leaves behind. It frees memory, so it waits for nothing else."""
        self.unconnected = BoundedByAddress[str](limits.ADDRESS_UNCONNECTED, limits.BURST_S, lambda _sid: None)
        """engine.io sessions without CONNECT; ``protocol`` sets what ends them."""
        self.polling = BoundedByAddress[str](limits.ADDRESS_POLLING, limits.BURST_S, lambda _sid: None)
        """engine.io sessions by long-polling, from CONNECT until they end. They need no connection, so
        nothing else counts them. The newest are those that have polled last; ``protocol`` sets what ends them."""
        self.idle = BoundedByAddress[Closable](limits.ADDRESS_IDLE, 0.0, _expire)
        """HTTP connections between two requests."""
        self.silent = BoundedByAddress[Closable](limits.ADDRESS_UNFINISHED, limits.BURST_S, _expire)
        """Connections on which nothing has arrived yet."""
        self.pending = BoundedByAddress[Closable](limits.ADDRESS_HEADS, 0.0, _expire)
        """Connections on which a part of the first request's head has arrived."""
        self.unfinished = BoundedByAddress[Closable](limits.ADDRESS_UNFINISHED, 0.0, _expire)
        """Connections on which a part of a later head has arrived, or whose answer is not read."""
        self.bodies = BoundedByAddress[Closable](limits.ADDRESS_BODIES, 0.0, _expire, limits.BODIES)
        """Connections on which a part of a body has arrived."""

    @property
    def bounded(self) -> dict[str, BoundedByAddress[Any]]:
        """Everything that is bounded by address, by the name of its kind."""
        return {
            "silent": self.silent,
            "pending": self.pending,
            "idle": self.idle,
            "unfinished": self.unfinished,
            "bodies": self.bodies,
            "unconnected": self.unconnected,
            "polling": self.polling,
        }

    def admit(self, address: str, is_proxy: bool) -> ConnectionSlot | None:
        """Count a new connection; return None if it must be closed at once.

        If the total is reached, an idle or unfinished connection is ended for the new one.
        """
        if not is_proxy and self._of[address] >= self.per_address:
            self.refused += 1
            limited_log.warning("too many connections of one address, refused", address, self._of[address])
            return None
        ending = (self.silent, self.idle, self.pending, self.unfinished, self.bodies)
        if self.open >= self.most and not any(each.end_oldest() for each in ending):
            self.refused += 1
            limited_log.warning("too many connections, refused; add nodes or raise the open-files limit", self.open)
            return None
        return ConnectionSlot(self, address, is_proxy)


class Closable:
    """A connection that ``BoundedByAddress`` may end."""

    __slots__ = ()

    def expire(self) -> None:
        """Close at once, and count the connection as wasted."""
        raise NotImplementedError


def _expire(connection: Closable) -> None:
    connection.expire()


class ConnectionSlot:
    """The place of one admitted connection, handed from protocol to protocol; ``leave`` it when that is lost."""

    __slots__ = ("_admission", "_wasted", "address", "ending", "is_proxy", "queue")

    def __init__(self, admission: Admission, address: str, is_proxy: bool) -> None:
        """Made by ``Admission.admit``."""
        self._admission: Admission | None = admission
        self.queue = admission.queue
        self.ending = admission.ending
        self.address = address
        self.is_proxy = is_proxy
        self._wasted = False
        admission.open += 1
        admission._of[address] += 1

    def count_waste(self, now: float) -> None:
        """Count the connection as wasted, once; ``now`` is the time of the loop (s)."""
        if self._admission is not None and not self.is_proxy and not self._wasted:
            self._wasted = True
            self._admission.waste.count(self.address, now)

    def leave(self) -> None:
        """Give the place to another connection; may be called twice."""
        admission, self._admission = self._admission, None
        if admission is None:
            return
        admission.open -= 1
        admission._of[self.address] -= 1
        if not admission._of[self.address]:
            del admission._of[self.address]
