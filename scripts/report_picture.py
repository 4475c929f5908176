"""Take the screenshot for docs/loadtest.md from a report: `.venv/bin/python scripts/report_picture.py report.html`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from playwright.async_api import async_playwright

from loadtest.frames.browser import find_chromium

OUT = Path(__file__).parent.parent / "docs" / "images" / "loadtest.png"
ARGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]


async def main(report: str) -> None:
    """Save a screenshot of the top of the page."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_chromium(), args=ARGS)
        page = await browser.new_page(viewport={"width": 1180, "height": 980}, color_scheme="light")
        await page.goto(report)
        await page.screenshot(path=OUT)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]).resolve().as_uri()))
