"""Nodes are restarted one after the other while buyers book: no buyer sees more than a short delay."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from realtime.dev.cluster import Cluster
from tests.cluster import Client, grid, new_show, node_urls, pay, running_cluster, until
from tests.system.test_main_job import ledger_bookings

SCRIPT = Path(__file__).parent / "crowd.mjs"


@pytest.fixture(scope="module")
def rolling() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


async def restart(cluster: Cluster, port: int) -> None:
    """Stop a node as a deployment does, and start it again."""
    node = cluster.pause(f"node {port}")
    node.signal(signal.SIGTERM)
    assert node.process is not None
    assert await asyncio.to_thread(node.process.wait, 30) == 0
    cluster.resume(node.name)
    await cluster.node_ready(port)


async def test_no_buyer_sees_an_error_during_a_rolling_restart_under_load(rolling: Cluster, node_binary: Path) -> None:
    show = await new_show(rolling, "west", layout=grid(numbers=2000))
    urls = node_urls(rolling) * 2
    process = await asyncio.create_subprocess_exec(
        str(node_binary), str(SCRIPT), show, *urls, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    said: list[dict[str, Any]] = []

    async def listen(stream: asyncio.StreamReader) -> None:
        async for line in stream:
            said.append(json.loads(line))

    async def bought(count: int) -> None:
        async def enough() -> bool:
            return sum("booked" in each for each in said) >= count

        await until(enough)

    listening = asyncio.create_task(listen(process.stdout))
    await bought(6)
    for ports in rolling.plan.nodes.values():
        await restart(rolling, ports[0])
        await bought(len(said) + 6)
    process.stdin.close()
    await listening
    assert await process.wait() == 0
    assert [each for each in said if "error" in each] == []
    assert {each["leaving"] for each in said if "leaving" in each} == set(urls)
    booked = {each["booked"]: each["seat"] for each in said if "booked" in each}
    assert len(booked) == len(set(booked.values()))

    async def all_in_the_ledger() -> bool:
        return set(await ledger_bookings(rolling, show)) == set(booked)

    await until(all_in_the_ledger)


async def test_a_stopping_node_answers_pending_requests_and_closes_idle_connections(rolling: Cluster) -> None:
    show = await new_show(rolling, "west")
    url, other = node_urls(rolling)[:2]
    buyer, viewer = await Client.connect(url), await Client.connect(url)
    await viewer.call("show:watch", {"show": show})
    held = await buyer.call("seats:hold", {"show": show, "seats": ["A-1"], "request_id": "1"})
    hold = held["hold"]["id"]
    payment = await pay(url, hold)
    keeper = rolling.children["keeper west"]
    keeper.signal(signal.SIGSTOP)
    confirming = asyncio.create_task(buyer.call("seats:confirm", {"hold": hold, "payment": payment}))
    watching = await Client.connect(other)

    async def under_way() -> bool:
        answer = await watching.call("seats:hold", {"show": show, "seats": ["A-1"], "request_id": "2"})
        assert answer["error"]["code"] == "seats_taken"
        resumed = await buyer.call("hold:resume", {"hold": hold})
        return bool(resumed["hold"]["state"] == "confirming")

    await until(under_way)
    node = rolling.pause(f"node {rolling.plan.nodes['north'][0]}")
    node.signal(signal.SIGTERM)

    async def gone() -> bool:
        return not viewer.sio.connected

    await until(gone)
    assert ("node:leaving", {}) in viewer.received
    assert buyer.sio.connected, "its answer is still to come"
    assert (await confirming)["booking"]["state"] == "pending"
    keeper.signal(signal.SIGCONT)
    assert node.process is not None
    assert await asyncio.to_thread(node.process.wait, 30) == 0
    rolling.resume(node.name)
    await rolling.node_ready(rolling.plan.nodes["north"][0])

    async def settled() -> bool:
        return set(await ledger_bookings(rolling, show)) == {hold}

    await until(settled)
    await asyncio.gather(*(client.sio.disconnect() for client in (buyer, viewer, watching)))
