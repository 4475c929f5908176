"""Causes and heals faults of many processes of a region at a time."""

from __future__ import annotations

import asyncio
import random

from loadtest.faults.actions import Begun, Parts, frozen
from loadtest.faults.schedule import Fault

STOPPED_S = (0.05, 1.5)
"""How long processes are stopped at a time (s), from and to."""


async def stutter(parts: Parts, fault: Fault, begun: Begun) -> None:
    """Stop one to three keepers and nodes for a random time with SIGSTOP, again and again."""
    cluster, rng = parts.cluster, random.Random(fault.at)
    names = [f"node {port}" for port in cluster.plan.nodes[fault.region]]
    names += [name for name in cluster.children if name.startswith(f"keeper {fault.region}")]
    loop = asyncio.get_running_loop()
    until = loop.time() + fault.seconds
    await begun()
    while loop.time() < until:
        some = rng.sample(names, rng.randint(1, min(3, len(names))))
        with frozen([cluster.children[name] for name in some]):
            await asyncio.sleep(rng.uniform(*STOPPED_S))
        await asyncio.sleep(rng.uniform(*STOPPED_S))


async def lose(parts: Parts, fault: Fault, begun: Begun) -> None:
    """Kill every process of a region at once (servers, keepers, nodes, and the replicas there), and restart them."""
    cluster, region = parts.cluster, fault.region
    own = tuple(f"{part} {region}" for part in ("master", "spare", "sentinel", "keeper"))
    names = [name for name in cluster.children if name.startswith(own) or name.endswith(f" in {region}")]
    names += [f"node {port}" for port in cluster.plan.nodes[region]]
    try:
        for name in names:
            cluster.pause(name).kill()
        await begun()
        await asyncio.sleep(fault.seconds)
    finally:
        for name in names:
            cluster.resume(name)
