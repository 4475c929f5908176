"""Partitions of a region behind Sentinels: its master, a keeper and a node on one side, everything else on the other.

The Sentinels, the spares, the other keeper and node, the replicas, the workers and the other regions stay together.
Both sides reach the ledger and the bank. Possible only in a run that has entered a ``namespace``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
from collections.abc import AsyncIterator, Sequence

from loadtest.faults import namespace
from loadtest.faults.actions import Begun, Parts
from loadtest.faults.failovers import find_master
from loadtest.faults.schedule import Fault
from realtime.dev.plan import HOST, ClusterPlan

CONNECT_S = 2.0
"""How long connecting may keep the runner waiting."""
LOOK_S = 0.1
"""How often the master that is cut off is asked whether it was written to."""


def user_of(region: str, name: str) -> int | None:
    """Return the user of a part if it needs one of its own: a partition of ``region`` may put it beside the master."""
    own = (f"master {region}", f"spare {region} ", f"keeper {region}", "node ")
    return namespace.user_of(name) if name.startswith(own) else None


def targets(plan: ClusterPlan, region: str, keepers: Sequence[str]) -> list[str]:
    """Return which keeper and which node may be on the master's side: any one of each."""
    return [f"{keeper} and node {port}" for keeper in keepers for port in plan.nodes[region]]


async def partition(parts: Parts, fault: Fault, begun: Begun) -> None:
    """Separate both sides, and record when the old master was last written to."""
    plan = parts.cluster.plan
    master, port = await find_master(parts.cluster, fault.region)
    users = [namespace.user_of(name) for name in (master, *fault.target.split(" and "))]
    outside = _servers(plan, fault.region) - {port}
    loop = asyncio.get_running_loop()
    async with _writes(port, plan.password, users[0]) as writes:
        began = last = loop.time()
        rules = namespace.cut(users, port, outside, silent=round(fault.at * 100) % 2 == 0)
        try:
            await begun()
            before = await anext(writes, None)
            while loop.time() < began + fault.seconds:
                await asyncio.sleep(LOOK_S)
                if (now := await anext(writes, before)) != before:
                    before, last = now, loop.time()
        finally:
            namespace.heal(rules)
    parts.history.add(
        "cut_off", region=fault.region, target=fault.target, master=master, written_ms=round((last - began) * 1000)
    )


def _servers(plan: ClusterPlan, region: str) -> set[int]:
    """Return the ports of a region's Redis servers and Sentinels."""
    replicas = [port for (owner, _near), port in plan.replicas.items() if owner == region]
    return {plan.masters[region], *plan.spares[region], *plan.sentinels[region], *replicas}


@contextlib.asynccontextmanager
async def _writes(port: int, password: str, user: int) -> AsyncIterator[AsyncIterator[int]]:
    """Provide how many changes a server has made so far, over a connection of ``user``, until another fault ends it."""
    connection = socket.create_connection((HOST, port), CONNECT_S)
    os.fchown(connection.fileno(), user, -1)
    reader, writer = await asyncio.open_connection(sock=connection)

    async def counts() -> AsyncIterator[int]:
        writer.write(f"AUTH {password}\r\n".encode())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\n")
            while True:
                writer.write(b"INFO persistence\r\n")
                size = (await reader.readuntil(b"\n"))[1:]
                info = await reader.readexactly(int(size) + 2)
                found = re.search(rb"rdb_changes_since_last_save:(\d+)", info)
                assert found is not None, info
                yield int(found[1])

    try:
        yield counts()
    finally:
        writer.close()
