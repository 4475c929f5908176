"""The page of all tickets: QR code, PDF, cancelling, without a network; and a live hold on every page."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from playwright.async_api import Browser, Route, expect

from realtime.dev.cluster import Cluster
from realtime.tickets.code import normalise
from realtime.tickets.token import PublicKeys, verify
from tests.cluster import new_show, node_urls
from tests.pages.axe import violations
from tests.pages.conftest import PHONE, Person
from tests.pages.front import Answers, Front, front_of
from tests.pages.halls import boxes
from tests.pages.qr import scanned
from tests.pages.test_main_job import multiplex_show
from tests.web.test_tickets import booked

SHELL_KEPT = """async () => {
    const found = await navigator.serviceWorker.ready;
    const kept = await caches.open("tickets-1");
    const files = await Promise.all(["/tickets", "/api/v1/names/hi"].map((path) => kept.match(path)));
    return found.active.state === "activated" && !!navigator.serviceWorker.controller && files.every(Boolean);
}"""
STATIC_KEPT = """async () => {
    const kept = await (await caches.open("tickets-1")).keys();
    return kept.map(({ url }) => new URL(url).pathname).filter((path) => path.startsWith("/static/")).sort();
}"""


ONE_BOOKING = "**/api/v1/bookings?booking=*"
"""What the page of a show asks for the ticket with, until the ledger has recorded the booking."""
DRAW_UNTIL = """(until) => {
    const panel = document.querySelector("#panel");
    panel.replaceChildren = function (...nodes) {
        while (Date.now() <= until);
        delete this.replaceChildren;
        this.replaceChildren(...nodes);
    };
    document.querySelector("seat-map").dispatchEvent(new Event("showchange"));
}"""
"""Draws the panel of a show, and takes until a time for it, in ms since the epoch."""
REVOKE_LINKS = "**/revoke-links"


async def test_a_ticket_is_shown_saved_opened_in_flight_mode_and_cancelled(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster, title="Kite Season")
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}", phone=True)
    page = asha.page
    await asha.holds("E-5")
    await page.route(ONE_BOOKING, lambda route: route.fulfill(json={"bookings": [], "missing": []}))
    await asha.pays()
    await asha.is_at("booked")
    panel = page.locator("#panel")
    await expect(panel).to_contain_text("The code appears here in a moment")
    await expect(panel).to_contain_text(f"{show}.b")
    await expect(panel.locator("svg.qr")).to_have_count(0)
    await expect(panel.locator('[data-key="print"]')).to_be_disabled()
    assert await violations(page) == []
    await page.unroute(ONE_BOOKING)
    code, qr = await panel.locator("code").inner_text(), await scanned(page)

    await page.goto(f"{asha.node}/tickets")
    card = page.locator(".booked")
    await expect(card.locator("svg.qr")).to_be_visible()
    assert normalise(code) and (await card.locator("code").inner_text(), await scanned(page)) == (code, qr)
    async with aiohttp.ClientSession() as session, session.get(f"{asha.node}/api/v1/tickets/keys") as answer:
        keys = PublicKeys.from_jwks(await answer.json())
    assert verify(qr, keys).show == show, "a gate verifies it without a network"
    async with page.expect_download() as saving:
        await card.locator(".button.pdf").click()
    assert (await saving.value).suggested_filename.endswith(".pdf")
    for language, title, section in (("hi", "पतंगों का मौसम", "स्क्रीन 1"), ("en", "Kite Season", "Screen 1")):
        await page.locator("select.language").select_option(language)
        await expect(card).to_contain_text(title)
        await expect(card).to_contain_text(section)
        assert await violations(page) == []
    await page.emulate_media(color_scheme="dark")
    assert await violations(page) == []

    await page.wait_for_function(SHELL_KEPT)
    shown = await scanned(page)
    await asha.context.set_offline(True)
    await page.reload()
    await expect(page.locator("#notice")).to_contain_text("as they were last")
    assert await scanned(page) == shown
    await page.locator("select.language").select_option("hi")
    await expect(card).to_contain_text("पतंगों का मौसम")
    await page.locator("select.language").select_option("en")
    await asha.context.set_offline(False)

    await page.reload()
    await card.locator(".button.share").click()
    await expect(card.locator(".share-panel svg.qr")).to_be_visible()
    assert await violations(page) == []
    link = await scanned(page, ".share-panel svg.qr")
    ravi = await Person.arrive(browser, "", link)
    await expect(ravi.page.locator(".booked code")).to_have_text(await card.locator("code").inner_text())
    assert ravi.page.url == link.partition("#")[0], "the address does not show the link"
    await expect(ravi.page.locator(".booked")).to_contain_text("Only the buyer can cancel")
    await expect(ravi.page.locator(".button.cancel")).to_have_count(0)
    async with ravi.page.expect_download():
        await ravi.page.locator(".button.pdf").click()
    assert await violations(ravi.page) == []
    await ravi.page.wait_for_function(SHELL_KEPT)
    await ravi.context.set_offline(True)
    await ravi.page.reload()
    assert await scanned(ravi.page) == shown
    await ravi.context.set_offline(False)

    stops = card.locator(".stop-links")
    await stops.locator(".button.stop").click()
    await expect(stops.locator(".keep")).to_be_focused()
    assert await violations(page) == []
    await page.route(REVOKE_LINKS, lambda route: route.abort())
    await stops.locator(".yes").click()
    await expect(stops.get_by_role("alert")).to_contain_text("could not confirm that the earlier links were stopped")
    await page.unroute(REVOKE_LINKS)
    await stops.locator(".button.stop").click()
    await stops.locator(".yes").click()
    await expect(card.locator(".links-stopped")).to_be_focused()
    assert await violations(page) == []
    renewed = await scanned(page, ".share-panel svg.qr")
    await ravi.page.goto(link)
    await expect(ravi.page.locator("#notice")).to_contain_text("was stopped")
    await expect(ravi.page.locator(".booked")).to_have_count(0)
    await ravi.page.goto(renewed)
    await expect(ravi.page.locator(".booked code")).to_have_text(await card.locator("code").inner_text())

    await card.locator(".button.cancel").click()
    assert await violations(page) == []
    await card.locator(".button.keep").click()
    await card.locator(".button.cancel").click()
    await card.locator(".button.yes").click()
    await expect(page.get_by_role("heading", name="No tickets yet")).to_be_visible()
    await page.locator("summary").click()
    await expect(page.locator(".earlier em")).to_contain_text("is being returned")
    assert await violations(page) == []
    for path in ("/", f"/shows/{show}"):
        await asha.goes(path)
        await expect(page.locator(".my-ticket, .ticket")).to_have_count(0)
    await asha.leaves()
    await ravi.page.reload()
    await expect(ravi.page.get_by_role("heading", name="No tickets yet")).to_be_visible()
    await ravi.page.goto(f"{ravi.page.url}#t=forged")
    await expect(ravi.page.locator("#notice")).to_contain_text("incomplete")
    await ravi.leaves()


async def test_a_clock_that_is_half_a_day_ahead_hides_no_ticket(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster, starts_at=(datetime.now(UTC) + timedelta(hours=4)).isoformat())
    width, height = PHONE
    context = await browser.new_context(viewport={"width": width, "height": height}, locale="en-IN")
    await context.add_init_script("const real = Date.now; Date.now = () => real() + 13 * 3600 * 1000;")
    asha = Person(context, await context.new_page(), node_urls(cluster)[0])
    page = asha.page
    await asha.goes(f"/shows/{show}")
    await asha.holds("E-6")
    await asha.pays()
    await expect(page.locator("#panel code")).to_be_visible()
    await page.goto(f"{asha.node}/tickets")
    for _ in range(2):
        await expect(page.locator("#tickets > .booked svg.qr")).to_be_visible()
        await expect(page.locator("#tickets > .booked .button.cancel")).to_be_visible()
        await expect(page.locator(".earlier")).to_have_count(0)
        await page.wait_for_function(SHELL_KEPT)
        await context.set_offline(True)
        await page.reload()
        await expect(page.locator("#notice")).to_contain_text("as they were last")
    # By a clock that is not corrected the ticket is an earlier one, which can be opened all the same.
    await page.evaluate("() => localStorage.removeItem('tickingtickets.clock')")
    await page.reload()
    await expect(page.get_by_role("heading", name="No tickets yet")).to_be_visible()
    await page.locator("summary").click()
    await page.locator(".earlier .my-ticket").click()
    await expect(page.locator(".earlier .booked svg.qr")).to_be_visible()
    await expect(page.locator(".earlier .booked code")).to_be_visible()
    await expect(page.locator(".earlier .button.pdf")).to_be_visible()
    assert await violations(page) == []
    await page.locator(".earlier .my-ticket").click()
    await expect(page.locator(".earlier .booked")).to_have_count(0)
    await context.set_offline(False)
    await asha.leaves()


async def test_the_keyboard_stays_where_it_was_when_tickets_are_drawn_again(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    page = asha.page
    await asha.holds("E-7")
    await asha.pays()
    await expect(page.locator("#panel code")).to_be_visible()
    changed: dict[str, object] = {}

    async def with_an_earlier_one(route: Route) -> None:
        answer = await (await route.fetch()).json()
        (booking,) = answer["bookings"]
        earlier = {
            **booking,
            "id": f"{booking['id']}-earlier",
            "starts_at": "2020-01-01T18:30:00+05:30",
            "cancel_until": 0,
        }
        await route.fulfill(json={**answer, "bookings": [{**booking, **changed}, earlier]})

    async def drawn_again() -> None:
        async with page.expect_response("**/api/v1/bookings"):
            await page.evaluate("() => dispatchEvent(new Event('online'))")

    await page.route("**/api/v1/bookings", with_an_earlier_one)
    await page.route("**/ticket.pdf?*", lambda route: route.abort())
    await page.goto(f"{asha.node}/tickets")
    card, earlier = page.locator("#tickets > .booked"), page.locator("details")
    await earlier.locator("summary").focus()
    await page.keyboard.press("Enter")
    line = earlier.locator(".my-ticket")
    await line.focus()
    await page.keyboard.press("Enter")
    await expect(earlier.locator("svg.qr")).to_be_visible()
    # Nothing has changed, so nothing is drawn.
    await line.evaluate("(line) => { window.line = line; }")
    await drawn_again()
    await expect(line).to_be_focused()
    assert await page.evaluate("() => window.line.isConnected")
    changed["admitted_at"] = 1_900_000_000_000
    await drawn_again()
    await expect(card).to_contain_text("Admitted")
    await expect(line).to_be_focused()
    await expect(line).to_have_attribute("aria-expanded", "true")
    await expect(earlier.locator("svg.qr")).to_be_visible()
    await card.locator(".button.pdf").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#notice")).not_to_be_empty()
    await expect(card.locator(".button.pdf")).to_be_focused()
    await expect(earlier.locator(".booked")).to_be_visible()

    # A ticket that is closed gives the focus back, although the list was drawn again while it was open.
    await asha.goes("/")
    mine = page.locator(".my-ticket")
    await mine.focus()
    await page.keyboard.press("Enter")
    await expect(page.locator(".ticket-dialog svg.qr")).to_be_visible()
    await mine.evaluate("(mine) => { window.mine = mine; }")
    await page.evaluate("() => dispatchEvent(new Event('online'))")
    await page.wait_for_function("() => !window.mine.isConnected")
    await page.keyboard.press("Escape")
    await expect(page.locator(".ticket-dialog")).to_have_count(0)
    await expect(mine).to_be_focused()
    await asha.leaves()


NEXT_MODULE = "/static/built/tickets-NEXT.js"
NEXT_PART = "/static/built/part-NEXT.js"


async def test_the_page_that_was_kept_is_shown_until_the_next_one_can_be_had_whole(
    browser: Browser, cluster: Cluster
) -> None:
    owner, _booking = await booked(cluster)
    async with front_of(node_urls(cluster)[0], Front) as front:
        asha = await Person.arrive(browser, front.url, "/tickets", phone=True)
        page = asha.page
        await page.evaluate("token => localStorage.setItem('tickingtickets.token', token)", owner)
        await page.reload()
        shown = await scanned(page)
        await page.wait_for_function(SHELL_KEPT)
        before = await page.evaluate(STATIC_KEPT)
        async with aiohttp.ClientSession() as session, session.get(f"{front.url}/tickets") as answer:
            html = await answer.text()
        html = re.sub(r' *<link rel="modulepreload".*\n', "", html)
        html, modules = re.subn(r'(<script type="module" src=")[^"]+', rf"\1{NEXT_MODULE}", html)
        assert modules == 1

        module = (200, "text/javascript", f'import "{NEXT_PART}";')
        page_of_next = (200, "text/html", html)
        none: Answers = {NEXT_MODULE: module, NEXT_PART: None}
        unusable: list[Answers] = [
            {"/tickets": page_of_next, NEXT_MODULE: None},
            {"/tickets": page_of_next, NEXT_MODULE: (404, "text/plain", "")},
            {"/tickets": page_of_next, **none},
            {"/tickets": (502, "text/html", "<h1>Bad Gateway</h1>")},
            {"/tickets": None},
        ]
        for answers in unusable:
            front.answers = answers
            await page.reload()
            assert await scanned(page) == shown
        front.answers = {"/tickets": page_of_next, **none}
        await page.reload()
        await page.context.set_offline(True)
        await page.reload()
        assert await scanned(page) == shown
        assert await page.evaluate(STATIC_KEPT) == before
        await page.context.set_offline(False)

        part = (200, "text/javascript", "document.documentElement.dataset.release = 'next'")
        front.answers = {"/tickets": page_of_next, NEXT_MODULE: module, NEXT_PART: part}
        for _ in range(2):
            await page.reload()
            await page.wait_for_selector("html[data-release=next]")
        after = set(await page.evaluate(STATIC_KEPT))
        assert {NEXT_MODULE, NEXT_PART} <= after
        assert after - {NEXT_MODULE, NEXT_PART} < set(before), "what only the page before needs is deleted"
        await page.context.set_offline(True)
        await page.reload()
        await page.wait_for_selector("html[data-release=next]")
        await asha.leaves()


async def test_a_live_hold_is_shown_with_its_clock_on_every_page(browser: Browser, cluster: Cluster) -> None:
    show, other = await new_show(cluster, layout=boxes()), await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    await asha.holds("E-5", "E-6", "E-7")
    await asha.presses("drop-E-7")
    # None can be dropped while the server is asked to.
    await expect(asha.page.locator('[data-key^="drop-"]')).to_have_count(2)
    await asha.page.reload()
    await asha.is_at("held")
    hold = asha.page.locator(f'[data-hold-of="{show}"]')
    await expect(hold).to_have_count(0)
    for path in ("/", "/tickets", f"/shows/{other}"):
        await asha.goes(path)
        await expect(hold).to_contain_text("Box E, Chair 5 and Box E, Chair 6 held for you")
        clock = hold.get_by_role("timer")
        await expect(clock).to_be_visible()
        await expect(clock).to_contain_text("7:")
        assert await violations(asha.page) == []
    await hold.click()
    await asha.is_at("held")
    await asha.presses("release")
    await asha.presses("release-yes")
    await asha.is_at("choosing")
    await asha.goes("/")
    await expect(hold).to_have_count(0)
    await asha.leaves()


@pytest.mark.parametrize("slow", [False, True], ids=["in_time", "during_the_start"])
async def test_a_page_that_is_open_says_that_the_show_has_started(
    browser: Browser, cluster: Cluster, slow: bool
) -> None:
    starts = datetime.now(UTC) + timedelta(seconds=10)
    show = await multiplex_show(cluster, starts_at=starts.isoformat())
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    if slow:
        await asha.page.wait_for_load_state("networkidle")
        await asha.page.evaluate(DRAW_UNTIL, starts.timestamp() * 1000 + 1)
    await expect(asha.page.locator("[data-note=begun]")).to_contain_text("This show started at")
    await asha.leaves()


async def test_the_page_says_until_when_sales_have_not_started_or_that_the_show_has(
    browser: Browser, cluster: Cluster
) -> None:
    show = await multiplex_show(cluster, sales_start="2029-12-01T10:00:00+05:30")
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    await expect(asha.page.locator("#panel")).to_contain_text("Sales for this show start on")
    await expect(asha.page.locator("#panel")).to_contain_text("10:00")
    headers = {"Authorization": f"Bearer {cluster.secrets['OPERATOR_KEY']}"}
    body = {"sales_start": "", "sales_end": "2020-01-01T00:00Z"}
    address = f"{asha.node}/api/v1/shows/{show}/terms"
    async with aiohttp.ClientSession(headers=headers) as session, session.post(address, json=body) as answer:
        assert answer.status == 200
    await expect(asha.page.locator("#panel")).to_contain_text("Sales for this show")
    await expect(asha.page.locator("#live")).to_contain_text("Sales closed")
    await asha.leaves()
