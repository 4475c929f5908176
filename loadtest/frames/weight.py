"""Measures how soon a show's page is there on a slow network: three halls, on a phone, as a first visit and again.

Starts a cluster of its own. Prints for each hall the requests, the bytes, and the times; then what a page receives in a
storm of changes, shown and hidden.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import aiohttp
from playwright.async_api import Browser, BrowserContext, async_playwright

from loadtest.frames.arrival import NETWORKS, Arrival, arrive, received
from loadtest.frames.browser import ARGS, DEVICES, find_chromium
from loadtest.frames.run import REGION, SEATS, Say
from loadtest.frames.storm import storm
from loadtest.installation import Installation, own_cluster
from realtime import keys
from realtime.locks.commands import run_command
from realtime.locks.master import LockMaster
from realtime.locks.seats import SeatLocks
from realtime.model import Category, Layout, Seat
from realtime.wire.layouts import encode_layout, make_layout

SCREEN = 280
ARENA = 200_000
PHONE = DEVICES["phone"]
HIDE = """(hidden) => {
    const say = (name, value) => Object.defineProperty(document, name, { configurable: true, value });
    say('hidden', hidden);
    say('visibilityState', hidden ? 'hidden' : 'visible');
    document.dispatchEvent(new Event('visibilitychange'));
}"""


def arena(seats: int = ARENA) -> Layout:
    """Return an arena of blocks in a ring, whose rows are arcs of 40 seats."""
    blocks, in_row = 50, 40
    rows = math.ceil(seats / (blocks * in_row))
    made = tuple(
        Seat(
            f"{block + 1}-{row + 1}-{number + 1}",
            f"Block {block + 1}",
            str(row + 1),
            str(number + 1),
            "Lower" if row < rows // 2 else "Upper",
            *_on_ring(block, blocks, row, number, in_row, rows),
            accessible=row == 0 and number < 2,
        )
        for block in range(blocks)
        for row in range(rows)
        for number in range(in_row)
    )[:seats]
    categories = (Category("Lower", "#5b8fc7"), Category("Upper", "#8d84b8"))
    side = 2 * (_inner(blocks, in_row) + 30.0 * (rows + 2))
    return make_layout("Arena", side, side, categories, made)


def _inner(blocks: int, in_row: int) -> float:
    return blocks * (in_row + 3) * 24.0 / math.tau


def _on_ring(block: int, blocks: int, row: int, number: int, in_row: int, rows: int) -> tuple[float, float]:
    inner = _inner(blocks, in_row)
    middle = inner + 30.0 * (rows + 2)
    angle = (block + (number + 1.5) / (in_row + 3)) / blocks * math.tau
    radius = inner + 30.0 * row
    return round(middle + radius * math.sin(angle), 2), round(middle - radius * math.cos(angle), 2)


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
        shows = await _shows(node, masters[REGION])
        browser = await playwright.chromium.launch(executable_path=find_chromium(), args=ARGS)
        await _warm_up(browser, node, shows)
        rows = await _arrivals(browser, node, shows, network, throttle, say)
        locks = SeatLocks(masters[REGION])
        rows.append(await _storm(browser, f"{node}/shows/{shows[SEATS]}", locks, shows[SEATS], seconds, rate, say))
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
    async with storm(locks, show, SEATS, rate):
        for state in ("shown", "hidden"):
            await page.evaluate(HIDE, state == "hidden")
            await page.wait_for_timeout(500)
            figures[state] = await received(page, cdp, seconds) * 60 / seconds
            say(f"{f'storm, page {state}':24}{figures[state] / 1000:>9.0f} kB a minute")
    await context.close()
    return figures


async def _shows(node: str, master: LockMaster) -> dict[int, str]:
    """Return a show for each size of hall; that of the arena is declared here."""
    layout = arena()
    await master.command("SET", keys.layout(layout.id), encode_layout(layout))
    await run_command(master, "layout", {"id": layout.id})
    body = {
        "id": f"{REGION}-arena",
        "title": "Arena",
        "theatre": f"{REGION}-arena",
        "layout": layout.id,
        "prices": {"Lower": 900, "Upper": 450},
        "starts_at": "2030-01-01T18:30:00+05:30",
    }
    await run_command(master, "theatre", {"id": f"{REGION}-arena", "name": "Arena", "city": "Nowhere"})
    await run_command(master, "show", body)
    async with aiohttp.ClientSession(node) as session:
        while True:
            async with session.get("/api/v1/shows") as answer:
                known = {show["seat_count"]: str(show["id"]) for show in (await answer.json())["shows"]}
            if ARENA in known:
                return {seats: known[seats] for seats in (SCREEN, SEATS, ARENA)}
