"""All pages: their sizes, axe-core in both languages, light and dark, on a phone and a desktop; and forced colours."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser

from realtime.dev.cluster import Cluster
from tests.cluster import node_urls
from tests.pages.axe import violations_in_both_schemes
from tests.pages.conftest import Person
from tests.pages.test_main_job import multiplex_show
from tests.pages.test_ops import sign_in
from tests.pages.test_screens import outside

SIZES = [(360, 740), (1280, 800)]


@pytest.mark.parametrize("locale", ["en-IN", "hi-IN"])
async def test_every_page_fits_every_screen_and_axe_finds_nothing(
    browser: Browser, cluster: Cluster, locale: str
) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[1], "/ops", locale=locale)
    await sign_in(asha, cluster)
    places = {
        "/": ".card",
        f"/shows/{show}": "seat-map .chip",
        "/shows/nothing": "seat-map .cover h2",
        "/tickets": ".message",
        "/kiosk": ".kiosk-shows",
        "/kiosk/west-hall": ".kiosk-lead",
        "/gate": "#screen form",
        "/ops": ".region dl",
        f"/ops/shows/{show}": "seat-map .chip",
        "/nothing": ".message",
    }
    await asha.page.wait_for_selector(places["/ops"])
    for path, ready in places.items():
        await asha.page.goto(asha.node + path)
        await asha.page.wait_for_selector(ready)
        assert await outside(asha.page) == [], path
        for width, height in SIZES:
            await asha.page.set_viewport_size({"width": width, "height": height})
            assert await violations_in_both_schemes(asha.page) == [], (path, width)
    await asha.leaves()


BACKGROUND = "(node, part) => getComputedStyle(node, part).backgroundColor"


async def test_with_forced_colours_it_is_visible_what_is_on(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[1], phone=True)
    await asha.page.emulate_media(forced_colors="active")
    for path, switch in (("/", ".chip"), ("/kiosk/west-hall", ".kiosk-languages .button")):
        await asha.goes(path)
        on, off = (asha.page.locator(f"{switch}[aria-pressed={state}]").first for state in ("true", "false"))
        assert await on.evaluate(BACKGROUND) != await off.evaluate(BACKGROUND), path
    # On a phone the state of the connection is a dot.
    await asha.goes(f"/shows/{show}")
    live = asha.page.locator("#live[data-state=live]")
    assert await live.evaluate(BACKGROUND, "::before") != await live.evaluate(BACKGROUND)
    await asha.leaves()
