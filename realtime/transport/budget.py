"""Limits what one connection may send. All its frames, packets and requests are counted here, and nowhere else.

A connection has one ``Budget`` for its whole life, also when it upgrades from long-polling to a WebSocket: control
frames, fragments, engine.io packets, CONNECTs that are refused, events, polls and posts each take a token.
"""

from __future__ import annotations

import asyncio

from realtime import limits


class Budget:
    """A token bucket, a count of what was refused, and a bound on the events that are answered at a time."""

    __slots__ = ("_delayed_until", "_filled_at", "_free", "_over", "_running", "_tokens")

    def __init__(self, now: float) -> None:
        """A new bucket is full; ``now`` is the time of the loop (s)."""
        self._tokens = float(limits.EVENT_BURST)
        self._filled_at = now
        self._over = 0
        """How many tokens more were refused than granted since; never less than 0."""
        self._running = 0
        """How many events are being answered."""
        self._delayed_until = now
        self._free: asyncio.Future[None] | None = None
        """Set when an event has been answered; None while nobody waits for that."""

    def take(self, now: float) -> float:
        """Take a token; return 0.0, or after how many seconds there will be one if there is none."""
        self._tokens = min(limits.EVENT_BURST, self._tokens + (now - self._filled_at) * limits.EVENTS_PER_S)
        self._filled_at = now
        if self._tokens < 1:
            self._over += 1
            return (1 - self._tokens) / limits.EVENTS_PER_S
        self._tokens -= 1
        # Decreased, not reset: during an attack some packets are granted too.
        self._over = max(0, self._over - 1)
        return 0.0

    @property
    def abusive(self) -> bool:
        """Whether so much more was refused than granted that the connection should be closed."""
        return self._over >= limits.EVENTS_OVER_LIMIT

    def delay_until(self, until: float) -> None:
        """Let the next event of this connection wait until a time of the loop (s); little is read meanwhile."""
        self._delayed_until = until

    async def delay(self) -> None:
        """Wait as ``delay_until`` says."""
        if (wait_s := self._delayed_until - asyncio.get_running_loop().time()) > 0:
            await asyncio.sleep(wait_s)

    async def begin_event(self) -> None:
        """Wait until fewer than ``limits.EVENTS_AT_ONCE`` events of this connection are being answered; count one.

        Only the task that reads the connection calls this, so at most one waits.
        """
        while self._running >= limits.EVENTS_AT_ONCE:
            self._free = asyncio.get_running_loop().create_future()
            await self._free
        self._running += 1

    def end_event(self) -> None:
        """Count an event as answered."""
        self._running -= 1
        if self._free is not None and not self._free.done():
            self._free.set_result(None)
        self._free = None
