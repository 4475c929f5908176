"""Opens a show's page on a slow network, and measures what it takes until the map is live."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import BrowserContext, CDPSession, Page

_ARRIVED = """new Promise((done) => new PerformanceObserver((_, watching) => {
    const there = (what) => performance.getEntriesByName(`seat-map:${what}`).length > 0;
    if (!['first-seats', 'painted', 'live'].every(there)) return;
    watching.disconnect();
    done();
}).observe({ type: 'mark', buffered: true }))"""
"""Resolves when the three marks are there. Playwright's own waiting would run in each frame, at the page's cost."""
_TIMES = """() => ['first-seats', 'painted', 'live'].map(
    (what) => performance.getEntriesByName(`seat-map:${what}`)[0].startTime)"""
ARRIVAL_S = 120
SETTLED_MS = 1_000
"""Requests that begin this long after the map is live are counted as well."""


@dataclass(frozen=True, slots=True)
class Network:
    """What a page's network is slowed down to: the time of a round trip, and the rate of a download."""

    latency_ms: float
    bytes_per_s: float


NETWORKS = {"slow4g": Network(150, 1_600_000 / 8)}
"""``slow4g`` is Lighthouse's: 1.6 Mbit/s and 150 ms for each round trip."""


@dataclass(slots=True)
class Request:
    """One request of a page: its address, status, and bytes that came over the network (0: from the cache)."""

    url: str
    status: int = 0
    bytes: int = 0
    revalidated: bool = False


@dataclass(slots=True)
class Arrival:
    """What the page of a show took: requests, their bytes with headers, and times in ms after the start.

    ``cpu`` is the CPU time of the main thread (ms, at the full speed of this machine) until all three were reached.
    """

    first_seats: float = 0
    painted: float = 0
    live: float = 0
    cpu: float = 0
    requests: list[Request] = field(default_factory=list)

    @property
    def sent(self) -> list[Request]:
        """The requests that went over the network, the WebSocket's handshake among them."""
        return [each for each in self.requests if each.bytes or each.url.startswith("ws")]

    @property
    def bytes(self) -> int:
        """Bytes of all answers."""
        return sum(each.bytes for each in self.requests)

    @property
    def revalidated(self) -> list[str]:
        """Files that the browser had, and asked for all the same; the page itself is not one of them."""
        return [each.url for each in self.requests[1:] if each.revalidated]


async def arrive(context: BrowserContext, url: str, network: Network | None, throttle: float) -> Arrival:
    """Open a page in a tab of its own until its map is painted and live; what the context has cached is used."""
    page = await context.new_page()
    try:
        cdp = await context.new_cdp_session(page)
        found = Arrival()
        async with _watching(cdp, found.requests):
            if network is not None:
                await slow_down(cdp, network)
            await cdp.send("Performance.enable", {"timeDomain": "threadTicks"})
            await cdp.send("Emulation.setCPUThrottlingRate", {"rate": throttle})
            await page.goto(url, wait_until="commit")
            async with asyncio.timeout(ARRIVAL_S):
                await cdp.send("Runtime.evaluate", {"expression": _ARRIVED, "awaitPromise": True})
            # Chromium throttles by keeping the thread busy: only this share of its CPU time was work.
            found.cpu = 1_000 * await task_s(cdp) / throttle
            await page.wait_for_timeout(SETTLED_MS)
        found.first_seats, found.painted, found.live = await page.evaluate(_TIMES)
        return found
    finally:
        await page.close()


async def task_s(cdp: CDPSession) -> float:
    """Return the CPU time of the page's main thread (s), throttling included; ``Performance`` must be enabled."""
    metrics = (await cdp.send("Performance.getMetrics"))["metrics"]
    return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))


async def slow_down(cdp: CDPSession, network: Network) -> None:
    """Slow a page's network down."""
    conditions = {"offline": False, "latency": network.latency_ms}
    rates = {"downloadThroughput": network.bytes_per_s, "uploadThroughput": network.bytes_per_s}
    await cdp.send("Network.emulateNetworkConditions", conditions | rates)


@contextlib.asynccontextmanager
async def _watching(cdp: CDPSession, requests: list[Request]) -> AsyncIterator[None]:
    """Record the requests of a page during the context."""
    known: dict[str, Request] = {}

    def begun(event: dict[str, Any]) -> None:
        known[event["requestId"]] = Request(event.get("url") or event["request"]["url"])
        requests.append(known[event["requestId"]])

    def answered(event: dict[str, Any]) -> None:
        request = known.get(event["requestId"])
        if request is not None:
            request.status = event["statusCode"]
            request.revalidated = request.status == 304

    def ended(event: dict[str, Any]) -> None:
        request = known.get(event["requestId"])
        if request is not None:
            request.bytes = int(event["encodedDataLength"])

    cdp.on("Network.requestWillBeSent", begun)
    cdp.on("Network.webSocketCreated", begun)
    cdp.on("Network.responseReceivedExtraInfo", answered)
    cdp.on("Network.loadingFinished", ended)
    await cdp.send("Network.enable")
    yield


async def received(page: Page, cdp: CDPSession, seconds: float) -> int:
    """Return how many bytes of messages a page's WebSockets receive within ``seconds``."""
    total = 0

    def message(event: dict[str, Any]) -> None:
        nonlocal total
        total += len(event["response"]["payloadData"])

    cdp.on("Network.webSocketFrameReceived", message)
    await page.wait_for_timeout(seconds * 1_000)
    cdp.remove_listener("Network.webSocketFrameReceived", message)
    return total
