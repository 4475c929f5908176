"""Connections to masters and replicas: how a client is made, and where a master is right now.

No client made here retries by itself: a write whose answer was lost is answered again by the idempotent functions,
not sent again by a library (redis-py would, ten times).
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    BusyLoadingError,
    ConnectionError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from realtime.topology import Plain, Sentinels

_GRACE_S = 0.05
"""How long stragglers among the Sentinels are waited for once most have answered."""


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
    answers = await _ask_all(master, timeout_s)
    if not answers:
        raise ConnectionError(f"no Sentinel knows where {master.service} is")
    # The newest configuration: the Sentinel that led a failover knows before the others do.
    _epoch, host, port = max(answers)
    parts = urlsplit(master.url)
    credentials = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    return Plain(f"{parts.scheme}://{credentials}{host}:{port}{parts.path}")


_Answer = tuple[int, str, int]


async def _ask_all(master: Sentinels, timeout_s: float) -> list[_Answer]:
    """Ask all Sentinels at once; one that hangs keeps nobody waiting once most have answered."""
    pending = {asyncio.create_task(_ask(host, master.service, timeout_s)) for host in master.hosts}
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
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
    return answers


async def _ask(host: str, service: str, timeout_s: float) -> _Answer | None:
    redis = client(Plain(f"redis://{host}"), timeout_s=timeout_s, connections=1, decode=True)
    try:
        async with asyncio.timeout(timeout_s):
            pipeline = redis.pipeline(transaction=False)
            pipeline.execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", service)
            pipeline.execute_command("SENTINEL MASTER", service)
            address, state = await pipeline.execute()
        return int(state["config-epoch"]), address[0], int(address[1])
    except (RedisError, OSError, KeyError, TypeError):
        return None
    finally:
        await close(redis)


# Their codes are classes in redis-py; of the others the word in the message.
_NOT_NOW = (ReadOnlyError, BusyLoadingError, MasterDownError, OutOfMemoryError)
_NOT_NOW_WORDS = ("NOREPLICAS", "MISCONF")


def not_now(error: Exception) -> bool:
    """Tell whether a server refused because of the state it is in (it is not, or not yet, a master that can write)."""
    return isinstance(error, _NOT_NOW) or (
        isinstance(error, ResponseError) and any(word in str(error) for word in _NOT_NOW_WORDS)
    )


def pairs(reply: Any) -> list[tuple[Any, Any]]:
    """Return the fields and values of a map as a server answered it: a map itself (RESP3), or a flat list (RESP2)."""
    return list(reply.items()) if isinstance(reply, dict) else list(zip(reply[::2], reply[1::2], strict=True))


def time_ms(reply: Any) -> int:
    """Return the answer to ``TIME`` as ms since the epoch."""
    seconds, micros = reply
    return int(seconds) * 1000 + int(micros) // 1000


def text_fields(fields: Any) -> dict[str, str]:
    """Return the fields of a stream's entry as text."""
    return {key.decode(): value.decode(errors="replace") for key, value in pairs(fields)}


async def close(redis: Redis | None) -> None:
    """Close a client, whatever state its connections are in."""
    if redis is None:
        return
    # A broken connection has nothing left to close.
    with contextlib.suppress(RedisError, OSError):
        await redis.aclose()
