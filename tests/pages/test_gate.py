"""The page of a gate: sign-in, a typed code, and a code in front of the camera; and operators who find a booking."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta

import aiohttp
from playwright.async_api import Browser, Page, Route, expect

from realtime.dev.cluster import Cluster
from realtime.model import region_of, show_of
from realtime.tickets.token import TicketClaims, derive_key, sign
from tests.cluster import node_urls, until
from tests.pages.axe import violations
from tests.pages.conftest import Person
from tests.pages.halls import boxes
from tests.web.test_staff import add
from tests.web.test_tickets import booked

CAMERA = """text => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 480 });
    navigator.mediaDevices.getUserMedia = async () => {
        const { default: encode } = await import("/static/vendor/qr.js");
        const rows = encode(text, "raw", { ecc: "medium", border: 4 });
        const pen = canvas.getContext("2d");
        const draw = () => {
            const size = Math.floor(440 / rows.length);
            pen.fillStyle = "#ccc";
            pen.fillRect(0, 0, 640, 480);
            rows.forEach((row, y) => row.forEach((dark, x) => {
                pen.fillStyle = dark ? "#111" : "#fff";
                pen.fillRect(60 + x * size, 20 + y * size, size, size);
            }));
        };
        setInterval(draw, 100);
        draw();
        return canvas.captureStream(10);
    };
}"""
"""A camera that looks at a code."""


async def bookings(cluster: Cluster, owner: str) -> list[dict[str, str]]:
    headers = {"Authorization": f"Bearer {owner}"}
    url = f"{node_urls(cluster)[0]}/api/v1/bookings"
    async with aiohttp.ClientSession(headers=headers) as session, session.get(url) as answer:
        found: list[dict[str, str]] = (await answer.json())["bookings"]
        return found


async def opens(cluster: Cluster, link: str) -> bool:
    headers = {"Authorization": f"Bearer {link.partition('#t=')[2]}"}
    url = f"{node_urls(cluster)[0]}/api/v1/tickets/linked"
    async with aiohttp.ClientSession(headers=headers) as session, session.get(url) as answer:
        return answer.status == 200


async def shows_verdict(page: Page, look: str, text: str) -> None:
    # Both of one verdict, though the next may follow at once.
    await expect(page.locator(f'#verdict[data-look="{look}"]')).to_contain_text(text)


async def test_staff_admit_by_code_and_by_camera(browser: Browser, cluster: Cluster) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    owner, _booking = await booked(cluster, starts_at=soon)
    other, _booking = await booked(cluster, starts_at=soon)
    (typed,), (scanned,) = await bookings(cluster, owner), await bookings(cluster, other)
    staff = await Person.arrive(browser, node_urls(cluster)[1], "/gate", phone=True)
    page = staff.page
    assert await violations(page) == []
    elsewhere = await add(cluster, "a kiosk", "--role", "kiosk", "--theatre", "west-hall", "--region", "west")
    for key, problem in (("no key", "not valid"), (elsewhere, "not for gates")):
        await page.fill("#key", key)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text(problem)
    token = await add(cluster, "north gate", "--role", "gate", "--theatre", "west-hall", "--region", "west")
    await page.fill("#key", token)
    await page.keyboard.press("Enter")
    await expect(page.locator("#theatre option")).to_have_text(["Test Hall, Somewhere"])
    await page.fill("#gate", "North")
    assert await violations(page) == []
    await page.get_by_role("button", name="Open the gate").click()

    await page.fill("#code", typed["code"].lower())
    await page.keyboard.press("Enter")
    await shows_verdict(page, "good", "Admit 2 people")
    await shows_verdict(page, "good", "A-1")
    assert await violations(page) == []
    await page.fill("#code", typed["code"])
    await page.keyboard.press("Enter")
    await shows_verdict(page, "bad", "Already admitted")
    await shows_verdict(page, "bad", "North")
    assert await violations(page) == []

    await page.evaluate(CAMERA, scanned["ticket"])
    await page.locator("[data-act=camera]").click()
    await shows_verdict(page, "good", "Admit 2 people")
    await page.locator("[data-act=camera]").click()
    await page.context.set_offline(True)
    await page.fill("#code", typed["code"])
    await page.keyboard.press("Enter")
    await shows_verdict(page, "unsure", "not checked")
    await page.context.set_offline(False)
    await page.emulate_media(color_scheme="dark")
    await page.locator("select.language").select_option("hi")
    await shows_verdict(page, "unsure", "जाँच नहीं हुई")
    assert await violations(page) == []
    await staff.leaves()


async def test_an_operator_finds_a_booking_moves_it_and_cancels_it(browser: Browser, cluster: Cluster) -> None:
    owner, booking = await booked(cluster, layout=boxes())
    (listed,) = await bookings(cluster, owner)
    staff = await Person.arrive(browser, node_urls(cluster)[0], "/ops")
    page = staff.page
    await page.fill("#key", cluster.secrets["OPERATOR_KEY"])
    await page.keyboard.press("Enter")
    await page.fill("#booking-words", listed["code"])
    await page.keyboard.press("Enter")
    story = page.locator(".story")
    await expect(story).to_contain_text(listed["code"])
    await expect(story.locator("li")).not_to_have_count(0)
    assert await violations(page, within="#bookings") == []
    await story.locator("[data-act=exchange]").click()
    assert await violations(page, within="#bookings") == []
    for seats, problem in (("B-1", "Enter 2 seats"), ("B-1, Z-9", "Not in this plan: Z-9"), ("B-1, B-2", "")):
        await page.fill("#exchange-seats", seats)
        await page.keyboard.press("Enter")
        if problem:
            await expect(story.locator("[role=alert]")).to_contain_text(problem)
    before, after = (" and ".join(f"Box {row}, Chair {n} ({row}-{n})" for n in (1, 2)) for row in "AB")
    await expect(story).to_contain_text(f"seats exchanged: {before} → {after}")
    await story.locator("[data-act=links]").click()
    assert await violations(page, within="#bookings") == []
    await story.locator(".question .primary").click()
    await expect(story).to_contain_text("links to the ticket stopped")
    await expect(story.locator("[data-act=links]")).to_be_focused()
    (renewed,) = await bookings(cluster, owner)
    assert [await opens(cluster, each["link"]) for each in (listed, renewed)] == [False, True]
    await story.locator("[data-act=cancel]").click()
    assert await violations(page, within="#bookings") == []
    await story.locator(".question .primary").click()
    await expect(story).to_contain_text("booking cancelled")
    await expect(story.locator("[data-act=cancel]")).to_have_count(0)
    await page.fill("#booking-words", "BBBB-BBBB")
    await page.keyboard.press("Enter")
    await expect(page.locator("#bookings")).to_contain_text("No booking was found")
    assert booking
    await staff.leaves()


OFFLINE_READY = """async () => {
    const found = await navigator.serviceWorker.ready;
    const kept = await caches.open("gate-1");
    const files = await Promise.all(["/gate", "/api/v1/names/hi"].map((path) => kept.match(path)));
    return found.active.state === "activated" && files.every(Boolean);
}"""
RETURN_IN_ANOTHER_TAB = """() => new Promise((resolve) => {
    indexedDB.open("tickingtickets-gate").onsuccess = ({ target: { result: db } }) => {
        const transaction = db.transaction("state", "readwrite");
        transaction.objectStore("state").delete("lease");
        transaction.oncomplete = () => resolve(db.close());
    };
})"""
LATER = "hours => { const now = Date.now; Date.now = () => now() + hours * 3600000; }"


async def opens_gate(browser: Browser, cluster: Cluster, name: str, node: int) -> Person:
    staff = await Person.arrive(browser, node_urls(cluster)[node], "/gate", phone=True)
    await staff.page.fill("#key", cluster.secrets["OPERATOR_KEY"])
    await staff.page.keyboard.press("Enter")
    await staff.page.select_option("#theatre", "west-hall")
    await staff.page.fill("#gate", name)
    await staff.page.get_by_role("button", name="Open the gate").click()
    return staff


async def prepares(page: Page, show: str) -> None:
    await page.locator("[data-act=prepare]").click()
    await page.select_option("#offline-show", show)
    assert await violations(page) == []
    await page.get_by_role("button", name="Put the tickets on this device").click()


async def opens_gate_with_a_ticket(browser: Browser, cluster: Cluster) -> tuple[Person, dict[str, str]]:
    """Open a gate with one ticket on its device; return the attendant and the ticket."""
    owner, booking = await booked(cluster, starts_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    (leased,) = await bookings(cluster, owner)
    staff = await opens_gate(browser, cluster, "North", 0)
    await prepares(staff.page, show_of(booking))
    await expect(staff.page.locator(".gate-offline")).to_contain_text("1 ticket of")
    return staff, leased


async def types(page: Page, code: str) -> None:
    await page.fill("#code", code)
    await page.keyboard.press("Enter")


def signed(secret: str, show: str) -> str:
    """Return the QR code of a ticket that nobody has leased."""
    return sign(TicketClaims(show, "WDJBMJHT", 2, date(2030, 1, 1)), derive_key(secret, region_of(show)))


async def test_a_device_admits_without_a_network_what_it_has_leased_and_reports_it(
    browser: Browser, cluster: Cluster
) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    owner, booking = await booked(cluster, starts_at=soon, layout=boxes())
    other, _other = await booked(cluster, starts_at=soon)
    (leased,), (elsewhere,) = await bookings(cluster, owner), await bookings(cluster, other)
    north = await opens_gate(browser, cluster, "North", 0)
    south = await opens_gate(browser, cluster, "South", 1)
    panel = north.page.locator(".gate-offline")
    await prepares(north.page, show_of(booking))
    await expect(panel).to_contain_text("1 ticket of")
    await prepares(south.page, show_of(booking))
    await expect(south.page.locator(".gate-offline")).to_contain_text("1 ticket is on another device")
    await types(south.page, leased["code"])
    await shows_verdict(south.page, "bad", "On the device of gate North")
    assert await violations(south.page) == []

    forged = f"{leased['ticket'][:-8]}AAAAAAAA"
    asked: list[str] = []
    north.page.on("request", lambda request: asked.append(request.url))
    await types(north.page, forged)
    await shows_verdict(north.page, "bad", "Forged QR code")
    assert not any(url.endswith("/gate/admit") for url in asked)
    await north.page.wait_for_function(OFFLINE_READY)
    await north.context.set_offline(True)
    await north.page.reload()
    await expect(panel).to_contain_text("No network")
    for ticket in (leased["ticket"], leased["code"]):
        await types(north.page, ticket)
        look, text = ("good", "Admit 2 people") if ticket == leased["ticket"] else ("bad", "Already admitted")
        await shows_verdict(north.page, look, text)
        if look == "good":
            await shows_verdict(north.page, look, "Balcony · Box A, Chair 1 and Box A, Chair 2")
            await north.page.locator("select.language").select_option("hi")
            await shows_verdict(north.page, look, "बालकनी")
            await north.page.locator("select.language").select_option("en")
    await shows_verdict(north.page, "bad", "North")
    await expect(panel).to_contain_text("1 admission is not reported yet")
    secret = cluster.secrets["SECRET"]
    for ticket, look, text in (
        (forged, "bad", "Forged QR code"),
        (elsewhere["ticket"], "bad", "Genuine, for a show on"),
        (signed(secret, "south-test-1"), "bad", "Tuesday, 1 January"),
        (signed(secret, show_of(booking)), "unsure", "Genuine, but not on this device"),
        (elsewhere["code"], "unsure", "Not on this device"),
        (signed("a secret that was replaced", show_of(booking)), "unsure", "QR code not checked"),
        ("https://example.org/", "bad", "This is not a ticket code"),
    ):
        await types(north.page, ticket)
        await shows_verdict(north.page, look, text)
    assert await violations(north.page) == []

    await north.context.set_offline(False)
    await expect(panel).not_to_contain_text("not reported yet")
    await types(south.page, leased["code"])
    await shows_verdict(south.page, "bad", "Already admitted")
    await shows_verdict(south.page, "bad", "North")
    await south.page.locator("[data-act=return]").click()
    await expect(south.page.locator("[data-act=prepare]")).to_be_visible()
    await north.page.evaluate(RETURN_IN_ANOTHER_TAB)
    await types(north.page, elsewhere["code"])
    await shows_verdict(north.page, "good", "Admit 2 people")
    await expect(north.page.locator("[data-act=prepare]")).to_be_visible()
    await north.page.emulate_media(color_scheme="dark")
    await north.page.locator("select.language").select_option("hi")
    await expect(panel).to_contain_text("ऑनलाइन")
    assert await violations(north.page) == []
    await north.leaves()
    await south.leaves()


async def test_a_device_without_contact_for_too_long_admits_nobody(browser: Browser, cluster: Cluster) -> None:
    staff, leased = await opens_gate_with_a_ticket(browser, cluster)
    page, panel = staff.page, staff.page.locator(".gate-offline")
    failed: list[str] = []
    page.on("requestfailed", lambda request: failed.append(request.url))
    await staff.context.set_offline(True)
    for hours, problem in ((2, "no contact with the server for too long"), (-4, "clock of this device was set back")):
        await page.evaluate(LATER, hours)
        await page.evaluate("dispatchEvent(new Event('offline'))")
        await expect(panel).to_contain_text(problem)
        failed.clear()
        await types(page, leased["code"])

        async def asked_twice() -> bool:
            return sum(url.endswith("/gate/admit") for url in failed) == 2

        await until(asked_twice)
        await shows_verdict(page, "unsure", "not checked")
    await staff.context.set_offline(False)
    await expect(panel).to_contain_text("1 ticket of")
    await types(page, leased["code"])
    await shows_verdict(page, "good", "Admit 2 people")
    await staff.leaves()


RECORD_VERDICTS = """() => {
    const place = document.querySelector("#verdict");
    window.verdicts = [];
    const record = () => verdicts.push([place.dataset.look, place.getAttribute("aria-live"), place.textContent]);
    new MutationObserver(record).observe(place, { childList: true });
}"""


async def test_tickets_that_come_during_a_check_wait_and_each_result_is_seen(
    browser: Browser, cluster: Cluster
) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    codes = []
    for _ in range(3):
        owner, _booking = await booked(cluster, starts_at=soon)
        (ticket,) = await bookings(cluster, owner)
        codes.append(ticket["code"])
    first, second, third = codes
    staff = await opens_gate(browser, cluster, "North", 0)
    page, waiting = staff.page, staff.page.locator("#waiting")
    await types(page, first)
    await shows_verdict(page, "good", first)
    await page.evaluate(RECORD_VERDICTS)
    asked: list[str] = []
    answered = asyncio.Event()

    async def slowly(route: Route) -> None:
        asked.append((route.request.post_data_json or {})["ticket"])
        await answered.wait()
        await route.continue_()

    await page.route("**/gate/admit", slowly)
    await types(page, second)
    await shows_verdict(page, "checking", f"Checking {second}")
    await expect(page.locator("#verdict")).not_to_contain_text("Admit")
    for _ in range(2):
        await types(page, third)
        await types(page, second)
    await expect(page.locator("#code")).to_have_value("")
    await expect(waiting).to_have_text(f"1 ticket is waiting: {third}.")
    assert await violations(page) == []
    await page.locator("select.language").select_option("hi")
    await shows_verdict(page, "checking", "जाँच हो रही है")
    await expect(waiting).to_contain_text("1 टिकट जाँच के इंतज़ार में है")
    assert await violations(page) == []
    await page.locator("select.language").select_option("en")
    await page.evaluate(RECORD_VERDICTS)
    answered.set()
    await shows_verdict(page, "good", third)
    await expect(waiting).to_have_text("")
    seen = await page.evaluate("verdicts")
    assert [(look, live) for look, live, _text in seen] == [
        ("good", "assertive"),
        ("checking", "polite"),
        ("good", "assertive"),
    ]
    for code, (_look, _live, text) in zip((second, third, third), seen, strict=True):
        assert code in text
    assert asked == [second, third]
    await staff.leaves()


CUT_OFF = '{"tickets": {"WDJBMJHT": ["A-'
SYNC = "dispatchEvent(new Event('online'))"
"""Renew and report what has to be."""
SYNCED = "navigator.locks.request('tickingtickets-gate', () => null)"
"""Wait until that is over."""
BREAK_STORAGE = """() => {
    window.unbroken = IDBDatabase.prototype.transaction;
    IDBDatabase.prototype.transaction = () => { throw new DOMException("full", "QuotaExceededError"); };
}"""
REPAIR_STORAGE = "() => { IDBDatabase.prototype.transaction = window.unbroken; }"


async def test_an_answer_that_is_cut_off_ends_neither_a_lease_nor_the_session(
    browser: Browser, cluster: Cluster
) -> None:
    staff, leased = await opens_gate_with_a_ticket(browser, cluster)
    page, panel = staff.page, staff.page.locator(".gate-offline")
    await page.evaluate(LATER, 0.1)
    cut: list[str] = []

    async def cut_off(route: Route) -> None:
        cut.append(route.request.url)
        await route.fulfill(status=200, content_type="application/json", body=CUT_OFF)

    async def is_cut() -> bool:
        return bool(cut)

    await page.route("**/gate/lease", cut_off)
    await page.evaluate(SYNC)
    await until(is_cut)
    await page.evaluate(SYNCED)
    await staff.context.set_offline(True)
    await types(page, leased["code"])
    await shows_verdict(page, "good", "Admit 2 people")

    await page.route("**/gate/reports", cut_off)
    cut.clear()
    await staff.context.set_offline(False)
    await until(is_cut)
    await page.evaluate(SYNCED)
    await expect(panel).to_contain_text("1 admission is not reported yet")
    await page.evaluate(BREAK_STORAGE)
    await page.evaluate(SYNC)
    await expect(panel).to_contain_text("Something went wrong")
    await page.evaluate(REPAIR_STORAGE)
    await page.unroute("**/gate/reports")
    await page.unroute("**/gate/lease")
    await page.evaluate(SYNC)
    await expect(panel).not_to_contain_text("not reported yet")
    await expect(panel).not_to_contain_text("Something went wrong")
    await expect(panel).to_contain_text("0 tickets of")
    await staff.leaves()
