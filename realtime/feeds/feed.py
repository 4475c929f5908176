"""A node's feed of one region: one subscription and one reading connection, both to the *same* replica.

What a function on the master writes and publishes reaches a replica's subscribers in that order. So whoever
subscribes, waits for the confirmation, and then reads from this feed has missed nothing in between. Whenever something
may have been missed (the feed moved to another server, or the region was silent for a while: a replica that had to copy
its master anew drops what was published meanwhile), listeners are told to read everything again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable
from typing import Any, TypeVar

import orjson
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from realtime import connect, keys, limits, wire
from realtime.clock import now_ms
from realtime.errors import RegionUnavailable
from realtime.feeds.replica import PROBE_S, Map, Replica, ReplicationStatus, authority, replication_status_of
from realtime.topology import Plain, Region
from realtime.wire import ChangeMessage

log = logging.getLogger(__name__)
T = TypeVar("T")
PREFER_EVERY_S = 5.0
"""How often a feed that had to move asks whether the replica nearest to it is back."""
MOVE_PAUSE_S = 0.1
MISSED_BEATS = 2
"""After this many heartbeats' time without one, what was published meanwhile may be lost."""
_FIXED = (keys.NOTICES, keys.DIRECTORY, keys.HEARTBEAT)


class Listener:
    """Who wants to know of something overrides its method; all are called on the loop and must not block."""

    def on_connected(self, feed: Feed) -> None:
        """The feed (re)connected, or may have missed something: what was read before may be out of date."""

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
    """The feed of one region, read near the region ``near``. ``start`` it, ``close`` it.

    ``live``: the region is in reach; else maps are as of ``stale_since`` (ms since the epoch). ``lag_ms``: by how much
    the last heartbeat's own time lay behind this node's clock when it came, so it is as good as the clocks agree.
    ``moves``: how often the feed left a server for another.
    """

    def __init__(self, region: Region, near: str, password: str = "") -> None:
        """``password`` is for URLs that name none."""
        self.region = region.name
        self.live = False
        self.stale_since = now_ms()
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
        self._replica: Replica | None = None
        self._heard = 0.0
        self._good_ms = self.stale_since
        self._pong = asyncio.Event()
        self._changing = asyncio.Lock()
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
        return self._replica is not None

    # --- reading --------------------------------------------------------------------------------------------------
    async def subscribe(self, show: str) -> None:
        """Subscribe to a show's changes; returns once the server has confirmed. Raises ``RegionUnavailable``."""
        channel = keys.changes(show)
        self._wanted.add(channel)
        confirmed = self._confirmed.setdefault(channel, asyncio.Event())
        async with self._changing:
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
        async with self._changing:
            # Somebody may have asked for it again meanwhile.
            if self._pubsub is not None and channel not in self._wanted:
                with contextlib.suppress(RegionUnavailable):
                    await self._bounded(self._pubsub.unsubscribe(channel))

    async def read_map(self, show: str) -> Map | None:
        """Return epoch, version, sales and the statuses (bytes 0-3) of one moment; None if the show has no state."""
        return await self._bounded(self._reading().read_map(show))

    async def command(self, *args: str | int) -> Any:
        """Read something from the feed's server. Raises ``RegionUnavailable``."""
        return await self._bounded(self._reading().command(*args))

    def _reading(self) -> Replica:
        if self._replica is None:
            raise RegionUnavailable(region=self.region)
        return self._replica

    async def _bounded(self, work: Awaitable[T]) -> T:
        try:
            return await asyncio.wait_for(work, limits.RELAY_TIMEOUT_S)
        except (RedisError, OSError, TimeoutError):
            raise RegionUnavailable(region=self.region) from None

    # --- staying connected ----------------------------------------------------------------------------------------
    async def _run(self) -> None:
        while True:
            try:
                if not await self._serve_best():
                    self._set_live(False)
            except Exception:
                # Whatever it was: a node without this feed would show nothing of the region until it is restarted.
                log.exception("feed of %s: failed", self.region)
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
        replica = Replica(server, self._password)
        pubsub = replica.pubsub()
        try:
            here, live = await self._may_serve(replica)
            await self._subscribe_all(pubsub)
            self._replica, self._pubsub = replica, pubsub
            self._heard = time.monotonic()
            log.info("feed of %s: on %s", self.region, _address(server))
            self._set_live(live)
            self._read_again()
            await self._listen(replica, pubsub, here, place)
        finally:
            with contextlib.suppress(RedisError, OSError):
                await pubsub.aclose()  # type: ignore[no-untyped-call]
            await replica.close()

    async def _may_serve(self, replica: Replica) -> tuple[ReplicationStatus, bool]:
        """Return where a server stands and whether the region is live; raises if it is not to be read from."""
        here = await replica.replication_status()
        master = await authority(self._master, self._password)
        if master is None and here.master:
            raise _MoveOn("it says it is a master, and the master does not answer")
        if master is not None and not here.follows(master):
            raise _MoveOn("it does not follow the master")
        return here, master is not None

    async def _subscribe_all(self, pubsub: PubSub) -> None:
        missing = {*_FIXED, *self._wanted}
        for channel in self._wanted:
            self._confirmed.setdefault(channel, asyncio.Event())
        await pubsub.subscribe(*missing)
        while missing:
            message: dict[str, Any] | None = await pubsub.get_message(timeout=PROBE_S)
            if message is None:
                raise _MoveOn("it does not answer")
            self._take(message)
            if message["type"] == "subscribe":
                missing.discard(message["channel"].decode())

    def _disconnect(self) -> None:
        self._replica = self._pubsub = None
        for confirmed in self._confirmed.values():
            confirmed.clear()

    async def _listen(self, replica: Replica, pubsub: PubSub, here: ReplicationStatus, place: int) -> None:
        watch = asyncio.get_running_loop().create_task(self._watch(replica, pubsub, here, place))
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
            if message is None:
                continue
            self._take(message)
            if message["type"] == "subscribe" and message["channel"].decode() in _FIXED:
                raise _MoveOn("the subscription was lost for a moment and made anew")

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "pong":
            self._pong.set()
            return
        channel = message["channel"].decode()
        if message["type"] == "subscribe":
            if channel in self._confirmed:
                self._confirmed[channel].set()
        elif message["type"] == "message":
            try:
                self._deliver(channel, message["data"])
            except Exception as error:
                # No message, whatever is in it, may end the feed.
                log.warning("feed of %s: skipped a message on %s: %r", self.region, channel, error)

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
            self._beat(told)
        for listener in self.listeners:
            if channel == keys.HEARTBEAT:
                listener.on_heartbeat(self, told)
            elif channel == keys.DIRECTORY:
                listener.on_directory(self, told)
            else:
                listener.on_notice(self, told)

    def _beat(self, heartbeat: dict[str, Any]) -> None:
        self.lag_ms = max(0.0, time.time() * 1000 - heartbeat["time"])
        silent_ms = (time.monotonic() - self._heard) * 1000
        self._heard = time.monotonic()
        self._set_live(True)
        if silent_ms > MISSED_BEATS * limits.HEARTBEAT_MS and self.connected:
            self._read_again()

    def _read_again(self) -> None:
        for listener in self.listeners:
            listener.on_connected(self)

    # --- is it still there? ---------------------------------------------------------------------------------------
    async def _watch(self, replica: Replica, pubsub: PubSub, known: ReplicationStatus, place: int) -> None:
        """Look every second whether all is well; return never, raise to move to another server."""
        preferred_at = time.monotonic() + PREFER_EVERY_S
        while True:
            await asyncio.sleep(limits.HEARTBEAT_MS / 1000)
            if place > 0 and time.monotonic() > preferred_at:
                preferred_at = time.monotonic() + PREFER_EVERY_S
                if await self._nearer(place):
                    raise _MoveOn("a nearer replica is back")
            known = await self._look(replica, known)
            if time.monotonic() - self._heard > limits.SILENCE_MS / 1000:
                await self._ask_around(replica, pubsub)

    async def _look(self, replica: Replica, known: ReplicationStatus) -> ReplicationStatus:
        """Return where the server stands now; if it has copied a master anew, everything is read again."""
        try:
            here = await replica.replication_status()
        except (RedisError, OSError):
            return known  # too busy, or gone: then there will be silence
        if here != known and here.linked:
            master = await authority(self._master, self._password)
            if master is not None and not here.follows(master):
                raise _MoveOn("it follows another master")
            self._read_again()
        return here

    async def _ask_around(self, replica: Replica, pubsub: PubSub) -> None:
        """Find out whose silence it is: the keepers', the master's, or only this server's (then raise)."""
        self._pong.clear()
        await pubsub.ping()
        here = await replica.replication_status()
        await asyncio.wait_for(self._pong.wait(), PROBE_S)
        master = await authority(self._master, self._password)
        if master is None:
            self._set_live(False)
        elif not here.follows(master):
            raise _MoveOn("it lost its master, and the master is there")
        elif self.live:
            self._good_ms = now_ms()  # only the keepers are silent
        else:
            self._set_live(True)
            self._read_again()

    async def _nearer(self, place: int) -> bool:
        """Tell whether a server before ``place`` can serve."""
        master = await authority(self._master, self._password)
        if master is None:
            return False
        found = [await replication_status_of(server, self._password) for server in self._replicas[:place]]
        return any(here is not None and here.follows(master) for here in found)

    def _set_live(self, live: bool) -> None:
        if live:
            self._good_ms = now_ms()
        if live != self.live:
            self.live = live
            self.stale_since = 0 if live else self._good_ms
            for listener in self.listeners:
                listener.on_state(self)


def _address(server: Plain) -> str:
    return server.url.rpartition("@")[2].rpartition("//")[2]
