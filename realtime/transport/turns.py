"""Lets addresses take turns, so that one with many connections costs the others little.

Nobody is refused for that: while only one address has work, its work goes on without a pause.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable


class Turns:
    """Does one piece of work of each address in each turn of the loop; those of an address in the order of arrival."""

    def __init__(self) -> None:
        """Without any work."""
        self._waiting: dict[str, deque[Callable[[], object]]] = {}

    def add(self, address: str, work: Callable[[], object]) -> None:
        """Do ``work`` when all earlier work of its address is done, in the next turn of the loop at the earliest."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._take_turn)
        self._waiting.setdefault(address, deque()).append(work)

    async def wait(self, address: str) -> None:
        """Return when it is the turn of whom called this for an address."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.add(address, lambda: turn.done() or turn.set_result(None))
        await turn

    def _take_turn(self) -> None:
        loop = asyncio.get_running_loop()
        for address, waiting in tuple(self._waiting.items()):
            loop.call_soon(waiting.popleft())
            if not waiting:
                del self._waiting[address]
        if self._waiting:
            loop.call_soon(self._take_turn)
