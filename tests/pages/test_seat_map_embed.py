"""The seat map on another site's page: two lines, another origin, its own strict policy, fail-over along the nodes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from playwright.async_api import Browser, Page, expect

from realtime.dev import valkey
from realtime.dev.cluster import Cluster
from realtime.dev.plan import plan
from tests.cluster import Client, new_show, node_urls
from tests.pages.axe import violations

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A shop</title>
<link rel="icon" href="data:,">
<style>seat-map {{ height: 500px }}</style></head><body><main><h1>A shop</h1>
<script type="module" src="{node}/static/seat-map/seat-map.js"></script>
<seat-map {attributes}></seat-map>
</main></body></html>"""
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {http}; connect-src {http} {ws}"


class Shop(ThreadingHTTPServer):
    """A site of its own; ``page`` is what it answers with, ``policy`` its Content-Security-Policy."""

    page = ""
    policy = ""

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def embeds(self, node: str, attributes: str, nodes: list[str]) -> None:
        """Serve a page with the map from now on."""
        self.page = PAGE.format(node=node, attributes=attributes)
        http = " ".join(nodes)
        self.policy = POLICY.format(http=http, ws=http.replace("http:", "ws:"))


class _Answer(BaseHTTPRequestHandler):
    server: Shop

    def do_GET(self) -> None:
        body = self.server.page.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Security-Policy", self.server.policy)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[Shop]:
    with Shop(("127.0.0.1", 0), _Answer) as shop:
        thread = threading.Thread(target=shop.serve_forever, daemon=True)
        thread.start()
        try:
            yield shop
        finally:
            shop.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with serving() as shop:
        yield shop


@pytest.fixture(scope="module")
def open_cluster(shop: Shop) -> Iterator[Cluster]:
    """Two nodes that let the shop's pages embed the map."""
    with TemporaryDirectory() as folder:
        where = plan(Path(folder), regions=("west",), nodes_per_region=2, origins=(shop.origin,), port=valkey.free_port)
        cluster = Cluster(where, echo=print)
        asyncio.run(cluster.start(sample_data=False))
        try:
            yield cluster
        finally:
            asyncio.run(cluster.stop())


async def visit(browser: Browser, origin: str) -> tuple[Page, list[str]]:
    """Open the shop's page; return it and the errors in it."""
    page = await browser.new_page(viewport={"width": 900, "height": 700}, reduced_motion="reduce")
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: wrong.append(line.text) if "Content Security Policy" in line.text else None)
    await page.goto(origin)
    return page, wrong


STATE = "([seat, state]) => document.querySelector('seat-map').seatState(seat) === state"


async def test_two_lines_put_the_live_map_on_another_sites_page(
    browser: Browser, open_cluster: Cluster, shop: Shop
) -> None:
    show = await new_show(open_cluster)
    nodes = node_urls(open_cluster)
    shop.embeds(nodes[0], f'show="{show}"', nodes)
    page, wrong = await visit(browser, shop.origin)
    await page.wait_for_function(STATE, arg=["B-3", "free"])
    other = await Client.connect(nodes[1])
    assert (await other.call("seats:hold", {"show": show, "seats": ["B-3"], "request_id": "1"}))["ok"]
    await page.wait_for_function(STATE, arg=["B-3", "held"])
    held = await page.evaluate(
        """async () => {
            const map = document.querySelector('seat-map');
            map.select('C-4');
            const { hold } = await map.hold('first');
            const { payment } = await map.post('/demo/pay', { hold: hold.id });
            return (await map.confirm(hold.id, payment)).booking.state;
        }"""
    )
    assert held == "booked"
    await page.wait_for_function(STATE, arg=["C-4", "mine"])
    assert await violations(page) == []
    await page.evaluate("document.querySelector('seat-map').hidden = true")
    await expect(page.locator("seat-map")).to_be_hidden()
    assert wrong == []
    await other.close()
    await page.close()


async def test_the_first_node_of_the_list_that_answers_serves_the_map(
    browser: Browser, open_cluster: Cluster, shop: Shop
) -> None:
    show = await new_show(open_cluster)
    nodes = node_urls(open_cluster)
    nobody = f"http://127.0.0.1:{valkey.free_port()}"
    shop.embeds(nodes[0], f'server="{nobody} {nodes[1]}" show="{show}" max-seats="2" theme="dark"', [*nodes, nobody])
    page, wrong = await visit(browser, shop.origin)
    await page.wait_for_function(STATE, arg=["B-3", "free"])
    chosen = await page.evaluate("['A-1', 'A-2', 'A-3'].map((id) => document.querySelector('seat-map').select(id))")
    assert chosen == [True, True, False]
    await expect(page.locator("seat-map .banner")).to_contain_text("up to 2 seats")
    assert (
        await page.evaluate("getComputedStyle(document.querySelector('seat-map')).backgroundColor") == "rgb(18, 22, 27)"
    )
    assert wrong == []
    await page.close()


async def test_a_map_that_is_given_another_show_keeps_nothing_of_the_one_before(
    browser: Browser, open_cluster: Cluster, shop: Shop
) -> None:
    shows = [await new_show(open_cluster) for _ in range(2)]
    nodes = node_urls(open_cluster)
    shop.embeds(nodes[0], f'show="{shows[0]}"', nodes)
    page, wrong = await visit(browser, shop.origin)
    await page.wait_for_function(STATE, arg=["B-3", "free"])
    reported = await page.evaluate(
        """async (other) => {
            const map = document.querySelector('seat-map');
            const reported = [];
            map.addEventListener('selectionchange', ({ detail }) => reported.push(detail.seats.map(({ id }) => id)));
            map.select('B-3');
            await map.hold('first');
            map.select('C-4');
            map.showStatuses(new Uint8Array(map.live.layout.count).fill(2));
            map.setAttribute('show', other);
            await new Promise((ready) => map.addEventListener('ready', ready, { once: true }));
            return reported;
        }""",
        shows[1],
    )
    assert reported == [["B-3"], [], ["C-4"], []]
    for seat in ("B-3", "C-4"):
        await page.wait_for_function(STATE, arg=[seat, "free"])
    # One that does not exist, then none: the seats of another show are not in sight meanwhile.
    for show, words in (("west-nothing", "Show not found"), (None, "Loading seats")):
        await page.evaluate(
            """(show) => {
                const map = document.querySelector('seat-map');
                if (show) map.setAttribute('show', show);
                else map.removeAttribute('show');
            }""",
            show,
        )
        cover = page.locator("seat-map .cover")
        await expect(cover).to_contain_text(words)
        assert await cover.evaluate("(cover) => getComputedStyle(cover).backgroundColor") == "rgb(251, 250, 247)"
    assert await page.evaluate("document.querySelector('seat-map').info") is None
    assert wrong == []
    await page.close()


async def test_on_a_site_that_is_not_listed_the_map_says_so_and_shows_nothing_else(
    browser: Browser, open_cluster: Cluster
) -> None:
    show = await new_show(open_cluster)
    nodes = node_urls(open_cluster)
    with serving() as stranger:
        stranger.embeds(nodes[0], f'show="{show}"', nodes)
        page, wrong = await visit(browser, stranger.origin)
        await expect(page.locator("seat-map")).to_contain_text(f"add {stranger.origin} to “origins”")
        assert await page.evaluate("document.querySelector('seat-map').info") is None
        assert await violations(page, within="seat-map") == []
        assert wrong == []
        await page.close()
