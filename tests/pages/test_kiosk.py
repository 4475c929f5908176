"""The kiosk of a theatre in a real browser, by touch: a whole booking, idle reset, PIN, network failures, languages."""

from __future__ import annotations

import re
from datetime import datetime

import aiohttp
from playwright.async_api import Browser, Route, expect

from realtime.dev.cluster import Cluster
from realtime.tickets.code import normalise
from realtime.tickets.token import PublicKeys, derive_key, verify
from tests.cluster import Client, node_urls, until
from tests.pages.kiosk import INDIA, PORTRAIT, Kiosk, a_show_today, cut, theatre_of_its_own, today
from tests.pages.qr import scanned


async def test_a_whole_booking_by_touch_ends_with_a_code_to_scan(browser: Browser, cluster: Cluster) -> None:
    theatre = await theatre_of_its_own(cluster)
    show = await a_show_today(cluster, theatre, title="An Evening by Touch")
    kiosk = await Kiosk.opens(browser, node_urls(cluster)[1], theatre)
    await expect(kiosk.page.get_by_role("heading", name="Kiosk Palace")).to_be_visible()
    await kiosk.picks(show)
    await kiosk.holds("F-11", "F-12")
    await kiosk.pays()
    await kiosk.is_at("booked")
    code = normalise(await kiosk.page.locator(".ticket code").inner_text())
    keys = PublicKeys.of([derive_key(cluster.secrets["SECRET"], "west")])
    assert verify(await scanned(kiosk.page), keys).code == code
    await kiosk.page.evaluate("() => { window.print = () => { document.title = 'printed'; }; }")
    await kiosk.touches("print")
    await expect(kiosk.page).to_have_title("printed")
    await kiosk.page.emulate_media(media="print")
    await expect(kiosk.page.locator(".ticket")).to_be_visible()
    await expect(kiosk.page.locator("#bar")).to_be_hidden()
    await expect(kiosk.page.locator('[data-key="finish"]')).to_be_hidden()
    await kiosk.page.emulate_media(media="screen")
    await kiosk.touches("finish")
    await kiosk.shows_todays_shows()
    # The next person sees nothing of it but seats that are sold.
    await kiosk.picks(show)
    await kiosk.is_at("choosing")
    await kiosk.sees("F-11", "sold")
    await kiosk.leaves()


async def test_a_held_seat_is_added_and_another_dropped_by_touch(browser: Browser, cluster: Cluster) -> None:
    theatre = await theatre_of_its_own(cluster)
    show = await a_show_today(cluster, theatre)
    kiosk = await Kiosk.opens(browser, node_urls(cluster)[0], theatre)
    await kiosk.picks(show)
    await kiosk.holds("F-11")
    await kiosk.clicks("F-12")
    await kiosk.touches("add")
    await kiosk.sees("F-12", "mine")
    await kiosk.is_at("held")
    await kiosk.touches("drop-F-11")
    await kiosk.sees("F-11", "free")
    await kiosk.leaves()


async def test_only_todays_shows_of_the_theatre_are_offered(browser: Browser, cluster: Cluster) -> None:
    theatre, other = await theatre_of_its_own(cluster), await theatre_of_its_own(cluster)
    tonight = await a_show_today(cluster, theatre)
    await a_show_today(cluster, theatre, starts_at=today(0, 1, days=1))
    await a_show_today(cluster, theatre, starts_at=today(days=-1))
    await a_show_today(cluster, other)
    kiosk = await Kiosk.opens(browser, node_urls(cluster)[0], theatre)
    await kiosk.shows_todays_shows()
    shown = kiosk.page.locator("[data-show]")
    await expect(shown).to_have_count(1)
    await expect(shown).to_have_attribute("data-show", tonight)
    # A show that is sold out leads back to the others.
    await kiosk.picks(tonight)
    headers = {"Authorization": f"Bearer {cluster.secrets['OPERATOR_KEY']}"}
    seats = await kiosk.page.evaluate("document.querySelector('seat-map').live.layout.ids")
    address = f"{kiosk.node}/api/v1/shows/{tonight}/block"
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(address, json={"seats": seats}) as answer,
    ):
        assert answer.status == 200
    await kiosk.touches("others")
    await kiosk.shows_todays_shows()
    await expect(shown).to_contain_text("Sold out")
    await kiosk.leaves()


async def test_a_wrong_clock_of_the_kiosk_does_not_change_the_day(browser: Browser, cluster: Cluster) -> None:
    theatre = await theatre_of_its_own(cluster)
    await a_show_today(cluster, theatre)
    context = await browser.new_context(viewport=PORTRAIT, has_touch=True)
    await context.add_init_script("const real = Date.now; Date.now = () => real() + 40 * 3600 * 1000;")
    kiosk = Kiosk(context, await context.new_page(), node_urls(cluster)[0])
    await kiosk.page.goto(f"{kiosk.node}/kiosk/{theatre}")
    await expect(kiosk.page.locator("[data-show]")).to_have_count(1)
    await kiosk.leaves()


async def test_the_day_rolls_over_at_midnight_in_india(browser: Browser, cluster: Cluster) -> None:
    theatre = await theatre_of_its_own(cluster)
    late = await a_show_today(cluster, theatre)
    early = await a_show_today(cluster, theatre, starts_at=today(0, 5, days=1))
    server_time = {"now": datetime.fromisoformat(today(23, 58))}

    async def at_that_time(route: Route) -> None:
        answer = await (await route.fetch()).json()
        await route.fulfill(json={**answer, "server_time": int(server_time["now"].timestamp() * 1000)})

    kiosk = await Kiosk.opens(browser, node_urls(cluster)[0], theatre)
    await kiosk.page.route(f"**/theatres/{theatre}/shows", at_that_time)
    shown = kiosk.page.locator("[data-show]")
    asks = "() => dispatchEvent(new Event('online'))"
    for time, show in ((today(23, 58), late), (today(0, 0, days=1), early)):
        server_time["now"] = datetime.fromisoformat(time)
        await kiosk.page.evaluate(asks)
        await expect(shown).to_have_count(1)
        await expect(shown).to_have_attribute("data-show", show)
    await kiosk.leaves()


async def test_a_theatre_without_shows_says_so_and_an_unknown_one_too(browser: Browser, cluster: Cluster) -> None:
    theatre = await theatre_of_its_own(cluster)
    kiosk = await Kiosk.opens(browser, node_urls(cluster)[1], theatre)
    await expect(kiosk.page.get_by_role("heading", name="No more shows today")).to_be_visible()
    await kiosk.page.goto(f"{kiosk.node}/kiosk/no-such-theatre")
    await expect(kiosk.page.get_by_role("heading", name="There is no theatre called “no-such-theatre”")).to_be_visible()
    await kiosk.page.goto(f"{kiosk.node}/kiosk")
    await expect(kiosk.page.get_by_role("heading", name="Which theatre is this kiosk in?")).to_be_visible()
    await kiosk.page.locator(f'a[href="/kiosk/{theatre}"]').tap()
    await expect(kiosk.page.get_by_role("heading", name="Kiosk Palace")).to_be_visible()
    await kiosk.leaves()


async def test_an_idle_kiosk_warns_and_then_releases_the_seats(browser: Browser, cluster: Cluster) -> None:
    theatre = await theatre_of_its_own(cluster)
    show = await a_show_today(cluster, theatre)
    kiosk = await Kiosk.opens(browser, node_urls(cluster)[0], theatre)
    await kiosk.page.clock.install()
    await kiosk.page.reload()
    await kiosk.picks(show)
    await kiosk.page.locator('[data-key="language-hi"]').tap()
    await kiosk.holds("G-7")
    await kiosk.page.clock.fast_forward(61_000)
    warning = kiosk.page.get_by_role("alertdialog")
    await expect(warning).to_contain_text("क्या आप अब भी यहाँ हैं?")
    await expect(warning.get_by_role("timer")).to_contain_text("सेकंड")
    await warning.get_by_role("button").tap()
    await expect(warning).to_be_hidden()
    await kiosk.is_at("held")
    await kiosk.page.clock.fast_forward(61_000)
    await expect(warning).to_be_visible()
    await kiosk.page.clock.fast_forward(20_000)
    await kiosk.shows_todays_shows()
    await expect(warning).to_be_hidden()
    await expect(kiosk.page.locator("html")).to_have_attribute("lang", "en")
    await kiosk.picks(show)
    await kiosk.is_at("choosing")
    await kiosk.sees("G-7", "free")
    await kiosk.leaves()


async def test_only_the_right_pin_opens_the_way_out(browser: Browser, cluster: Cluster) -> None:
    theatre = await theatre_of_its_own(cluster)
    await a_show_today(cluster, theatre)
    kiosk = await Kiosk.opens(browser, node_urls(cluster)[2], theatre)
    pin = cluster.secrets["KIOSK_PIN"]
    wrong = "000000" if pin != "000000" else "111111"
    await kiosk.shows_todays_shows()
    assert pin not in await kiosk.page.content()
    await kiosk.touches("staff")
    dialog = kiosk.page.locator(".attendant")
    await kiosk.enters(wrong)
    await expect(dialog.get_by_role("alert")).to_have_text("Wrong PIN.")
    await kiosk.enters(pin)
    await kiosk.touches("staff-leave")
    await expect(kiosk.page).to_have_url(f"{kiosk.node}/")
    await kiosk.leaves()


async def test_many_wrong_pins_have_to_wait_and_the_right_one_opens_at_once(browser: Browser, cluster: Cluster) -> None:
    theatre = await theatre_of_its_own(cluster)
    kiosk = await Kiosk.opens(browser, node_urls(cluster)[1], theatre)
    pin = cluster.secrets["KIOSK_PIN"]
    wrong = "000000" if pin != "000000" else "111111"
    await kiosk.touches("staff")
    note = kiosk.page.locator(".attendant").get_by_role("alert")
    for _ in range(5):
        await kiosk.enters(wrong)
        await expect(note).to_have_text("Wrong PIN.")
    await kiosk.enters(wrong)
    await expect(note).to_contain_text("Too many attempts")
    for _ in range(4):
        await kiosk.enters(wrong)  # each is answered later
    await expect(note).to_have_text("Checking the PIN…")
    await kiosk.enters(pin)
    await kiosk.touches("staff-leave")
    await expect(kiosk.page).to_have_url(f"{kiosk.node}/")
    await kiosk.leaves()


async def test_a_kiosk_without_network_says_so_and_continues_by_itself(browser: Browser, cluster: Cluster) -> None:
    theatre = await theatre_of_its_own(cluster)
    show = await a_show_today(cluster, theatre)
    kiosk = await Kiosk.opens(browser, node_urls(cluster)[0], theatre)
    await kiosk.shows_todays_shows()
    await kiosk.context.set_offline(True)
    await expect(kiosk.page.get_by_role("heading", name="No connection")).to_be_visible()
    assert await kiosk.page.evaluate("() => document.querySelector('.brand img').naturalWidth > 0")
    await kiosk.touches("staff")
    await kiosk.enters("123456")
    await expect(kiosk.page.locator(".attendant").get_by_role("alert")).to_contain_text("without a connection")
    await kiosk.touches("staff-back")
    await kiosk.context.set_offline(False)
    await kiosk.picks(show)
    await kiosk.leaves()


async def test_a_cut_in_the_middle_of_a_hold_and_a_restart_lose_nothing(browser: Browser, cluster: Cluster) -> None:
    theatre = await theatre_of_its_own(cluster)
    show = await a_show_today(cluster, theatre)
    kiosk = await Kiosk.opens(browser, node_urls(cluster)[0], theatre)
    await kiosk.picks(show)
    await kiosk.holds("H-9")
    await cut(kiosk)
    await expect(kiosk.page.locator(".kiosk-cut")).to_contain_text("Your seats are still held")
    await expect(kiosk.page.locator('[data-key="pay"]')).to_be_disabled()
    await kiosk.context.set_offline(False)
    await expect(kiosk.page.locator(".kiosk-cut")).to_be_hidden(timeout=20_000)
    # And now somebody pulls the plug.
    await kiosk.page.reload()
    await kiosk.is_at("held")
    await kiosk.sees("H-9", "mine")
    await kiosk.pays()
    await kiosk.is_at("booked")
    await kiosk.leaves()


async def test_a_cut_between_paying_and_booking_ends_with_the_ticket(browser: Browser, cluster: Cluster) -> None:
    theatre = await theatre_of_its_own(cluster)
    show = await a_show_today(cluster, theatre)
    kiosk = await Kiosk.opens(browser, node_urls(cluster)[0], theatre)
    await kiosk.picks(show)
    await kiosk.holds("J-3")
    # The payment is made; then nothing goes through any more.
    await kiosk.goes_to_pay()
    await kiosk.page.add_init_script("if (!sessionStorage.repaired) window.WebSocket = undefined;")
    await kiosk.page.route("**/socket.io/**", lambda route: route.abort())
    await kiosk.chooses("pay")
    await expect(kiosk.page.locator(".kiosk-cut")).to_contain_text("Your payment is safe", timeout=30_000)
    await expect(kiosk.page.locator('[data-key="back"]')).to_have_count(0)
    await kiosk.page.unroute("**/socket.io/**")
    await kiosk.page.evaluate("() => { sessionStorage.repaired = 'yes'; }")
    await kiosk.page.reload()
    await kiosk.is_at("booked")
    await kiosk.leaves()


async def sales_end_while_a_payment_is_made(kiosk: Kiosk, cluster: Cluster, theatre: str) -> str:
    """Hold a seat and go to pay; then end the sales of the show, and wait until its theatre's list lacks it."""
    show = await a_show_today(cluster, theatre, starts_at=datetime.now(INDIA).isoformat())
    await kiosk.picks(show)
    await kiosk.holds("J-3")
    await kiosk.goes_to_pay()
    headers = {"Authorization": f"Bearer {cluster.secrets['OPERATOR_KEY']}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        terms = {"sales_start": "", "sales_end": "2020-01-01T00:00Z"}
        async with session.post(f"{kiosk.node}/api/v1/shows/{show}/terms", json=terms) as answer:
            assert answer.status == 200

        async def left() -> bool:
            async with session.get(f"{kiosk.node}/api/v1/theatres/{theatre}/shows") as answer:
                return show not in {each["id"] for each in (await answer.json())["shows"]}

        await until(left)
    return show


async def test_a_payment_that_comes_back_after_the_end_of_sales_ends_with_the_ticket(
    browser: Browser, cluster: Cluster
) -> None:
    theatre = await theatre_of_its_own(cluster)
    kiosk = await Kiosk.opens(browser, node_urls(cluster)[0], theatre)
    show = await sales_end_while_a_payment_is_made(kiosk, cluster, theatre)
    about_it = f"**/api/v1/shows/{show}"
    await kiosk.page.route(about_it, lambda route: route.abort())
    async with kiosk.page.expect_event("requestfailed", lambda request: request.url.endswith(f"/shows/{show}")):
        await kiosk.chooses("pay")
    # It is asked again.
    await kiosk.page.unroute(about_it)
    await kiosk.is_at("booked")
    await kiosk.touches("finish")
    await expect(kiosk.page.get_by_role("heading", name="No more shows today")).to_be_visible()
    await kiosk.leaves()


async def test_the_next_person_does_not_get_a_booking_that_could_not_be_continued(
    browser: Browser, cluster: Cluster
) -> None:
    theatre = await theatre_of_its_own(cluster)
    other = await a_show_today(cluster, theatre)
    kiosk = await Kiosk.opens(browser, node_urls(cluster)[0], theatre)
    show = await sales_end_while_a_payment_is_made(kiosk, cluster, theatre)
    await kiosk.page.route(f"**/api/v1/shows/{show}", lambda route: route.abort())
    await kiosk.chooses("pay")
    await kiosk.picks(other)
    await kiosk.is_at("choosing")
    kept = "(show) => localStorage.getItem(`tickingtickets.booking.${show}`)"
    assert await kiosk.page.evaluate(kept, show) is None
    # What was paid is booked all the same.
    await kiosk.page.wait_for_function("() => !localStorage.getItem('tickingtickets.leftovers')")
    await kiosk.touches("back")
    await kiosk.shows_todays_shows()
    await kiosk.leaves()


async def test_a_hold_of_an_offline_kiosk_that_started_over_is_released(browser: Browser, cluster: Cluster) -> None:
    theatre = await theatre_of_its_own(cluster)
    show = await a_show_today(cluster, theatre)
    kiosk = await Kiosk.opens(browser, node_urls(cluster)[0], theatre)
    await kiosk.picks(show)
    await kiosk.holds("K-4")
    await cut(kiosk)
    await expect(kiosk.page.locator(".kiosk-cut")).to_be_visible()
    await kiosk.touches("back")
    bala = await Client.connect(node_urls(cluster)[2])
    await bala.call("show:watch", {"show": show})
    taken = {"show": show, "seats": ["K-4"], "request_id": "1"}
    assert (await bala.call("seats:hold", taken))["error"]["code"] == "seats_taken"
    await kiosk.context.set_offline(False)

    async def given_back() -> bool:
        return bool((await bala.call("seats:hold", taken))["ok"])

    await until(given_back)
    await bala.close()
    await kiosk.leaves()


async def test_a_kiosk_whose_node_dies_continues_on_another(browser: Browser, cluster: Cluster) -> None:
    theatre = await theatre_of_its_own(cluster)
    show = await a_show_today(cluster, theatre)
    kiosk = await Kiosk.opens(browser, node_urls(cluster)[0], theatre)
    async with kiosk.page.expect_response("**/api/v1/config"):
        await kiosk.page.reload()
    # For this page its node is gone, and only that.
    await kiosk.page.route(f"{kiosk.node}/api/**", lambda route: route.abort())
    await kiosk.page.route(f"{kiosk.node}/socket.io/**", lambda route: route.abort())
    elsewhere = re.compile(rf"^(?!{re.escape(kiosk.node)}/).*/theatres/{theatre}/shows$")
    async with kiosk.page.expect_response(elsewhere):
        await kiosk.page.evaluate("() => dispatchEvent(new Event('online'))")
    await kiosk.picks(show)
    await kiosk.holds("L-5")
    await kiosk.pays()
    await kiosk.is_at("booked")
    await kiosk.leaves()


async def test_no_link_leads_out_of_the_kiosk(browser: Browser, cluster: Cluster) -> None:
    theatre = await theatre_of_its_own(cluster)
    show = await a_show_today(cluster, theatre)
    kiosk = await Kiosk.opens(browser, node_urls(cluster)[0], theatre)
    await kiosk.shows_todays_shows()
    gone = {"error": {"code": "show_not_found", "message": "", "retryable": False}}
    await kiosk.page.route(f"**/api/v1/shows/{show}", lambda route: route.fulfill(status=404, json=gone))
    await kiosk.page.locator(f'[data-show="{show}"]').tap()
    await expect(kiosk.page.get_by_role("heading", name="Show not found")).to_be_visible()
    await expect(kiosk.page.locator(".panel")).to_be_hidden()
    await kiosk.page.get_by_role("link", name="All shows").tap()
    await kiosk.shows_todays_shows()
    await expect(kiosk.page).to_have_url(f"{kiosk.node}/kiosk/{theatre}")
    await kiosk.leaves()
