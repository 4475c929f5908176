"""The first seats are painted before the last byte of the plan has arrived."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from playwright.async_api import Browser, expect

from realtime.dev.cluster import Cluster
from tests.cluster import new_show, node_urls
from tests.pages.conftest import Person
from tests.pages.halls import PRICES, stands

LEFT_OUT = {"host", "origin", "accept-encoding", "connection", "transfer-encoding", "content-length"}


class SlowRoad:
    """A proxy of a node that sends half of a plan, and the rest when ``rest`` is set. It does not proxy WebSockets."""

    def __init__(self, node: str, session: aiohttp.ClientSession) -> None:
        self.node = node
        self.session = session
        self.rest = asyncio.Event()
        self.url = ""

    async def carry(self, request: web.Request) -> web.StreamResponse:
        if "upgrade" in request.headers:
            return web.Response(status=400)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in LEFT_OUT}
        headers["Accept-Encoding"] = "identity"
        target = self.node + str(request.rel_url)
        async with self.session.request(request.method, target, headers=headers, data=await request.read()) as answer:
            body = await answer.read()
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in LEFT_OUT}
            response = web.StreamResponse(status=answer.status, headers=kept)
            await response.prepare(request)
            if "/layouts/" in request.path:
                await response.write(body[: len(body) // 2])
                await self.rest.wait()
                body = body[len(body) // 2 :]
            await response.write(body)
            return response


@asynccontextmanager
async def slow_road(node: str) -> AsyncIterator[SlowRoad]:
    async with aiohttp.ClientSession() as session:
        road = SlowRoad(node, session)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", road.carry)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        road.url = f"http://{host}:{port}"
        try:
            yield road
        finally:
            road.rest.set()
            await runner.cleanup()


async def test_seats_are_painted_before_the_last_byte_of_the_plan(browser: Browser, cluster: Cluster) -> None:
    show = await new_show(cluster, "west", layout=stands(), prices=PRICES)
    async with slow_road(node_urls(cluster)[0]) as road:
        asha = await Person.arrive(browser, road.url)
        await asha.page.goto(f"{road.url}/shows/{show}")
        await asha.page.wait_for_function("() => performance.getEntriesByName('seat-map:first-seats').length > 0")
        await asha.sees("S1-A-3", "free")
        assert await asha.page.locator("html[data-ready]").count() == 0
        road.rest.set()
        await asha.page.wait_for_selector("html[data-ready]")
        await asha.sees("S32-A-3", "free")
        await expect(asha.page.locator("seat-map .count")).to_have_text("5,376 free")
        await asha.leaves()
