"""Real Chromium, one for the session, a fresh context for each person."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

ARGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture
async def browser(chromium_path: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path, args=ARGS)
        yield browser
        await browser.close()


class Person:
    """One browser context with its page; page errors and console errors fail the test at the end."""

    def __init__(self, context: BrowserContext, page: Page) -> None:
        self.context = context
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    @classmethod
    async def arrive(cls, browser: Browser, url: str, *, phone: bool = False) -> Person:
        size = {"width": 360, "height": 740} if phone else {"width": 1280, "height": 800}
        context = await browser.new_context(viewport=size, has_touch=phone)  # type: ignore[arg-type]
        page = await context.new_page()
        person = cls(context, page)
        await page.goto(url)
        return person

    async def sees(self, seat: str, *states: str) -> None:
        """Wait until the map shows a seat in one of these states."""
        await self.page.wait_for_function(
            "([seat, states]) => states.includes(document.querySelector('seat-map').seatState(seat))",
            arg=[seat, list(states)],
        )

    async def clicks(self, seat: str) -> None:
        """Click on a seat where it is drawn."""
        point = await self.page.evaluate("(seat) => document.querySelector('seat-map').pointOf(seat)", seat)
        await self.page.mouse.click(point["x"], point["y"])

    async def ready(self) -> None:
        await self.page.wait_for_selector("html[data-ready]")
        await self.page.wait_for_function("document.querySelector('seat-map').states.version >= 0")

    async def close(self) -> None:
        assert self.errors == []
        await self.context.close()
