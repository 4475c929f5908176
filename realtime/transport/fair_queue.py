"""Fair queueing by network address, so that an address with many connections costs the others little.

Nobody is refused for that: while only one address has work, its work goes on without a pause. Where iterations of the
loop take long, because many viewers are sent changes, an address still gets ``AT_LEAST_PER_S``, but never more than
``AT_ONCE`` in one iteration: work that makes an iteration long must not lead to more of it in the next.

Turns alone don't help where a machine's cores are busy: a process that always has work must wait for a core, and
everything in it waits too. So addresses that waste a node's work (``waste``) share ``limits.SLOWED_PER_S``.
"""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from collections.abc import Callable

from realtime import limits

AT_LEAST_PER_S = 200
"""Pieces of work of one address; half of a node's core, if each is the most expensive attack that is known."""
AT_ONCE = 5
"""Pieces of work of one address in one iteration: what is due after 25 ms."""


class FairQueue:
    """In each iteration of the loop, does one piece of work of each address; an address's are done in their order."""

    def __init__(self, is_slowed: Callable[[str, float], bool] = lambda _address, _now: False) -> None:
        """Without any work. ``is_slowed`` tells it of an address, at a time of the loop (s)."""
        self._is_slowed = is_slowed
        self._next_slowed_at = 0.0
        """When the next piece of work of a slowed address may be done."""
        self._next: asyncio.Handle | None = None
        """What does the next pieces of work; None while nothing waits."""
        self._pauses = False
        """Whether only work of slowed addresses waits, so that ``_next`` is a timer."""
        self._done_at = 0.0
        self._waiting: dict[str, deque[Callable[[], object]]] = {}
        self._served: set[str] = set()
        """Addresses that have taken a turn in this iteration."""

    def add(self, address: str, work: Callable[[], object]) -> None:
        """Do ``work`` after all earlier work of its address, in the next iteration of the loop at the earliest."""
        self._waiting.setdefault(address, deque()).append(work)
        if self._next is None or self._pauses:
            self._go_on()

    def cost_nothing(self) -> None:
        """Let a slowed address have another turn at once: the work that is being done has cost next to nothing."""
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
        """Return at once if this is the first turn of an address in this iteration, and nothing of it waits.

        Else return after all its earlier work.
        """
        if address in self._served or address in self._waiting:
            await self.wait(address)
            return
        if not self._served:
            asyncio.get_running_loop().call_soon(self._served.clear)
        self._served.add(address)

    def _do_next(self) -> None:
        loop = asyncio.get_running_loop()
        before, self._done_at = self._done_at, loop.time()
        most = max(1, min(AT_ONCE, int((self._done_at - before) * AT_LEAST_PER_S)))
        served = False
        for address, waiting in tuple(self._waiting.items()):
            count = min(most, len(waiting))
            if self._is_slowed(address, self._done_at):
                if self._done_at < self._next_slowed_at:
                    continue
                self._next_slowed_at = self._done_at + 1 / limits.SLOWED_PER_S
                count = 1
                self._waiting[address] = self._waiting.pop(address)  # the other slowed ones are next
            served = True
            for _ in range(count):
                loop.call_soon(waiting.popleft())  # not called here: what it raises must not stop the others
            if not waiting:
                del self._waiting[address]
        self._pauses = False
        if not self._waiting:
            self._next = None
        elif served:
            self._next = loop.call_soon(self._do_next)
        else:
            self._pauses = True
            self._next = loop.call_at(self._next_slowed_at, self._do_next)


def _finish(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
