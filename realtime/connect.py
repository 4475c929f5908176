"""Connections to masters and replicas: how a client is made, and where a master is right now.

No client made here retries by itself: a write whose answer was lost is answered again by the idempotent functions,
not sent again by a library (redis-py would, ten times).
"""

from __future__ import annotations

import contextlib
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from realtime.topology import Plain, Sentinels


def client(
    where: Plain, password: str = "", *, timeout_s: float | None = 5.0, connections: int = 16, decode: bool = False
) -> Redis:
    """Return a client of one server; ``timeout_s`` bounds connecting and every reply, None waits for ever."""
    extra: dict[str, Any] = {} if (not password or urlsplit(where.url).password) else {"password": password}
    return Redis.from_url(
        where.url,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s if timeout_s is not None else 5.0,
        max_connections=connections,
        decode_responses=decode,
        **extra,
    )


async def locate(master: Plain | Sentinels, password: str = "", *, timeout_s: float = 1.0) -> Plain:
    """Return where a master is now; asks the Sentinels. Raises redis-py's ``ConnectionError`` when none knows."""
    if isinstance(master, Plain):
        return master
    hosts = [(host.rpartition(":")[0], int(host.rpartition(":")[2])) for host in master.hosts]
    timeouts = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
    sentinel = Sentinel(hosts, sentinel_kwargs=timeouts)  # type: ignore[no-untyped-call]
    try:
        host, port = await sentinel.discover_master(master.service)
    finally:
        for each in sentinel.sentinels:
            await each.aclose()
    parts = urlsplit(master.url)
    credentials = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    return Plain(f"{parts.scheme}://{credentials}{host}:{port}{parts.path}")


async def close(redis: Redis | None) -> None:
    """Close a client, whatever state its connections are in."""
    if redis is None:
        return
    # A broken connection has nothing left to close.
    with contextlib.suppress(RedisError, OSError):
        await redis.aclose()
