"""Crowds against a real cluster, small: each command ends by itself with a true verdict; what is wrong is found."""

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
import msgspec
import pytest
from click.testing import CliRunner, Result

from loadtest.__main__ import main
from loadtest.crowd.board import Board, MapState
from loadtest.crowd.plan import Plan, ShowPlan
from loadtest.crowd.settle import Settling
from loadtest.crowd.viewers import Stage, Viewer
from loadtest.link import Endpoint, Link
from realtime.dev.cluster import Cluster
from tests.cluster import Client, grid, new_show, node_urls, until

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def show(cluster: Cluster) -> str:
    return asyncio.run(new_show(cluster, layout=grid(20, 40)))


def loadtest(cluster: Cluster, command: str, show: str, *options: str) -> Result:
    nodes = [word for url in node_urls(cluster)[:2] for word in ("--url", url)]
    return CliRunner().invoke(main, [command, *nodes, "--show", show, "--seed", "1", *options])


def events_of(cluster: Cluster, show: str) -> list[dict[str, Any]]:
    """Return what a show's log has, the latest first."""
    url = f"{node_urls(cluster)[0]}/api/v1/ops/shows/{show}/log"
    events: list[dict[str, Any]] = []
    while True:
        before = f"?before={events[-1]['id']}" if events else ""
        asked = Request(url + before, headers={"Authorization": f"Bearer {cluster.secrets['OPERATOR_KEY']}"})
        with urlopen(asked) as answer:
            page = json.load(answer)["events"]
        if not page:
            return events
        events += page


# --- the commands -------------------------------------------------------------------------------------------------
def test_an_onsale_is_measured_judged_and_reported(cluster: Cluster, show: str, tmp_path: Path) -> None:
    data, page = tmp_path / "report.json", tmp_path / "report.html"
    people = ["--viewers", "24", "--buyers", "6", "--processes", "2", "--think", "0.1", "0.3"]
    when = ["--arrive", "2", "--pending", "2", "--seconds", "9", "--refresh", "3", "--reload", "4", "--probe", "0.5"]
    key = cluster.secrets["OPERATOR_KEY"]
    shut = ["--operator-key", key]
    ended = loadtest(cluster, "onsale", show, *people, *when, *shut, "--json", str(data), "--html", str(page))
    assert ended.exit_code == 0, ended.output
    told = json.loads(data.read_text())
    assert told["passed"]
    assert told["maps_right"] == 24
    assert told["seats_checked"] > 0
    counts, times = told["whole"]["counts"], told["whole"]["times_ms"]
    assert counts["bookings"] > 0
    assert counts["joins"] >= 24
    assert {"staleness", "spread", "join", "refresh", "hold", "confirm"} <= set(times)
    assert times["staleness"]["p50"] <= times["staleness"]["p99"]
    html = page.read_text()
    assert "passed" in html
    # One file: nothing is fetched from anywhere.
    assert not re.search(r"""(src|href)\s*=|@import|url\(|//cdn""", html)
    assert key not in html + data.read_text()
    kinds = [event["kind"] for event in reversed(events_of(cluster, show))]
    assert kinds[:2] == ["sales_paused", "sales_open"] and "held" in kinds


def test_a_wrong_operators_key_is_said(cluster: Cluster, show: str) -> None:
    people = ["--viewers", "2", "--buyers", "1", "--pending", "0", "--seconds", "1"]
    ended = loadtest(cluster, "onsale", show, *people, "--operator-key", "wrong")
    assert ended.exit_code == 1
    assert "could not pause its sales" in ended.output


def test_pollers_are_told_that_nothing_changed(cluster: Cluster, show: str, tmp_path: Path) -> None:
    data = tmp_path / "report.json"
    ended = loadtest(
        cluster, "pollers", show, "--pollers", "4", "--every", "0.1", "--seconds", "2", "--json", str(data)
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
    told = json.loads(data.read_text())
    assert told["maps_right"] == 8
    counts = told["whole"]["counts"]
    assert counts["stalled"] == 4 == counts.get("reads again", 0) + counts.get("closed while stalled", 0)


def test_a_soak_has_people_come_and_go(cluster: Cluster, show: str, tmp_path: Path) -> None:
    data = tmp_path / "report.json"
    people = ["--viewers", "10", "--buyers", "2", "--arrive", "1", "--stay", "2", "--think", "0.1", "0.2"]
    people += ["--refresh", "0.3", "--reload", "1"]
    ended = loadtest(cluster, "soak", show, *people, "--minutes", "0.15", "--json", str(data))
    assert ended.exit_code == 0, ended.output
    told = json.loads(data.read_text())
    counts = told["whole"]["counts"]
    assert counts["refreshes"] > counts["joins"] > counts["leaves"] > 10
    assert told["maps_right"] == 10
    assert any(each["gauges"].get("server memory") for each in told["series"]["bins"]), "the nodes tell their memory"


# --- what can't be tested -----------------------------------------------------------------------------------------
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
class Listener(Link):
    """A light client that keeps what it was told."""

    def __init__(self, url: str) -> None:
        super().__init__(Endpoint.of(url))
        self.told: list[Any] = []
        self.reason: str | None = None

    def heard(self, text: bytes, now: float) -> None:
        self.told.append(json.loads(text[2:]))

    def left(self, reason: str) -> None:
        self.reason = reason

    async def asks(self, event: str, payload: dict[str, Any]) -> dict[str, Any]:
        answered: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.ask(event, payload, answered.set_result)
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


async def test_it_is_told_what_the_official_client_is_told(cluster: Cluster, light: Listener) -> None:
    show = await new_show(cluster)
    official = await Client.connect(node_urls(cluster)[0])
    try:
        mine = await light.asks("show:watch", {"show": show})
        theirs = await official.call("show:watch", {"show": show})
        assert {**mine, "server_time": 0} == {**theirs, "server_time": 0}
        held = await light.asks("seats:hold", {"show": show, "seats": ["A-1"], "request_id": "r1"})
        assert held["ok"]
        change = await official.hears("seats:changed", held=[0])
        await until(lambda: _is(["seats:changed", change] in light.told))
        refused = await light.asks("seats:hold", {"show": show, "seats": ["Z-9"], "request_id": "r2"})
        assert refused["error"]["code"] == "seat_not_found"
    finally:
        await official.close()


async def test_it_takes_a_map_of_the_largest_size(cluster: Cluster, light: Listener) -> None:
    show = await new_show(cluster, layout=grid(26, 2_300))
    answer = await light.asks("show:watch", {"show": show})
    assert len(base64.b64decode(answer["seats"])) == 26 * 2_300 // 4


async def test_it_says_why_it_was_not_let_in(cluster: Cluster) -> None:
    for link, reason in (
        (Listener(node_urls(cluster)[0]), "unauthorized"),
        (Listener(node_urls(cluster)[0] + "/nothing-here"), "http 404"),
    ):
        link.token = "made up"
        await link.connect()
        await until(lambda link=link: _is(link.reason is not None))
        assert link.reason == reason


# --- planted lies -------------------------------------------------------------------------------------------------
async def test_a_planted_wrong_map_is_found(cluster: Cluster) -> None:
    show = await new_show(cluster)
    url = node_urls(cluster)[0]
    known = ShowPlan(show, 120, 10, "layout")
    plan = Plan(command="viewers", urls=[url], shows=[known], seconds=1)
    stage = Stage(plan, [Endpoint.of(url)], Board({show: 120}))
    viewers = [Viewer(stage, number, known) for number in range(3)]
    for viewer in viewers:
        viewer.come()
    try:
        await until(lambda: _is(all(viewer.is_watching for viewer in viewers)))
        state = viewers[1].state
        assert state is not None
        viewers[1].state = MapState(show, state.epoch, state.version, b"\2" + state.statuses[1:])
        async with aiohttp.ClientSession() as http:
            settling = Settling(msgspec.structs.replace(plan), viewers, http)
            await settling.run()
        assert settling.right == 2
        assert settling.wrong == [f"{show}: the maps of 1 viewers are not the authority's at the same version"]
    finally:
        await stage.close()
        for viewer in viewers:
            viewer.go()
