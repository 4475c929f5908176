"""The link to a lock master: batches, time-outs, loss and return; nothing is ever sent twice."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.exceptions import ResponseError

from realtime import limits
from realtime.dev import valkey
from realtime.errors import Overloaded, RegionUnavailable
from realtime.locks.master import LockMaster
from realtime.topology import Plain, Region
from tests.cluster import until


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[valkey.Valkey]:
    started = valkey.start(tmp_path / "master")
    started.wait_ready()
    yield started
    started.process.send_signal(signal.SIGCONT)
    started.kill()


def link_to(server: valkey.Valkey, timeout_s: float = limits.RELAY_TIMEOUT_S) -> LockMaster:
    return LockMaster(Region("west", "Mumbai", Plain(server.url), {}, ""), timeout_s=timeout_s)


@pytest.mark.crowd
async def test_calls_of_one_turn_share_pipelines_and_each_gets_its_own_answer(mortal: valkey.Valkey) -> None:
    link = link_to(mortal, timeout_s=30.0)
    answers = await asyncio.gather(*(link.command("ECHO", str(n)) for n in range(3000)))
    assert answers == [str(n).encode() for n in range(3000)]
    clients = await link.command("CLIENT", "LIST")
    assert len(clients.splitlines()) <= 8
    await link.close()


async def test_a_refused_command_fails_alone(mortal: valkey.Valkey) -> None:
    link = link_to(mortal)
    await link.command("SET", "text", "x")
    asks = [link.command("ECHO", "1"), link.command("INCR", "text"), link.command("ECHO", "2")]
    answers = await asyncio.gather(*asks, return_exceptions=True)
    assert (answers[0], answers[2]) == (b"1", b"2")
    assert isinstance(answers[1], ResponseError)
    await link.close()


async def test_a_frozen_master_is_unavailable_and_nothing_is_sent_twice(mortal: valkey.Valkey) -> None:
    link = link_to(mortal)
    await link.command("SET", "count", 0)
    mortal.process.send_signal(signal.SIGSTOP)
    results = await asyncio.gather(*(link.command("INCR", "count") for _ in range(10)), return_exceptions=True)
    assert all(isinstance(result, RegionUnavailable) for result in results)
    mortal.process.send_signal(signal.SIGCONT)

    async def back() -> bytes | None:
        with contextlib.suppress(RegionUnavailable):
            found: bytes = await link.command("GET", "count")
            return found
        return None

    # What was on its way may have been carried out, once; never more than once.
    assert int(await until(back)) <= 10
    await link.close()


async def test_a_killed_master_is_found_again(mortal: valkey.Valkey) -> None:
    link = link_to(mortal)
    await link.command("SET", "key", "value")
    mortal.kill()
    with pytest.raises(RegionUnavailable):
        await link.command("GET", "key")
    mortal.restart()
    await mortal.wait_ready_async()

    async def back() -> bytes | None:
        with contextlib.suppress(RegionUnavailable):
            found: bytes = await link.command("GET", "key")
            return found
        return None

    assert await until(back) == b"value", "the append-only file kept it"
    await link.close()


async def test_a_replica_is_not_taken_for_a_master(mortal: valkey.Valkey, tmp_path: Path) -> None:
    replica = valkey.start(tmp_path / "replica", replica_of=mortal.port)
    replica.wait_ready()
    link = link_to(replica)
    try:
        with pytest.raises(RegionUnavailable):
            await link.command("SET", "key", "value")
    finally:
        await link.close()
        replica.kill()


@pytest.mark.crowd
async def test_the_queue_before_a_master_is_bounded(mortal: valkey.Valkey) -> None:
    link = link_to(mortal)
    calls = [asyncio.ensure_future(link.command("PING")) for _ in range(limits.RELAY_QUEUE_CALLS + 50)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(result, Overloaded) for result in results) == 50
    await link.close()


async def test_a_caller_that_gives_up_takes_nothing_from_the_others(mortal: valkey.Valkey) -> None:
    link = link_to(mortal)
    gone = asyncio.ensure_future(link.command("SET", "gone", 1))
    stays = asyncio.ensure_future(link.command("ECHO", "x"))
    await asyncio.sleep(0)
    gone.cancel()
    assert await stays == b"x"
    await link.close()
    with pytest.raises(RegionUnavailable):
        await link.command("PING")


async def test_links_that_an_idle_time_out_has_closed_are_replaced_before_anything_is_written(
    mortal: valkey.Valkey,
) -> None:
    link, server = link_to(mortal), link_to(mortal)
    await link.command("SET", "count", 0)
    await server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    async def closed() -> bool:
        return len((await server.command("CLIENT", "LIST")).splitlines()) == 1

    await until(closed)
    assert await asyncio.gather(*(link.command("INCR", "count") for _ in range(3))) == [1, 2, 3]
    await link.close()
    await server.close()
