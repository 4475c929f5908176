"""A real Chromium, started once a process; a new context, which shares nothing with others, for each person."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

ARGS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--in-process-gpu",
]
DESKTOP = (1280, 800)
PHONE = (360, 740)
expect.set_options(timeout=30_000)  # ms; the bound is for hanging, not for speed


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run all tests of this folder in one event loop: a browser can't be used from another than it was started in."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium(chromium_path: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path, args=ARGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def browser(chromium: Browser) -> AsyncIterator[Browser]:
    """Chromium without open pages, before and after the test."""
    yield chromium
    for context in chromium.contexts:
        await context.close()


class Person:
    """One browser context with its page. An error in it, or a violation of its policy, fails the test at the end."""

    def __init__(self, context: BrowserContext, page: Page, node: str) -> None:
        self.context = context
        self.page = page
        self.node = node
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda line: self._heard(line.text))

    def _heard(self, line: str) -> None:
        if "Content Security Policy" in line:
            self.errors.append(line)

    @classmethod
    async def arrive(
        cls, browser: Browser, node: str, path: str = "/", *, phone: bool = False, locale: str = "en-IN"
    ) -> Person:
        width, height = PHONE if phone else DESKTOP
        context = await browser.new_context(
            viewport={"width": width, "height": height}, has_touch=phone, locale=locale, reduced_motion="reduce"
        )
        person = cls(context, await context.new_page(), node)
        await person.goes(path)
        return person

    async def goes(self, path: str) -> None:
        """Open a path on this person's node; of a show, wait for the map."""
        await self.page.goto(self.node + path)
        if path.startswith("/shows/"):
            await self.page.wait_for_selector("html[data-ready]")

    async def sees(self, seat: str, *states: str) -> None:
        """Wait until the map shows a seat in one of these states."""
        await self.page.wait_for_function(
            "([seat, states]) => states.includes(document.querySelector('seat-map').seatState(seat))",
            arg=[seat, list(states)],
        )

    async def clicks(self, seat: str) -> None:
        """Click on a seat where it is drawn, or touch it."""
        await self.page.mouse.click(*await self.point_of(seat))

    async def point_of(self, seat: str) -> tuple[float, float]:
        """Bring a seat into sight; return where it is drawn."""
        point = await self.page.evaluate(
            """async (seat) => {
                const map = document.querySelector('seat-map');
                await map.reveal(seat);
                return map.pointOf(seat);
            }""",
            seat,
        )
        return point["x"], point["y"]

    async def presses(self, key: str) -> None:
        """Press a button of the booking panel, by its name in the page."""
        await self.page.locator(f'[data-key="{key}"]').click()

    async def is_at(self, step: str) -> None:
        """Wait until the booking has reached a step."""
        await self.page.wait_for_selector(f'#panel[data-step="{step}"]')

    async def step(self) -> str:
        """Return the current step of the booking."""
        return await self.page.locator("#panel").get_attribute("data-step") or ""

    async def holds(self, *seats: str) -> None:
        """Choose seats and hold them."""
        for seat in seats:
            await self.clicks(seat)
        await self.presses("hold")
        await self.is_at("held")

    async def goes_to_pay(self) -> None:
        """Press the button that leads to the bank's page, and wait for that page."""
        await self.presses("pay")
        await self.page.wait_for_url("**/pay/*")

    async def holds_and_goes_to_pay(self, seat: str) -> None:
        """Hold a seat and press the button to pay from within the page: the hold ends soon, the machine may be busy."""
        await self.page.evaluate(
            """() => setInterval(() => {
                document.querySelector('#panel[data-step="held"] [data-key=pay]')?.click();
            }, 10)"""
        )
        await self.clicks(seat)
        await self.presses("hold")
        await self.page.wait_for_url("**/pay/*")

    async def chooses(self, behaviour: str) -> None:
        """Press a button of the bank's page: ``pay``, ``decline``, ``late``, ``twice`` or ``silent``."""
        await self.page.locator(f'button[value="{behaviour}"]').click()

    async def pays(self, behaviour: str = "pay") -> None:
        """Pay at the bank's page, which comes back to the page before it."""
        await self.goes_to_pay()
        await self.chooses(behaviour)

    async def leaves(self) -> None:
        """Close everything; fail if there was an error in the page."""
        errors = list(self.errors)
        await self.context.close()
        assert errors == []
