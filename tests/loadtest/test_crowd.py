"""Small crowds against a real cluster: each command ends by itself, and reports what is wrong."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import aiohttp
import pytest
from click.testing import CliRunner, Result

from loadtest.cli import main
from loadtest.connection import Connection, Endpoint
from loadtest.crowd.context import WorkerContext
from loadtest.crowd.final_maps import FinalMapCheck
from loadtest.crowd.map_store import MapState, MapStore
from loadtest.crowd.plan import Plan, ShowPlan
from loadtest.crowd.viewers import Viewer
from realtime.dev.cluster import Cluster
from tests.cluster import Client, grid, new_show, node_urls, until


@pytest.fixture
def show(cluster: Cluster) -> str:
    return asyncio.run(new_show(cluster, layout=grid(20, 40)))


def loadtest(cluster: Cluster, command: str, show: str, *options: str) -> Result:
    nodes = [word for url in node_urls(cluster)[:2] for word in ("--url", url)]
    return CliRunner().invoke(main, [command, *nodes, "--show", show, "--seed", "1", *options])


def events_of(cluster: Cluster, show: str) -> list[dict[str, Any]]:
    """Return the events in a show's log, the latest first."""
    url = f"{node_urls(cluster)[0]}/api/v1/ops/shows/{show}/log"
    events: list[dict[str, Any]] = []
    while True:
        before = f"?before={events[-1]['id']}" if events else ""
        request = Request(url + before, headers={"Authorization": f"Bearer {cluster.secrets['OPERATOR_KEY']}"})
        with urlopen(request) as answer:
            page = json.load(answer)["events"]
        if not page:
            return events
        events += page


# --- the commands -------------------------------------------------------------------------------------------------
def test_an_onsale_is_measured_checked_and_reported(cluster: Cluster, show: str, tmp_path: Path) -> None:
    data, page = tmp_path / "report.json", tmp_path / "report.html"
    people = ["--viewers", "24", "--buyers", "6", "--processes", "2", "--think", "0.1", "0.3"]
    when = ["--arrive", "2", "--doors", "2", "--seconds", "9", "--refresh", "1", "--reload", "3", "--probe", "0.5"]
    key = cluster.secrets["OPERATOR_KEY"]
    paused = ["--operator-key", key]
    ended = loadtest(cluster, "onsale", show, *people, *when, *paused, "--json", str(data), "--html", str(page))
    assert ended.exit_code == 0, ended.output
    report = json.loads(data.read_text())
    assert report["passed"]
    assert report["maps_verified"] == 24
    assert report["claims_checked"] > 0
    counts, times = report["whole"]["counts"], report["whole"]["times_ms"]
    assert counts["bookings"] > 0
    assert counts["joins"] >= 24
    assert {"staleness", "spread", "join", "refresh", "hold", "confirm"} <= set(times)
    assert times["staleness"]["number"] > 24
    assert times["staleness"]["p50"] < 10_000, "most probes reach the viewers"
    html = page.read_text()
    assert "passed" in html
    # One file: nothing is fetched from anywhere.
    assert not re.search(r"""(src|href)\s*=|@import|url\(|//cdn""", html)
    assert key not in html + data.read_text()
    kinds = [event["kind"] for event in reversed(events_of(cluster, show))]
    assert kinds[:2] == ["sales_paused", "sales_open"] and "held" in kinds


def test_a_wrong_operators_key_is_reported(cluster: Cluster, show: str) -> None:
    people = ["--viewers", "2", "--buyers", "1", "--doors", "0", "--seconds", "1"]
    ended = loadtest(cluster, "onsale", show, *people, "--operator-key", "wrong")
    assert ended.exit_code == 1
    assert "could not pause its sales" in ended.output


def test_pollers_get_304_while_nothing_changes(cluster: Cluster, show: str, tmp_path: Path) -> None:
    data = tmp_path / "report.json"
    ended = loadtest(
        cluster, "pollers", show, "--pollers", "4", "--every", "0.2", "--seconds", "12", "--json", str(data)
    )
    assert ended.exit_code == 0, ended.output
    counts = json.loads(data.read_text())["whole"]["counts"]
    assert counts["polls changed"] >= 4
    assert counts["polls unchanged"] > counts["polls changed"]


def test_slow_viewers_are_caught_up_when_they_read_again(cluster: Cluster, show: str, tmp_path: Path) -> None:
    data = tmp_path / "report.json"
    when = ["--stall", "2", "--seconds", "6"]
    ended = loadtest(cluster, "slow", show, "--slow", "4", "--viewers", "4", *when, "--json", str(data))
    assert ended.exit_code == 0, ended.output
    report = json.loads(data.read_text())
    assert report["maps_verified"] == 8
    counts = report["whole"]["counts"]
    assert counts["stalled"] == 4 == counts.get("reads again", 0) + counts.get("closed while stalled", 0)


def test_viewers_of_a_soak_leave_and_others_join(cluster: Cluster, show: str, tmp_path: Path) -> None:
    data = tmp_path / "report.json"
    people = ["--viewers", "10", "--buyers", "2", "--arrive", "1", "--stay", "2", "--think", "0.1", "0.2"]
    people += ["--refresh", "0.3", "--reload", "1"]
    ended = loadtest(cluster, "soak", show, *people, "--minutes", "0.15", "--json", str(data))
    assert ended.exit_code == 0, ended.output
    report = json.loads(data.read_text())
    counts = report["whole"]["counts"]
    assert counts["refreshes"] > counts["joins"] > counts["leaves"] > 10
    assert report["maps_verified"] == 10
    assert any(each["gauges"].get("server memory") for each in report["series"]["bins"]), (
        "the nodes report their memory"
    )


# --- wrong targets -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--url", "https://tickets.example"], "--i-own-this-target"),
        (["--url", "http://192.0.2.7:8000"], "--i-own-this-target"),
        (["--url", "http://localhost.example:8000"], "--i-own-this-target"),
        (["--url", "127.0.0.1:8000"], "is not the URL of a node"),
        (["--url", "http://127.0.0.1:99999"], "is not the URL of a node"),
        (["--url", "http://127.0.0.1:1"], "can't be reached"),
        ([], "--url"),
        (["--url", "http://127.0.0.1:1", "--viewers", "20000"], "--processes 2"),
    ],
)
def test_a_wrong_target_is_refused_in_one_line(options: list[str], words: str) -> None:
    ended = CliRunner().invoke(main, ["viewers", *options])
    assert ended.exit_code in (1, 2)
    assert words in ended.output
    assert "Traceback" not in ended.output


def test_an_unknown_show_is_named(cluster: Cluster) -> None:
    ended = loadtest(cluster, "viewers", "west-nowhere")
    assert ended.exit_code == 1
    assert "has no show 'west-nowhere'" in ended.output


# --- the light client ---------------------------------------------------------------------------------------------
class Listener(Connection):
    """A light client that keeps the events it receives."""

    def __init__(self, url: str) -> None:
        super().__init__(Endpoint.of(url))
        self.received: list[Any] = []
        self.reason: str | None = None

    def on_event(self, packet: bytes, now: float) -> None:
        self.received.append(json.loads(packet[2:]))

    def on_closed(self, reason: str) -> None:
        self.reason = reason

    async def answer_to(self, event: str, payload: dict[str, Any]) -> dict[str, Any]:
        answered: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.request(event, payload, answered.set_result)
        async with asyncio.timeout(20):
            return await answered


@pytest.fixture
async def light(cluster: Cluster) -> AsyncIterator[Listener]:
    link = Listener(node_urls(cluster)[0])
    await link.connect()
    await until(lambda: _is(link.is_joined))
    yield link
    link.abort()


async def _is(value: object) -> bool:
    return bool(value)


async def test_it_receives_what_the_official_client_receives(cluster: Cluster, light: Listener) -> None:
    show = await new_show(cluster)
    official = await Client.connect(node_urls(cluster)[0])
    try:
        mine = await light.answer_to("show:watch", {"show": show})
        theirs = await official.call("show:watch", {"show": show})
        assert {**mine, "server_time": 0} == {**theirs, "server_time": 0}
        held = await light.answer_to("seats:hold", {"show": show, "seats": ["A-1"], "request_id": "r1"})
        assert held["ok"]
        change = await official.hears("seats:changed", held=[0])
        await until(lambda: _is(["seats:changed", change] in light.received))
        refused = await light.answer_to("seats:hold", {"show": show, "seats": ["Z-9"], "request_id": "r2"})
        assert refused["error"]["code"] == "seat_not_found"
    finally:
        await official.close()


async def test_it_receives_a_map_of_the_largest_size(cluster: Cluster, light: Listener) -> None:
    show = await new_show(cluster, layout=grid(26, 2_300))
    answer = await light.answer_to("show:watch", {"show": show})
    assert len(base64.b64decode(answer["seats"])) == 26 * 2_300 // 4


async def test_it_reports_why_a_connection_was_refused(cluster: Cluster) -> None:
    for link, reason in (
        (Listener(node_urls(cluster)[0]), "unauthorized"),
        (Listener(node_urls(cluster)[0] + "/nothing-here"), "http 404"),
    ):
        link.token = "made up"
        await link.connect()
        await until(lambda link=link: _is(link.reason is not None))
        assert link.reason == reason


# --- planted errors -------------------------------------------------------------------------------------------------
async def test_a_planted_wrong_map_is_found(cluster: Cluster) -> None:
    show = await new_show(cluster)
    url = node_urls(cluster)[0]
    known = ShowPlan(show, 120, 10, "layout")
    plan = Plan(command="viewers", urls=[url], shows=[known], seconds=1)
    context = WorkerContext(plan, [Endpoint.of(url)], MapStore({show: 120}))
    viewers = [Viewer(context, number, known) for number in range(3)]
    for viewer in viewers:
        viewer.connect()
    try:
        await until(lambda: _is(all(viewer.is_watching for viewer in viewers)))
        state = viewers[1].state
        assert state is not None
        viewers[1].state = MapState(show, state.epoch, state.version, b"\2" + state.statuses[1:])
        async with aiohttp.ClientSession() as http:
            check = FinalMapCheck(plan, viewers, http)
            await check.run()
        assert check.verified == 2
        assert check.failures == [f"{show}: the maps of 1 viewers differ from the nodes' at the same version"]
    finally:
        await context.close()
        for viewer in viewers:
            viewer.leave()
