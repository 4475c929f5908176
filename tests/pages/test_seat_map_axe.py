"""axe-core finds nothing on the shows page and on a show's page with its map: light and dark, English and Hindi."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser

from realtime.dev.cluster import Cluster
from tests.cluster import Client, node_urls
from tests.pages.axe import violations, violations_in_both_schemes
from tests.pages.conftest import Person
from tests.pages.test_main_job import multiplex_show


@pytest.mark.parametrize("locale", ["en-IN", "hi-IN"])
async def test_axe_finds_nothing(browser: Browser, cluster: Cluster, locale: str) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], locale=locale)
    await asha.page.wait_for_selector(".card h4")
    assert await violations_in_both_schemes(asha.page) == []
    await asha.goes(f"/shows/{show}")
    assert await violations_in_both_schemes(asha.page) == []
    await asha.leaves()


@pytest.mark.parametrize("phone", [False, True])
async def test_axe_finds_nothing_in_any_state_of_the_map(browser: Browser, cluster: Cluster, phone: bool) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}", phone=phone)
    await asha.page.emulate_media(color_scheme="dark" if phone else "light")
    await asha.clicks("F-12")
    assert await violations(asha.page) == []  # near, with a chosen seat
    await asha.page.get_by_role("grid").focus()
    await asha.page.keyboard.type("f14")
    assert await violations(asha.page) == []  # a seat reached by keyboard, with its tip
    other = await Client.connect(node_urls(cluster)[1])
    assert (await other.call("seats:hold", {"show": show, "seats": ["F-12"], "request_id": "1"}))["ok"]
    await asha.page.get_by_role("alertdialog").wait_for()
    assert await violations(asha.page) == []  # a chosen seat lost
    await asha.page.click("seat-map .listShow")
    await asha.page.locator("seat-map .list-seat").first.wait_for()
    assert await violations(asha.page) == []  # the list
    await other.close()
    await asha.page.goto(f"{node_urls(cluster)[0]}/shows/west-nothing")
    await asha.page.locator("seat-map .cover h2").wait_for()
    assert await violations(asha.page) == []  # nothing to show
    await asha.leaves()


async def test_axe_looks_into_shadow_trees_and_under_the_strict_policy(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    spoil = "document.querySelector('seat-map').shadowRoot.querySelector('.tools .zoomIn').removeAttribute('{}')"
    for attribute in ("aria-label", "title"):
        await asha.page.evaluate(spoil.format(attribute))
    found = await violations(asha.page)
    assert [violation["rule"] for violation in found] == ["button-name"]
    assert "seat-map" in found[0]["where"][0]["at"]
    assert await violations(asha.page, within="#panel") == []
    await asha.leaves()
