"""Pages at a node that limits holds: challenges are solved by the page, and a kiosk has limits of its own."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Browser, expect

from realtime.dev.cluster import Cluster
from tests.cluster import Client, node_with
from tests.pages.axe import violations
from tests.pages.conftest import Person
from tests.pages.kiosk import PORTRAIT, Kiosk, a_show_today, theatre_of_its_own
from tests.pages.test_main_job import multiplex_show
from tests.web.test_staff import add

CHALLENGE = """
[challenge]
service = "altcha"
show_holds_per_s = 0.01
options = { max_number = 2000 }
"""
"""From the second hold of a show on."""
TWO_SEATS = "seats_per_address = 2"


async def test_a_page_solves_the_challenge_and_holds(browser: Browser, cluster: Cluster, tmp_path: Path) -> None:
    show = await multiplex_show(cluster)
    async with node_with(cluster, tmp_path, CHALLENGE) as node:
        other = await Client.connect(node)
        assert (await other.call("seats:hold", {"show": show, "seats": ["C-1"], "request_id": "1"}))["ok"]
        refused = await other.call("seats:hold", {"show": show, "seats": ["C-2"], "request_id": "2"})
        assert refused["error"]["code"] == "challenge_required"
        buyer = await Person.arrive(browser, node, f"/shows/{show}")
        async with buyer.page.expect_request(lambda request: "/challenge" in request.url):
            await buyer.clicks("C-6")
            await buyer.presses("hold")
        await buyer.is_at("held")
        await buyer.sees("C-6", "mine", "held")
        await other.close()
        await buyer.leaves()


async def test_with_its_staff_token_a_kiosk_holds_more_seats_than_other_addresses(
    browser: Browser, cluster: Cluster, tmp_path: Path
) -> None:
    theatre = await theatre_of_its_own(cluster)
    show = await a_show_today(cluster, theatre)
    token = await add(cluster, "foyer", "--role", "kiosk", "--theatre", theatre, "--region", "west")
    async with node_with(cluster, tmp_path, TWO_SEATS) as node:
        other = await Client.connect(node)
        assert (await other.call("seats:hold", {"show": show, "seats": ["C-1", "C-2"], "request_id": "1"}))["ok"]
        refused = await other.call("seats:hold", {"show": show, "seats": ["C-3"], "request_id": "2"})
        assert refused["error"]["code"] == "address_limit"
        context = await browser.new_context(viewport=PORTRAIT, has_touch=True, locale="en-IN")
        kiosk = Kiosk(context, await context.new_page(), node)
        await kiosk.page.goto(f"{node}/kiosk")
        for wrong, problem in (("no token", "not valid"), (cluster.secrets["OPERATOR_KEY"], "not for kiosks")):
            await kiosk.page.fill("#token", wrong)
            await kiosk.page.keyboard.press("Enter")
            await expect(kiosk.page.get_by_role("alert")).to_contain_text(problem)
        assert await violations(kiosk.page) == []
        await kiosk.page.fill("#token", token)
        await kiosk.page.keyboard.press("Enter")
        await kiosk.page.wait_for_url(f"**/kiosk/{theatre}")
        await kiosk.picks(show)
        await kiosk.holds("F-11")
        await other.close()
        await kiosk.leaves()
