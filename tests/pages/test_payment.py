"""Paying at the bank's page in a real browser: booked, declined, twice, late, silent; reloads, two tabs, the kiosk."""

from __future__ import annotations

import re
import signal

from playwright.async_api import Browser, expect

from realtime.dev.cluster import Cluster
from tests.cluster import Client, node_urls, pay, pay_order, until
from tests.pages.axe import violations
from tests.pages.conftest import Person
from tests.pages.kiosk import Kiosk, a_show_today, theatre_of_its_own
from tests.pages.test_main_job import multiplex_show

FEE = {"paise": 2000, "basis_points": 200}


async def order_of(person: Person, show: str) -> str:
    """Return the order that this browser was sent to pay."""
    script = "(show) => JSON.parse(localStorage.getItem('tickingtickets.booking.' + show)).order"
    return str(await person.page.evaluate(script, show))


async def another_books(cluster: Cluster, show: str, seat: str) -> None:
    """Somebody else books a seat as soon as it is free."""
    client = await Client.connect(node_urls(cluster)[2])

    async def held() -> str:
        answer = await client.call("seats:hold", {"show": show, "seats": [seat], "request_id": "first"})
        return str(answer["hold"]["id"]) if answer["ok"] else ""

    hold = await until(held)
    proof = await pay(node_urls(cluster)[2], hold)
    assert (await client.call("seats:confirm", {"hold": hold, "payment": proof}))["ok"]
    await client.close()


async def test_the_price_lines_before_payment_add_up_and_are_on_the_ticket(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster, fee=FEE, admission="cinema")
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    await asha.clicks("F-12")
    await expect(asha.page.locator(".total")).to_contain_text("Fees and taxes included")
    chosen = await asha.page.locator(".total b").inner_text()
    await asha.presses("hold")
    await asha.is_at("held")

    async def amount(line: str) -> float:
        text = await asha.page.locator(f'#panel [data-line="{line}"] dd').inner_text()
        return float(re.sub(r"[^\d.]", "", text))

    lines = [await amount(line) for line in ("price", "fee", "tax", "sum")]
    assert round(sum(lines[:3]), 2) == lines[3]
    assert float(re.sub(r"[^\d.]", "", chosen)) == lines[3], "the price on the map is what is paid"
    await expect(asha.page.locator('[data-key="pay"]')).to_have_text(f"Pay {chosen}")
    await asha.goes_to_pay()
    await expect(asha.page.locator(".amount")).to_have_text(f"₹{lines[3]:.2f}")
    await asha.chooses("pay")
    await asha.is_at("booked")
    await expect(asha.page.locator(".ticket [data-line=sum]")).to_contain_text(f"{lines[3]:.2f}")
    assert "proof" not in asha.page.url, "a reload or a bookmark does not repeat it"
    await asha.leaves()


async def test_an_address_that_is_not_complete_is_explained_in_the_readers_language(
    browser: Browser, cluster: Cluster
) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}", locale="hi-IN")
    await asha.holds("C-5")
    field = asha.page.locator("#contact-email")
    for wrong in ("asha", "asha@example", "आशा@example.com"):
        await field.fill(wrong)
        await asha.presses("pay")
        assert "इसे ऐसे लिखें" in await field.evaluate("(field) => field.validationMessage")
        assert await asha.step() == "held"
    await field.fill(" asha@example.com ")
    await asha.goes_to_pay()
    await asha.leaves()


async def test_a_declined_payment_took_no_money_and_can_be_repeated(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    await asha.holds("C-5")
    await asha.pays("decline")
    await asha.page.get_by_role("link", name="Back to the shop").click()
    await asha.is_at("held")
    await expect(asha.page.locator('[data-note="declined"]')).to_contain_text("No money was taken")
    assert await violations(asha.page) == []
    await asha.sees("C-5", "mine")
    await asha.pays()
    await asha.is_at("booked")
    await asha.leaves()


async def test_the_second_payment_is_returned_and_the_page_shows_it(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    await asha.holds("C-6")
    await asha.pays("twice")
    await asha.is_at("booked")
    refund = asha.page.locator('#panel [data-note="refund-done"]')
    await expect(refund).to_contain_text("You paid twice", timeout=60_000)
    await expect(refund).to_contain_text("was returned to you")
    assert await violations(asha.page) == []
    await asha.presses("again")
    await expect(asha.page.locator(".my-refunds")).to_contain_text("was returned to you")
    await asha.goes("/")
    await expect(asha.page.get_by_role("heading", name="Your refunds")).to_be_visible()
    assert await violations(asha.page) == []
    await asha.leaves()


async def test_a_buyer_who_comes_back_without_an_answer_waits_for_the_bank(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    await asha.holds("C-7")
    await asha.goes_to_pay()
    tab = Person(asha.context, await asha.context.new_page(), asha.node)
    await tab.goes(f"/shows/{show}")
    await tab.is_at("away")
    await expect(tab.page.locator("#panel")).to_contain_text("don’t pay again")
    await expect(tab.page.get_by_role("timer")).to_contain_text(":")
    assert await violations(tab.page) == []
    # The bank is silent to the buyer; the server finds out by itself.
    await asha.chooses("silent")
    await expect(tab.page.locator(".ticket code")).to_be_visible(timeout=60_000)
    await tab.leaves()


async def test_a_reload_while_at_the_bank_continues_the_payment(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    await asha.holds("C-8")
    await asha.goes_to_pay()
    await asha.goes(f"/shows/{show}")
    await asha.is_at("away")
    first = await order_of(asha, show)
    await asha.pays()
    await asha.is_at("booked")
    assert await order_of(asha, show) == first, "it was the same order"
    await asha.leaves()


async def test_a_late_payment_books_the_seats_while_they_are_free(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster, hold_s=2)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    await asha.holds_and_goes_to_pay("B-5")
    await asha.chooses("late")
    await asha.page.get_by_role("link", name="Back to the shop").click()
    await asha.is_at("expired")
    await expect(asha.page.locator("#panel")).to_contain_text("If you paid after all")
    assert await violations(asha.page) == []
    await expect(asha.page.locator('[data-note="late"]')).to_be_visible(timeout=60_000)
    await asha.is_at("booked")
    await asha.leaves()


async def test_a_late_payment_for_taken_seats_is_returned(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster, hold_s=2)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    await asha.holds_and_goes_to_pay("B-6")
    await another_books(cluster, show, "B-6")
    await asha.chooses("pay")
    await asha.is_at("rejected")
    await expect(asha.page.locator("#panel .notice")).to_contain_text(re.compile("returned to you|on its way"))
    await expect(asha.page.locator('[data-note="refund-done"]')).to_be_visible(timeout=60_000)
    assert await violations(asha.page) == []
    await asha.goes(f"/shows/{show}")
    await asha.is_at("rejected")
    await expect(asha.page.locator('[data-note="refund-done"]')).to_be_visible()
    await asha.presses("again")
    await asha.is_at("choosing")
    await asha.leaves()


async def test_equal_seats_in_place_of_taken_ones_are_explained(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster, hold_s=2, equal_seats=True)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    await asha.holds_and_goes_to_pay("B-7")
    await another_books(cluster, show, "B-7")
    await asha.chooses("pay")
    await asha.is_at("booked")
    instead = await asha.page.locator(".ticket-seats b").inner_text()
    assert instead != "B-7"
    note = asha.page.locator('[data-note="swapped"]')
    await expect(note).to_contain_text(f"these are yours instead: {instead}")
    assert await violations(asha.page) == []
    await asha.goes(f"/shows/{show}")
    await expect(note).to_contain_text(instead)
    await asha.leaves()


async def test_while_the_gateway_is_silent_the_page_says_that_the_seats_are_kept(
    browser: Browser, cluster: Cluster
) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    await asha.holds("D-5")
    await asha.goes_to_pay()
    # Without a webhook: only the page knows of the payment, and comes back when the bank hangs.
    order = asha.page.url.rpartition("/")[2]
    proof = await pay_order(cluster, order, webhooks="never")
    bank = cluster.children["bank"]
    bank.signal(signal.SIGSTOP)
    try:
        await asha.goes(f"/shows/{show}?order={order}&proof={proof}")
        waits = asha.page.get_by_role("heading", name="We are waiting for your bank")
        await expect(waits).to_be_visible(timeout=30_000)
        await expect(asha.page.locator("#panel")).to_contain_text("Your seats are kept")
        assert await violations(asha.page) == []
    finally:
        bank.signal(signal.SIGCONT)
    await asha.is_at("booked")
    await asha.leaves()


async def test_a_forged_return_changes_nothing(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    await asha.holds("D-6")
    await asha.goes(f"/shows/{show}?order=forged&proof=forged")
    await asha.is_at("held")
    await expect(asha.page.locator("#panel .error")).to_have_count(0)
    await asha.leaves()


async def test_a_person_at_a_kiosk_pays_in_hindi_and_the_next_one_sees_nothing(
    browser: Browser, cluster: Cluster
) -> None:
    theatre = await theatre_of_its_own(cluster)
    show = await a_show_today(cluster, theatre)
    kiosk = await Kiosk.opens(browser, node_urls(cluster)[0], theatre)
    await kiosk.picks(show)
    await kiosk.touches("language-hi")
    await kiosk.holds("F-9")
    await kiosk.pays("decline")
    await kiosk.page.get_by_role("link", name="Back to the shop").click()
    await kiosk.is_at("held")
    await expect(kiosk.page.locator('[data-note="declined"]')).to_contain_text("कोई पैसा नहीं कटा")
    assert await violations(kiosk.page) == []
    await kiosk.pays("twice")
    await kiosk.is_at("booked")
    await expect(kiosk.page.locator('[data-note^="refund-"]')).to_contain_text("दो बार भुगतान", timeout=60_000)
    assert await violations(kiosk.page) == []
    await kiosk.touches("finish")
    await kiosk.shows_todays_shows()
    kept = "() => Object.keys(localStorage).filter((key) => /booking|payments|tickets$/.test(key))"
    assert await kiosk.page.evaluate(kept) == []
    await kiosk.leaves()


async def test_a_demo_says_so_on_every_page(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    theatre = await theatre_of_its_own(cluster)
    for locale, words in (("en-IN", "Demo: no real money is taken"), ("hi-IN", "डेमो: असली पैसा नहीं लिया जाता")):
        asha = await Person.arrive(browser, node_urls(cluster)[0], phone=True, locale=locale)
        for path in ("/", f"/shows/{show}", f"/kiosk/{theatre}", "/ops"):
            await asha.page.goto(asha.node + path)
            banner = asha.page.locator(".demo")
            await expect(banner).to_have_text(words)
            box = await banner.bounding_box()
            assert box is not None and box["y"] == 0 and box["width"] <= 360
            assert await asha.page.evaluate(_COVERED) == []
        await asha.leaves()


_COVERED = """() => {
    const below = document.querySelector('.demo').getBoundingClientRect().bottom;
    return [...document.querySelectorAll('main, header')].filter((e) => e.getBoundingClientRect().top < below - 1)
        .map((e) => e.outerHTML.slice(0, 80));
}"""
