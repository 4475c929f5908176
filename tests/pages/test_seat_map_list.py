"""The seats as a list: sections, rows, a live button for each seat; and a limit on announcements."""

from __future__ import annotations

import orjson
from playwright.async_api import Browser, Page, expect

from realtime.dev.cluster import Cluster
from realtime.plans import read_plan
from tests.cluster import Client, new_show, node_urls
from tests.pages.axe import violations
from tests.pages.conftest import Person
from tests.pages.halls import stands_show
from tests.pages.test_main_job import multiplex_show

BOXES = {
    "categories": [{"name": "Gold"}],
    "zones": [
        {
            "name": "Hall",
            "rows": [
                {
                    "row_number": "7",
                    "row_label": "Box %s (Tapti)",
                    "seat_label": "Chair %s",
                    "seats": [
                        {"seat_guid": f"b-{n}", "seat_number": f"{n}", "category": "Gold", "position": {"x": n, "y": 0}}
                        for n in (1, 2)
                    ],
                },
                {"seats": [{"seat_guid": "solo", "category": "Gold", "position": {"x": 1, "y": 2}}]},
            ],
        }
    ],
}


async def open_list(page: Page) -> None:
    await page.click("seat-map .listShow")


async def test_seats_are_chosen_from_the_list_and_held(browser: Browser, cluster: Cluster) -> None:
    show = await stands_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    await open_list(asha.page)
    section = asha.page.locator("seat-map summary", has_text="Stand 12")
    await expect(section).to_contain_text("168 of 168 free · ₹400")
    await section.focus()
    await asha.page.keyboard.press("Enter")
    seat = asha.page.get_by_role("button", name="Stand 12, row F, seat 7, Silver, ₹400, free")
    await seat.focus()
    await asha.page.keyboard.press("Space")
    chosen = asha.page.get_by_role("button", name="Stand 12, row F, seat 7, Silver, ₹400, selected")
    await expect(chosen).to_be_focused()
    await expect(chosen).to_have_attribute("aria-pressed", "true")
    assert await violations(asha.page) == []
    await asha.presses("hold")
    await asha.is_at("held")
    await asha.sees("S12-F-7", "mine")
    await asha.leaves()


async def test_the_list_has_the_printed_names_of_rows_and_seats(browser: Browser, cluster: Cluster) -> None:
    boxes = read_plan(orjson.dumps(BOXES))
    show, _other = [
        await new_show(cluster, "west", layout=boxes, prices={"Gold": 400}, title="Boxes") for _time in range(2)
    ]
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}", phone=True)
    await expect(asha.page.locator("[data-note=few]")).to_contain_text("3 seats left")
    await expect(asha.page.get_by_role("heading", name="Other times")).to_be_visible()
    assert await violations(asha.page) == []
    await open_list(asha.page)
    await expect(asha.page.locator("seat-map .list-head")).to_have_text(["Box 7 (Tapti)", ""])
    await expect(asha.page.locator("seat-map .list-seat")).to_have_text(["Chair 1", "Chair 2", "solo"])
    await asha.leaves()


async def test_the_list_follows_the_statuses_and_reports_a_lost_seat(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}", phone=True)
    await open_list(asha.page)
    await asha.page.evaluate("document.querySelector('seat-map').select('F-12')")
    other = await Client.connect(node_urls(cluster)[1])
    assert (await other.call("seats:hold", {"show": show, "seats": ["F-12"], "request_id": "1"}))["ok"]
    taken = asha.page.locator("seat-map .list-seat[aria-label*='row F, seat 12,']")
    await expect(taken).to_have_attribute("aria-disabled", "true")
    lost = asha.page.get_by_role("alertdialog")
    await expect(lost).to_contain_text("F-12 was just taken by someone else")
    assert await violations(asha.page) == []
    offer = lost.locator("[data-seat]").first
    near = await offer.get_attribute("data-seat")
    assert near is not None
    await offer.click()
    await asha.sees(near, "selected")
    await other.close()
    await asha.leaves()


async def test_the_filter_by_price_leaves_out_the_rows_of_others(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    await open_list(asha.page)
    gold = asha.page.locator("seat-map .list-seat[aria-label*='Gold']")
    others = asha.page.locator("seat-map .list-seat:not([aria-label*='Gold'])")
    await expect(others.first).to_be_visible()
    await asha.page.locator('seat-map [data-category="Gold"]').click()
    await expect(others).to_have_count(0)
    await expect(gold.first).to_be_visible()
    await asha.leaves()


async def test_the_selection_is_the_same_in_map_and_list(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}", locale="hi-IN")
    await asha.clicks("F-12")
    await asha.page.get_by_role("button", name="सीटों की सूची देखें").click()
    seat = asha.page.locator("seat-map .list-seat[aria-label*='पंक्ति F, सीट 12,']")
    await expect(seat).to_have_attribute("aria-pressed", "true")
    await expect(asha.page.get_by_role("button", name="सीट मैप देखें")).to_be_focused()
    await seat.click()
    await expect(seat).to_have_attribute("aria-pressed", "false")
    await asha.page.get_by_role("button", name="सीट मैप देखें").click()
    await asha.sees("F-12", "free")
    await asha.clicks("F-12")
    await asha.sees("F-12", "selected")
    await asha.leaves()


async def test_many_changes_lead_to_few_announcements(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    await asha.page.get_by_role("grid").focus()
    await asha.page.evaluate(
        """() => {
            window.said = [];
            const box = document.querySelector('seat-map').shadowRoot.querySelector('[aria-live]');
            new MutationObserver(() => window.said.push(box.textContent)).observe(box, { childList: true });
        }"""
    )
    other = await Client.connect(node_urls(cluster)[1])
    # One seat after the other, each seen before the next.
    for number in range(1, 9):
        held = {"show": show, "seats": [f"F-{number}"], "request_id": str(number)}
        assert (await other.call("seats:hold", held))["ok"]
        await asha.sees(f"F-{number}", "held")
    said = await asha.page.evaluate("window.said")
    assert len(said) <= 2, said
    await other.close()
    await asha.leaves()
