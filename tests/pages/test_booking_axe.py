"""axe-core finds nothing in any step of a booking, and on no screen of the kiosk, in light and in dark colours."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from realtime.dev.cluster import Cluster
from tests.cluster import node_urls
from tests.pages.axe import violations, violations_in_both_schemes
from tests.pages.conftest import Person
from tests.pages.kiosk import Kiosk, a_show_today, cut, theatre_of_its_own
from tests.pages.test_main_job import multiplex_show


@pytest.mark.parametrize("phone", [False, True])
async def test_every_step_of_a_booking(browser: Browser, cluster: Cluster, phone: bool) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}", phone=phone)
    await asha.clicks("E-5")
    assert await violations_in_both_schemes(asha.page) == []
    await asha.presses("hold")
    await asha.is_at("held")
    assert await violations_in_both_schemes(asha.page) == []
    await asha.pays()
    await asha.is_at("booked")
    await asha.page.wait_for_selector("svg.qr")
    assert await violations_in_both_schemes(asha.page) == []
    await asha.presses("again")
    await asha.is_at("choosing")
    await asha.page.locator(".my-ticket").click()
    assert await violations_in_both_schemes(asha.page) == []
    await asha.leaves()


async def test_the_ends_of_a_booking_without_a_ticket(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster, hold_s=1)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    await asha.clicks("E-6")
    await asha.page.evaluate("() => document.querySelector('[data-key=hold]').click()")
    await asha.is_at("expired")
    assert await violations(asha.page) == []
    await asha.goes("/")
    await expect(asha.page.locator(".time").first).to_be_visible()  # else this list may come after the failure
    await asha.page.route("**/api/v1/shows", lambda route: route.abort())
    await asha.page.evaluate("() => dispatchEvent(new Event('online'))")
    await expect(asha.page.locator("#own .error")).to_be_visible()
    assert await violations(asha.page) == []
    await asha.page.reload()
    await expect(asha.page.get_by_role("heading", name="could not be loaded")).to_be_visible()
    assert await violations(asha.page) == []
    await asha.leaves()


@pytest.mark.parametrize("locale", ["en-IN", "hi-IN"])
async def test_every_screen_of_the_kiosk(browser: Browser, cluster: Cluster, locale: str) -> None:
    theatre = await theatre_of_its_own(cluster)
    show = await a_show_today(cluster, theatre)
    kiosk = await Kiosk.opens(browser, node_urls(cluster)[0], theatre, locale=locale)
    page = kiosk.page
    await kiosk.shows_todays_shows()
    assert await violations_in_both_schemes(page) == []
    await kiosk.touches("staff")
    assert await violations_in_both_schemes(page) == []
    await kiosk.enters(cluster.secrets["KIOSK_PIN"])
    await page.wait_for_selector('[data-key="staff-leave"]')
    assert await violations_in_both_schemes(page) == []
    await kiosk.touches("staff-back")
    await page.clock.install()
    await kiosk.picks(show)
    await kiosk.clicks("E-7")
    assert await violations_in_both_schemes(page) == []
    await kiosk.touches("hold")
    await kiosk.is_at("held")
    assert await violations_in_both_schemes(page) == []
    await page.clock.fast_forward(61_000)
    await expect(page.get_by_role("alertdialog")).to_be_visible()
    assert await violations_in_both_schemes(page) == []
    await page.get_by_role("alertdialog").get_by_role("button").tap()
    await page.wait_for_function("() => document.querySelector('seat-map').connection === 'online'")
    await cut(kiosk)
    await expect(page.locator(".kiosk-cut")).to_be_visible()
    assert await violations_in_both_schemes(page) == []
    await kiosk.context.set_offline(False)
    await expect(page.locator(".kiosk-cut")).to_be_hidden(timeout=20_000)
    await kiosk.pays()
    await kiosk.is_at("booked")
    await page.wait_for_selector("svg.qr")
    assert await violations_in_both_schemes(page) == []
    await kiosk.touches("finish")
    await kiosk.shows_todays_shows()
    await kiosk.context.set_offline(True)
    await page.wait_for_selector('body[data-screen="cut"]')
    assert await violations_in_both_schemes(page) == []
    await kiosk.context.set_offline(False)
    for other in ("no-such-theatre", await theatre_of_its_own(cluster)):
        await page.goto(f"{kiosk.node}/kiosk/{other}")
        await page.wait_for_selector(".kiosk-message")
        assert await violations_in_both_schemes(page) == []
    await kiosk.leaves()
