"""Measures how soon a show's page is there on a slow network: three halls, on a phone, as a first visit and again.

Starts a cluster of its own. Prints for each hall the requests, the bytes, and the times; then what a page receives in a
storm of changes, shown and hidden.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, async_playwright

from loadtest.frames.arrival import NETWORKS, Arrival, arrive, received
from loadtest.frames.browser import ARGS, DEVICES, find_chromium
from loadtest.frames.halls import REGION, STADIUM, declare_shows
from loadtest.frames.run import Say
from loadtest.frames.storm import storm
from loadtest.installation import Installation, own_cluster
from realtime.locks.seats import SeatLocks

PHONE = DEVICES["phone"]
HIDE = """(hidden) => {
    const say = (name, value) => Object.defineProperty(document, name, { configurable: true, value });
    say('hidden', hidden);
    say('visibilityState', hidden ? 'hidden' : 'visible');
    document.dispatchEvent(new Event('visibilitychange'));
}"""


async def measure(
    folder: Path, network: str, throttle: float, seconds: float, rate: float, say: Say
) -> list[dict[str, Any]]:
    """Return a row of figures for each hall and visit, and for the storm."""
    async with (
        own_cluster(folder, REGION) as cluster,
        Installation.of_cluster(cluster.plan).masters() as masters,
        async_playwright() as playwright,
    ):
        node = cluster.plan.node_urls(REGION)[0]
        shows = await declare_shows(node, masters[REGION])
        browser = await playwright.chromium.launch(executable_path=find_chromium(), args=ARGS)
        await _warm_up(browser, node, shows)
        rows = await _arrivals(browser, node, shows, network, throttle, say)
        locks = SeatLocks(masters[REGION])
        rows.append(await _storm(browser, f"{node}/shows/{shows[STADIUM]}", locks, shows[STADIUM], seconds, rate, say))
        await browser.close()
        return rows


async def _warm_up(browser: Browser, node: str, shows: dict[int, str]) -> None:
    """Open each page once: a node encodes a layout at its first request, and a browser loads parts of itself."""
    for show in shows.values():
        context = await _phone(browser)
        await arrive(context, f"{node}/shows/{show}", None, 1)
        await context.close()


async def _arrivals(
    browser: Browser, node: str, shows: dict[int, str], network: str, throttle: float, say: Say
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    say(f"\nphone, {PHONE.width} x {PHONE.height} at {PHONE.dpr:g}x, network {network}")
    say(f"{'':24}{'requests':>9}{'bytes':>9}{'asked again':>12}{'first seats':>12}{'painted':>9}{'live':>9}{'CPU':>9}")
    for seats, show in shows.items():
        context = await _phone(browser)
        for visit in ("first visit", "again"):
            found = await arrive(context, f"{node}/shows/{show}", NETWORKS[network], throttle)
            say(f"{f'{seats:,} seats, {visit}':24}{_line(found)}")
            rows.append({"seats": seats, "visit": visit, **asdict(found), "bytes": found.bytes})
        await context.close()
    return rows


async def _phone(browser: Browser) -> BrowserContext:
    viewport = {"width": PHONE.width, "height": PHONE.height}
    return await browser.new_context(viewport=viewport, device_scale_factor=PHONE.dpr, has_touch=True)  # type: ignore[arg-type]


def _line(found: Arrival) -> str:
    times = f"{found.first_seats:>9.0f} ms{found.painted:>6.0f} ms{found.live:>6.0f} ms{found.cpu:>6.0f} ms"
    return f"{len(found.sent):>9}{found.bytes:>9,}{len(found.revalidated):>12}{times}"


async def _storm(
    browser: Browser, url: str, locks: SeatLocks, show: str, seconds: float, rate: float, say: Say
) -> dict[str, Any]:
    """Measure the bytes of messages a minute while others change ``rate`` seats a second."""
    context = await _phone(browser)
    page = await context.new_page()
    cdp = await context.new_cdp_session(page)
    await cdp.send("Network.enable")
    await page.goto(url)
    await page.wait_for_selector("html[data-ready]")
    figures: dict[str, Any] = {"work": "storm", "rate": rate}
    async with storm(locks, show, STADIUM, rate):
        for state in ("shown", "hidden"):
            await page.evaluate(HIDE, state == "hidden")
            await page.wait_for_timeout(500)
            figures[state] = await received(page, cdp, seconds) * 60 / seconds
            say(f"{f'storm, page {state}':24}{figures[state] / 1000:>9.0f} kB a minute")
    await context.close()
    return figures
