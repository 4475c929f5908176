"""Take the pictures of README and docs from a running `make up`: `.venv/bin/python scripts/screenshots.py`."""

from __future__ import annotations

import asyncio
import json
import shutil
import urllib.request
from pathlib import Path

from playwright.async_api import Page, async_playwright

URL = "http://127.0.0.1:8002"
OUT = Path(__file__).parent.parent / "docs" / "images"
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
    await page.wait_for_function("document.querySelector('seat-map').states.version >= 0")
    await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


async def main() -> None:
    """Desktop and phone, light and dark."""
    OUT.mkdir(parents=True, exist_ok=True)
    found = shows()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGS)
        desktop = await browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="light")
        await desktop.goto(URL)
        await desktop.wait_for_selector(".show")
        await desktop.screenshot(path=OUT / "shows.png")
        await open_show(desktop, found[60000])
        await desktop.screenshot(path=OUT / "stadium.png")
        await open_show(desktop, found[280])
        await desktop.evaluate("document.querySelector('seat-map').select(['F-11', 'F-12', 'F-13'])")
        await desktop.click("#hold")
        await desktop.wait_for_selector("#held")
        await desktop.screenshot(path=OUT / "held.png")
        phone = await browser.new_page(
            viewport={"width": 360, "height": 740}, color_scheme="dark", device_scale_factor=2
        )
        await open_show(phone, found[280])
        await phone.screenshot(path=OUT / "phone.png")
        await desktop.get_by_role("button", name="Cancel").click()
        await desktop.wait_for_selector("#held", state="detached")
        await browser.close()


asyncio.run(main())
