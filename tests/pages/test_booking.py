"""Interrupted bookings: reload, two tabs, lost connections, slow payments, unusual browsers and screens."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from realtime.dev.cluster import Cluster
from tests.cluster import Client, node_urls, until
from tests.pages.conftest import Person
from tests.pages.test_main_job import multiplex_show

ODD_BROWSERS = {
    "over http": """
        Object.defineProperty(navigator, 'locks', { value: undefined });
        Object.defineProperty(navigator, 'clipboard', { value: undefined });
        delete Crypto.prototype.randomUUID;
    """,
    "with storage disabled": """
        Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } });
    """,
    "with invalid data in its storage": """
        const invalid = { 'booking.SHOW': '{"seats":5}', tickets: '[1,{"code":2}]', leftovers: 'x' };
        // Once: the page is loaded again after the payment.
        const begun = sessionStorage.begun;
        for (const key in invalid) if (!begun) localStorage.setItem('tickingtickets.' + key, invalid[key]);
        sessionStorage.begun = 'yes';
    """,
}


NO_ANSWER = """
    // Connections are begun, and never made.
    window.WebSocket = new Proxy(WebSocket, {
        construct: (real, args) => sessionStorage.answers
            ? new real(...args)
            : Object.assign(new EventTarget(), { url: args[0], readyState: 0, send() {}, close() {} }),
    });
"""


async def pair_of_tabs(browser: Browser, cluster: Cluster, show: str) -> tuple[Person, Person]:
    """Open two tabs of one person; the first has an identity before the second opens."""
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    tab = Person(asha.context, await asha.context.new_page(), asha.node)
    await tab.goes(f"/shows/{show}")
    return asha, tab


async def first_to_hold(client: Client, show: str, seat: str) -> dict[str, Any]:
    """Hold a seat as soon as another hold of it expires."""

    async def held() -> dict[str, Any] | None:
        answer = await client.call("seats:hold", {"show": show, "seats": [seat], "request_id": "first"})
        return answer if answer["ok"] else None

    answer: dict[str, Any] = await until(held)
    return answer


async def test_repeated_clicks_pay_once(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    await asha.holds("C-6")
    visits: list[str] = []
    asha.page.on("request", lambda request: visits.append(request.url) if "/pay/" in request.url else None)
    await asha.page.evaluate("() => { for (let n = 0; n < 5; n++) document.querySelector('[data-key=pay]')?.click(); }")
    await asha.page.wait_for_url("**/pay/*")
    assert len(visits) == 1
    await asha.chooses("pay")
    await asha.is_at("booked")
    await asha.leaves()


async def test_one_of_two_tabs_pays_and_the_other_waits(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha, tab = await pair_of_tabs(browser, cluster, show)
    await asha.holds("C-7")
    await tab.is_at("held")
    await asha.goes_to_pay()
    # The other tab knows that a payment is in progress, and waits for it.
    await tab.is_at("away")
    await tab.goes(f"/shows/{show}")
    await tab.is_at("away")
    await asha.chooses("pay")
    for each in (asha, tab):
        await each.is_at("booked")
    assert tab.errors == []
    await asha.leaves()


async def test_two_tabs_that_hold_at_once_hold_once(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha, tab = await pair_of_tabs(browser, cluster, show)
    await asha.clicks("D-8")
    await tab.clicks("E-8")
    for each in (asha, tab):
        await expect(each.page.locator("[data-key=hold]")).to_be_enabled()
    # At one time by the clock: a page that hears of the hold of the other has no button any more.
    press = """at => new Promise((resolve) => setTimeout(() => {
        document.querySelector('[data-key=hold]')?.click();
        resolve();
    }, at - Date.now()))"""
    at = time.time() * 1000 + 1_000
    await asyncio.gather(*(each.page.evaluate(press, at) for each in (asha, tab)))
    for each in (asha, tab):
        await each.is_at("held")
    held = [await each.page.locator(".seat-name").all_inner_texts() for each in (asha, tab)]
    assert held[0] == held[1]
    assert held[0] in (["D-8"], ["E-8"])
    other = "E-8" if held[0] == ["D-8"] else "D-8"
    await asha.sees(other, "free")
    await asha.pays()
    await tab.is_at("booked")
    await asha.leaves()


async def test_two_tabs_of_a_first_visit_are_one_person(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    context = await browser.new_context(locale="en-IN", reduced_motion="reduce")
    tabs = [Person(context, await context.new_page(), node_urls(cluster)[0]) for _ in range(3)]
    await asyncio.gather(*(tab.goes(f"/shows/{show}") for tab in tabs))
    owners = [await tab.page.evaluate("() => document.querySelector('seat-map').live.connection.owner") for tab in tabs]
    assert len(set(owners)) == 1
    await tabs[0].holds("D-9")
    await tabs[0].goes(f"/shows/{show}")
    for tab in tabs:
        await tab.is_at("held")
        assert tab.errors == []
    await context.close()


async def test_a_malformed_address_says_so(browser: Browser, cluster: Cluster) -> None:
    asha = await Person.arrive(browser, node_urls(cluster)[0])
    for path, words in (("/shows/%E0%A4%A", "Show not found"), ("/kiosk/%E0%A4%A", "Which theatre is this")):
        await asha.page.goto(asha.node + path)
        await expect(asha.page.get_by_role("heading", name=words)).to_be_visible()
    await asha.leaves()


async def test_a_payment_that_comes_late_books_seats_that_are_still_free(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster, hold_s=2)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    watcher = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    await asha.holds_and_goes_to_pay("B-5")
    # The hold is over; the payment is not.
    await watcher.sees("B-5", "free")
    await asha.chooses("pay")
    await asha.is_at("booked")
    await watcher.leaves()
    await asha.leaves()


async def test_a_hold_expires_offline_too_and_the_seats_can_be_held_again(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster, hold_s=2)
    asha = await Person.arrive(browser, node_urls(cluster)[1], f"/shows/{show}")
    await asha.holds("B-6", "B-7")
    await asha.context.set_offline(True)
    await asha.page.evaluate("() => document.querySelector('seat-map').live.connection._lost()")
    await asha.is_at("expired")
    await expect(asha.page.locator("#panel")).to_contain_text("You were not charged")
    bala = await Client.connect(node_urls(cluster)[2])
    await first_to_hold(bala, show, "B-7")
    await asha.context.set_offline(False)
    await asha.sees("B-7", "held")
    await expect(asha.page.locator("#panel")).to_contain_text("Still free: B-6")
    await asha.presses("hold-again")
    await asha.is_at("held")
    await asha.sees("B-6", "mine")
    await bala.close()
    await asha.leaves()


async def test_a_page_that_is_still_connecting_shows_the_booking_and_no_error(
    browser: Browser, cluster: Cluster
) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    await asha.holds("D-4", "D-5")
    panel, pay = asha.page.locator("#panel"), asha.page.locator("[data-key=pay]")
    prices, label = await panel.locator(".price-lines").inner_text(), await pay.inner_text()

    async def answers() -> None:
        await asha.page.evaluate(
            """() => {
                sessionStorage.answers = 'yes';
                document.querySelector('seat-map').live.connection.retryNow();
            }"""
        )

    await asha.page.add_init_script(NO_ANSWER)
    await asha.page.reload()
    await asha.is_at("held")
    await expect(panel.locator(".price-lines")).to_have_text(prices, use_inner_text=True)
    await expect(pay).to_have_text(label)
    await expect(pay).to_be_disabled()
    await expect(panel.get_by_role("alert")).to_have_count(0)
    await answers()
    await expect(pay).to_be_enabled()
    await expect(panel.get_by_role("timer")).to_contain_text("7:")
    await asha.goes_to_pay()
    await asha.page.add_init_script("delete sessionStorage.answers;")
    await asha.chooses("pay")
    await asha.is_at("confirming")
    await expect(panel.get_by_role("alert")).to_have_count(0)
    await answers()
    await asha.is_at("booked")
    await asha.leaves()


async def test_a_connection_lost_during_a_hold_request_leads_to_one_hold(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[1], f"/shows/{show}")
    await asha.clicks("D-12")
    await asha.page.evaluate(
        """() => {
            const { connection } = document.querySelector('seat-map').live;
            const ask = connection.request.bind(connection);
            connection.request = (event, ...more) => {
                if (event === 'seats:hold') {
                    connection._connect = () => {};  // there is no network
                    connection._lost();
                }
                return ask(event, ...more);
            };
        }"""
    )
    await asha.presses("hold")
    await asha.is_at("holding")
    await asha.goes(f"/shows/{show}")
    await asha.is_at("held")
    await asha.sees("D-12", "mine")
    await asha.leaves()


CHANGES = """(button) => {
    window.changes = 0;
    window.button = button;
    const map = document.querySelector('seat-map');
    setInterval(() => {
        window.changes += 1;
        map.countFree = (most) => Math.min(most, 3 + (window.changes % 5));
        map.dispatchEvent(new CustomEvent('seatschange', { detail: { seats: 1 } }));
    }, 30);
}"""
"""Others take the last seats of the show, and leave some."""


async def test_seats_are_held_again_by_a_slow_click_while_others_change(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster, hold_s=2)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    await asha.holds("B-8")
    await asha.is_at("expired")
    button = asha.page.locator("[data-key=hold-again]")
    box = await button.bounding_box()
    assert box is not None
    await button.evaluate(CHANGES)
    await asha.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    await asha.page.mouse.down()
    await asha.page.wait_for_function("() => window.changes > 5")
    assert await asha.page.evaluate("() => window.button.isConnected")
    await asha.page.mouse.up()
    await asha.is_at("held")
    await asha.leaves()


async def test_the_button_for_chosen_seats_stays_while_the_last_seats_go(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    await asha.clicks("B-9")
    await asha.page.locator("[data-key=hold]:enabled").evaluate(CHANGES)
    await asha.page.wait_for_function("() => window.changes > 80")
    assert await asha.page.evaluate("() => window.button.isConnected")
    await asha.leaves()


async def test_a_hold_that_the_region_lost_is_reported_as_lost(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    await asha.holds("G-3")
    await asha.page.evaluate(
        """(show) => {
            const { hold } = JSON.parse(localStorage.getItem('tickingtickets.booking.' + show));
            const message = { event: 'hold:expired', payload: { hold, show, reason: 'lost' } };
            document.querySelector('seat-map').live._message(message);
        }""",
        show,
    )
    await asha.is_at("expired")
    await expect(asha.page.get_by_role("heading", name="Your seats are no longer held")).to_be_focused()
    await asha.leaves()


async def test_a_pending_booking_says_so_and_shows_the_ticket_when_it_is_settled(
    browser: Browser, cluster: Cluster
) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    await asha.holds("C-5")
    await asha.goes_to_pay()
    keeper = cluster.children["keeper west"]
    keeper.signal(signal.SIGSTOP)
    try:
        await asha.chooses("pay")
        await asha.is_at("pending")
        await expect(asha.page.locator("#panel")).to_contain_text("We have received your payment")
        # Nothing of it depends on this page.
        await asha.goes(f"/shows/{show}")
        await asha.is_at("pending")
        await asha.sees("C-5", "mine")
    finally:
        keeper.signal(signal.SIGCONT)
    await asha.is_at("booked")
    await asha.leaves()


async def test_a_hold_is_extended_once_and_a_reload_remembers(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    await asha.holds("H-4")
    await asha.presses("extend")
    await expect(asha.page.locator('[data-key="extend"]')).to_have_count(0)
    await asha.page.evaluate("() => localStorage.setItem('unrelated', '1')")
    await asha.goes(f"/shows/{show}")
    await asha.is_at("held")
    await expect(asha.page.locator('[data-key="extend"]')).to_have_count(0)
    await asha.leaves()


async def test_back_and_forward_find_the_hold_and_the_ticket(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0])
    await asha.page.locator(f'a[href="/shows/{show}"]').click()
    await asha.page.wait_for_selector("html[data-ready]")
    await asha.holds("G-4")
    await asha.page.go_back()
    await asha.page.wait_for_selector(".card")
    await asha.page.go_forward()
    await asha.is_at("held")
    await asha.pays()
    await asha.is_at("booked")
    code = await asha.page.locator(".ticket code").inner_text()
    # Back leads over the bank's page to the show, where the ticket is.
    await asha.page.go_back()
    await asha.page.wait_for_url("**/pay/*")
    await asha.page.go_back()
    await asha.is_at("booked")
    assert await asha.page.locator(".ticket code").inner_text() == code
    await asha.leaves()


async def test_the_first_ticket_is_kept_when_the_buyer_books_again(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}", phone=True)
    codes = []
    for seat in ("G-5", "G-6"):
        await asha.holds(seat)
        await asha.pays()
        await asha.is_at("booked")
        codes.append(await asha.page.locator(".ticket code").inner_text())
        await asha.presses("again")
        await asha.is_at("choosing")
    assert codes[0] != codes[1]
    mine = asha.page.locator("#panel .my-ticket")
    await expect(mine).to_have_count(2)
    await asha.goes("/")
    await expect(asha.page.get_by_role("heading", name="Your tickets")).to_be_visible()
    await asha.page.locator("#own .my-ticket").last.click()
    dialog = asha.page.get_by_role("dialog")
    await expect(dialog.locator("code")).to_have_text(codes[0].replace("\n", ""))
    await expect(dialog.locator("svg.qr")).to_be_visible()
    await dialog.get_by_role("button", name="Close").click()
    await expect(dialog).to_have_count(0)
    await asha.leaves()


@pytest.mark.parametrize("kind", ODD_BROWSERS)
async def test_booking_works_in_a_browser(browser: Browser, cluster: Cluster, kind: str) -> None:
    show = await multiplex_show(cluster)
    context = await browser.new_context(locale="en-IN", reduced_motion="reduce")
    await context.add_init_script(ODD_BROWSERS[kind].replace("SHOW", show))
    asha = Person(context, await context.new_page(), node_urls(cluster)[0])
    await asha.goes(f"/shows/{show}")
    await asha.holds("K-3")
    if kind == "with storage disabled":
        # A new page would know nothing of this booking, so the bank opens beside it.
        async with context.expect_page() as opened:
            await asha.presses("pay")
        bank = await opened.value
        await bank.locator('button[value="pay"]').click()
    else:
        await asha.pays()
    await asha.is_at("booked")
    await asha.leaves()


@pytest.mark.parametrize(("width", "height"), [(360, 740), (768, 1024), (1280, 800), (1920, 1080)])
async def test_nothing_sticks_out_and_everything_can_be_touched(
    browser: Browser, cluster: Cluster, width: int, height: int
) -> None:
    show = await multiplex_show(cluster)
    context = await browser.new_context(viewport={"width": width, "height": height}, has_touch=True, locale="hi-IN")
    asha = Person(context, await context.new_page(), node_urls(cluster)[0])

    async def is_in_order() -> None:
        trouble = await asha.page.evaluate(
            """() => {
                const trouble = [];
                const wide = document.documentElement.scrollWidth - innerWidth;
                if (wide > 0) trouble.push(`${wide} px too wide`);
                for (const each of document.querySelectorAll('main button, main a, main input, dialog button')) {
                    const { width, height } = each.getBoundingClientRect();
                    if (width && (height < 44 || width < 44)) trouble.push(`${each.outerHTML} ${width} x ${height}`);
                }
                return trouble;
            }"""
        )
        assert trouble == []

    await asha.goes("/")
    await asha.page.wait_for_selector(".card")
    await is_in_order()
    await asha.goes(f"/shows/{show}")
    await is_in_order()
    await asha.clicks("F-11")
    await asha.clicks("F-12")
    await is_in_order()
    await asha.presses("hold")
    await asha.is_at("held")
    await is_in_order()
    await asha.pays()
    await asha.is_at("booked")
    await asha.page.wait_for_selector("svg.qr")
    await is_in_order()
    await asha.leaves()


async def test_an_answer_to_a_map_that_was_removed_is_no_error(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    await asha.clicks("C-5")
    kept = await asha.page.evaluate(
        """() => {
            const map = document.querySelector('seat-map');
            map.mine = ['C-5'];
            map.remove();
            map.mine = [];
            map.mine = ['C-6'];
            return map.mine;
        }"""
    )
    assert kept == ["C-6"]
    await asha.leaves()
