"""Fair queueing by network address, so that an address with many connections costs the others little.

Nobody is refused: while only one address has work, it is done without pauses. How many pieces of work of one address,
and of all, are done in one iteration of the event loop depends on how long iterations take. While they are short, more
are done together, because that costs less (commands to a master share a round trip). When they are long, fewer are
done, because everybody else waits for an iteration to end. If iterations stay long because many viewers are sent
changes, an address still gets ``AT_LEAST_PER_S``, but never more than ``AT_ONCE`` in one iteration: work that makes an
iteration long must not lead to more work in the next.

If more is waiting than one iteration may do, half of it goes to addresses that had nothing to do shortly before, much
as in the packet scheduler FQ-CoDel (RFC 8290). An occasional client is then not queued behind hundreds of busy
addresses. The other half is theirs, so an address that many people share is not starved by a crowd of new ones.

Taking turns is not enough if the machine's cores are busy: a process that always has work must wait for a core, and
everything in it waits too. So addresses that waste a node's work (``waste``) share ``limits.SLOWED_PER_S``.
"""

from __future__ import annotations

import asyncio
import functools
from collections import Counter, deque
from collections.abc import Callable

from realtime import limits

AT_LEAST_PER_S = 200
"""Pieces of work of one address; half of a node's core, if each is the most expensive attack that is known."""
AT_ONCE = 5
"""Pieces of work of one address in one iteration: what is due after 25 ms."""
ALL_AT_LEAST_PER_S = 2_500
"""Pieces of work of all addresses; more than a node can do of any kind."""
ALL_AT_ONCE = 20
"""Pieces of work of all addresses in one iteration that are done however long iterations take."""
MOST_AT_ONCE = 512
"""Pieces of work of all addresses in one iteration, while iterations are short."""
MORE = 8
"""By how many of them the number rises after a short iteration."""
SHORT_S = 0.002
"""An iteration that takes less may be followed by one with more work."""
LONG_S = 0.004
"""An iteration that takes more is followed by one with less work."""


class FairQueue:
    """In each iteration of the event loop, does some work of each address; one address's pieces are done in order."""

    def __init__(self, is_slowed: Callable[[str, float], bool] = lambda _address, _now: False) -> None:
        """Begin without work. ``is_slowed`` returns whether an address is slowed at a time of the event loop (s)."""
        self._is_slowed = is_slowed
        self._next_slowed_at = 0.0
        """When the next piece of work of a slowed address may be done."""
        self._next: asyncio.Handle | None = None
        """The handle of the call that does the next pieces of work; None while nothing waits."""
        self._pauses = False
        """Whether only work of slowed addresses waits, so that ``_next`` is a timer."""
        self._done_at = 0.0
        """When the last pieces of work were begun, or when one came after a time without any (s, the loop's time)."""
        self._most, self._most_in_all = 1, ALL_AT_ONCE
        """How many pieces of work are done in one iteration, as iterations have been short or long."""
        self._waiting: dict[str, deque[Callable[[], object]]] = {}
        self._count = 0
        """How many pieces of work wait."""
        self._new, self._old = deque[str](), deque[str]()
        """The addresses of ``_waiting`` in their order; the old ones have had a turn since they came."""
        self._served = Counter[str]()
        """How many pieces of work of an address were done in this iteration."""
        self._left = self._most_in_all
        """How many of all are left for this iteration."""

    def add(self, address: str, work: Callable[[], object]) -> None:
        """Do ``work`` after all earlier work of its address, in the next iteration of the loop at the earliest."""
        if address not in self._waiting:
            self._waiting[address] = deque()
            self._new.append(address)
        self._waiting[address].append(work)
        self._count += 1
        if self._next is None or self._pauses:
            self._go_on()

    def cost_nothing(self) -> None:
        """Let a slowed address have another turn at once, because the present piece of work costs next to nothing."""
        self._next_slowed_at = 0.0
        if self._pauses:
            self._go_on()

    def _go_on(self) -> None:
        loop = asyncio.get_running_loop()
        if self._next is not None:
            self._next.cancel()
        self._done_at, self._pauses = loop.time(), False
        self._next = loop.call_soon(self._do_next)

    async def wait(self, address: str) -> None:
        """Return after all earlier work of an address."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.add(address, functools.partial(_finish, done))
        await done

    async def take_turn(self, address: str) -> None:
        """Return at once if an address has turns left in this iteration, and no earlier work that waits.

        Else return after all its earlier work.
        """
        if self._waiting.get(address) or self._served[address] >= self._most or self._left <= 0:
            await self.wait(address)
            return
        if address not in self._waiting:  # from now on it has had a turn, until it is visited without work
            self._waiting[address] = deque()
            self._old.append(address)
        self._served[address] += 1
        self._left -= 1
        if self._next is None or self._pauses:
            self._go_on()

    def _do_next(self) -> None:
        loop = asyncio.get_running_loop()
        before, self._done_at = self._done_at, loop.time()
        turns, self._left = self._adapt(self._done_at - before)
        self._served.clear()
        # New addresses first, but while there are old ones they leave them half. What those leave, the new ones get.
        old = len(self._old)
        self._visit(self._new, len(self._new), turns, keep=self._left // 2 if old else 0)
        self._visit(self._old, old, turns)
        self._visit(self._new, len(self._new), turns)
        self._pauses = bool(self._count) and not self._served
        if self._pauses:
            self._next = loop.call_at(self._next_slowed_at, self._do_next)
        else:
            self._next = loop.call_soon(self._do_next) if self._waiting else None

    def _visit(self, addresses: deque[str], count: int, turns: int, keep: int = 0) -> None:
        """Serve the first ``count`` addresses, as long as more than ``keep`` pieces are left for this iteration."""
        slowed = list[str]()
        for _ in range(count):
            if self._left <= keep:
                break
            address = addresses.popleft()
            if not self._waiting[address]:
                del self._waiting[address]
            elif self._serve(address, min(turns, self._left)):
                self._old.append(address)
            else:
                slowed.append(address)
        addresses.extendleft(reversed(slowed))  # they stay the first, in their order

    def _serve(self, address: str, turns: int) -> bool:
        """Do up to ``turns`` pieces of an address's work; False if it is slowed and has to wait longer."""
        if self._is_slowed(address, self._done_at):
            if self._done_at < self._next_slowed_at:
                return False
            self._next_slowed_at = self._done_at + 1 / limits.SLOWED_PER_S
            turns = 1
        waiting, loop = self._waiting[address], asyncio.get_running_loop()
        turns = min(turns, len(waiting))
        self._served[address] = turns
        self._left -= turns
        self._count -= turns
        for _ in range(turns):
            loop.call_soon(waiting.popleft())  # not called here: what it raises must not stop the others
        return True

    def _adapt(self, took_s: float) -> tuple[int, int]:
        """Return how many turns an address and all have in this iteration, after one that took ``took_s`` with work."""
        if took_s > LONG_S:
            self._most = max(1, int(self._most * LONG_S / took_s))
            self._most_in_all = max(1, int(self._most_in_all * LONG_S / took_s))
        elif took_s < SHORT_S and self._count:  # they might have been done already
            self._most = min(limits.TURNS, self._most + 1)
            self._most_in_all = min(MOST_AT_ONCE, self._most_in_all + MORE)
        due, due_in_all = int(took_s * AT_LEAST_PER_S), int(took_s * ALL_AT_LEAST_PER_S)
        return max(self._most, min(AT_ONCE, due)), max(self._most_in_all, min(ALL_AT_ONCE, due_in_all))


def _finish(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
