"""Interrupted bookings: reload, two tabs, lost connections, slow payments, unusual browsers and screens."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Error, Page, Route, expect

from realtime.dev.cluster import Cluster
from tests.cluster import Client, node_urls, pay, until
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
        for (const key in invalid) localStorage.setItem('tickingtickets.' + key, invalid[key]);
    """,
}


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


async def pays_as_soon_as_held(person: Person, seat: str) -> None:
    """Hold a seat, and press the button to pay from within the page: the hold ends soon, the machine may be busy."""
    await person.page.evaluate(
        """() => {
            const timer = setInterval(() => {
                if (document.querySelector('#panel').dataset.step === 'paying') clearInterval(timer);
                else document.querySelector('#panel[data-step="held"] [data-key=pay]')?.click();
            }, 10);
        }"""
    )
    await person.clicks(seat)
    await person.presses("hold")


class SlowBank:
    """Delays the payments of a page until ``released`` is set, and counts them."""

    def __init__(self) -> None:
        self.asked = 0
        self.came = asyncio.Event()
        self.released = asyncio.Event()

    @classmethod
    async def of(cls, where: Page | BrowserContext) -> SlowBank:
        bank = cls()
        await where.route("**/demo/pay", bank._pay)
        return bank

    async def _pay(self, route: Route) -> None:
        self.asked += 1
        self.came.set()
        await self.released.wait()
        # The page may have been closed in the meantime.
        with contextlib.suppress(Error):
            await route.continue_()


async def test_a_reload_during_a_payment_returns_to_the_hold(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    await asha.holds("C-5")
    bank = await SlowBank.of(asha.page)
    await asha.presses("pay")
    await bank.came.wait()
    await asha.is_at("paying")
    await asha.goes(f"/shows/{show}")
    bank.released.set()
    # What was not answered was not paid: nothing is begun by itself, nothing is lost.
    await asha.is_at("held")
    await asha.sees("C-5", "mine")
    await expect(asha.page.get_by_role("timer")).to_contain_text(":")
    await asha.presses("pay")
    await asha.is_at("booked")
    await asha.leaves()


async def test_repeated_clicks_pay_once(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    await asha.holds("C-6")
    bank = await SlowBank.of(asha.page)
    press = "() => { for (let n = 0; n < 5; n++) document.querySelector('[data-key=pay]')?.click(); }"
    await asha.page.evaluate(press)
    await bank.came.wait()
    await asha.page.evaluate(press)
    bank.released.set()
    await asha.is_at("booked")
    assert bank.asked == 1
    await asha.leaves()


async def test_two_tabs_pay_once_and_a_reload_of_one_does_not_pay_again(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha, tab = await pair_of_tabs(browser, cluster, show)
    await asha.holds("C-7")
    await tab.is_at("held")
    bank = await SlowBank.of(asha.context)
    await asha.presses("pay")
    await bank.came.wait()
    # The other tab knows that a payment is in progress, and waits for it.
    await tab.is_at("paying")
    await tab.goes(f"/shows/{show}")
    await tab.is_at("paying")
    bank.released.set()
    for each in (asha, tab):
        await each.is_at("booked")
    assert bank.asked == 1
    assert tab.errors == []
    await asha.leaves()


async def test_two_tabs_that_hold_at_once_hold_once(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha, tab = await pair_of_tabs(browser, cluster, show)
    await asha.clicks("D-8")
    await tab.clicks("E-8")
    press = "() => document.querySelector('[data-key=hold]').click()"
    await asyncio.gather(*(each.page.evaluate(press) for each in (asha, tab)))
    for each in (asha, tab):
        await each.is_at("held")
    held = [await each.page.locator(".seat-name").all_inner_texts() for each in (asha, tab)]
    assert held[0] == held[1]
    assert held[0] in (["D-8"], ["E-8"])
    other = "E-8" if held[0] == ["D-8"] else "D-8"
    await asha.sees(other, "free")
    await asha.presses("pay")
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


async def test_a_release_in_one_tab_waits_for_the_payment_of_the_other(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha, tab = await pair_of_tabs(browser, cluster, show)
    await asha.holds("C-9")
    await tab.is_at("held")
    bank = await SlowBank.of(asha.page)
    await asha.presses("pay")
    await bank.came.wait()
    # Past the button, which may be off by now.
    await tab.page.evaluate(
        """() => {
            const button = document.querySelector('[data-key=release]');
            button.disabled = false;
            button.click();
        }"""
    )
    bank.released.set()
    for each in (asha, tab):
        await each.is_at("booked")
    await asha.sees("C-9", "mine")
    await asha.leaves()


async def test_a_late_payment_is_refunded_and_the_page_says_so(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster, hold_s=2)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    bank = await SlowBank.of(asha.page)
    await pays_as_soon_as_held(asha, "B-4")
    await bank.came.wait()
    bala = await Client.connect(node_urls(cluster)[2])
    hold = await first_to_hold(bala, show, "B-4")
    proof = await pay(node_urls(cluster)[2], hold["hold"]["id"])
    assert (await bala.call("seats:confirm", {"hold": hold["hold"]["id"], "payment": proof}))["ok"]
    bank.released.set()
    await asha.is_at("rejected")
    await expect(asha.page.get_by_role("heading", name="Someone else booked these seats")).to_be_focused()
    await expect(asha.page.locator("#panel")).to_contain_text("refunded in full")
    await asha.presses("again")
    await asha.is_at("choosing")
    await asha.sees("B-4", "sold")
    await bala.close()
    await asha.leaves()


async def test_a_payment_that_comes_late_books_seats_that_are_still_free(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster, hold_s=2)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    bank = await SlowBank.of(asha.page)
    await pays_as_soon_as_held(asha, "B-5")
    await bank.came.wait()
    # The hold is over; the payment is not.
    await asha.page.wait_for_function("() => document.querySelector('seat-map').isFree('B-5')")
    await asha.is_at("paying")
    bank.released.set()
    await asha.is_at("booked")
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


async def test_a_connection_lost_during_a_hold_request_leads_to_one_hold(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[1], f"/shows/{show}")
    await asha.clicks("D-12")
    await asha.page.evaluate(
        """() => {
            const { connection } = document.querySelector('seat-map').live;
            const ask = connection.request.bind(connection);
            connection.request = (event, ...more) => {
                if (event === 'seats:hold') connection._lost();
                return ask(event, ...more);
            };
        }"""
    )
    await asha.page.route("**/socket.io/**", lambda route: route.abort())
    await asha.presses("hold")
    await asha.is_at("holding")
    await asha.page.unroute("**/socket.io/**")
    await asha.goes(f"/shows/{show}")
    await asha.is_at("held")
    await asha.sees("D-12", "mine")
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
    keeper = cluster.children["keeper west"]
    keeper.signal(signal.SIGSTOP)
    try:
        await asha.presses("pay")
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
    await asha.presses("pay")
    await asha.is_at("booked")
    code = await asha.page.locator(".ticket code").inner_text()
    await asha.page.go_back()
    await asha.page.wait_for_selector(".card")
    await asha.page.go_forward()
    await asha.is_at("booked")
    assert await asha.page.locator(".ticket code").inner_text() == code
    await asha.leaves()


async def test_the_first_ticket_is_kept_when_the_buyer_books_again(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}", phone=True)
    codes = []
    for seat in ("G-5", "G-6"):
        await asha.holds(seat)
        await asha.presses("pay")
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
    await asha.presses("pay")
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
    await asha.presses("pay")
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
