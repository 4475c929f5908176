"""``/metrics`` on money: what the keepers of the node's own region last reported."""

from __future__ import annotations

import re

import aiohttp

from realtime.dev.cluster import Cluster
from tests.cluster import Client, new_show, node_urls, until

from .test_money import ordered


async def gauges(url: str) -> dict[str, float]:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as answer:
        assert answer.status == 200
        lines = re.findall(r"^tickingtickets_(\S+) (\S+)$", await answer.text(), re.MULTILINE)
        return {name: float(value) for name, value in lines}


async def test_an_open_order_of_the_own_region_is_counted(cluster: Cluster) -> None:
    show = await new_show(cluster, "west")
    url = next(url for url in node_urls(cluster) if url in cluster.plan.node_urls("west"))
    buyer = await Client.connect(url)
    await ordered(buyer, show, ["A-1"])

    async def counted() -> dict[str, float] | None:
        found = await gauges(url)
        return found if found.get('open_orders{owner="west"}', 0) >= 1 else None

    found = await until(counted)
    assert found['open_order_oldest_ms{owner="west"}'] > 0
    assert found['dead_letters{owner="west"}'] == 0
    assert 'outbox_entries{owner="west"}' in found
    assert {name for name in found if name.startswith("unfinished_refunds")} == {
        f'unfinished_refunds{{owner="west",state="{state}"}}' for state in ("promised", "sent", "failed")
    }
    assert {name for name in found if name.startswith("gate_conflicts")} == {
        f'gate_conflicts{{kind="{kind}",owner="west"}}' for kind in ("twice", "cancelled", "lease_over")
    }
    await buyer.close()
