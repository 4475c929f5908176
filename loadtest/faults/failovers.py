"""Faults of the master of a region behind Sentinels. The master is the server that the Sentinels name."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace

from redis.asyncio import Redis
from redis.exceptions import RedisError

from loadtest.faults.actions import Begun, Parts, frozen, kill, pause
from loadtest.faults.schedule import Fault
from realtime import connect
from realtime.dev.cluster import Cluster

LAG_S = 0.9
"""How much the spares miss before a lossy failover. Frozen for longer, they would not be promoted soon."""


async def kill_master(parts: Parts, fault: Fault, begun: Begun) -> None:
    """Kill the master and restart it."""
    name, _port = await find_master(parts.cluster, fault.region)
    await kill(parts, replace(fault, target=name), begun)


async def freeze_master(parts: Parts, fault: Fault, begun: Begun) -> None:
    """Freeze the master. When it wakes up it still believes that it is the master."""
    name, _port = await find_master(parts.cluster, fault.region)
    await pause(parts, replace(fault, target=name), begun)


async def kill_master_with_lagging_spares(parts: Parts, fault: Fault, begun: Begun) -> None:
    """Kill the master when every spare has missed its last writes."""
    name, port = await find_master(parts.cluster, fault.region)
    prefixes = (f"master {fault.region}", f"spare {fault.region} ")
    spares = [child for each, child in parts.cluster.children.items() if each.startswith(prefixes) and each != name]
    try:
        with frozen(spares):
            # Close their connections: a frozen spare would read buffered writes when it wakes up.
            await _drop_replicas(parts.cluster.plan.server_url(port))
            await asyncio.sleep(LAG_S)
            parts.cluster.pause(name).kill()
            await begun()
        await asyncio.sleep(fault.seconds)
    finally:
        parts.cluster.resume(name)


async def find_master(cluster: Cluster, region: str) -> tuple[str, int]:
    """Return the name and the port of a region's master."""
    while True:
        try:
            at = await connect.locate(cluster.plan.master(region))
            break
        except (RedisError, OSError):
            await asyncio.sleep(0.1)  # the previous failover is not over yet
    port = int(at.url.rpartition(":")[2])
    return f"master {region}" if port == cluster.plan.masters[region] else f"spare {region} {port}", port


async def _drop_replicas(url: str) -> None:
    async with Redis.from_url(url, socket_timeout=1) as redis:
        # A master that can't be reached has no connected replicas either.
        with contextlib.suppress(RedisError):
            await redis.execute_command("CLIENT", "KILL", "TYPE", "replica")  # type: ignore[no-untyped-call]
