"""One server that a feed reads from, and the master whose data it copies.

All replicas of one master, and replicas of those, report its replication id. A server that reports another one (a
replica that was promoted by hand, or that was started alone) has other data and must not be read.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError, ResponseError

from realtime import connect, keys, limits
from realtime.model import SalesState
from realtime.sales_window import SalesWindow
from realtime.topology import Plain, Sentinels
from realtime.wire.maps import statuses_from_master

PROBE_S = 1.0
"""How long a server may take to answer a query about its replication."""
READERS = 8
"""How many reads of one server may be under way; others wait."""
OTHERS = 2
"""Further connections: one for the subscription, and one for queries about replication."""

Map = tuple[str, int, SalesState, bytearray, SalesWindow | None]
"""Epoch, version, sales state, seat statuses (bytes 0-3) and sales window of a show, all of one moment. There is no
window where only keepers of an earlier release have declared the show."""


class UnreadableMap(Exception):
    """A server has a map that can't be read, because its keys are damaged; the message says why."""


@dataclass(frozen=True, slots=True)
class ReplicationStatus:
    """What a server reports about its replication."""

    replid: str
    master: bool
    linked: bool
    """Whether it is connected to its master; true for a master."""
    offset: int = field(default=0, compare=False)
    """How much of the stream of replication it has."""
    kept_from: int = field(default=0, compare=False)
    """From which offset on it keeps that stream (its backlog); 0 if it keeps none, or has discarded some of it."""

    def follows(self, master: ReplicationStatus) -> bool:
        """Tell whether this server has the data of that master and is connected to it, or is that master."""
        return self.linked and self.replid == master.replid

    def copied_since(self, before: ReplicationStatus) -> bool:
        """Return whether the server has copied its master again since then: subscribers missed what came in between.

        After a copy, its backlog begins again, with what comes after the copy.
        """
        return self.kept_from > before.offset + 1


def has_mark_of(mark: bytes, status: ReplicationStatus) -> bool:
    """Return whether a keeper has written a mark (``keys.RECONCILED``) on the master whose data a server has.

    It begins with the name of the incarnation, which ends with the replication id.
    """
    return mark.partition(b" ")[0].rpartition(b".")[2] == status.replid.encode()


class Replica:
    """A server that is read: a replica, or the master where no replica is usable. Methods raise redis-py's errors."""

    def __init__(self, server: Plain, password: str) -> None:
        """Does not connect yet."""
        self._redis = connect.client(server, password, timeout_s=limits.RELAY_TIMEOUT_S, connections=READERS + OTHERS)
        self._readers = asyncio.Semaphore(READERS)

    async def close(self) -> None:
        """Close all connections."""
        await connect.close(self._redis)

    def pubsub(self) -> PubSub:
        """Return a subscription, not connected yet."""
        return self._redis.pubsub()

    async def replication_status(self) -> ReplicationStatus:
        """Return what the server reports about its replication."""
        return await _replication_status(self._redis)

    async def read_map(self, show: str) -> Map | None:
        """Return the map of a show; None if the server has no seats of it. Raises ``UnreadableMap``, too."""
        async with self._readers:
            pipeline = self._redis.pipeline(transaction=True)
            pipeline.hmget(keys.meta(show), ["epoch", "version", "sales", "sales_start", "sales_end"])
            pipeline.get(keys.seats(show))
            try:
                meta, seats = await pipeline.execute()
            except ResponseError as error:
                if "WRONGTYPE" not in str(error):
                    raise
                raise UnreadableMap(str(error)) from None
        epoch, version, sales, start, end = meta
        if seats is None or None in (epoch, version, sales):
            return None
        try:
            window = SalesWindow(int(start), int(end)) if start is not None and end is not None else None
            return epoch.decode(), int(version), SalesState(sales.decode()), statuses_from_master(seats), window
        except ValueError as error:
            raise UnreadableMap(str(error)) from None

    async def command(self, *args: str | int) -> Any:
        """Send a command that reads; return its raw reply."""
        async with self._readers:
            return await self._redis.execute_command(*args)  # type: ignore[no-untyped-call]


async def _replication_status(redis: Redis) -> ReplicationStatus:
    info: dict[str, Any] = await redis.info("replication")
    master = info["role"] == "master"
    linked = master or info.get("master_link_status") == "up"
    # In a backlog that is full, the first byte moves on with each that is added.
    is_full = info.get("repl_backlog_histlen", 0) >= info.get("repl_backlog_size", 0)
    kept_from = 0 if is_full else int(info.get("repl_backlog_first_byte_offset", 0))
    return ReplicationStatus(str(info["master_replid"]), master, linked, int(info["master_repl_offset"]), kept_from)


async def replication_status_of(server: Plain, password: str) -> ReplicationStatus | None:
    """Ask a server over a connection of its own; None if it does not answer within ``PROBE_S``."""
    try:
        async with connect.to_server(server, password, timeout_s=PROBE_S) as redis:
            return await _replication_status(redis)
    except (RedisError, OSError):
        return None


async def master_status(master: Plain | Sentinels, password: str) -> ReplicationStatus | None:
    """Ask a region's current master; None if it can't be found, does not answer in time, or is no master."""
    try:
        where = await connect.locate(master, timeout_s=PROBE_S)
    except (RedisError, OSError):
        return None
    found = await replication_status_of(where, password)
    return found if found is not None and found.master else None
