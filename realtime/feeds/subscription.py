"""The channels that a feed is subscribed to, on whichever server it reads from at the moment."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from realtime import keys, limits
from realtime.errors import RegionUnavailable
from realtime.feeds.listener import FIXED_CHANNELS
from realtime.feeds.replica import PROBE_S

T = TypeVar("T")


class LeaveServer(Exception):
    """The feed must leave the server it reads from; the message says why."""


async def bounded(region: str, work: Awaitable[T]) -> T:
    """Await a call to a server; raises ``RegionUnavailable`` if it fails or exceeds ``limits.RELAY_TIMEOUT_S``."""
    try:
        # Not ``wait_for``: see ``cancel_all``.
        async with asyncio.timeout(limits.RELAY_TIMEOUT_S):
            return await work
    except (RedisError, OSError, TimeoutError) as error:
        raise RegionUnavailable(region=region) from error


class Subscription:
    """Survives changes of the server: the wanted channels stay, their confirmations are awaited anew."""

    def __init__(self, region: str, on_message: Callable[[str, bytes], None]) -> None:
        """``on_message`` gets (channel, data) of every published message; it must not raise."""
        self._region = region
        self._on_message = on_message
        self._wanted: set[str] = set()
        self._confirmed: dict[str, asyncio.Event] = {}
        self._pubsub: PubSub | None = None
        self._changing = asyncio.Lock()
        self._pong = asyncio.Event()

    # --- for readers ----------------------------------------------------------------------------------------------
    async def subscribe(self, show: str) -> None:
        """Subscribe to a show's changes; returns once the server has confirmed. Raises ``RegionUnavailable``."""
        channel = keys.changes(show)
        self._wanted.add(channel)
        confirmed = self._confirmed.setdefault(channel, asyncio.Event())
        async with self._changing:
            if self._pubsub is None:
                raise RegionUnavailable(region=self._region)
            if not confirmed.is_set():
                await bounded(self._region, self._pubsub.subscribe(channel))
        await bounded(self._region, confirmed.wait())

    async def unsubscribe(self, show: str) -> None:
        """Unsubscribe from a show's changes."""
        channel = keys.changes(show)
        self._wanted.discard(channel)
        self._confirmed.pop(channel, None)
        async with self._changing:
            # It may have been subscribed to again while this waited for the lock.
            if self._pubsub is not None and channel not in self._wanted:
                with contextlib.suppress(RegionUnavailable):
                    await bounded(self._region, self._pubsub.unsubscribe(channel))

    # --- for the feed ---------------------------------------------------------------------------------------------
    async def subscribe_all(self, pubsub: PubSub) -> None:
        """Subscribe to the fixed and all wanted channels of a new server; returns once it has confirmed them.

        Raises ``LeaveServer`` if it does not answer. Readers can't use the server before ``use``.
        """
        missing = {*FIXED_CHANNELS, *self._wanted}
        for channel in self._wanted:
            self._confirmed.setdefault(channel, asyncio.Event())
        await pubsub.subscribe(*missing)
        while missing:
            message: dict[str, Any] | None = await pubsub.get_message(timeout=PROBE_S)
            if message is None:
                raise LeaveServer("it does not answer")
            self._process(message)
            if message["type"] == "subscribe":
                missing.discard(message["channel"].decode())

    def use(self, pubsub: PubSub) -> None:
        """Send changes of subscriptions to this server from now on."""
        self._pubsub = pubsub

    def reset(self) -> None:
        """Forget the server: no channel counts as confirmed."""
        self._pubsub = None
        for confirmed in self._confirmed.values():
            confirmed.clear()

    async def receive(self, pubsub: PubSub) -> None:
        """Deliver messages until the connection fails (redis-py's errors) or was re-established (``LeaveServer``)."""
        while True:
            message = await pubsub.get_message(timeout=60.0)
            if message is None:
                continue
            self._process(message)
            if message["type"] == "subscribe" and message["channel"].decode() in FIXED_CHANNELS:
                # redis-py reconnects by itself and subscribes again; what was published between is lost.
                raise LeaveServer("the subscription was interrupted")

    async def ping(self, pubsub: PubSub) -> None:
        """Ask whether the subscription's own connection still works; raises ``TimeoutError`` if no answer comes.

        A connection can be dead in one direction: commands on other connections work, and nothing arrives on this one.
        """
        self._pong.clear()
        await pubsub.ping()
        await asyncio.wait_for(self._pong.wait(), PROBE_S)

    def _process(self, message: dict[str, Any]) -> None:
        if message["type"] == "pong":
            self._pong.set()
            return
        channel = message["channel"].decode()
        if message["type"] == "subscribe":
            if channel in self._confirmed:
                self._confirmed[channel].set()
        elif message["type"] == "message":
            self._on_message(channel, message["data"])
