"""Stops a keeper at one of the most delicate points in its code, and lets it go on after another has taken over."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from pathlib import Path

from loadtest.faults.actions import Begun, Parts
from loadtest.faults.schedule import Fault
from loadtest.faults.servers import change_master
from realtime import keys
from realtime.dev.process import Child
from realtime.keeper.points import POINTS

REACHED = tuple(point for point in POINTS if not point.startswith("exchange"))
"""The points that are reached in a run: nobody in it exchanges seats."""
REACH_S = 180.0
"""How long a keeper may take to reach its point: until the next booking, or until it has reconciled the master. Another
fault may be in force meanwhile, such as one of the ledger."""
LOOK_S = 0.05


async def stop_at_point(parts: Parts, fault: Fault, begun: Begun) -> None:
    """Restart a keeper that stops itself at a point; it goes on when the other keepers had the fault's time.

    The others are down until it has stopped, so that it is the one that gets there.
    """
    cluster, point = parts.cluster, random.Random(fault.at).choice(REACHED)
    others = [each for each in cluster.children if each.startswith(f"keeper {fault.region}") and each != fault.target]
    sleeper = cluster.pause(fault.target)
    before = sleeper.env
    try:
        for name in (fault.target, *others):
            cluster.pause(name).kill()
        await begun()  # the region has no keeper from here on
        sleeper.env = {**(before or os.environ), "TICKINGTICKETS_STOP_AT": point}
        cluster.resume(fault.target)
        if not point.startswith("record"):
            await change_master(parts, fault.region, lambda redis: redis.delete(keys.RECONCILED))
        await _until_stopped(sleeper)
        for name in others:
            cluster.resume(name)
        await asyncio.sleep(fault.seconds)
    finally:
        sleeper.env = before
        sleeper.signal(signal.SIGCONT)
        for name in (fault.target, *others):
            cluster.resume(name)


async def _until_stopped(child: Child) -> None:
    """Wait until a process has stopped itself; raises ``TimeoutError`` after ``REACH_S``."""
    async with asyncio.timeout(REACH_S):
        while True:
            with contextlib.suppress(OSError):  # another fault has ended it
                if child.process is not None and state_of(child.process.pid) == "T":
                    return
            await asyncio.sleep(LOOK_S)


def state_of(process: int) -> str:
    """Return the state of a process as the kernel names it: T while it is stopped. Raises ``OSError`` if it is gone."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
