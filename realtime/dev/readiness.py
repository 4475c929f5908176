"""Whether a part of the embedded cluster is ready: asked of the part itself. None of these raises."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import aiohttp
from redis.exceptions import RedisError

from realtime import connect, keys
from realtime.dev.plan import HOST
from realtime.locks.master import incarnation_of, reconciled_in
from realtime.topology import Plain, Sentinels


async def in_sync(url: str) -> bool:
    """Return whether a server is ready: a master, or a replica with its master's data."""
    with contextlib.suppress(RedisError, OSError):
        async with connect.to_server(Plain(url), timeout_s=1.0) as redis:
            info = await redis.info("replication")
            return bool(info["role"] != "slave" or info["master_link_status"] == "up")
    return False


async def knows_all(url: str, service: str, replicas: int, others: int) -> bool:
    """Return whether a Sentinel knows all replicas and all other Sentinels."""
    with contextlib.suppress(RedisError, OSError):
        async with connect.to_server(Plain(url), timeout_s=1.0, decode=True) as redis:
            state: Any = await redis.execute_command("SENTINEL MASTER", service)  # type: ignore[no-untyped-call]
            return int(state["num-slaves"]) >= replicas and int(state["num-other-sentinels"]) >= others
    return False


async def is_reconciled(master: Plain | Sentinels) -> bool:
    """Return whether a keeper has reconciled a lock master in its present incarnation."""
    with contextlib.suppress(RedisError, OSError):
        async with connect.to_master(master, timeout_s=1.0) as redis:
            token = await redis.execute_command("GET", keys.RECONCILED)  # type: ignore[no-untyped-call]
            info = await redis.execute_command("INFO", "server", "replication")  # type: ignore[no-untyped-call]
            return reconciled_in(token, incarnation_of(info))
    return False


async def listens(port: int) -> bool:
    """Return whether a port takes connections."""
    try:
        _reader, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    return True


async def node_ready(session: aiohttp.ClientSession, port: int) -> bool:
    """Return whether a node says that it is ready."""
    try:
        async with session.get(f"http://{HOST}:{port}/readyz") as response:
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False
