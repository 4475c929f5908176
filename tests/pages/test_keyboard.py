"""The seat map by keyboard and screen reader: keys, accessible names, live announcements."""

from __future__ import annotations

import re

from playwright.async_api import Browser, expect

from realtime.dev.cluster import Cluster
from tests.cluster import Client, node_urls
from tests.pages.conftest import Person
from tests.pages.halls import stands_show
from tests.pages.test_main_job import multiplex_show


async def test_the_keyboard_alone_books(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    grid = asha.page.get_by_role("grid")
    await grid.focus()
    await asha.page.keyboard.type("f12")
    active = asha.page.locator(
        "seat-map [role=gridcell][id='" + str(await grid.get_attribute("aria-activedescendant")) + "']"
    )
    await expect(active).to_contain_text("row F, seat 12")
    await asha.page.keyboard.press("Enter")
    await asha.sees("F-12", "selected")
    await expect(active).to_have_attribute("aria-selected", "true")
    await asha.page.keyboard.press("ArrowRight")
    await asha.page.keyboard.press("Space")
    await asha.sees("F-13", "selected")
    await asha.page.locator('[data-key="hold"]').focus()
    await asha.page.keyboard.press("Enter")
    await asha.is_at("held")
    await expect(asha.page.get_by_role("heading", name="Held for you")).to_be_focused()
    await asha.page.locator('[data-key="pay"]').focus()
    await asha.page.keyboard.press("Enter")
    await asha.page.wait_for_url("**/pay/*")
    await asha.page.locator('button[value="pay"]').focus()
    await asha.page.keyboard.press("Enter")
    await asha.is_at("booked")
    await asha.leaves()


async def test_arrows_follow_rows_and_pages_follow_sections(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    grid = asha.page.get_by_role("grid")
    await grid.focus()

    async def stands_at(words: str) -> None:
        name = await grid.get_attribute("aria-activedescendant")
        await expect(asha.page.locator(f"seat-map #{name}")).to_contain_text(words)

    await asha.page.keyboard.type("g8")
    await stands_at("row G, seat 8")
    for key, words in (
        ("ArrowLeft", "row G, seat 7"),
        ("ArrowDown", "row H, seat 7"),
        ("ArrowUp", "row G, seat 7"),
        ("Home", "row G, seat 1"),
        ("End", "row G, seat 22"),
    ):
        await asha.page.keyboard.press(key)
        await stands_at(words)
    await asha.leaves()


async def test_the_description_of_a_seat_follows_its_status(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    await asha.page.get_by_role("grid").focus()
    await asha.page.keyboard.type("e9")
    cell = asha.page.locator("seat-map [role=gridcell]", has_text="row E, seat 9,")
    await expect(cell).to_contain_text("free")
    bala = await Client.connect(node_urls(cluster)[1])
    assert (await bala.call("seats:hold", {"show": show, "seats": ["E-9"], "request_id": "1"}))["ok"]
    await expect(cell).to_contain_text("held by someone")
    await bala.close()
    await asha.leaves()


async def test_a_price_chip_shows_only_its_seats_until_it_is_off(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    chip = asha.page.locator('seat-map [data-category="Gold"]')
    count = asha.page.locator("seat-map .count")
    await expect(chip).to_have_attribute("aria-pressed", "false")
    await expect(count).not_to_be_empty()  # the seats are painted before they are counted
    every = await count.inner_text()
    await chip.click()
    await expect(chip).to_have_attribute("aria-pressed", "true")
    gold = await count.inner_text()
    assert gold != every
    # Row A is Silver, row G is Gold: a paled seat can't be chosen.
    choose = "(id) => document.querySelector('seat-map').select(id)"
    assert not await asha.page.evaluate(choose, "A-9")
    assert await asha.page.evaluate(choose, "G-9")
    await asha.page.locator('seat-map [data-category="Silver"]').click()
    assert await count.inner_text() not in {gold, every}
    assert await asha.page.evaluate(choose, "A-9")
    await asha.page.locator('seat-map [data-category="Silver"]').click()
    await chip.click()
    await expect(count).to_have_text(every)
    await asha.leaves()


async def test_a_section_without_seats_of_the_shown_price_is_not_called_full(
    browser: Browser, cluster: Cluster
) -> None:
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{await stands_show(cluster)}")
    labels, exactly = asha.page.locator("seat-map .label"), asha.page.get_by_text
    gold, silver = (labels.filter(has=exactly(name, exact=True)) for name in ("Stand 1", "Stand 9"))
    await expect(silver).to_contain_text("168 free")
    await asha.page.locator('seat-map [data-category="Gold"]').click()
    await expect(silver).not_to_contain_text("free")
    await expect(silver).not_to_contain_text("sold out")
    await expect(silver).not_to_have_class(re.compile("sold-out"))
    await expect(gold).to_contain_text("168 free")
    await asha.page.locator("seat-map .listShow").click()
    await expect(asha.page.locator("seat-map .list-section:visible")).to_have_count(8)
    await expect(asha.page.locator("seat-map .list-section").first).to_contain_text("168 of 168 free")
    await asha.page.locator('seat-map [data-category="Gold"]').click()
    await expect(asha.page.locator("seat-map .list-section:visible")).to_have_count(32)
    await asha.leaves()
