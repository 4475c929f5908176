"""axe-core finds nothing on the shows page and on a show's page with its map: light and dark, English and Hindi."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser

from realtime.dev.cluster import Cluster
from tests.cluster import node_urls
from tests.pages.axe import violations
from tests.pages.conftest import Person
from tests.pages.test_main_job import multiplex_show


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-IN", "hi-IN"])
async def test_axe_finds_nothing(browser: Browser, cluster: Cluster, scheme: str, locale: str) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], locale=locale)
    await asha.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    await asha.page.wait_for_selector(".card h4")
    assert await violations(asha.page) == []
    await asha.goes(f"/shows/{show}")
    assert await violations(asha.page) == []
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
