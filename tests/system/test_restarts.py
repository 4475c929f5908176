"""Processes are killed at any point: acknowledged bookings remain, nothing is sold twice, other regions go on."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

import pytest

from realtime.dev.cluster import Cluster
from tests.cluster import Client, new_show, node_urls, pay, retried, running_cluster, until
from tests.system.test_main_job import ledger_bookings


@pytest.fixture(scope="module")
def mortal() -> Iterator[Cluster]:
    """A cluster whose parts may be killed; each test puts them back."""
    with running_cluster() as cluster:
        yield cluster


async def test_confirms_are_pending_without_a_keeper_and_settle_when_one_returns(mortal: Cluster) -> None:
    show = await new_show(mortal, "west")
    north = node_urls(mortal)[0]
    buyer = await Client.connect(north)
    await buyer.call("show:watch", {"show": show})
    held = await buyer.call("seats:hold", {"show": show, "seats": ["A-1"], "request_id": "1"})
    hold = held["hold"]["id"]
    payment = await pay(north, hold)
    mortal.pause("keeper west").kill()
    done = await buyer.call("seats:confirm", {"hold": hold, "payment": payment})
    assert done["booking"]["state"] == "pending"
    assert buyer.status(show, 0) == "held"
    mortal.resume("keeper west")
    settled = await buyer.hears("booking:settled")
    assert settled["booking"]["state"] == "booked"
    assert await ledger_bookings(mortal, show) == {hold: (0,)}
    await buyer.close()


async def test_a_hold_survives_the_end_of_its_node(mortal: Cluster) -> None:
    show = await new_show(mortal, "south")
    north, west, _south = node_urls(mortal)
    port = mortal.plan.nodes["north"][0]
    buyer = await Client.connect(north)
    held = await buyer.call("seats:hold", {"show": show, "seats": ["A-1"], "request_id": "1"})
    hold, token = held["hold"]["id"], buyer.token
    mortal.pause(f"node {port}").kill()

    async def noticed() -> bool:
        return not buyer.sio.connected

    await until(noticed)
    buyer = await Client.connect(west, token=token)
    assert (await buyer.call("hold:resume", {"hold": hold}))["hold"]["state"] == "held"
    done = await buyer.call("seats:confirm", {"hold": hold, "payment": await pay(west, hold)})
    assert done["booking"]["state"] == "booked"
    mortal.resume(f"node {port}")
    await mortal.node_ready(port)
    await buyer.close()


async def test_requests_to_an_unreachable_region_fail_fast_and_other_regions_keep_selling(mortal: Cluster) -> None:
    west, south = await new_show(mortal, "west"), await new_show(mortal, "south")
    buyer = await Client.connect(node_urls(mortal)[0])
    for show in (west, south):
        assert (await buyer.call("show:watch", {"show": show}))["ok"]
    master = mortal.pause("master west")
    master.signal(signal.SIGSTOP)
    refused = await buyer.call("seats:hold", {"show": west, "seats": ["A-1"], "request_id": "1"})
    assert (refused["error"]["code"], refused["error"]["retryable"]) == ("region_unavailable", True)
    assert (await buyer.call("seats:hold", {"show": south, "seats": ["A-1"], "request_id": "1"}))["ok"]
    await buyer.hears("show:status", show=west, status="stale")
    assert not [payload for event, payload in buyer.received if event == "show:status" and payload["show"] == south]
    master.signal(signal.SIGCONT)
    await buyer.hears("show:status", show=west, status="live")
    again = await retried(buyer, "seats:hold", {"show": west, "seats": ["A-1"], "request_id": "1"})
    assert again["ok"], "the request that was in doubt finds its own hold"
    mortal.resume("master west")
    await buyer.close()


async def test_killing_master_replica_and_keeper_under_load_loses_nothing(mortal: Cluster) -> None:
    show = await new_show(mortal, "west")
    urls = node_urls(mortal)
    buyers = [await Client.connect(urls[n % 3]) for n in range(9)]
    viewer = await Client.connect(urls[0])
    await viewer.call("show:watch", {"show": show})
    booked: dict[str, str] = {}
    stop = asyncio.Event()

    async def buy(n: int, buyer: Client) -> None:
        for turn in range(12):
            seat = f"{'ABCDEF'[(n + turn) % 6]}-{(7 * n + 3 * turn) % 20 + 1}"
            ask = {"show": show, "seats": [seat], "request_id": f"{turn}"}
            held = await retried(buyer, "seats:hold", ask)
            if not held["ok"]:
                assert held["error"]["code"] == "seats_taken"
                continue
            hold = held["hold"]["id"]
            done = await retried(buyer, "seats:confirm", {"hold": hold, "payment": await pay(urls[2], hold)})
            assert done["ok"], done
            booked[hold] = seat

    async def kill() -> None:
        for name in ("replica west in north", "master west", "keeper west", "master west", "replica west in south"):
            if stop.is_set():
                return
            mortal.pause(name).kill()
            await asyncio.sleep(0.3)
            mortal.resume(name)
            await asyncio.sleep(0.7)

    killing = asyncio.create_task(kill())
    await asyncio.gather(*(buy(n, buyer) for n, buyer in enumerate(buyers)))
    stop.set()
    await killing

    async def all_in_the_ledger() -> bool:
        return set(await ledger_bookings(mortal, show)) == set(booked)

    await until(all_in_the_ledger)
    rows = await ledger_bookings(mortal, show)
    sold = sorted(index for seats in rows.values() for index in seats)
    assert len(sold) == len(set(sold)) == len(booked)

    async def map_agrees() -> bool:
        seen = viewer.maps[show][2]
        return [n for n in range(120) if seen[n] == 2] == sold

    await until(map_agrees)
    await asyncio.gather(*(client.close() for client in (*buyers, viewer)))
