"""Connections to masters and replicas: creating a client, and finding the current master through Sentinels.

No client made here retries by itself. When the answer to a write is lost, the caller decides whether to repeat it (the
Lua functions are idempotent); redis-py would repeat it up to ten times, also commands that are not.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from redis.asyncio import Connection, Redis, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ConnectionError,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.maint_notifications import MaintNotificationsConfig

from realtime.cancellation import cancel_all
from realtime.topology import Plain, Sentinels

V = TypeVar("V")
LOCATE_S = 1.0
"""How long Sentinels may take to answer."""
_GRACE_S = 0.05
"""How long the remaining Sentinels are waited for once most have answered."""


class _ClosedIsConnectionError:
    """A connection that reports a closed transport with redis-py's error, as it reports everything else.

    uvloop raises ``RuntimeError`` for a write to a transport that the other side has closed meanwhile; redis-py raises
    ``AttributeError`` if another task has closed the client while this one connects.
    """

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        try:
            await super().send_packed_command(command, check_health)  # type: ignore[misc]
        except (RuntimeError, AttributeError) as error:
            raise ConnectionError(f"the connection is closed: {error}") from error


class _Connection(_ClosedIsConnectionError, Connection):
    pass


class _TlsConnection(_ClosedIsConnectionError, SSLConnection):
    pass


def client(
    where: Plain, password: str = "", *, timeout_s: float | None = 5.0, connections: int = 16, decode: bool = False
) -> Redis:
    """Return a client of one server. ``timeout_s`` limits connecting and each reply; with None, replies have no limit.

    The caller closes it with ``close``.
    """
    extra: dict[str, Any] = {} if (not password or urlsplit(where.url).password) else {"password": password}
    redis = Redis.from_url(
        where.url,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s if timeout_s is not None else 5.0,
        max_connections=connections,
        decode_responses=decode,
        # With notifications of Redis Enterprise, the client would write to a connection that the server has closed.
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
        **extra,
    )
    pool = redis.connection_pool
    pool.connection_class = _TlsConnection if issubclass(pool.connection_class, SSLConnection) else _Connection
    return redis


@contextlib.asynccontextmanager
async def to_server(
    where: Plain, password: str = "", *, timeout_s: float, decode: bool = False
) -> AsyncIterator[Redis]:
    """Provide a client with one connection to one server, and close it afterwards. Commands raise redis-py's errors."""
    redis = client(where, password, timeout_s=timeout_s, connections=1, decode=decode)
    try:
        yield redis
    finally:
        await close(redis)


@contextlib.asynccontextmanager
async def to_master(master: Plain | Sentinels, password: str = "", *, timeout_s: float) -> AsyncIterator[Redis]:
    """Provide a client with one connection to the current master, and close it afterwards.

    Raises redis-py's ``ConnectionError`` when no Sentinel knows the master. The master may lose its role at any time
    after that, so use this to read, or to write what any later master may ignore.
    """
    where = await locate(master, timeout_s=min(timeout_s, LOCATE_S))
    async with to_server(where, password, timeout_s=timeout_s) as redis:
        yield redis


async def locate(master: Plain | Sentinels, *, timeout_s: float = LOCATE_S) -> Plain:
    """Return the address of the current master, as the Sentinels know it.

    The newest configuration wins. Raises redis-py's ``ConnectionError`` if no Sentinel answers within ``timeout_s``.
    """
    if isinstance(master, Plain):
        return master
    return (await ask_sentinels(master, timeout_s=timeout_s)).at


@dataclass(frozen=True, slots=True)
class SentinelView:
    """What the Sentinels that answered say: where the master is, by the newest configuration among them.

    ``answered`` of ``total`` answered, ``agreeing`` of them with this configuration.
    """

    at: Plain
    config_epoch: int
    answered: int
    agreeing: int
    total: int

    @property
    def confirmed(self) -> bool:
        """Whether most Sentinels answered, so that no failover can have happened without at least one of them."""
        return self.answered > self.total // 2

    @property
    def unanimous(self) -> bool:
        """Whether every Sentinel answered with this configuration."""
        return self.agreeing == self.total


async def ask_sentinels(master: Sentinels, *, timeout_s: float = LOCATE_S) -> SentinelView:
    """Ask all Sentinels about a master. Raises redis-py's ``ConnectionError`` if none answers within ``timeout_s``."""
    answers = await _ask_all(master, timeout_s)
    if not answers:
        raise ConnectionError(f"no Sentinel knows where {master.service} is")
    # By configuration epoch: the Sentinel that led a failover has the new configuration before the others.
    epoch, host, port = max(answers)
    parts = urlsplit(master.url)
    credentials = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    at = Plain(f"{parts.scheme}://{credentials}{host}:{port}{parts.path}")
    agreeing = sum(answer == (epoch, host, port) for answer in answers)
    return SentinelView(at, epoch, len(answers), agreeing, len(master.hosts))


async def spares_of(master: Sentinels, *, timeout_s: float = LOCATE_S) -> frozenset[tuple[str, int]]:
    """Return the replicas (host, port) that may become the master, as any Sentinel knows them.

    Raises redis-py's ``ConnectionError`` if none answers.
    """
    answers = await asyncio.gather(*(_ask_spares(each, master.service, timeout_s) for each in master.servers))
    known = [answer for answer in answers if answer is not None]
    if not known:
        raise ConnectionError(f"no Sentinel knows the replicas of {master.service}")
    return frozenset().union(*known)


async def _ask_spares(sentinel: Plain, service: str, timeout_s: float) -> frozenset[tuple[str, int]] | None:
    answers = await _ask(sentinel, timeout_s, ("SENTINEL REPLICAS", service))
    if answers is None:
        return None
    found = [dict(pairs(replica)) for replica in answers[0]]
    return frozenset((each["ip"], int(each["port"])) for each in found if int(each["slave-priority"]) > 0)


def connected_replicas(info: Any, lag_s: int) -> set[tuple[str, int]]:
    """Return the replicas (host, port) that have acknowledged within ``lag_s``, from ``INFO replication``."""
    found = [each for name, each in info.items() if re.fullmatch(r"slave\d+", str(name))]
    return {(str(r["ip"]), int(r["port"])) for r in found if r.get("state") == "online" and int(r["lag"]) <= lag_s}


_Answer = tuple[int, str, int]


async def _ask_all(master: Sentinels, timeout_s: float) -> list[_Answer]:
    """Ask all Sentinels at once. Once most have answered, the others get ``_GRACE_S`` more."""
    pending = {asyncio.create_task(_ask_master(each, master.service, timeout_s)) for each in master.servers}
    answers: list[_Answer] = []
    try:
        while pending:
            most = len(answers) > len(master.hosts) // 2
            done, pending = await asyncio.wait(
                pending, timeout=_GRACE_S if most else None, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                break
            answers += [answer for task in done if (answer := task.result()) is not None]
    finally:
        await cancel_all(*pending)
    return answers


async def _ask_master(sentinel: Plain, service: str, timeout_s: float) -> _Answer | None:
    commands = ("SENTINEL GET-MASTER-ADDR-BY-NAME", service), ("SENTINEL MASTER", service)
    answers = await _ask(sentinel, timeout_s, *commands)
    if answers is None or answers[0] is None:
        return None
    address, state = answers
    return int(state["config-epoch"]), address[0], int(address[1])


async def _ask(sentinel: Plain, timeout_s: float, *commands: tuple[str, str]) -> list[Any] | None:
    """Return a Sentinel's answers to some commands, or None if it does not answer or refuses one."""
    try:
        async with to_server(sentinel, timeout_s=timeout_s, decode=True) as redis, asyncio.timeout(timeout_s):
            pipeline = redis.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            return await pipeline.execute()
    except (RedisError, OSError):
        return None


# For some error codes redis-py has classes; the others are recognised by the word in the message.
_NOT_NOW = (ReadOnlyError, BusyLoadingError, MasterDownError, OutOfMemoryError)
_NOT_NOW_WORDS = ("NOREPLICAS", "MISCONF")


def is_full(error: Exception) -> bool:
    """Return whether a master refused a command because its memory is full; commands that free memory still work."""
    return isinstance(error, OutOfMemoryError)


def not_now(error: Exception) -> bool:
    """Return whether a server refused a command because of its state: it is not (or not yet) a writable master."""
    return isinstance(error, _NOT_NOW) or (
        isinstance(error, ResponseError) and any(word in str(error) for word in _NOT_NOW_WORDS)
    )


def not_permitted(error: Exception) -> bool:
    """Return whether a server refused a command because the password is not valid or the user has no permission.

    It will refuse the same command until an operator has corrected that.
    """
    return isinstance(error, (NoPermissionError, AuthenticationError)) or str(error).startswith(("NOAUTH", "WRONGPASS"))


def pairs(reply: Any) -> list[tuple[Any, Any]]:
    """Return the fields and values of a map in a reply, which is a map (RESP3) or a flat list (RESP2)."""
    return list(reply.items()) if isinstance(reply, dict) else list(zip(reply[::2], reply[1::2], strict=True))


def streams(reply: Any) -> list[tuple[bytes, Any]]:
    """Return the streams and entries in an answer to XREAD, which is a map (RESP3), a list (RESP2) or nothing."""
    if isinstance(reply, dict):
        return [(name, lists[0]) for name, lists in reply.items()]
    return [(name, entries) for name, entries in reply or ()]


def flat(fields: Mapping[str, V]) -> list[str | V]:
    """Return fields and values alternately, as commands take them; the inverse of ``pairs``."""
    return [part for pair in fields.items() for part in pair]


def time_ms(reply: Any) -> int:
    """Return the answer to ``TIME`` as ms since the epoch."""
    seconds, micros = reply
    return int(seconds) * 1000 + int(micros) // 1000


def names(reply: Any) -> list[str]:
    """Return the fields of a map as text."""
    return [name.decode(errors="replace") for name in reply]


def count(text: str | bytes | None) -> int:
    """Return a count or a time that is kept as text; 0 for anything else."""
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 16 else 0


def text_fields(fields: Any) -> dict[str, str]:
    """Return the fields of a stream entry as text."""
    return {key.decode(errors="replace"): value.decode(errors="replace") for key, value in pairs(fields)}


async def close(redis: Redis | None) -> None:
    """Close a client. Never raises: errors of connections that are already broken are ignored."""
    if redis is None:
        return
    with contextlib.suppress(RedisError, OSError):
        await redis.aclose()
