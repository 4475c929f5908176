"""The main job in a real browser: two people, one seat, two regions; then reload, second tab, offline, expiry."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from playwright.async_api import Browser, Route, expect

from realtime.dev import samples
from realtime.dev.cluster import Cluster
from realtime.locks.commands import run_command
from realtime.plans import read_plan
from realtime.tickets.code import normalise
from tests.cluster import Client, new_show, node_urls
from tests.pages.conftest import Person


async def multiplex_show(cluster: Cluster, **terms: Any) -> str:
    layout = read_plan(samples.multiplex_plan())
    prices = {category.name: 100 * (n + 2) for n, category in enumerate(layout.categories)}
    return await new_show(cluster, "west", layout=layout, prices=prices, **terms)


async def test_two_people_reach_for_one_seat_and_the_winner_books_it(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    delhi, _mumbai, bengaluru = node_urls(cluster)
    people = [
        await Person.arrive(browser, delhi, f"/shows/{show}"),
        await Person.arrive(browser, bengaluru, f"/shows/{show}", phone=True),
    ]
    for person in people:
        await person.clicks("F-12")
        await person.sees("F-12", "selected")
    # Both in the very same moment: no waiting for a button to stand still.
    press = "() => document.querySelector('[data-key=hold]').click()"
    await asyncio.gather(*(person.page.evaluate(press) for person in people))
    for person in people:
        await person.sees("F-12", "mine", "held")
    for person in people:
        await person.page.wait_for_selector('#panel:is([data-step="held"], [data-step="choosing"])')
    steps = [await person.step() for person in people]
    assert sorted(steps) == ["choosing", "held"]
    winner, loser = (people[steps.index(step)] for step in ("held", "choosing"))
    await winner.sees("F-12", "mine")
    await loser.sees("F-12", "held")
    await expect(loser.page.get_by_role("alertdialog")).to_contain_text("F-12 was just taken by someone else")

    offer = loser.page.get_by_role("alertdialog").locator("[data-seat]").first
    other = await offer.get_attribute("data-seat")
    assert other is not None
    await offer.click()
    await loser.sees(other, "selected")

    await winner.pays()
    await winner.is_at("booked")
    assert normalise(await winner.page.locator(".ticket code").inner_text())
    await winner.sees("F-12", "mine")
    await loser.sees("F-12", "sold")
    for person in people:
        await person.leaves()


async def test_a_reload_continues_the_hold_and_its_countdown(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    await asha.holds("C-5", "C-4")
    await asha.goes(f"/shows/{show}")
    await asha.is_at("held")
    await asha.sees("C-5", "mine")
    await expect(asha.page.get_by_role("timer")).to_contain_text(":")
    await asha.presses("release")
    await asha.is_at("held")  # it asks first
    await asha.presses("release-yes")
    await asha.is_at("choosing")
    await asha.sees("C-5", "free")
    await asha.leaves()


async def test_a_reload_between_paying_and_booking_books_once(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    await asha.holds("C-5")
    # The payment is made; the request for the booking gets no answer.
    await asha.page.add_init_script(
        """customElements.whenDefined('seat-map').then(() => {
            const map = document.querySelector('seat-map');
            if (!sessionStorage.answers) map.confirm = () => new Promise(() => {});
        });"""
    )
    await asha.pays()
    # Booked: on a busy machine the bank's report may be faster than the page.
    await asha.page.wait_for_selector('#panel:is([data-step="confirming"], [data-step="booked"])')
    await asha.page.evaluate("() => { sessionStorage.answers = 'yes'; }")
    await asha.goes(f"/shows/{show}")
    await asha.is_at("booked")
    code = await asha.page.locator(".ticket code").inner_text()
    await asha.goes(f"/shows/{show}")
    await asha.is_at("booked")
    assert await asha.page.locator(".ticket code").inner_text() == code
    await asha.leaves()


async def test_a_reload_before_the_answer_to_a_hold_gets_that_hold(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[1], f"/shows/{show}")
    await asha.page.evaluate(
        """() => {
            const connection = document.querySelector('seat-map').live.connection;
            const ask = connection.request.bind(connection);
            connection.request = (...all) => ask(...all).then(() => new Promise(() => {}));
        }"""
    )
    bala = await Client.connect(node_urls(cluster)[2])
    await bala.call("show:watch", {"show": show})
    await asha.clicks("D-7")
    await asha.presses("hold")
    await bala.hears("seats:changed", show=show)  # the hold has arrived, whose answer the page never hears
    await asha.goes(f"/shows/{show}")
    await asha.is_at("held")
    await asha.sees("D-7", "mine")
    await bala.close()
    await asha.leaves()


async def test_a_second_tab_shows_the_same_booking(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    tab = Person(asha.context, await asha.context.new_page(), asha.node)
    await tab.goes(f"/shows/{show}")
    await asha.holds("G-9")
    await tab.is_at("held")
    await tab.sees("G-9", "mine")
    await asyncio.gather(
        *(each.page.evaluate("() => document.querySelector('[data-key=pay]')?.click()") for each in (asha, tab))
    )
    await asyncio.wait(
        [asyncio.create_task(each.page.wait_for_url("**/pay/*")) for each in (asha, tab)],
        return_when=asyncio.FIRST_COMPLETED,
    )
    payer, waiting = (asha, tab) if "/pay/" in asha.page.url else (tab, asha)
    await waiting.is_at("away")
    await payer.chooses("pay")
    codes = set()
    for each in (asha, tab):
        await each.is_at("booked")
        codes.add(await each.page.locator(".ticket code").inner_text())
    assert len(codes) == 1
    assert tab.errors == []
    await asha.leaves()


async def test_offline_and_back_the_map_catches_up(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    await asha.holds("B-2")
    await asha.context.set_offline(True)
    # Chromium's switch leaves open sockets alone; a real cut does not.
    await asha.page.evaluate("() => document.querySelector('seat-map').live.connection._lost()")
    await expect(asha.page.locator("#live")).to_have_text("Connection lost")
    await expect(asha.page.locator("seat-map .banner")).to_contain_text("Reconnecting")
    await expect(asha.page.locator("#panel")).to_contain_text("offline")
    bala = await Client.connect(node_urls(cluster)[2])
    assert (await bala.call("seats:hold", {"show": show, "seats": ["A-1"], "request_id": "1"}))["ok"]
    await asha.sees("A-1", "free")
    await asha.context.set_offline(False)
    await expect(asha.page.locator("#live")).to_have_text("Live", timeout=20_000)
    await asha.sees("A-1", "held")
    await asha.is_at("held")
    await bala.close()
    await asha.leaves()


async def test_an_expired_hold_is_explained_and_can_be_held_again(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster, hold_s=2)
    asha = await Person.arrive(browser, node_urls(cluster)[1], f"/shows/{show}")
    await asha.holds("B-3")
    await asha.is_at("expired")
    await asha.sees("B-3", "free")
    await expect(asha.page.locator("#panel")).to_contain_text("They are still free")
    await asha.presses("hold-again")
    await asha.is_at("held")
    await asha.leaves()


async def test_the_countdown_is_right_on_a_device_with_a_wrong_clock(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    context = await browser.new_context(locale="en-IN")
    await context.add_init_script("const real = Date.now; Date.now = () => real() + 3 * 3600 * 1000;")
    asha = Person(context, await context.new_page(), node_urls(cluster)[0])
    await asha.goes(f"/shows/{show}")
    await asha.holds("H-4")
    shown = await asha.page.get_by_role("timer").inner_text()
    minutes, seconds = shown.split(":")
    assert 420 <= int(minutes) * 60 + int(seconds) <= 480
    await asha.presses("extend")
    await expect(asha.page.locator('[data-key="extend"]')).to_have_count(0)
    await asha.leaves()


async def test_a_reader_of_hindi_gets_hindi(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}", phone=True, locale="hi-IN")
    await expect(asha.page.locator("html")).to_have_attribute("lang", "hi")
    await asha.clicks("F-8")
    await expect(asha.page.locator('[data-key="hold"]')).to_have_text("1 सीट होल्ड करें")
    await asha.page.get_by_label("भाषा").select_option("en")
    await expect(asha.page.locator('[data-key="hold"]')).to_have_text("Hold 1 seat")
    await asha.leaves()


async def test_the_list_leads_to_a_show_and_filters_by_city(browser: Browser, cluster: Cluster) -> None:
    begun = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    show = await multiplex_show(cluster, title="Kite Season", starts_at=begun)
    asha = await Person.arrive(browser, node_urls(cluster)[0], phone=True)
    await asha.page.get_by_role("button", name="Somewhere").click()
    await expect(asha.page).to_have_url(f"{asha.node}/?city=Somewhere")
    await asha.page.get_by_role("searchbox").fill("no such title anywhere")
    await expect(asha.page.get_by_role("heading", name="No shows found")).to_be_visible()
    await asha.page.get_by_role("button", name="Show all").click()
    link = asha.page.locator(f'a[href="/shows/{show}"]')
    # By its kind, its day, and its name in another script with a mistake, in a page in English.
    for words in ("theatre kite", "today kite", "पतंगो का मोसम"):
        await asha.page.get_by_role("searchbox").fill("nothing at all")
        await expect(link).to_have_count(0)
        await asha.page.get_by_role("searchbox").fill(words)
        await expect(link).to_contain_text("Started")
    await link.click()
    await asha.page.wait_for_selector("html[data-ready]")
    await expect(asha.page.locator("[data-note=begun]")).to_contain_text("This show started at")
    await asha.leaves()


async def test_a_city_without_shows_on_the_first_of_many_days_has_its_shows_listed(
    browser: Browser, cluster: Cluster
) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0])

    async def many(route: Route) -> None:
        answer = await route.fetch()
        body = await answer.json()
        named = next(each for each in body["shows"] if each["id"] == show)
        today = datetime.now(UTC) + timedelta(minutes=5)
        near = [{**named, "id": f"west-{n}", "starts_at": today.isoformat()} for n in range(70)]
        far = {**named, "city": "Elsewhere", "starts_at": (today + timedelta(days=3)).isoformat()}
        await route.fulfill(response=answer, json={**body, "shows": [*near, far]})

    await asha.page.route("**/api/v1/shows", many)
    await asha.page.reload()
    times = asha.page.locator(".time")
    await expect(times).to_have_count(70)
    await asha.page.get_by_role("button", name="Elsewhere").click()
    await expect(times).to_have_count(1)
    await expect(times).to_have_attribute("href", f"/shows/{show}")
    await asha.page.get_by_role("button", name="All cities").click()
    await expect(times).to_have_count(70)
    await asha.leaves()


async def test_an_open_list_follows_the_sales(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster, title="Monsoon Rehearsal")
    asha = await Person.arrive(browser, node_urls(cluster)[1])
    await asha.page.get_by_role("searchbox").fill("monsoon rehearsal")
    times = asha.page.locator(".time")
    await expect(times).to_have_count(1)
    # What it does every 15 s, and when the page is shown again.
    await asha.page.evaluate("() => setInterval(() => document.dispatchEvent(new Event('visibilitychange')), 300)")
    async with cluster.masters() as masters:
        await run_command(masters["west"], "sales", {"show": show, "sales": "paused"})
        await expect(times).to_contain_text("Sales paused")
        other = await multiplex_show(cluster, title="Monsoon Rehearsal")
        await expect(times).to_have_count(2)
        await run_command(masters["west"], "sales", {"show": show, "sales": "closed"})
        await run_command(masters["west"], "archive", {"show": show})
    await expect(times).to_have_count(1)
    await expect(times).to_have_attribute("href", f"/shows/{other}")
    await asha.leaves()


async def test_an_unknown_show_says_so(browser: Browser, cluster: Cluster) -> None:
    asha = await Person.arrive(browser, node_urls(cluster)[0])
    for show in ("west-nowhere", "x" * 3_000):
        await asha.page.goto(f"{asha.node}/shows/{show}")
        await expect(asha.page.get_by_role("heading", name="Show not found")).to_be_visible()
        await asha.page.wait_for_function("() => document.querySelector('seat-map').connection === 'online'")
        await expect(asha.page.get_by_role("heading", name="Show not found")).to_be_visible()
    await asha.leaves()


async def test_a_list_that_can_not_be_loaded_can_be_retried(browser: Browser, cluster: Cluster) -> None:
    asha = await Person.arrive(browser, node_urls(cluster)[0])
    await asha.page.route("**/api/v1/shows", lambda route: route.abort())
    await asha.page.reload()
    await expect(asha.page.get_by_role("heading", name="could not be loaded")).to_be_visible()
    await asha.page.unroute("**/api/v1/shows")
    await asha.page.route("**/api/v1/shows", lambda route: route.fulfill(body=json.dumps({"shows": []})))
    await asha.page.get_by_role("button", name="Try again").click()
    await expect(asha.page.get_by_role("heading", name="No shows are on sale")).to_be_visible()
    await asha.leaves()
