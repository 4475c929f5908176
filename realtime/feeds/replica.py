"""One server, as a feed reads from it: the maps, and where the server stands.

Replicas of one master, and replicas of those, carry its replication id. So a server that says another one (a replica
that somebody made a master, or that was started by itself) is told from one that can be read from.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from realtime import connect, keys, limits, wire
from realtime.topology import Plain, Sentinels

PROBE_S = 1.0
"""How long a server may take to say that it is there."""
READERS = 8
"""Reads of one server under way at a time; more wait for their turn."""

Map = tuple[str, int, str, bytearray]
"""Epoch, version, sales and the statuses (bytes 0-3) of one moment."""


@dataclass(frozen=True, slots=True)
class ReplicationStatus:
    """What a server says of itself."""

    replid: str
    master: bool
    linked: bool

    def follows(self, authority: ReplicationStatus) -> bool:
        """Tell whether this server has the authority's data and the link to it, or is the authority."""
        return self.linked and self.replid == authority.replid


class Replica:
    """A server that is read from (the master itself, where no replica can). Everything raises redis-py's errors."""

    def __init__(self, server: Plain, password: str) -> None:
        """Does not connect yet."""
        self._redis = connect.client(server, password, timeout_s=limits.RELAY_TIMEOUT_S, connections=READERS + 1)
        self._turns = asyncio.Semaphore(READERS)

    async def close(self) -> None:
        """Close all connections."""
        await connect.close(self._redis)

    def pubsub(self) -> PubSub:
        """Return a subscription, not connected yet."""
        return self._redis.pubsub()

    async def replication_status(self) -> ReplicationStatus:
        """Return where the server stands."""
        return await _replication_status(self._redis)

    async def read_map(self, show: str) -> Map | None:
        """Return the map of a show; None if it has no state here."""
        async with self._turns:
            pipeline = self._redis.pipeline(transaction=True)
            pipeline.hmget(keys.meta(show), ["epoch", "version", "sales"])
            pipeline.get(keys.seats(show))
            meta, seats = await pipeline.execute()
        if seats is None or None in meta:
            return None
        epoch, version, sales = meta
        return epoch.decode(), int(version), sales.decode(), wire.statuses_from_master(seats)

    async def command(self, *args: str | int) -> Any:
        """Read anything."""
        async with self._turns:
            return await self._redis.execute_command(*args)  # type: ignore[no-untyped-call]


async def _replication_status(redis: Redis) -> ReplicationStatus:
    info: dict[str, Any] = await redis.info("replication")
    master = info["role"] == "master"
    return ReplicationStatus(str(info["master_replid"]), master, master or info.get("master_link_status") == "up")


async def replication_status_of(server: Plain, password: str) -> ReplicationStatus | None:
    """Return where a server stands, over a connection of its own; None if it does not answer in time."""
    try:
        async with connect.to_server(server, password, timeout_s=PROBE_S) as redis:
            return await _replication_status(redis)
    except (RedisError, OSError):
        return None


async def authority(master: Plain | Sentinels, password: str) -> ReplicationStatus | None:
    """Return where a region's master stands, wherever it is now; None if there is none that answers in time."""
    try:
        async with connect.to_master(master, password, timeout_s=PROBE_S) as redis:
            found = await _replication_status(redis)
    except (RedisError, OSError):
        return None
    return found if found.master else None
