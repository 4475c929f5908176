"""Fair queueing by network address, so that an address with many connections costs the others little.

Nobody is refused for that: while only one address has work, its work goes on without a pause. Where iterations of the
loop take long, because many viewers are sent changes, an address still gets ``AT_LEAST_PER_S``, but never more than
``AT_ONCE`` in one iteration: work that makes an iteration long must not lead to more of it in the next.
"""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from collections.abc import Callable

AT_LEAST_PER_S = 200
"""Pieces of work of one address; half of a node's core, if each is the most expensive attack that is known."""
AT_ONCE = 5
"""Pieces of work of one address in one iteration: what is due after 25 ms."""


class FairQueue:
    """In each iteration of the loop, does one piece of work of each address; an address's are done in their order."""

    def __init__(self) -> None:
        """Without any work."""
        self._done_at = 0.0
        self._waiting: dict[str, deque[Callable[[], object]]] = {}
        self._served: set[str] = set()
        """Addresses that have taken a turn in this iteration."""

    def add(self, address: str, work: Callable[[], object]) -> None:
        """Do ``work`` after all earlier work of its address, in the next iteration of the loop at the earliest."""
        if not self._waiting:
            loop = asyncio.get_running_loop()
            self._done_at = loop.time()
            loop.call_soon(self._do_next)
        self._waiting.setdefault(address, deque()).append(work)

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
        for address, waiting in tuple(self._waiting.items()):
            for _ in range(min(most, len(waiting))):
                loop.call_soon(waiting.popleft())  # not called here: what it raises must not stop the others
            if not waiting:
                del self._waiting[address]
        if self._waiting:
            loop.call_soon(self._do_next)


def _finish(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
