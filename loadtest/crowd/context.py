"""What all simulated people of one process share: plan, nodes, maps, and the figures of the current second."""

from __future__ import annotations

import asyncio
import random
import time

from loadtest.connection import Connection, Endpoint
from loadtest.crowd.figures import Bin
from loadtest.crowd.map_store import MapStore
from loadtest.crowd.plan import Plan

CHANGED = b'42["seats:changed"'
SESSION = b'42["session"'
LEAVING = b'42["node:leaving"'
"""How the packets of these events begin."""
JOIN_S = 30.0
"""A viewer without a map after this long closes the connection and makes a new one."""


class WorkerContext:
    """Shared state of a worker process. Create it on the running event loop."""

    def __init__(self, plan: Plan, endpoints: list[Endpoint], maps: MapStore) -> None:
        """``endpoints`` are used in turn."""
        self.plan = plan
        self.maps = maps
        self.rng = random.Random(plan.seed * 1_000 + plan.number)
        self.bin = Bin()
        """Figures of the current second; the worker replaces it when it reports."""
        self.closing = False
        """Set at the end: open no more connections."""
        self.ending = False
        """Set when the planned time is over: start no purchase, poll, refresh or departure."""
        self.loop = asyncio.get_running_loop()
        self._endpoints = endpoints
        self._next_connect = 0.0
        self._connecting: set[asyncio.Task[None]] = set()

    def endpoint(self, number: int) -> Endpoint:
        """Return the node for a person's number; consecutive numbers get consecutive nodes."""
        return self._endpoints[number % len(self._endpoints)]

    def count_error(self, code: str) -> None:
        """Count a refusal or a failure."""
        self.bin.errors[code] += 1

    def open(self, connection: Connection) -> None:
        """Connect in a task, at the plan's connection rate. A failure is reported to ``connection.on_closed``."""
        task = self.loop.create_task(self._open(connection))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _open(self, connection: Connection) -> None:
        now = self.loop.time()
        at = self._next_connect = max(now, self._next_connect + self.plan.processes / self.plan.connects_per_s)
        if at > now + 0.002:
            await asyncio.sleep(at - now)
        if self.closing:
            return
        connection.started_at = time.monotonic()
        try:
            async with asyncio.timeout(JOIN_S):
                await connection.connect()
        except (OSError, TimeoutError) as error:
            reason = "timeout" if isinstance(error, TimeoutError) else f"connect: {error.strerror or error}"
            connection.abort(reason[:60])

    async def close(self) -> None:
        """Cancel connection attempts and allow no new ones."""
        self.closing = True
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)
