"""Restarts processes that end by themselves, with exponential back-off, as a process supervisor does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping

from realtime.dev.process import Child

POLL_S = 0.25
MIN_BACK_OFF_S = 0.5
MAX_BACK_OFF_S = 30.0
STABLE_S = 30.0
"""A process that ran for this long was healthy: when it ends, the back-off starts again at ``MIN_BACK_OFF_S``."""


class Supervisor:
    """Watches the children of a cluster, except those that are paused."""

    def __init__(self, children: Mapping[str, Child], paused: Collection[str], echo: Callable[[str], None]) -> None:
        """Both collections may change meanwhile. Each end of a process goes to ``echo``, with the tail of its log."""
        self._children = children
        self._paused = paused
        self._echo = echo
        self._back_offs: dict[str, float] = {}
        self._restart_at: dict[str, float] = {}

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            self.look(time.monotonic())
            await asyncio.sleep(POLL_S)

    def look(self, now: float) -> None:
        """Find processes that have ended, and start those whose back-off is over; ``now`` as ``time.monotonic()``."""
        for name, child in list(self._children.items()):
            if child.running or name in self._paused:
                self._restart_at.pop(name, None)
            elif name not in self._restart_at:
                self._restart_at[name] = now + self._back_off(child, now)
            elif now >= self._restart_at[name]:
                del self._restart_at[name]
                child.start()

    def _back_off(self, child: Child, now: float) -> float:
        """Report the end of a process; return how long to wait (s) before it is restarted."""
        last = self._back_offs.get(child.name)
        first = last is None or now - child.started_at >= STABLE_S
        back_off = MIN_BACK_OFF_S if last is None or first else min(2 * last, MAX_BACK_OFF_S)
        self._back_offs[child.name] = back_off
        back_off = max(back_off, child.min_back_off_s)
        self._echo(
            f"{child.name} ended with exit code {child.returncode}; restarting it in {back_off:g} s. "
            f"The end of {child.log}:"
        )
        self._echo(child.log_tail())
        return back_off
