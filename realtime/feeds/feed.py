"""A node's feed of one region: a subscription and reads, both of the *same* server, which is chosen here.

What a function on the master writes and publishes reaches a replica's subscribers in that order. So a reader that
subscribes, waits for the confirmation, and then reads through the same feed misses nothing in between. Whenever
messages may have been lost (the feed has moved to another server, or there was a silence: a replica that copies its
master anew drops what is published meanwhile), listeners get ``on_connected`` and read everything again.

Servers are tried in order: the replicas near the node, the other replicas, the master. While the master can be reached,
only servers that follow it are read. While it can't, any replica is read, and the maps count as stale.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import Any

from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from realtime import connect, keys, limits
from realtime.cancellation import cancel_all
from realtime.errors import RegionUnavailable
from realtime.feeds.listener import Dispatcher, Listener
from realtime.feeds.liveness import Liveness
from realtime.feeds.replica import (
    PROBE_S,
    Map,
    Replica,
    ReplicationStatus,
    has_mark_of,
    master_status,
    replication_status_of,
)
from realtime.feeds.subscription import LeaveServer, Subscription, bounded
from realtime.topology import Plain, Region

log = logging.getLogger(__name__)
PREFER_EVERY_S = 5.0
"""How often a feed that is not on its nearest server checks whether a nearer one can be used again."""
RETRY_PAUSE_S = 0.1
"""Pause before the servers are tried again."""


class Feed:
    """The feed of one region, for a node near the region ``near``. ``start`` it, then ``close`` it.

    ``lag_ms`` is the age of the last heartbeat on arrival (None before the first). The node measures by how much the
    clock of this machine is behind that of its own region's master, and sets ``clock_offset_ms``. Thus the lag is as
    exact as the clocks of keepers and masters agree. ``moves`` counts how often the feed has left a server.
    """

    def __init__(self, region: Region, near: str, password: str = "") -> None:
        """``password`` is for URLs that contain none. Add to ``listeners`` before ``start``."""
        self.region = region.name
        self.lag_ms: float | None = None
        self.clock_offset_ms = 0
        self.moves = 0
        self.listeners: list[Listener] = []
        self._dispatcher = Dispatcher(self, self.listeners)
        self._liveness = Liveness(self._dispatcher.state)
        self._subscription = Subscription(region.name, self._dispatcher.message)
        others = [url for name, urls in region.replicas.items() if name != near for url in urls]
        self._replicas: list[Plain] = [*region.replicas.get(near, ()), *others]
        self._master = region.master
        self._password = password
        self._replica: Replica | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Connect in the background and stay connected until ``close``."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"feed of {self.region}")

    async def close(self) -> None:
        """Disconnect."""
        if self._task is not None:
            await cancel_all(self._task)

    @property
    def connected(self) -> bool:
        """Whether there is a server to read from."""
        return self._replica is not None

    @property
    def live(self) -> bool:
        """Whether the region's master is reachable; if not, its maps are as of ``stale_since``."""
        return self._liveness.live

    @property
    def losses(self) -> int:
        """How often the region's master was reachable and then was not."""
        return self._liveness.losses

    @property
    def stale_since(self) -> int:
        """While not ``live``: when the maps were last known to be current (ms since the epoch). Else 0."""
        return self._liveness.stale_since

    # --- reading --------------------------------------------------------------------------------------------------
    async def subscribe(self, show: str) -> None:
        """Subscribe to a show's changes; returns once the server has confirmed. Raises ``RegionUnavailable``."""
        await self._subscription.subscribe(show)

    async def unsubscribe(self, show: str) -> None:
        """Unsubscribe from a show's changes."""
        await self._subscription.unsubscribe(show)

    async def read_map(self, show: str) -> Map | None:
        """Return the map of a show; None if the server has none of it.

        Raises ``RegionUnavailable``, or ``UnreadableMap`` if its keys are damaged.
        """
        return await bounded(self.region, self._server().read_map(show))

    async def command(self, *args: str | int) -> Any:
        """Send a command that reads to the feed's server; return its raw reply. Raises ``RegionUnavailable``."""
        return await bounded(self.region, self._server().command(*args))

    async def reconciled(self) -> bytes | None:
        """Return the mark that a keeper has reconciled the master whose data the server has; None without one.

        A master that was promoted, or that was started with older data, has the mark of another incarnation until a
        keeper has reconciled it. Raises ``RegionUnavailable``.
        """
        mark: bytes | None = await self.command("GET", keys.RECONCILED)
        status = await bounded(self.region, self._server().replication_status())
        return mark if mark is not None and has_mark_of(mark, status) else None

    async def command_proved(self, *args: str | int) -> tuple[Any, bool]:
        """Send a command that reads; return its raw reply, and whether what is missing in it is missing in the region.

        A master that is not reconciled may lack what it had, so its mark must be there before and after the reply.
        Raises ``RegionUnavailable``.
        """
        before = await self.reconciled()
        reply = await self.command(*args)
        return reply, before is not None and before == await self.reconciled()

    def _server(self) -> Replica:
        if self._replica is None:
            raise RegionUnavailable(region=self.region)
        return self._replica

    # --- choosing a server ----------------------------------------------------------------------------------------
    async def _run(self) -> None:
        while True:
            try:
                if not await self._use_best():
                    self._liveness.set_live(False)
            except Exception:
                # A node whose feed has ended would show nothing of the region until it is restarted.
                log.exception("feed of %s: failed", self.region)
            await asyncio.sleep(RETRY_PAUSE_S)

    async def _use_best(self) -> bool:
        """Use the first server that can be used, until it no longer can; False when there is none."""
        for rank, server in enumerate(await self._candidates()):
            used = False
            try:
                await self._use(server, rank)
            except (RedisError, OSError, TimeoutError, LeaveServer) as error:
                log.info("feed of %s: leaving %s: %s", self.region, _address(server), error)
                used = self.connected
            finally:
                self._replica = None
                self._subscription.reset()
            if used:
                self.moves += 1
                return True
        return False

    async def _candidates(self) -> list[Plain]:
        with contextlib.suppress(RedisError, OSError):
            return [*self._replicas, await connect.locate(self._master, timeout_s=PROBE_S)]
        return self._replicas

    async def _use(self, server: Plain, rank: int) -> None:
        """Read from a server until it must be left; raises why."""
        replica = Replica(server, self._password)
        pubsub = replica.pubsub()
        try:
            status, live = await self._check_usable(replica)
            await self._subscription.subscribe_all(pubsub)
            self._replica = replica
            self._subscription.use(pubsub)
            self._liveness.restart_silence()
            log.info("feed of %s: on %s", self.region, _address(server))
            self._liveness.set_live(live)
            self._dispatcher.connected()
            await self._stay(replica, pubsub, status, rank)
        finally:
            with contextlib.suppress(RedisError, OSError):
                await pubsub.aclose()  # type: ignore[no-untyped-call]
            await replica.close()

    async def _check_usable(self, replica: Replica) -> tuple[ReplicationStatus, bool]:
        """Return a server's status, and whether the region is live; raises if the server must not be read."""
        status = await replica.replication_status()
        master = await self._master_status()
        if master is None and status.master:
            raise LeaveServer("it says it is a master, and the region's master does not answer")
        if master is not None and not status.follows(master):
            raise LeaveServer("it does not follow the master")
        return status, master is not None

    async def _master_status(self) -> ReplicationStatus | None:
        return await master_status(self._master, self._password)

    # --- staying with it ------------------------------------------------------------------------------------------
    async def _stay(self, replica: Replica, pubsub: PubSub, status: ReplicationStatus, rank: int) -> None:
        loop = asyncio.get_running_loop()
        watching = loop.create_task(self._watch(replica, pubsub, status, rank))
        receiving = loop.create_task(self._subscription.receive(pubsub))
        try:
            done, _ = await asyncio.wait((watching, receiving), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await cancel_all(watching, receiving)

    async def _watch(self, replica: Replica, pubsub: PubSub, status: ReplicationStatus, rank: int) -> None:
        """Check the server every heartbeat interval; never returns, raises when the server must be left."""
        preferred_at = time.monotonic() + PREFER_EVERY_S
        while True:
            await asyncio.sleep(limits.HEARTBEAT_MS / 1000)
            if rank > 0 and time.monotonic() > preferred_at:
                preferred_at = time.monotonic() + PREFER_EVERY_S
                if await self._nearer_usable(rank):
                    raise LeaveServer("a nearer server can be used again")
            status = await self._check_status(replica, status)
            if self._liveness.silence_s() > limits.SILENCE_MS / 1000:
                await self._explain_silence(replica, pubsub)

    async def _check_status(self, replica: Replica, known: ReplicationStatus) -> ReplicationStatus:
        """Return the server's status. If it changed, the server may have copied a master anew: all is read again.

        So it is if the server has copied the same master anew in the meantime, however quickly.
        """
        try:
            status = await replica.replication_status()
        except (RedisError, OSError):
            return known  # it is busy or down; if it is down, silence follows
        if status.linked and (status != known or status.copied_since(known)):
            master = await self._master_status()
            if master is not None and not status.follows(master):
                raise LeaveServer("it follows another master")
            self._dispatcher.connected()
        return status

    async def _explain_silence(self, replica: Replica, pubsub: PubSub) -> None:
        """Find out who is silent: the keepers only, the master, or this server alone (then raises)."""
        await self._subscription.ping(pubsub)
        status = await replica.replication_status()
        master = await self._master_status()
        if master is None:
            self._liveness.set_live(False)
        elif not status.follows(master):
            raise LeaveServer("it has lost its master, which is still there")
        else:
            was_live = self.live
            self._liveness.set_live(True)  # only the keepers are silent
            if not was_live:
                self._dispatcher.connected()

    async def _nearer_usable(self, rank: int) -> bool:
        """Tell whether a server before ``rank`` follows the master."""
        master = await self._master_status()
        if master is None:
            return False
        found = [await replication_status_of(server, self._password) for server in self._replicas[:rank]]
        return any(status is not None and status.follows(master) for status in found)

    # --- heartbeats -----------------------------------------------------------------------------------------------
    def heartbeat_arrived(self, heartbeat: dict[str, Any]) -> None:
        """Take the time of a heartbeat; ``Dispatcher`` calls this before the listeners get it."""
        self.lag_ms = max(0.0, time.time() * 1000 + self.clock_offset_ms - heartbeat["time"])
        if self._liveness.heartbeat() and self.connected:
            self._dispatcher.connected()


def _address(server: Plain) -> str:
    return server.url.rpartition("@")[2].rpartition("//")[2]
