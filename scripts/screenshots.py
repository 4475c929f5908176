"""Take the pictures of README and docs from a running `make up`: `.venv/bin/python scripts/screenshots.py`.

An address after it is that of another node than Mumbai's.
"""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.request
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright

from loadtest.frames.browser import find_chromium

URL = sys.argv[1].rstrip("/") if len(sys.argv) > 1 else "http://127.0.0.1:8002"
SECRETS = Path("var/secrets.json")
OUT = Path(__file__).parent.parent / "docs" / "images"
PAINTED = "() => document.querySelector('seat-map').painted"
ARGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]


def shows() -> dict[int, str]:
    """Return one show of the last day for each size of house."""
    with urllib.request.urlopen(f"{URL}/api/v1/shows") as answer:
        listed = json.load(answer)["shows"]
    return {show["seat_count"]: show["id"] for show in listed}


async def open_show(page: Page, show: str) -> None:
    """Open a show and wait until its map is painted."""
    await page.goto(f"{URL}/shows/{show}")
    await page.wait_for_selector("html[data-ready]")
    await page.wait_for_function(PAINTED)


async def release(page: Page) -> None:
    """Release the seats that are held."""
    await page.click('[data-key="release"]')
    await page.click('[data-key="release-yes"]')
    await page.wait_for_selector('[data-step="choosing"]')


async def kiosk(browser: Browser) -> None:
    """The kiosk in portrait, half its size: today's shows, seats that are held, the ticket; then the next person."""
    page = await browser.new_page(
        viewport={"width": 1080, "height": 1920},
        device_scale_factor=0.5,
        has_touch=True,
        color_scheme="light",
        locale="en-IN",
        reduced_motion="reduce",
    )
    await page.goto(f"{URL}/kiosk/konkan-lights")
    await page.wait_for_selector(".kiosk-show")
    await page.screenshot(path=OUT / "kiosk-shows.png")
    await page.locator(".kiosk-show").last.tap()
    await page.wait_for_selector(".kiosk-booking[data-ready]")
    await page.wait_for_function(PAINTED)
    await page.evaluate(
        """() => {
            const map = document.querySelector('seat-map');
            const row = [...'GFHEIJKL'].find((row) => [11, 12].every((n) => map.isFree(`${row}-${n}`)));
            for (const n of [11, 12]) map.select(`${row}-${n}`);
        }"""
    )
    await page.locator('[data-key="hold"]').tap()
    await page.wait_for_selector('.panel[data-step="held"]')
    await page.wait_for_function(PAINTED)
    await page.screenshot(path=OUT / "kiosk-held.png")
    await page.locator('[data-key="pay"]').tap()
    await page.wait_for_url("**/pay/*")
    await page.click('button[value="pay"]')
    await page.wait_for_selector("svg.qr")
    await page.screenshot(path=OUT / "kiosk-ticket.png")
    await page.locator('[data-key="finish"]').tap()
    await page.wait_for_selector(".kiosk-shows")
    await page.close()


async def main() -> None:
    """Desktop and phone, light and dark, English and Hindi."""
    OUT.mkdir(parents=True, exist_ok=True)
    found = shows()
    secrets = SECRETS.read_text()  # noqa: ASYNC240 - nothing else runs yet
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_chromium(), args=ARGS)
        desktop = await browser.new_page(
            viewport={"width": 1280, "height": 800}, color_scheme="light", locale="en-IN", reduced_motion="reduce"
        )
        await desktop.goto(URL)
        await desktop.wait_for_selector(".card h4")
        await desktop.screenshot(path=OUT / "shows.png")
        await open_show(desktop, found[60000])
        await desktop.screenshot(path=OUT / "stadium.png")
        await open_show(desktop, found[280])
        await desktop.evaluate(
            """() => {
                const map = document.querySelector('seat-map');
                const row = [...'FGHEIJKL'].find((row) => [11, 12, 13].every((n) => map.isFree(`${row}-${n}`)));
                for (const n of [11, 12, 13]) map.select(`${row}-${n}`);
            }"""
        )
        await desktop.click('[data-key="hold"]')
        await desktop.wait_for_selector('[data-step="held"]')
        await desktop.wait_for_function(PAINTED)
        await desktop.screenshot(path=OUT / "held.png")
        phone = await browser.new_page(
            viewport={"width": 360, "height": 740}, color_scheme="dark", device_scale_factor=2, locale="hi-IN"
        )
        await open_show(phone, found[280])
        await phone.screenshot(path=OUT / "phone.png")
        await release(desktop)
        await desktop.click("seat-map .listShow")
        await desktop.screenshot(path=OUT / "list.png")
        await open_show(phone, found[60000])
        await phone.screenshot(path=OUT / "phone-stadium.png")
        await lost_seat(browser, desktop, found[280])
        await kiosk(browser)
        await ops_pages(browser, found[1000], json.loads(secrets)["OPERATOR_KEY"])
        await browser.close()


async def ops_pages(browser: Browser, show: str, key: str) -> None:
    """The control room while people buy, and the replay of what has just been done to a show."""
    buyers = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtest", "buyers", "--url", URL, "--show", show, "--seconds", "25"),
        stdout=asyncio.subprocess.DEVNULL,
    )
    page = await browser.new_page(viewport={"width": 1280, "height": 1040}, color_scheme="light", locale="en-IN")
    await page.goto(f"{URL}/ops")
    await page.fill("#key", key)
    await page.keyboard.press("Enter")
    await page.wait_for_selector(".region dl")
    await page.wait_for_timeout(20_000)  # for the plots to have something to show
    await page.screenshot(path=OUT / "ops.png")
    await buyers.wait()
    await page.goto(f"{URL}/ops/shows/{show}")
    await page.wait_for_selector(".log td")
    await page.click(".begin")
    await page.wait_for_selector(".replay input")
    await page.screenshot(path=OUT / "ops-show.png")
    await page.close()


async def lost_seat(browser: Browser, page: Page, show: str) -> None:
    """Somebody else takes a seat that is chosen here."""
    await open_show(page, show)
    choose = "document.querySelector('seat-map').select('G-12')"
    await page.evaluate(choose)
    other = await (await browser.new_context()).new_page()
    await open_show(other, show)
    await other.evaluate(choose)
    await other.click('[data-key="hold"]')
    await page.wait_for_selector("seat-map .callout:not([hidden])")
    await page.wait_for_function(PAINTED)
    await page.screenshot(path=OUT / "lost.png")
    await release(other)


asyncio.run(main())
