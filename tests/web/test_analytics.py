"""Figures on a running system, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
from typing import Any

import aiohttp

from realtime.clock import now_ms
from realtime.dev.cluster import Cluster
from tests.cluster import Client, new_show, node_urls, pay, until

from .test_contacts import ops


async def test_operators_get_the_figures_of_a_show_by_the_hour(cluster: Cluster) -> None:
    show = await new_show(cluster, "south")
    buyer = await Client.connect(node_urls(cluster)[0])
    held = await buyer.call("seats:hold", {"show": show, "seats": ["A-1", "A-2"], "request_id": "1"})
    late = await buyer.call("seats:hold", {"show": show, "seats": ["A-2"], "request_id": "2"})
    assert late["error"]["code"] == "seats_taken"
    payment = await pay(node_urls(cluster)[0], held["hold"]["id"])
    await buyer.call("seats:confirm", {"hold": held["hold"]["id"], "payment": payment})
    await buyer.close()
    path = f"/analytics?show={show}&until={now_ms() + 3_600_000}"

    async def figures() -> list[dict[str, Any]]:
        status, answer = await ops(cluster, "GET", path)
        assert status == 200 and answer["missing"] == []
        # Holds are counted on the master, and moved every fifteen seconds.
        return [row for row in answer["hours"] if row["bookings"] and row["holds"]]

    (row,) = await until(figures)
    assert (row["show"], row["region"], row["seats"], row["revenue"]) == (show, "south", 2, 90_000)
    assert (row["holds"], row["conflicts"], row["admitted"]) == (1, 1, 0)
    assert row["orders"] == row["paid_orders"] == 1 and row["pay_ms"] >= 0
    headers = {"Authorization": f"Bearer {cluster.secrets['OPERATOR_KEY']}"}
    url = f"{node_urls(cluster)[0]}/api/v1/ops{path}&format=csv"
    async with aiohttp.ClientSession(headers=headers) as session, session.get(url) as answer:
        assert answer.content_type == "text/csv"
        lines = list(csv.DictReader(io.StringIO(await answer.text())))
    assert [
        (line["show"], line["bookings"], line["revenue"], line["holds"]) for line in lines if line["bookings"] != "0"
    ] == [(show, "1", "90000", "1")]
    assert lines[0]["hour"].endswith(":00+05:30")
    assert (await ops(cluster, "GET", "/analytics?until=5"))[0] == 200
    for wrong in ("since=x", "since=0", "format=xml", "show=east-nothing"):
        assert (await ops(cluster, "GET", f"/analytics?{wrong}"))[0] in (400, 404)
