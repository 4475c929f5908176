"""Restarts what dies by itself, as a process supervisor does: soon at first, then ever more patiently."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping

from realtime.dev.process import Child

LOOK_S = 0.25
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
SETTLED_S = 30.0
"""A part that ran for so long was well; what ends it then is news, and no part of an earlier row of deaths."""


class Supervisor:
    """Watches the children of a cluster, except those that are to rest."""

    def __init__(self, children: Mapping[str, Child], resting: Collection[str], say: Callable[[str], None]) -> None:
        """Both collections may change while it runs. ``say`` is told of each death, with the end of the log."""
        self._children = children
        self._resting = resting
        self._say = say
        self._pauses: dict[str, float] = {}
        self._due: dict[str, float] = {}

    async def run(self) -> None:
        """Watch for ever; cancel it to end."""
        while True:
            self.look(time.monotonic())
            await asyncio.sleep(LOOK_S)

    def look(self, now: float) -> None:
        """Notice who has died, start those whose pause is over; ``now`` as from ``time.monotonic()``."""
        for name, child in list(self._children.items()):
            if child.running or name in self._resting:
                self._due.pop(name, None)
            elif name not in self._due:
                self._due[name] = now + self._back_off(child, now)
            elif now >= self._due[name]:
                del self._due[name]
                child.start()

    def _back_off(self, child: Child, now: float) -> float:
        earlier = self._pauses.get(child.name)
        fresh = earlier is None or now - child.started_at >= SETTLED_S
        pause = FIRST_PAUSE_S if earlier is None or fresh else min(2 * earlier, LONGEST_PAUSE_S)
        self._pauses[child.name] = pause
        pause = max(pause, child.rest_s)
        self._say(
            f"{child.name} ended with {child.returncode}; starting it again in {pause:g} s. The end of {child.log}:"
        )
        self._say(child.log_tail())
        return pause
