"""Lets a bounded number of requests run at a time; network addresses take turns in getting the next place.

So an address with many requests waits for itself and hardly delays others.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import AsyncIterator

from realtime import limits
from realtime.errors import Overloaded


class FairTurns:
    """Like a semaphore, but fair to addresses instead of to requests."""

    def __init__(self, at_once: int) -> None:
        """At most ``at_once`` requests have a turn at a time."""
        self._free = at_once
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        """The waiting requests, by address; the address whose turn is next comes first."""

    @contextlib.asynccontextmanager
    async def turn(self, address: str, timeout_s: float) -> AsyncIterator[None]:
        """Wait for a turn, and keep it until the end of the context.

        Raises ``Overloaded`` if ``limits.ADDRESS_WAITING`` requests of the address are waiting, or if no turn comes in
        time.
        """
        if self._free > 0:
            self._free -= 1
        else:
            await self._wait(address, timeout_s)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, address: str, timeout_s: float) -> None:
        waiting = self._waiting.setdefault(address, deque())
        if len(waiting) >= limits.ADDRESS_WAITING:
            raise Overloaded()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.append(turn)
        try:
            async with asyncio.timeout(timeout_s):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._pass_on()  # the turn came at the same moment
            else:
                self._forget(address, turn)
            if isinstance(error, TimeoutError):
                raise Overloaded() from None
            raise

    def _forget(self, address: str, turn: asyncio.Future[None]) -> None:
        if turn in (waiting := self._waiting.get(address, deque())):
            waiting.remove(turn)
            if not waiting:
                del self._waiting[address]

    def _pass_on(self) -> None:
        while self._waiting:
            address, waiting = self._waiting.popitem(last=False)
            turn = waiting.popleft()
            if waiting:
                self._waiting[address] = waiting
            if not turn.done():  # otherwise the request has just given up
                turn.set_result(None)
                return
        self._free += 1
