"""Refunds behind Sentinels: the master dies while they wait, and a worker follows its successor by itself."""

from __future__ import annotations

import signal
from typing import Any

import aiohttp

from realtime.dev.cluster import Cluster
from tests.cluster import Client, new_show, node_urls, pay_order, until
from tests.keeper.test_failover import master_port, promoted, region, server

__all__ = ["region"]
BUYERS = 5


async def audit(cluster: Cluster) -> list[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {cluster.secrets['BANK_SECRET']}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"{cluster.plan.bank_url}/audit") as answer,
    ):
        refunds: list[dict[str, Any]] = (await answer.json())["refunds"]
        return refunds


async def states(cluster: Cluster, show: str) -> list[str]:
    headers = {"Authorization": f"Bearer {cluster.secrets['OPERATOR_KEY']}"}
    url = f"{node_urls(cluster)[0]}/api/v1/ops/refunds?show={show}"
    async with aiohttp.ClientSession(headers=headers) as session, session.get(url) as answer:
        if answer.status != 200:
            return []
        return [refund["state"] for refund in (await answer.json())["refunds"]]


async def test_refunds_that_waited_when_the_master_died_are_made_once(region: Cluster) -> None:
    show = await new_show(region, "west")
    worker = next(child for name, child in region.children.items() if name.startswith("worker"))
    process = worker.process
    worker.signal(signal.SIGSTOP)
    buyer = await Client.connect(node_urls(region)[0])
    amounts = []
    for n in range(BUYERS):
        held = await buyer.call("seats:hold", {"show": show, "seats": [f"A-{n + 1}"], "request_id": str(n)})
        hold = held["hold"]["id"]
        order = (await buyer.call("seats:order", {"hold": hold}))["order"]
        amounts.append(order["amount"])
        await buyer.call("seats:release", {"hold": hold})
        proof = await pay_order(region, order["id"], webhooks="never")
        refused = await buyer.call("seats:confirm", {"hold": hold, "payment": proof})
        assert refused["error"]["refund"]["state"] == "promised"

    async def all_promised() -> bool:
        return await states(region, show) == ["promised"] * BUYERS

    await until(all_promised)
    old = await master_port(region)
    server(region, old).kill()
    await promoted(region, old)
    worker.signal(signal.SIGCONT)

    async def all_done() -> bool:
        return await states(region, show) == ["done"] * BUYERS

    await until(all_done, timeout_s=100)
    assert sorted(refund["amount"] for refund in await audit(region)) == sorted(amounts)
    assert worker.running and worker.process is process
    await buyer.close()
