"""The link of a node or keeper to one region's lock master. Calls of one event-loop iteration share a pipeline.

This module never sends a call twice. A write whose answer was lost fails as ``RegionUnavailable``; the caller may
repeat it, because the functions are idempotent. Every call answers or fails within its time-out.

Behind Sentinels, ``locks.lease`` says when a server may be used as the master, and when its answers count.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from realtime import connect, keys, limits
from realtime.cancellation import cancel_all
from realtime.errors import Overloaded, RegionUnavailable
from realtime.locks import library
from realtime.locks.lease import ASK_EVERY_S, LEASE_S, Lease
from realtime.topology import Plain, Region, Sentinels

log = logging.getLogger(__name__)
MAX_BATCH = 512
"""The most calls in one pipeline, so that a burst of replies does not block the event loop for long."""
MAX_PIPELINES = 4
"""The most pipelines in flight: a region 25 ms away answers one while others are on their way."""
WATCH_S = 0.25
"""How often an idle link behind Sentinels pings its master, which renews the lease."""
RETRY_AFTER_S = 0.1
"""Pause before a master that did not answer is located again; calls fail at once in the meantime."""
NO_LIBRARY = "Function not found"
"""The text of a server's error if the function is not loaded."""


class MasterRefused(RegionUnavailable):
    """The master is configured so that two masters could sell the same seats; a keeper does not serve it."""


@dataclass(frozen=True, slots=True)
class ConfigEpoch:
    """The Sentinels' configuration epoch (0 without Sentinels), and whether all of them answered with this one."""

    number: int = 0
    unanimous: bool = True


def incarnation_of(info: Any) -> bytes:
    """Return the name of a server's incarnation, from ``INFO server replication``.

    It changes with a restart (``run_id``) and with a promotion (``master_replid``).
    """
    return f"{info['run_id']}.{info['master_replid']}".encode()


def reconciled_in(mark: bytes | None, incarnation: bytes, config_epoch: int = 0) -> bool:
    """Return whether a mark (``keys.RECONCILED``) names this incarnation and this configuration epoch.

    The epoch is compared because Sentinels may go back to a former master that was never demoted. Its incarnation still
    matches its mark, but it lacks what other masters have sold since.
    """
    parts = (mark or b"").split()
    if not parts or parts[0] != incarnation:
        return False
    noted, epoch = parts[1].rpartition(b".")[::2] if len(parts) > 1 else (b"", b"")
    # A mark by a keeper of the previous release has no epoch.
    return not noted or (epoch.isdigit() and int(epoch) >= config_epoch)


@dataclass(slots=True, eq=False)
class _Call:
    args: tuple[Any, ...]
    answer: asyncio.Future[Any]
    timer: asyncio.TimerHandle


class LockMaster:
    """The lock master of one region. Create and ``close`` it in the same running event loop."""

    def __init__(
        self,
        region: Region,
        password: str = "",
        *,
        timeout_s: float = limits.RELAY_TIMEOUT_S,
        reconciled_only: bool = False,
    ) -> None:
        """``password`` is for URLs without one. Keepers use a longer ``timeout_s``: no buyer waits for their calls.

        ``reconciled_only``: use a server only if a keeper has reconciled it since it became the master.
        """
        self._timeout_s = timeout_s
        # If no buyer waits, a busy machine gets more time to answer.
        self._ask_s = max(timeout_s, limits.RELAY_TIMEOUT_S) / 2
        self._reconciled_only = reconciled_only
        self.region = region.name
        self._where = region.master
        """The master as the topology names it: an address, or Sentinels."""
        self._password = password
        self._redis: Redis | None = None
        self._at: Plain | None = None
        """The address at which the master was found."""
        self._lease = Lease(region.master, self._ask_s) if isinstance(region.master, Sentinels) else None
        self._watching: asyncio.Task[None] | None = None
        self.generation = 0
        """Rises whenever another server may have become the master: earlier connections may lead to a former master."""
        self.reply_waits = 0
        """Requests that wait for a keeper's reply (``locks.replies``)."""
        self._waiting: deque[_Call] = deque()
        self._pipelines: set[asyncio.Task[None]] = set()
        self._locating: asyncio.Lock = asyncio.Lock()
        self._down_until = 0.0
        self._scheduled = False
        self._closed = False

    async def call(self, function: str, keys: list[str], *args: str | int | bytes) -> Any:
        """Call a function of the library; return its raw reply. Raises ``RegionUnavailable``, ``Overloaded``."""
        return await self.post(function, keys, *args)

    def post(self, function: str, keys: list[str], *args: str | int | bytes) -> asyncio.Future[Any]:
        """Queue a call, in order; the future gets what ``call`` returns or raises."""
        return self._enqueue("FCALL", function, len(keys), *keys, *args)

    def command(self, *args: str | int | bytes) -> asyncio.Future[Any]:
        """Queue one command, in order; the future gets its raw reply (bytes, int, list), or the errors of ``call``.

        An error reply is raised as redis-py's error. Several commands can be awaited together without a task for each.
        """
        return self._enqueue(*args)

    def _enqueue(self, *args: str | int | bytes) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        if self._closed or loop.time() < self._down_until:
            answer.set_exception(RegionUnavailable(region=self.region))
            return answer
        if len(self._waiting) >= limits.RELAY_QUEUE_CALLS:
            answer.set_exception(Overloaded(region=self.region))
            return answer
        timer = loop.call_later(self._timeout_s, self._overdue, answer)
        self._waiting.append(_Call(args, answer, timer))
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._flush)
        return answer

    def small_write(self, *args: str | int | bytes) -> asyncio.Future[Any]:
        """Queue one command of a keeper, like ``command``, that a master takes even while its memory is full.

        Only for writes of a few bytes. The functions must be loaded, which keepers do before they write.
        """
        return self._enqueue("FCALL", "tt_small_write", 0, *args)

    async def time_ms(self) -> int:
        """Return the master's clock, in ms since the epoch."""
        return connect.time_ms(await self.command("TIME"))

    async def load_functions(self) -> bool:
        """Load the function library unless the master has this version or a later one; return whether it did so."""
        source = library.source()
        try:
            loaded = int(await self.command("FCALL", "tt_version", 0))
        except RegionUnavailable as error:
            if error.details.get("reason") != NO_LIBRARY:
                raise
            loaded = 0
        if loaded >= library.version(source):
            return False
        await self.command("FUNCTION", "LOAD", "REPLACE", source)
        return True

    @property
    def config_epoch(self) -> int:
        """The Sentinels' configuration epoch when the master was located; 0 without Sentinels."""
        return 0 if self._lease is None else self._lease.config_epoch

    @property
    def behind_sentinels(self) -> bool:
        """Whether the master is behind Sentinels, which may make another server the master."""
        return isinstance(self._where, Sentinels)

    async def check_master(self) -> ConfigEpoch:
        """Return the Sentinels' configuration epoch; without Sentinels it is always 0.

        Raises ``MasterRefused`` for a master behind Sentinels that takes writes when no replica is connected, and
        ``RegionUnavailable`` if the server is not the master that most Sentinels know.
        """
        if not isinstance(self._where, Sentinels):
            return ConfigEpoch()
        setting = connect.pairs(await self.command("CONFIG", "GET", "min-replicas-to-write"))
        if any(int(value) < 1 for _name, value in setting):
            text = "the master is behind Sentinels and needs min-replicas-to-write 1 (and min-replicas-max-lag 2)"
            raise MasterRefused(text, region=self.region)
        try:
            view = await connect.ask_sentinels(self._where, timeout_s=self._ask_s)
        except (RedisError, OSError):
            raise RegionUnavailable("no Sentinel answers", region=self.region) from None
        if view.at != self._at or not view.confirmed:
            raise RegionUnavailable("the Sentinels don't confirm the master", region=self.region)
        return ConfigEpoch(view.config_epoch, view.unanimous)

    async def address(self) -> Plain:
        """Return where the master is; ``generation`` rises when that may have changed. Raises ``RegionUnavailable``."""
        try:
            await self._connected()
        except (RedisError, OSError):
            raise RegionUnavailable(region=self.region) from None
        assert self._at is not None, "a link has an address"
        return self._at

    @contextlib.asynccontextmanager
    async def own_connection(self, timeout_s: float) -> AsyncIterator[Redis]:
        """Provide a new client, see ``own_client``, and close it at the end of the context."""
        redis = await self.own_client(timeout_s)
        try:
            yield redis
        finally:
            await connect.close(redis)

    async def own_client(self, timeout_s: float) -> Redis:
        """Return a new client for blocking reads of up to ``timeout_s``; the caller closes it.

        Raises ``RegionUnavailable``.
        """
        return connect.client(await self.address(), self._password, timeout_s=timeout_s, connections=1)

    async def close(self) -> None:
        """Fail the calls that wait, finish those in flight, close the connections."""
        self._closed = True
        if self._watching is not None:
            await cancel_all(self._watching)
        self._fail_waiting()
        if self._pipelines:
            await asyncio.gather(*self._pipelines, return_exceptions=True)
        await connect.close(self._redis)
        self._redis = None

    # --- the pipeline ---------------------------------------------------------------------------------------------
    def _overdue(self, answer: asyncio.Future[Any]) -> None:
        """Fail a call that was not answered in time. If it was sent, it may still be carried out."""
        if not answer.done():
            answer.set_exception(RegionUnavailable(region=self.region))

    def _flush(self) -> None:
        self._scheduled = False
        while self._waiting and len(self._pipelines) < MAX_PIPELINES:
            batch: list[_Call] = []
            while self._waiting and len(batch) < MAX_BATCH:
                call = self._waiting.popleft()
                # A call that was cancelled or became overdue while it waited is not sent any more.
                if not call.answer.done():
                    batch.append(call)
            if batch:
                task = asyncio.get_running_loop().create_task(self._send(batch))
                self._pipelines.add(task)
                task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._pipelines.discard(task)
        if self._waiting and not self._scheduled:
            self._flush()

    async def _send(self, batch: list[_Call]) -> None:
        redis: Redis | None = None
        try:
            redis = await self._connected()
            if self._lease is not None:
                self._lease.check_confirmed()
            pipeline = redis.pipeline(transaction=False)
            for call in batch:
                pipeline.execute_command(*call.args)
            replies = await pipeline.execute(raise_on_error=False)
            if self._lease is not None:
                if redis is not self._redis:
                    raise RedisError("this link was dropped: there may be another master")
                self._lease.renew()
        except (RedisError, OSError) as error:
            log.debug("%s: the master does not answer: %s", self.region, error)
            if self._redis in (None, redis):  # otherwise a new connection has replaced it already
                await self._lost()
            replies = [RegionUnavailable(region=self.region)] * len(batch)
        for call, reply in zip(batch, replies, strict=True):
            call.timer.cancel()
            if call.answer.done():
                continue
            if isinstance(reply, Exception):
                call.answer.set_exception(await self._refusal(reply))
            else:
                call.answer.set_result(reply)

    async def _refusal(self, error: Exception) -> Exception:
        """Return what to raise for an error reply; stop using the server if it is not the master any more."""
        if isinstance(error, ResponseError) and NO_LIBRARY in str(error):
            # No keeper has loaded the functions yet.
            return RegionUnavailable(region=self.region, reason=NO_LIBRARY)
        if connect.is_full(error):
            # Functions that only free memory still work, so the connection and the other calls stay.
            return RegionUnavailable(region=self.region)
        # Another server may be the master now.
        if connect.not_now(error) or (isinstance(error, RedisError) and not isinstance(error, ResponseError)):
            await self._lost()
            return RegionUnavailable(region=self.region)
        return error

    async def _connected(self) -> Redis:
        async with self._locating:
            if self._redis is None:
                self._at, self._redis = await self._find()
                self.generation += 1
                if self._lease is not None:
                    self._lease.begin()
                    if self._watching is None:
                        self._watching = asyncio.get_running_loop().create_task(self._watch(self._lease))
            return self._redis

    async def _find(self) -> tuple[Plain, Redis]:
        at = await connect.locate(self._where, timeout_s=self._ask_s)
        redis = connect.client(at, self._password, timeout_s=self._timeout_s, connections=MAX_PIPELINES + 1)
        try:
            if self._lease is not None:
                await self._lease.check_role(redis, at)
            if self._reconciled_only:
                await self._check_reconciled(redis)
        except BaseException:
            await connect.close(redis)
            raise
        return at, redis

    async def _check_reconciled(self, redis: Redis) -> None:
        """Raise unless the master was reconciled in its present incarnation.

        The process alone does not tell: a server may be demoted and promoted again without a restart, with its old
        data.
        """
        async with asyncio.timeout(self._ask_s):
            pipeline = redis.pipeline(transaction=False)
            pipeline.execute_command("GET", keys.RECONCILED)
            pipeline.execute_command("INFO", "server", "replication")
            mark, info = await pipeline.execute()
        if not reconciled_in(mark, incarnation_of(info), self.config_epoch):
            raise RedisError("it is not reconciled yet")

    async def _watch(self, lease: Lease) -> None:
        """Renew the lease while no calls are made, and have the Sentinels confirm the master, until cancelled."""
        ask_at = 0.0
        while True:
            await asyncio.sleep(WATCH_S)
            silent = False
            try:
                await asyncio.wait_for(self.command("PING"), LEASE_S)
            except (RegionUnavailable, Overloaded, TimeoutError):
                silent = True
            if self._at is None or not (silent or asyncio.get_running_loop().time() >= ask_at):
                continue
            ask_at = asyncio.get_running_loop().time() + ASK_EVERY_S
            redis = self._redis
            if redis is None:
                continue
            # If neither the Sentinels nor the master answer, the last confirmation runs out by itself.
            confirmed, _ = await asyncio.gather(lease.confirm(redis, self._at), lease.remember_spares())
            if confirmed is False:
                log.info("%s: the master has moved", self.region)
                await self._lost(hard=True)

    async def _lost(self, *, hard: bool = False) -> None:
        """Stop using the server. ``hard``: also drop connections on which replies are awaited."""
        self._down_until = asyncio.get_running_loop().time() + RETRY_AFTER_S
        self._fail_waiting()
        redis, self._redis = self._redis, None
        # Unless ``hard``, only idle connections are dropped, because other calls may be reading replies on the others.
        if redis is not None:
            self.generation += 1
            with contextlib.suppress(RedisError, OSError):
                await redis.connection_pool.disconnect(inuse_connections=hard)

    def _fail_waiting(self) -> None:
        while self._waiting:
            call = self._waiting.popleft()
            call.timer.cancel()
            self._overdue(call.answer)
