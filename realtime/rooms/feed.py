"""A node's feed of one region: one subscription and one reading connection, both to the *same* replica.

What a function on the master writes and publishes reaches a replica's subscribers in that order. So whoever
subscribes, waits for the confirmation, and then reads from this feed has missed nothing in between. When the feed moves
to another server, listeners are told to read everything again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable
from typing import Any, TypeVar

import msgspec
import orjson
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from realtime import connect, keys, limits, wire
from realtime.errors import RegionUnavailable
from realtime.topology import Plain, Region
from realtime.wire import ChangeMessage

log = logging.getLogger(__name__)
T = TypeVar("T")
PROBE_S = 1.0
"""How long a server may take to say that it is there."""
PREFER_EVERY_S = 5.0
"""How often a feed that had to move asks whether the replica nearest to it is back."""
MOVE_PAUSE_S = 0.1
_FIXED = (keys.NOTICES, keys.DIRECTORY, keys.HEARTBEAT)


class Listener:
    """Who wants to know of something overrides its method; all are called on the loop and must not block."""

    def on_connected(self, feed: Feed) -> None:
        """The feed (re)connected: what was read before may be out of date."""

    def on_change(self, feed: Feed, show: str, change: ChangeMessage) -> None:
        """A show that somebody subscribed to has changed."""

    def on_heartbeat(self, feed: Feed, heartbeat: dict[str, Any]) -> None:
        """A keeper of the region is alive and published digests."""

    def on_directory(self, feed: Feed, what: dict[str, Any]) -> None:
        """A declaration has changed."""

    def on_notice(self, feed: Feed, notice: dict[str, Any]) -> None:
        """Something happened to a hold or booking."""

    def on_state(self, feed: Feed) -> None:
        """``feed.live`` has changed."""


class _MoveOn(Exception):
    """This server is no good (any more); try the next."""


class Feed:
    """The feed of one region, read near the region ``near``. ``start`` it, ``close`` it."""

    def __init__(self, region: Region, near: str, password: str = "") -> None:
        """``password`` is for URLs that name none."""
        self.region = region.name
        self.live = False
        self.stale_since = int(time.time() * 1000)
        self.lag_ms: float | None = None
        self.moves = 0
        self.listeners: list[Listener] = []
        others = [url for name, urls in region.replicas.items() if name != near for url in urls]
        self._replicas: list[Plain] = [*region.replicas.get(near, ()), *others]
        self._master = region.master
        self._password = password
        self._wanted: set[str] = set()
        self._confirmed: dict[str, asyncio.Event] = {}
        self._pubsub: PubSub | None = None
        self._redis: Redis | None = None
        self._heard = 0.0
        self._tasks: list[asyncio.Task[None]] = []

    # --- life -----------------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Connect in the background and stay connected."""
        self._tasks = [asyncio.get_running_loop().create_task(self._run(), name=f"feed of {self.region}")]

    async def close(self) -> None:
        """Leave."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def connected(self) -> bool:
        """Whether there is a server to read from."""
        return self._redis is not None

    # --- reading --------------------------------------------------------------------------------------------------
    async def subscribe(self, show: str) -> None:
        """Subscribe to a show's changes; returns once the server has confirmed. Raises ``RegionUnavailable``."""
        channel = keys.changes(show)
        self._wanted.add(channel)
        confirmed = self._confirmed.setdefault(channel, asyncio.Event())
        if self._pubsub is None:
            raise RegionUnavailable(region=self.region)
        if not confirmed.is_set():
            await self._bounded(self._pubsub.subscribe(channel))
            await self._bounded(confirmed.wait())

    async def unsubscribe(self, show: str) -> None:
        """Stop listening to a show's changes."""
        channel = keys.changes(show)
        self._wanted.discard(channel)
        self._confirmed.pop(channel, None)
        if self._pubsub is not None:
            with contextlib.suppress(RegionUnavailable):
                await self._bounded(self._pubsub.unsubscribe(channel))

    async def read_map(self, show: str) -> tuple[str, int, str, bytearray] | None:
        """Return epoch, version, sales and the statuses (bytes 0-3) of one moment; None if the show has no state."""
        redis = self._reader()
        pipeline = redis.pipeline(transaction=True)
        pipeline.hmget(keys.meta(show), ["epoch", "version", "sales"])
        pipeline.get(keys.seats(show))
        (epoch, version, sales), seats = await self._bounded(pipeline.execute())
        if epoch is None or seats is None:
            return None
        return epoch.decode(), int(version), sales.decode(), wire.statuses_from_master(seats)

    async def command(self, *args: str | int) -> Any:
        """Read something from the feed's server. Raises ``RegionUnavailable``."""
        return await self._bounded(self._reader().execute_command(*args))  # type: ignore[no-untyped-call]

    def _reader(self) -> Redis:
        if self._redis is None:
            raise RegionUnavailable(region=self.region)
        return self._redis

    async def _bounded(self, work: Awaitable[T]) -> T:
        try:
            return await asyncio.wait_for(work, limits.RELAY_TIMEOUT_S)
        except (RedisError, OSError, TimeoutError):
            raise RegionUnavailable(region=self.region) from None

    # --- staying connected ----------------------------------------------------------------------------------------
    async def _run(self) -> None:
        while True:
            if not await self._serve_best():
                self._set_live(False)
            await asyncio.sleep(MOVE_PAUSE_S)

    async def _serve_best(self) -> bool:
        """Listen to the best server that can serve, until it no longer can; False when none can."""
        for place, server in enumerate(await self._candidates()):
            served = False
            try:
                await self._serve(server, place)
            except (RedisError, OSError, TimeoutError, _MoveOn) as error:
                log.info("feed of %s: leaving %s: %s", self.region, _address(server), error)
                served = self.connected
            finally:
                self._disconnect()
            if served:
                self.moves += 1
                return True
        return False

    async def _candidates(self) -> list[Plain]:
        with contextlib.suppress(RedisError, OSError):
            return [*self._replicas, await connect.locate(self._master, self._password, timeout_s=PROBE_S)]
        return self._replicas

    async def _serve(self, server: Plain, place: int) -> None:
        redis = connect.client(server, self._password, timeout_s=limits.RELAY_TIMEOUT_S, connections=8)
        try:
            linked = await self._in_sync(redis)
            if not linked and await self._master_answers():
                raise _MoveOn("it has no link to its master")
            pubsub = redis.pubsub()
            try:
                channels = [*_FIXED, *self._wanted]
                for channel in self._wanted:
                    self._confirmed[channel] = asyncio.Event()
                await pubsub.subscribe(*channels)
                for _ in channels:
                    await self._take(await self._next(pubsub, PROBE_S))
                self._redis, self._pubsub = redis, pubsub
                self._heard = time.monotonic()
                log.info("feed of %s: on %s", self.region, _address(server))
                self._set_live(linked)
                for listener in self.listeners:
                    listener.on_connected(self)
                await self._listen(redis, pubsub, place)
            finally:
                with contextlib.suppress(RedisError, OSError):
                    await pubsub.aclose()  # type: ignore[no-untyped-call]
        finally:
            await connect.close(redis)

    def _disconnect(self) -> None:
        self._redis = self._pubsub = None
        for confirmed in self._confirmed.values():
            confirmed.clear()

    async def _listen(self, redis: Redis, pubsub: PubSub, place: int) -> None:
        watch = asyncio.get_running_loop().create_task(self._watch(redis, place))
        listen = asyncio.get_running_loop().create_task(self._hear(pubsub))
        try:
            done, _ = await asyncio.wait((watch, listen), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (watch, listen):
                task.cancel()
            await asyncio.gather(watch, listen, return_exceptions=True)

    async def _hear(self, pubsub: PubSub) -> None:
        while True:
            message = await pubsub.get_message(timeout=60.0)
            if message is not None:
                await self._take(message)

    async def _next(self, pubsub: PubSub, timeout_s: float) -> dict[str, Any]:
        message: dict[str, Any] | None = await pubsub.get_message(timeout=timeout_s)
        if message is None:
            raise _MoveOn("it does not answer")
        return message

    async def _take(self, message: dict[str, Any]) -> None:
        channel = message["channel"].decode()
        if message["type"] == "subscribe":
            if channel in self._confirmed:
                self._confirmed[channel].set()
        elif message["type"] == "message":
            try:
                self._deliver(channel, message["data"])
            except (msgspec.MsgspecError, orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
                log.warning("feed of %s: unreadable message on %s: %s", self.region, channel, error)

    def _deliver(self, channel: str, data: bytes) -> None:
        if channel not in _FIXED:
            change = wire.decode_change(data)
            for listener in self.listeners:
                listener.on_change(self, keys.changes_show(channel), change)
            return
        told = orjson.loads(data)
        if not isinstance(told, dict):
            raise TypeError("not an object")
        if channel == keys.HEARTBEAT:
            self._heard = time.monotonic()
            self.lag_ms = max(0.0, time.time() * 1000 - told["time"])
            self._set_live(True)
        for listener in self.listeners:
            if channel == keys.HEARTBEAT:
                listener.on_heartbeat(self, told)
            elif channel == keys.DIRECTORY:
                listener.on_directory(self, told)
            else:
                listener.on_notice(self, told)

    # --- is it still there? ---------------------------------------------------------------------------------------
    async def _watch(self, redis: Redis, place: int) -> None:
        """Ask around whenever the feed is silent; return never, raise to move to another server."""
        preferred_at = time.monotonic() + PREFER_EVERY_S
        while True:
            await asyncio.sleep(limits.HEARTBEAT_MS / 1000)
            if place > 0 and time.monotonic() > preferred_at:
                preferred_at = time.monotonic() + PREFER_EVERY_S
                if await self._can_serve(self._replicas[0]):
                    raise _MoveOn("a nearer replica is back")
            if time.monotonic() - self._heard < limits.SILENCE_MS / 1000:
                continue
            linked = await self._in_sync(redis)
            if not await self._master_answers():
                self._set_live(False)
            elif linked:
                self._set_live(True)  # only the keepers are silent
            else:
                raise _MoveOn("it lost its master, and the master is there")

    async def _master_answers(self) -> bool:
        try:
            where = await connect.locate(self._master, self._password, timeout_s=PROBE_S)
        except (RedisError, OSError):
            return False
        master = connect.client(where, self._password, timeout_s=PROBE_S, connections=1)
        try:
            return bool(await master.ping())
        except (RedisError, OSError):
            return False
        finally:
            await connect.close(master)

    async def _can_serve(self, server: Plain) -> bool:
        redis = connect.client(server, self._password, timeout_s=PROBE_S, connections=1)
        try:
            return await self._in_sync(redis)
        except (RedisError, OSError):
            return False
        finally:
            await connect.close(redis)

    async def _in_sync(self, redis: Redis) -> bool:
        """Tell whether a server has the master's data and (as a replica) the link to it."""
        info: dict[str, Any] = await redis.info("replication")
        return bool(info["role"] != "slave" or info["master_link_status"] == "up")

    def _set_live(self, live: bool) -> None:
        if live != self.live:
            self.live = live
            self.stale_since = 0 if live else int(time.time() * 1000)
            for listener in self.listeners:
                listener.on_state(self)


def _address(server: Plain) -> str:
    return server.url.rpartition("@")[2].rpartition("//")[2]
