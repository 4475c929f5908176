"""How a master is found: the answers of the Sentinels, and the clients that are closed afterwards."""

from __future__ import annotations

import asyncio
from itertools import permutations

import pytest
import uvloop
from redis.exceptions import ConnectionError

from realtime import connect
from realtime.dev import valkey
from realtime.topology import Plain, Sentinels
from tests.cluster import until

SENTINELS = Sentinels(("a:1", "b:1", "c:1"), "west", "rediss://:secret@ignored/2")


def sentinels_answer(monkeypatch: pytest.MonkeyPatch, answers: dict[str, tuple[int, str, int] | None]) -> None:
    """Let each Sentinel answer with (configuration epoch, host, port), or not at all."""

    async def ask(sentinel: Plain, service: str, _timeout_s: float) -> tuple[int, str, int] | None:
        assert service == "west"
        return answers[sentinel.address]

    monkeypatch.setattr(connect, "_ask_master", ask)


@pytest.mark.parametrize("order", list(permutations("abc")))
async def test_the_newest_configuration_of_the_sentinels_wins(
    monkeypatch: pytest.MonkeyPatch, order: tuple[str, ...]
) -> None:
    old, older, new = (f"{name}:1" for name in order)
    # Addresses that sort the other way round: only the epoch may decide.
    sentinels_answer(monkeypatch, {old: (9, "10.0.0.8", 8), older: (2, "10.0.0.9", 9), new: (10, "10.0.0.1", 1)})
    assert await connect.locate(SENTINELS) == Plain("rediss://:secret@10.0.0.1:1/2")


async def test_one_sentinel_is_enough_to_find_the_master_and_none_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    sentinels_answer(monkeypatch, {"a:1": None, "b:1": (3, "10.0.0.3", 3), "c:1": None})
    assert await connect.locate(SENTINELS) == Plain("rediss://:secret@10.0.0.3:3/2")
    sentinels_answer(monkeypatch, dict.fromkeys(("a:1", "b:1", "c:1")))
    with pytest.raises(ConnectionError, match="west"):
        await connect.locate(SENTINELS)


@pytest.mark.parametrize(("silent", "confirmed"), [(0, True), (1, True), (2, False)])
async def test_only_most_of_the_sentinels_together_confirm_a_master(
    monkeypatch: pytest.MonkeyPatch, silent: int, confirmed: bool
) -> None:
    answers = dict.fromkeys(("a:1", "b:1", "c:1"), (3, "10.0.0.3", 3))
    sentinels_answer(monkeypatch, {**answers, **dict.fromkeys(list(answers)[:silent])})
    view = await connect.ask_sentinels(SENTINELS)
    assert (view.confirmed, view.unanimous) == (confirmed, silent == 0)


async def test_a_sentinel_that_hangs_delays_nobody_once_most_have_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = asyncio.Event()

    async def ask(sentinel: Plain, _service: str, _timeout_s: float) -> tuple[int, str, int] | None:
        if sentinel.address == "c:1":
            await hanging.wait()
        return 1, "10.0.0.1", 1

    monkeypatch.setattr(connect, "_ask_master", ask)
    async with asyncio.timeout(10):
        assert await connect.locate(SENTINELS) == Plain("rediss://:secret@10.0.0.1:1/2")


async def test_a_short_connection_is_closed_with_its_context(master_server: valkey.Valkey) -> None:
    async with connect.to_master(Plain(master_server.url), timeout_s=5.0) as redis:
        await redis.client_setname("contextual")
    with pytest.raises(KeyError):
        async with connect.to_server(Plain(master_server.url), timeout_s=5.0) as redis:
            await redis.client_setname("contextual")
            raise KeyError

    async def closed() -> bool:
        async with connect.to_server(Plain(master_server.url), timeout_s=5.0, decode=True) as redis:
            return "contextual" not in {each["name"] for each in await redis.client_list()}

    await until(closed)


def test_a_write_to_a_transport_that_has_closed_is_a_connection_error(master_server: valkey.Valkey) -> None:
    async def write() -> None:
        async with connect.to_server(Plain(master_server.url), timeout_s=5.0) as redis:
            connection = await redis.connection_pool.get_connection()  # type: ignore[no-untyped-call]
            connection._writer.transport.abort()
            await asyncio.sleep(0.05)
            with pytest.raises(ConnectionError, match="closed"):
                await connection.send_command("PING")
            await redis.connection_pool.release(connection)
            assert await redis.ping(), "the next call connects anew"

    uvloop.run(write())


async def test_a_connection_that_another_task_closes_while_it_writes_is_a_connection_error(
    master_server: valkey.Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connect.to_server(Plain(master_server.url), timeout_s=5.0) as redis:
        connection = await redis.connection_pool.get_connection()  # type: ignore[no-untyped-call]
        with monkeypatch.context() as meanwhile, pytest.raises(ConnectionError, match="closed"):
            meanwhile.setattr(connection, "check_health", connection.disconnect)
            await connection.send_command("PING")
        await redis.connection_pool.release(connection)
        assert await redis.ping(), "the next call connects anew"
