"""The ops API: the figures of every node and keeper, the holds of a show, the log of a show."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from realtime import keys, limits
from realtime.clock import now_ms
from realtime.dev.cluster import Cluster
from realtime.errors import RegionUnavailable
from realtime.feeds.directory import Directory
from realtime.keeper import status_report as keeper_status_report
from realtime.web import status_report as node_status_report
from realtime.web.ops_view import OpsView
from tests.cluster import Client, new_show, node_urls, pay, until


def operator(cluster: Cluster) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(headers={"Authorization": f"Bearer {cluster.secrets['OPERATOR_KEY']}"})


async def get(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with session.get(url) as response:
        assert response.status == 200, await response.text()
        answer: dict[str, Any] = await response.json()
        return answer


@pytest.mark.parametrize("path", ["", "/incidents", "/shows/west-x", "/shows/west-x/log"])
async def test_the_ops_api_requires_the_operator_key(cluster: Cluster, path: str) -> None:
    async with aiohttp.ClientSession() as session:
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            async with session.get(f"{node_urls(cluster)[0]}/api/v1/ops{path}", headers=headers) as response:
                assert (response.status, (await response.json())["error"]["code"]) == (403, "forbidden")


async def test_every_node_lists_all_nodes_and_keepers_of_all_regions(cluster: Cluster) -> None:
    async with operator(cluster) as session:
        for url in node_urls(cluster):

            async def complete(url: str = url) -> bool:
                regions = (await get(session, f"{url}/api/v1/ops"))["regions"]
                return len(regions) == 3 and all(each["live"] and each["nodes"] and each["keepers"] for each in regions)

            await until(complete)


async def test_every_node_lists_the_incidents_of_all_regions_the_newest_first(cluster: Cluster) -> None:
    async with operator(cluster) as session:
        for url in node_urls(cluster):

            async def complete(url: str = url) -> bool:
                answer = await get(session, f"{url}/api/v1/ops/incidents")
                times = [each["at"] for each in answer["incidents"]]
                assert (answer["missing"], times) == ([], sorted(times, reverse=True))
                # Each region's master was reconciled when the cluster started.
                found = {each["about"] for each in answer["incidents"] if each["kind"] == "reconciled"}
                return found == {"north", "south", "west"}

            await until(complete)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STATUS_REPORT_OLD_MS", limits.STATUS_REPORT_OLD_MS),
        ("PENDING_MS", keeper_status_report.PENDING_MS),
        ("DELAYED_MS", node_status_report.DELAYED_MS),
    ],
)
def test_the_page_calls_wrong_what_is_an_incident(name: str, value: int) -> None:
    source = (Path(__file__).parents[2] / "static/ops/figures.js").read_text()
    assert f"const {name} = {value};" in source


async def test_dead_letters_are_listed_with_the_regions_that_do_not_answer() -> None:
    entries = [(b"7-0", [b"kind", b"booking", b"hold", b"west-s.h", b"reason", b"poison"])]

    async def read(*_command: object) -> object:
        return entries

    async def refuse(*_command: object) -> object:
        raise RegionUnavailable(region="north")

    feeds: Any = {"north": SimpleNamespace(command=refuse), "west": SimpleNamespace(command=read, region="west")}
    settings: Any = SimpleNamespace(topology=SimpleNamespace(regions={}))
    view = OpsView(settings, "west", cast("Directory", None), feeds)
    (route,) = [each for each in view.routes() if each.path == "/api/v1/ops/dead-letters"]
    answer = await route.handler(make_mocked_request("GET", route.path))
    assert isinstance(answer, web.Response) and isinstance(answer.body, bytes)
    listed = orjson.loads(answer.body)
    assert listed["missing"] == ["north"]
    assert [(each["region"], each["id"], each["reason"]) for each in listed["dead_letters"]] == [
        ("west", "7-0", "poison")
    ]


async def test_a_node_whose_clock_is_wrong_is_not_taken_for_silent_and_a_silent_one_is() -> None:
    beats, written = iter(range(9)), now_ms()

    async def read(_command: str, key: str) -> dict[bytes, bytes]:
        if key == keys.KEEPERS:
            return {}
        behind = orjson.dumps({"time": written - 600_000 + next(beats)})
        return {b"behind": behind, b"silent": orjson.dumps({"time": written - 60_000}), b"damaged": b"{"}

    feed = SimpleNamespace(command=read, region="west", live=True, lag_ms=None)
    settings: Any = SimpleNamespace(topology=SimpleNamespace(regions={"west": SimpleNamespace(label="Mumbai")}))
    directory: Any = SimpleNamespace(shows=lambda: (), unreadable=lambda _region: ())
    view = OpsView(settings, "west", directory, cast("Any", {"west": feed}))
    (route,) = [each for each in view.routes() if each.path == "/api/v1/ops"]

    async def ages() -> dict[str, int]:
        answer = await route.handler(make_mocked_request("GET", route.path))
        assert isinstance(answer, web.Response) and isinstance(answer.body, bytes)
        return {each["name"]: each["age_ms"] for each in orjson.loads(answer.body)["regions"][0]["nodes"]}

    first, second = await ages(), await ages()
    assert first["behind"] >= 600_000, "nothing but its clock is known yet"
    assert second["behind"] < 60_000 <= second["silent"]


async def test_a_hold_counts_for_the_region_whose_seats_it_takes(cluster: Cluster) -> None:
    show = await new_show(cluster, "west")
    north = node_urls(cluster)[0]
    async with operator(cluster) as session:
        begun = now_ms()

        async def holds() -> dict[str, int] | None:
            regions = (await get(session, f"{north}/api/v1/ops"))["regions"]
            (node,) = [node for each in regions if each["name"] == "north" for node in each["nodes"]] or [None]
            # A report from before this test may lack holds of the test before.
            if node is None or node["time"] < begun:
                return None
            return {region: sold["holds"] for region, sold in node["sales"].items()}

        before = await until(holds)
        buyer = await Client.connect(north)
        assert (await buyer.call("seats:hold", {"show": show, "seats": ["A-1"], "request_id": "1"}))["ok"]

        async def counted() -> bool:
            return await holds() == {**before, "west": before["west"] + 1}

        await until(counted)
        await buyer.close()


async def test_the_log_of_a_show_lists_every_step_of_a_sale_in_every_region(cluster: Cluster) -> None:
    show = await new_show(cluster, "west")
    north, west, _south = node_urls(cluster)
    buyer = await Client.connect(west)
    ask = {"show": show, "seats": ["A-1", "A-2"], "request_id": "one"}
    hold = (await buyer.call("seats:hold", ask))["hold"]["id"]
    async with operator(cluster) as session:

        async def listed() -> list[dict[str, Any]]:
            return list((await get(session, f"{north}/api/v1/ops/shows/{show}"))["holds"])

        (held,) = await until(listed)
        assert (held["id"], held["state"], sorted(held["seats"])) == (hold, "held", [0, 1])
        assert (await buyer.call("seats:extend", {"hold": hold}))["ok"]
        booked = await buyer.call("seats:confirm", {"hold": hold, "payment": await pay(west, hold)})
        assert booked["booking"]["state"] == "booked"
        await buyer.close()
        for verb, body in (("block", {"seats": ["B-1"]}), ("unblock", {"seats": ["B-1"]}), ("pause", {}), ("open", {})):
            async with session.post(f"{west}/api/v1/shows/{show}/{verb}", json=body) as response:
                assert response.status == 200
        expected = ["held", "extended", "confirmed", "booked", "blocked", "unblocked", "sales_paused", "sales_open"]

        async def logged() -> list[dict[str, Any]] | None:
            events: list[dict[str, Any]] = (await get(session, f"{north}/api/v1/ops/shows/{show}/log"))["events"]
            return events[::-1] if len(events) >= len(expected) else None

        events = await until(logged)
        assert [each["kind"] for each in events] == expected
        assert sorted(events[0]["held"]) == sorted(events[3]["sold"]) == [0, 1]
        assert [each["hold"] for each in events[:4]] == [hold] * 4
        before = await get(session, f"{north}/api/v1/ops/shows/{show}/log?before={events[4]['id']}&count=2")
        assert [each["kind"] for each in before["events"]] == ["booked", "confirmed"]


@pytest.mark.parametrize(
    "query", ["count=0", "count=501", "count=x", "before=x", "before=1-", "before=1-2-3", "before=0-0"]
)
async def test_invalid_parameters_for_a_log_are_refused(cluster: Cluster, query: str) -> None:
    show = await new_show(cluster, "west")
    url = f"{node_urls(cluster)[0]}/api/v1/ops/shows/{show}/log?{query}"
    async with operator(cluster) as session, session.get(url) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (400, "bad_request")


ODD = b'{"time": 9999999999999, "refunds": {"promised": null, "sent": 1}, "gate_conflicts": {"twice": "x"}}'
"""A report with a time to come is the newest one."""


async def test_records_that_can_not_be_read_hide_no_other(cluster: Cluster) -> None:
    """Those of nodes, keepers, incidents, holds and the log of a show; the metrics are read from them, too."""
    show, node = await new_show(cluster, "west"), node_urls(cluster)[0]
    buyer = await Client.connect(node)
    hold = (await buyer.call("seats:hold", {"show": show, "seats": ["A-1"], "request_id": "1"}))["hold"]["id"]
    other = (await buyer.call("seats:hold", {"show": show, "seats": ["A-2"], "request_id": "2"}))["hold"]["id"]
    async with cluster.masters() as masters, operator(cluster) as session:
        command = masters["west"].command
        for key in (keys.NODES, keys.KEEPERS):
            for record in (b"{", b"[]", b"{}", b'{"time": "now"}', b"\xff"):
                await command("HSET", key, b"broken \xff" + record, record)
        await command("HSET", keys.KEEPERS, b"broken odd", ODD)
        await command("XADD", keys.INCIDENTS, "*", b"\xff", b"\xff", "at", "now")
        await command("XADD", keys.log(show), "*", "change", "{")
        await command("XADD", keys.log(show), "*", "kind", "held")
        kept = await command("HGET", keys.holds(show), other)
        await command("HSET", keys.holds(show), other, b"{")

        async def last_is_there() -> bool:
            holds = (await get(session, f"{node}/api/v1/ops/shows/{show}"))["holds"]
            return [each["id"] for each in holds] == [hold]

        await until(last_is_there)
        auth = {"Authorization": f"Bearer {buyer.token}"}

        async def is_unavailable() -> bool:
            """Ask for the broken hold, which a keeper may have removed by rebuilding its show."""
            await command("HSET", keys.holds(show), other, b"{")
            resumed = await buyer.call("hold:resume", {"hold": other})
            asked = [f"{node}/api/v1/{path}" for path in (f"holds/{other}", "commands/2")]
            answers = [await (await session.get(url, headers=auth)).json() for url in asked]
            return {each["error"]["code"] for each in (resumed, *answers)} == {"region_unavailable"}

        await until(is_unavailable)
        (west,) = [each for each in (await get(session, f"{node}/api/v1/ops"))["regions"] if each["name"] == "west"]
        assert west["nodes"] and west["keepers"] and not any("broken" in each["name"] for each in west["nodes"])
        assert len((await get(session, f"{node}/api/v1/ops/incidents"))["incidents"]) > 1
        events = (await get(session, f"{node}/api/v1/ops/shows/{show}/log"))["events"]
        assert sum(each["hold"] == hold for each in events) == 1
        async with session.get(f"{cluster.plan.node_urls('west')[0]}/metrics") as response:
            assert response.status == 200 and 'unfinished_refunds{owner="west",state="sent"}' in await response.text()
        await command("HSET", keys.holds(show), other, kept)
        for key in (keys.NODES, keys.KEEPERS):
            await command("HDEL", key, *(name for name in await command("HKEYS", key) if name.startswith(b"broken")))
    await buyer.close()
