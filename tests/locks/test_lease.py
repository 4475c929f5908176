"""When a server behind Sentinels may be used as the master, by a clock and Sentinels that say what the test says."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import ConnectionError, RedisError

from realtime import connect
from realtime.connect import SentinelView
from realtime.errors import RegionUnavailable
from realtime.locks import lease as lease_module
from realtime.locks.lease import CONFIRM_S, LEASE_S, Lease
from realtime.locks.master import LockMaster
from realtime.topology import Plain, Region, Sentinels

WHERE = Sentinels(("a:1", "b:1", "c:1"), "west")
HERE, ELSEWHERE = Plain("redis://10.0.0.1:1"), Plain("redis://10.0.0.2:1")
SPARES = frozenset({("10.0.0.2", 1), ("10.0.0.3", 1)})


class World:
    """The clock, what the Sentinels say, and what the server itself says."""

    def __init__(self) -> None:
        self.now = 100.0
        self.view: SentinelView | None = None
        self.asking_takes_s = 0.0
        self.role = "master"
        self.connected = SPARES

    def sentinels_say(self, at: Plain, epoch: int = 3, answered: int = 3) -> None:
        self.view = SentinelView(at, epoch, answered, answered, 3)

    async def ask_sentinels(self, *_args: Any, **_options: Any) -> SentinelView:
        self.now += self.asking_takes_s
        if self.view is None:
            raise ConnectionError("no Sentinel answers")
        return self.view

    async def spares_of(self, *_args: Any, **_options: Any) -> frozenset[tuple[str, int]]:
        return SPARES

    async def info(self, *_sections: str) -> dict[str, Any]:
        replicas = enumerate(sorted(self.connected))
        of_replicas = {f"slave{n}": {"ip": ip, "port": port, "state": "online", "lag": 0} for n, (ip, port) in replicas}
        return {"role": self.role, "run_id": "run", "master_replid": "a" * 40, **of_replicas}

    async def execute_command(self, *_command: str) -> list[bytes]:
        return [self.role.encode()]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    each = World()
    monkeypatch.setattr(connect, "ask_sentinels", each.ask_sentinels)
    monkeypatch.setattr(connect, "spares_of", each.spares_of)
    monkeypatch.setattr(lease_module, "_now", lambda: each.now)
    return each


@pytest.fixture
async def lease(world: World) -> Lease:
    each = Lease(WHERE, 0.5)
    await each.remember_spares()
    return each


def server(world: World) -> Any:
    return world


def is_confirmed(lease: Lease) -> bool:
    try:
        lease.check_confirmed()
    except RedisError:
        return False
    return True


async def test_an_answer_after_the_lease_has_run_out_does_not_count(world: World, lease: Lease) -> None:
    lease.begin()
    for _ in range(3):
        world.now += LEASE_S
        lease.renew()
    world.now += LEASE_S + 0.01
    with pytest.raises(RedisError, match="lease"):
        lease.renew()


async def test_a_confirmation_is_worth_its_time_from_when_it_was_asked_for(world: World, lease: Lease) -> None:
    assert not is_confirmed(lease)
    world.sentinels_say(HERE)
    world.asking_takes_s = 0.4
    assert await lease.confirm(server(world), HERE)
    world.now += CONFIRM_S - 0.5
    assert is_confirmed(lease)
    world.now += 0.2
    assert not is_confirmed(lease)


async def test_a_master_has_moved_when_the_sentinels_name_another_or_have_failed_over_again(
    world: World, lease: Lease
) -> None:
    world.sentinels_say(HERE, epoch=3)
    assert await lease.confirm(server(world), HERE) is True
    world.sentinels_say(ELSEWHERE, epoch=3)
    assert await lease.confirm(server(world), HERE) is False
    world.sentinels_say(HERE, epoch=4)  # to another one, and back
    assert await lease.confirm(server(world), HERE) is False


@pytest.mark.parametrize(
    ("answered", "role", "connected", "confirmed"),
    [
        (2, "master", frozenset[tuple[str, int]](), True),
        (1, "master", SPARES, True),
        (1, "master", frozenset(list(SPARES)[:1]), None),
        (1, "slave", SPARES, None),
        (0, "master", SPARES, True),
        (0, "master", frozenset[tuple[str, int]](), None),
    ],
    ids=["most Sentinels", "all spares", "one of two spares", "no master", "no Sentinel", "nobody"],
)
async def test_without_most_sentinels_a_master_needs_all_of_its_spares(
    world: World, lease: Lease, answered: int, role: str, connected: frozenset[tuple[str, int]], confirmed: bool | None
) -> None:
    if answered:
        world.sentinels_say(HERE, answered=answered)
    world.role, world.connected = role, connected
    assert await lease.confirm(server(world), HERE) is confirmed
    assert is_confirmed(lease) is bool(confirmed)


async def test_a_server_that_was_located_must_be_a_master_by_its_own_word(world: World, lease: Lease) -> None:
    world.sentinels_say(HERE)
    await lease.check_role(server(world), HERE)
    world.role = "slave"
    with pytest.raises(RedisError, match="not the master"):
        await lease.check_role(server(world), HERE)


# --- the link -----------------------------------------------------------------------------------------------------
class Pipeline:
    """Answers its commands; calls ``before`` first."""

    def __init__(self, answers: Any) -> None:
        self._answers = answers

    def execute_command(self, *_command: Any) -> None:
        """Queue it."""

    async def execute(self, *_args: Any, **_options: Any) -> Any:
        return await self._answers()


class FakeRedis(World):
    """A client of one server."""

    def __init__(self, answers: Any) -> None:
        super().__init__()
        self.connection_pool = self
        self._answers = answers

    def pipeline(self, transaction: bool) -> Pipeline:
        return Pipeline(self._answers)

    async def disconnect(self, inuse_connections: bool) -> None:
        """Drop the connections."""

    async def aclose(self) -> None:
        """Close it."""


async def test_an_answer_of_a_link_that_was_dropped_meanwhile_does_not_count(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = LockMaster(Region("west", "Mumbai", WHERE, {}, ""))
    world.sentinels_say(HERE)

    async def answers() -> list[bytes]:
        await link._lost(hard=True)  # as when the Sentinels name another master while the answer is on its way
        return [b"OK"]

    redis: Any = FakeRedis(answers)
    monkeypatch.setattr(connect, "client", lambda *_args, **_options: redis)

    async def locate(*_args: Any, **_options: Any) -> Plain:
        return HERE

    monkeypatch.setattr(connect, "locate", locate)
    with pytest.raises(RegionUnavailable):
        await link.command("SET", "key", "value")
    await link.close()


@pytest.mark.parametrize(("noted", "usable"), [(2, False), (3, True)], ids=["before", "since"])
async def test_a_master_counts_as_reconciled_only_since_the_last_failover(
    world: World, monkeypatch: pytest.MonkeyPatch, noted: int, usable: bool
) -> None:
    world.sentinels_say(HERE, epoch=3)

    async def answers() -> list[Any]:
        return [b"run." + b"a" * 40 + b" nonce.%d 7" % noted, await world.info()]

    redis: Any = FakeRedis(answers)
    monkeypatch.setattr(connect, "client", lambda *_args, **_options: redis)

    async def locate(*_args: Any, **_options: Any) -> Plain:
        return HERE

    monkeypatch.setattr(connect, "locate", locate)
    link = LockMaster(Region("west", "Mumbai", WHERE, {}, ""), reconciled_only=True)
    if usable:
        assert await link.address() == HERE
    else:
        with pytest.raises(RegionUnavailable):
            await link.address()
    await link.close()
