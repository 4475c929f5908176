"""A person at a kiosk, and theatres with shows of today."""

from __future__ import annotations

import asyncio
import itertools
from datetime import datetime, timedelta, timezone

from playwright.async_api import Browser, ViewportSize

from realtime.dev import samples
from realtime.dev.cluster import Cluster
from realtime.locks.commands import run_command
from realtime.plans import read_plan
from tests.cluster import new_show
from tests.pages.conftest import Person

INDIA = timezone(timedelta(hours=5, minutes=30))
PORTRAIT: ViewportSize = {"width": 1080, "height": 1920}
MIDNIGHT_NEAR_S = 60
_numbers = itertools.count(1)


def today(hour: int = 23, minute: int = 59, *, days: int = 0) -> str:
    """Return a time of today in India, or of another day near it."""
    now = datetime.now(INDIA) + timedelta(days=days)
    return now.replace(hour=hour, minute=minute, second=30, microsecond=0).isoformat()


async def theatre_of_its_own(cluster: Cluster, *, name: str = "Kiosk Palace") -> str:
    """Declare a theatre that no other test uses; return its id."""
    theatre = f"west-kiosk-{next(_numbers)}"
    async with cluster.masters() as masters:
        await run_command(masters["west"], "theatre", {"id": theatre, "name": name, "city": "Somewhere"})
    return theatre


async def a_show_today(cluster: Cluster, theatre: str, **terms: object) -> str:
    now = datetime.now(INDIA)
    left_s = 86_400 - (now - now.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds()
    if left_s < MIDNIGHT_NEAR_S:
        # What is today's now would be yesterday's before the test is over.
        await asyncio.sleep(left_s)
    layout = read_plan(samples.multiplex_plan())
    prices = {category.name: 100 * (n + 2) for n, category in enumerate(layout.categories)}
    terms = {"starts_at": today(), **terms}
    return await new_show(cluster, "west", layout=layout, prices=prices, theatre=theatre, **terms)


class Kiosk(Person):
    """A person at a kiosk, who has a touch screen and no keyboard."""

    @classmethod
    async def opens(cls, browser: Browser, node: str, theatre: str, *, locale: str = "en-IN") -> Kiosk:
        context = await browser.new_context(viewport=PORTRAIT, has_touch=True, locale=locale, reduced_motion="reduce")
        kiosk = cls(context, await context.new_page(), node)
        await kiosk.page.goto(f"{node}/kiosk/{theatre}")
        return kiosk

    async def touches(self, key: str) -> None:
        await self.page.locator(f'[data-key="{key}"]').tap()

    async def picks(self, show: str) -> None:
        await self.page.locator(f'[data-show="{show}"]').tap()
        await self.page.wait_for_selector(".kiosk-booking[data-ready]")

    async def clicks(self, seat: str) -> None:
        await self.page.touchscreen.tap(*await self.point_of(seat))

    async def presses(self, key: str) -> None:
        await self.touches(key)

    async def is_at(self, step: str) -> None:
        await self.page.wait_for_selector(f'.panel[data-step="{step}"]')

    async def shows_todays_shows(self) -> None:
        await self.page.wait_for_selector('body[data-screen="shows"] .kiosk-shows')

    async def enters(self, pin: str) -> None:
        for digit in pin:
            await self.page.locator(f'[data-digit="{digit}"]').tap()
        await self.page.locator('[data-digit="enter"]').tap()


async def cut(kiosk: Kiosk) -> None:
    """Cut the network. Chromium's offline mode keeps open sockets, so the connection is dropped as well."""
    await kiosk.context.set_offline(True)
    await kiosk.page.evaluate("() => document.querySelector('seat-map').live.connection._lost()")
