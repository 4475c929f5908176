"""Causes faults of a running master: functions flushed, seats deleted, memory full, clock stepped."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from loadtest.faults.actions import Begun, Parts
from loadtest.faults.failovers import find_master
from loadtest.faults.schedule import Fault
from realtime import keys

TOO_LITTLE_BYTES = "1mb"
STEPS_S = (600, -900)
FAKETIME = "faketime/libfaketime.so.1"
"""In Debian's package ``libfaketime``, below the folder for the machine's libraries."""
READY_S = 10.0
ANSWER_S = 60.0
"""How long other faults may keep a master from answering."""
RETRY_S = 0.2


@contextlib.asynccontextmanager
async def master(parts: Parts, region: str) -> AsyncIterator[Redis]:
    """Connect to the present master of a region during the context."""
    _name, port = await find_master(parts.cluster, region)
    redis = Redis.from_url(parts.cluster.plan.server_url(port), socket_timeout=2, decode_responses=True)
    try:
        yield redis
    finally:
        await redis.aclose()


async def change_master(parts: Parts, region: str, change: Callable[[Redis], Awaitable[object]]) -> None:
    """Change a region's present master as soon as it answers; raises ``TimeoutError`` after ``ANSWER_S``."""
    async with asyncio.timeout(ANSWER_S):
        while True:
            try:
                async with master(parts, region) as redis:
                    await change(redis)
                return
            except (RedisError, OSError):
                await asyncio.sleep(RETRY_S)  # it has another fault


async def flush_functions(parts: Parts, fault: Fault, begun: Begun) -> None:
    """Delete the functions of a master, as a restore without them does. Healing is up to the keepers."""
    await change_master(parts, fault.region, lambda redis: redis.execute_command("FUNCTION FLUSH"))  # type: ignore[no-untyped-call]
    await begun()
    await asyncio.sleep(fault.seconds)


async def evict_seats(parts: Parts, fault: Fault, begun: Begun) -> None:
    """Delete the seats of a show, as an eviction under a wrong policy does. Healing is up to the keepers."""

    async def evict(redis: Redis) -> None:
        if shows := sorted(map(str, await redis.hkeys(keys.SHOWS))):  # it may just have been wiped
            await redis.delete(keys.seats(random.Random(fault.at).choice(shows)))

    await change_master(parts, fault.region, evict)
    await begun()
    await asyncio.sleep(fault.seconds)


async def fill_memory(parts: Parts, fault: Fault, begun: Begun) -> None:
    """Let a master have less memory than it uses."""
    await change_master(parts, fault.region, lambda redis: redis.config_set("maxmemory", TOO_LITTLE_BYTES))
    try:
        await begun()
        await asyncio.sleep(fault.seconds)
    finally:
        await change_master(parts, fault.region, lambda redis: redis.config_set("maxmemory", "0"))


def faketime_library() -> Path | None:
    """Return libfaketime, if it is installed."""
    return next(Path("/usr/lib").glob(f"*/{FAKETIME}"), None)


async def step_clock(parts: Parts, fault: Fault, begun: Begun) -> None:
    """Restart a master under libfaketime, then step its clock forward or back, and back again at the end."""
    library = faketime_library()
    assert library is not None, "only chosen where libfaketime is installed"
    cluster, step_s = parts.cluster, STEPS_S[round(fault.at * 100) % 2]
    child = cluster.pause(fault.target)
    offset = cluster.plan.data / f"{fault.target.replace(' ', '-')}-clock"
    offset.write_text("+0\n")
    before = child.env
    file = str(offset.absolute())
    child.env = {"LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": file, "FAKETIME_NO_CACHE": "1"}
    try:
        child.kill()
        cluster.resume(fault.target)
        await _until_ready(parts, fault.region)
        offset.write_text(f"{step_s:+d}\n")
        await begun()
        await asyncio.sleep(fault.seconds)
    finally:
        offset.write_text("+0\n")
        child.env = before


async def _until_ready(parts: Parts, region: str) -> None:
    async with asyncio.timeout(READY_S), master(parts, region) as redis:
        while True:
            with contextlib.suppress(Exception):
                if await redis.ping():
                    return
            await asyncio.sleep(0.05)
