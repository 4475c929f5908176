"""A region behind Sentinels: its master is killed or frozen while people buy, and comes back believing it is one."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import AuthenticationError

from realtime import connect, keys
from realtime.dev import valkey
from realtime.dev.cluster import Cluster
from realtime.dev.plan import plan
from realtime.dev.process import Child
from realtime.errors import RegionUnavailable
from realtime.keeper.check import Checker
from realtime.ledger import Ledger
from realtime.locks.lease import CONFIRM_S
from realtime.locks.master import LockMaster
from realtime.locks.seats import SeatLocks
from realtime.model import HoldState
from realtime.topology import Plain
from realtime.topology_file import load
from tests.cluster import Client, grid, map_of_master, new_show, node_urls, pay, pay_once, until

LAYOUT = grid()


@pytest.fixture
async def region(tmp_path: Path) -> AsyncIterator[Cluster]:
    cluster = Cluster(plan(tmp_path, regions=("west",), sentinels=("west",), port=valkey.free_port))
    await cluster.start(sample_data=False)
    try:
        yield cluster
    finally:
        await cluster.stop()


async def master_port(cluster: Cluster) -> int:
    return int((await connect.locate(cluster.plan.master("west"))).url.rpartition(":")[2])


def server(cluster: Cluster, port: int) -> Child:
    """The part that listens on a port and can be the master."""
    if port == cluster.plan.masters["west"]:
        return cluster.children["master west"]
    return cluster.children[f"spare west {port}"]


async def role(cluster: Cluster, port: int) -> str:
    redis = connect.client(Plain(cluster.plan.server_url(port)), timeout_s=1.0, connections=1, decode=True)
    try:
        return str((await redis.execute_command("ROLE"))[0])  # type: ignore[no-untyped-call]
    finally:
        await connect.close(redis)


async def promoted(cluster: Cluster, old: int) -> int:
    """Wait until the Sentinels have made another server the master; return its port."""

    async def moved() -> int | None:
        with contextlib.suppress(Exception):
            new = await master_port(cluster)
            return new if new != old else None
        return None

    return int(await until(moved))


async def differences(cluster: Cluster) -> list[Any]:
    checker = Checker(load(cluster.topology_file("west")).regions["west"])
    try:
        return (await checker.compare_all()).differences
    finally:
        await checker.close()


@dataclass
class Crowd:
    """Buyers who each want the next seat, ask again after an answer that allows it, and record the answers."""

    url: str
    show: str
    wanted: list[int]
    booked: dict[str, str] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    async def buy(self) -> None:
        buyer = await Client.connect(self.url)
        while self.wanted:
            await self._one(buyer, LAYOUT.seats[self.wanted.pop(0)].id)
        await buyer.close()

    async def _one(self, buyer: Client, seat: str) -> None:
        for attempt in range(4):  # a hold that was lost with the master is made again
            request = {"show": self.show, "seats": [seat], "request_id": f"{seat} {attempt}"}
            answer = await self._patiently(buyer, "seats:hold", request)
            if not answer["ok"]:
                continue
            hold = answer["hold"]["id"]
            payment = await self._pay(hold)
            if payment is None:
                continue
            answer = await self._patiently(buyer, "seats:confirm", {"hold": hold, "payment": payment})
            if answer["ok"] and (answer["booking"]["state"] == "booked" or await self._settled(buyer, hold)):
                self.booked[seat] = hold
                return

    async def _patiently(self, buyer: Client, event: str, request: dict[str, Any]) -> dict[str, Any]:
        while True:
            answer = await buyer.call(event, request)
            if answer["ok"] or not answer["error"]["retryable"]:
                return answer
            self.refused.append(answer["error"]["code"])
            await asyncio.sleep(0.1)

    async def _pay(self, hold: str) -> str | None:
        for _ in range(100):
            answer = await pay_once(self.url, hold)
            if "error" not in answer:
                return str(answer["payment"])
            if answer["error"]["code"] in ("hold_lost", "hold_not_found"):
                return None
            self.refused.append(answer["error"]["code"])
            await asyncio.sleep(0.1)
        return None

    async def _settled(self, buyer: Client, hold: str) -> bool:
        """Whether a pending booking came through; the master may have lost it with its own death."""
        for _ in range(100):
            answer = await self._patiently(buyer, "hold:resume", {"hold": hold})
            if not answer["ok"] and answer["error"]["code"] != "hold_confirmed":
                return False
            if answer["ok"] and answer["hold"]["state"] != HoldState.CONFIRMING:
                return bool(answer["hold"]["state"] == HoldState.BOOKED)
            await asyncio.sleep(0.1)
        return False


async def everything_adds_up(cluster: Cluster, crowd: Crowd, viewer: Client) -> None:
    """Every acknowledged booking is in the ledger and on the map, nothing is sold twice, and the viewer sees it."""

    async def drained() -> bool:
        async with cluster.masters() as masters:
            return int(await masters["west"].command("XLEN", keys.OUTBOX)) == 0

    await until(drained)
    assert await differences(cluster) == []
    ledger = Ledger(load(cluster.topology_file("west")).regions["west"].ledger)
    rows = [seat for booking in await ledger.booked(crowd.show) for seat in booking.seats]
    await ledger.close()
    assert len(rows) == len(set(rows))
    seats = {LAYOUT.seats[index].id for index in rows}
    assert set(crowd.booked) <= seats

    async def same_map() -> bool:
        text = (await map_of_master(cluster, crowd.show))[2]
        return "".join(map(str, viewer.maps[crowd.show][2])) == text

    await until(same_map)
    text = (await map_of_master(cluster, crowd.show))[2]
    assert all(text[index] == "2" for index in rows)


async def test_a_killed_master_is_replaced_under_buyers_without_any_restart(region: Cluster) -> None:
    for port in region.plan.sentinels["west"]:
        async with connect.to_server(Plain(f"redis://{valkey.HOST}:{port}"), timeout_s=2.0) as stranger:
            with pytest.raises(AuthenticationError):
                await stranger.execute_command("SENTINEL MASTERS")  # type: ignore[no-untyped-call]
    show = await new_show(region, "west")
    url = node_urls(region)[0]
    viewer = await Client.connect(url)
    await viewer.call("show:watch", {"show": show})
    crowd = Crowd(url, show, list(range(100)))
    buying = [asyncio.create_task(crowd.buy()) for _ in range(4)]

    async def some_booked() -> bool:
        return len(crowd.booked) >= 10

    await until(some_booked)
    old = await master_port(region)
    ours = {name: child for name, child in region.children.items() if name.startswith(("node", "keeper"))}
    processes = {name: child.process for name, child in ours.items()}
    server(region, old).kill()
    await promoted(region, old)
    wanted_then = len(crowd.wanted)
    await asyncio.gather(*buying)
    assert wanted_then > 0
    assert "region_unavailable" in crowd.refused
    assert len(crowd.booked) == 100, "every seat was bought by somebody in the end"
    await everything_adds_up(region, crowd, viewer)
    assert all(child.running and child.process is processes[name] for name, child in ours.items())

    # The old master comes back believing that it is one; it is not written to, and made a replica.
    region.resume(server(region, old).name)

    async def follows() -> bool:
        with contextlib.suppress(Exception):
            return await role(region, old) == "slave"
        return False

    more = Crowd(url, show, list(range(100, 120)))
    await more.buy()
    assert len(more.booked) == 20
    await until(follows)
    assert await master_port(region) != old
    crowd.booked |= more.booked
    await everything_adds_up(region, crowd, viewer)
    await viewer.close()


async def test_sales_go_on_while_sentinels_hang(region: Cluster) -> None:
    """They take connections and don't answer: links wait for them, and ask the master whether it has its spares."""
    show = await new_show(region, "west")
    sentinels = [child for name, child in region.children.items() if name.startswith("sentinel")]
    wanted = list(range(8))
    for hanging in (sentinels[:2], sentinels):
        for child in hanging:
            child.signal(signal.SIGSTOP)
        await asyncio.sleep(3 * CONFIRM_S)
        crowd = Crowd(node_urls(region)[0], show, [wanted.pop(0) for _ in range(4)])
        async with asyncio.timeout(60):
            await crowd.buy()
        assert len(crowd.booked) == 4, crowd.refused
        for child in hanging:
            child.signal(signal.SIGCONT)


async def test_the_seats_of_a_hold_that_was_lost_with_its_master_are_free(region: Cluster) -> None:
    show = await new_show(region, "west")
    url = node_urls(region)[0]
    kept, lost, other = [await Client.connect(url) for _ in range(3)]
    first = await kept.call("seats:hold", {"show": show, "seats": ["A-1"], "request_id": "1"})
    old = await master_port(region)
    replicas = [child for name, child in region.children.items() if name.startswith(("spare", "replica"))]

    async def replicated() -> bool:
        async with region.masters() as masters:
            return int(await masters["west"].command("WAIT", len(replicas), 1000)) == len(replicas)

    await until(replicated)
    for child in replicas:
        child.signal(signal.SIGSTOP)
    redis = connect.client(Plain(region.plan.server_url(old)))
    await redis.config_set("min-replicas-to-write", 0)  # as an operator must not
    await redis.execute_command("CLIENT KILL TYPE replica")  # type: ignore[no-untyped-call]
    second = await lost.call("seats:hold", {"show": show, "seats": ["A-2"], "request_id": "2"})
    assert second["ok"]
    server(region, old).kill()
    await connect.close(redis)
    for child in replicas:
        child.signal(signal.SIGCONT)
    answer = await other.call("seats:hold", {"show": show, "seats": ["B-1"], "request_id": "3"})
    assert answer["error"]["code"] == "region_unavailable"
    assert answer["error"]["retryable"]
    await promoted(region, old)
    crowd = Crowd(url, show, [1, 0])
    await crowd._one(other, "A-2")
    assert set(crowd.booked) == {"A-2"}
    gone = await crowd._patiently(lost, "seats:confirm", {"hold": second["hold"]["id"], "payment": "x"})
    assert not gone["ok"]
    resumed = await crowd._patiently(lost, "hold:resume", {"hold": second["hold"]["id"]})
    assert resumed["error"]["code"] == "hold_lost"
    payment = await pay(url, first["hold"]["id"])
    booked = await crowd._patiently(kept, "seats:confirm", {"hold": first["hold"]["id"], "payment": payment})
    assert booked["ok"], booked

    async def reconciled_only() -> bool:
        return await differences(region) == []

    await until(reconciled_only)
    for client in (kept, lost, other):
        await client.close()
    await check_that_a_mark_from_before_the_last_failover_counts_for_nothing(region)


async def check_that_a_mark_from_before_the_last_failover_counts_for_nothing(region: Cluster) -> None:
    """The Sentinels may go back to a former master that was never demoted, so its incarnation is the old one."""
    where = load(region.topology_file("west")).regions["west"]
    master = LockMaster(where)
    node = LockMaster(where, reconciled_only=True)
    keepers = [child for name, child in region.children.items() if name.startswith("keeper")]
    try:
        for keeper in keepers:
            keeper.signal(signal.SIGSTOP)
        incarnation, nonce, number = (await master.command("GET", keys.RECONCILED)).split()
        assert int(nonce.rpartition(b".")[2]) == master.config_epoch > 0
        old = b"%b nonce.%d %b" % (incarnation, master.config_epoch - 1, number)
        await master.command("SET", keys.RECONCILED, old)
        with pytest.raises(RegionUnavailable):
            await node.command("PING")
        for keeper in keepers:
            keeper.signal(signal.SIGCONT)

        async def reconciled_again() -> bool:
            with contextlib.suppress(RegionUnavailable):
                return int((await master.command("GET", keys.RECONCILED)).split()[2]) > int(number)
            return False

        await until(reconciled_again)
        await until(lambda: answers(node))
    finally:
        await master.close()
        await node.close()


async def answers(link: LockMaster) -> bool:
    with contextlib.suppress(RegionUnavailable):
        return bool(await link.command("PING"))
    return False


async def test_a_frozen_master_that_wakes_up_sells_nothing_more(region: Cluster) -> None:
    show = await new_show(region, "west")
    url = node_urls(region)[0]
    viewer = await Client.connect(url)
    await viewer.call("show:watch", {"show": show})
    crowd = Crowd(url, show, list(range(60)))
    buying = [asyncio.create_task(crowd.buy()) for _ in range(4)]

    async def some_booked() -> bool:
        return len(crowd.booked) >= 10

    await until(some_booked)
    old = await master_port(region)
    known = load(region.topology_file("west")).regions["west"]
    link = LockMaster(known)
    locks = SeatLocks(link)

    async def answers() -> bool:
        with contextlib.suppress(RegionUnavailable):
            return bool(await link.command("PING"))
        return False

    await until(answers)
    frozen = server(region, old)
    frozen.signal(signal.SIGSTOP)
    new = await promoted(region, old)
    frozen.signal(signal.SIGCONT)
    assert await role(region, old) == "master", "it still believes that it is the master"
    # A link that was there before the freeze: what it says is held is held on the master that is one now.
    held: list[str] = []

    async def some_held() -> bool:
        for n in range(60, 80):
            hold_id = f"{show}.h{n:_<22}"
            with contextlib.suppress(RegionUnavailable):
                await locks.hold(hold_id, f"owner{n}", [n])
                held.append(hold_id)
            await asyncio.sleep(0.05)
        return bool(held)

    await until(some_held)
    here = LockMaster(known)

    async def state(hold_id: str) -> HoldState | None:
        with contextlib.suppress(RegionUnavailable):  # on a busy machine an answer may take more than a second
            return (await SeatLocks(here).get(hold_id))[0].state
        return None

    for hold_id in held:
        assert await until(partial(state, hold_id)) is HoldState.HELD

    async def address() -> str:
        with contextlib.suppress(RegionUnavailable):
            return (await here.address()).url
        return ""

    assert (await until(address)).endswith(f":{new}")
    await asyncio.gather(*buying)
    assert len(crowd.booked) == 60
    await everything_adds_up(region, crowd, viewer)
    await link.close()
    await here.close()
    await viewer.close()


async def test_a_second_start_goes_on_with_the_master_of_the_first(tmp_path: Path) -> None:
    whole = plan(tmp_path, regions=("west",), sentinels=("west",), port=valkey.free_port)
    first = Cluster(whole)
    await first.start(sample_data=False)
    show = await new_show(first, "west")
    old = await master_port(first)
    server(first, old).kill()
    new = await promoted(first, old)
    buyer = await Client.connect(node_urls(first)[0])
    request = {"show": show, "seats": ["A-1"], "request_id": "1"}
    assert (await Crowd("", show, [])._patiently(buyer, "seats:hold", request))["ok"]
    await buyer.close()
    await first.stop()

    second = Cluster(whole)
    await second.start(sample_data=False)
    try:
        assert await master_port(second) == new
        viewer = await Client.connect(node_urls(second)[0])
        assert (await viewer.call("show:watch", {"show": show}))["ok"]
        assert viewer.status(show, 0) == "held"
        await viewer.close()
    finally:
        await second.stop()
