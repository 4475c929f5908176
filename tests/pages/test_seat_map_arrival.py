"""The first seats are painted before the last byte of the plan has arrived."""

from __future__ import annotations

import asyncio

import aiohttp
from aiohttp import web
from playwright.async_api import Browser, expect

from realtime.dev.cluster import Cluster
from tests.cluster import new_show, node_urls
from tests.pages.conftest import Person
from tests.pages.front import Front, front_of
from tests.pages.halls import PRICES, stands


class SlowRoad(Front):
    """Sends half of a plan, and the rest when ``rest`` is set. It does not proxy WebSockets."""

    def __init__(self, node: str, session: aiohttp.ClientSession) -> None:
        super().__init__(node, session)
        self.rest = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if "upgrade" in request.headers:
            return web.Response(status=400)
        whole = await self.forward(request)
        if "/layouts/" not in request.path:
            return whole
        assert isinstance(whole.body, bytes)
        response = web.StreamResponse(status=whole.status, headers=whole.headers)
        await response.prepare(request)
        half = len(whole.body) // 2
        await response.write(whole.body[:half])
        await self.rest.wait()
        await response.write(whole.body[half:])
        return response


async def test_seats_are_painted_before_the_last_byte_of_the_plan(browser: Browser, cluster: Cluster) -> None:
    show = await new_show(cluster, "west", layout=stands(), prices=PRICES)
    async with front_of(node_urls(cluster)[0], SlowRoad) as road:
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
