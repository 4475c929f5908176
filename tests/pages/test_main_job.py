"""The main job in a real browser: two people, one seat, two regions; then refresh, offline and expiry."""

from __future__ import annotations

import asyncio

from playwright.async_api import Browser, expect

from realtime.dev import samples
from realtime.dev.cluster import Cluster
from realtime.plans import read_plan
from tests.cluster import Client, new_show, node_urls
from tests.pages.conftest import Person


async def multiplex_show(cluster: Cluster, **terms: int) -> str:
    layout = read_plan(samples.multiplex_plan())
    prices = {category.name: 100 * (n + 2) for n, category in enumerate(layout.categories)}
    return await new_show(cluster, "west", layout=layout, prices=prices, **terms)


async def test_two_people_reach_for_one_seat_and_the_winner_books_it(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    delhi, _mumbai, bengaluru = node_urls(cluster)
    people = [
        await Person.arrive(browser, f"{delhi}/shows/{show}"),
        await Person.arrive(browser, f"{bengaluru}/shows/{show}", phone=True),
    ]
    for person in people:
        await person.ready()
        await person.clicks("F-12")
        await person.sees("F-12", "selected")
    # Both at the very same moment: no waiting for the button to stand still.
    await asyncio.gather(*(person.page.evaluate("document.getElementById('hold').click()") for person in people))
    for person in people:
        await person.page.wait_for_selector("#held, #notice")
    winner, loser = sorted(people, key=lambda person: person is people[1])
    if not await winner.page.query_selector("#held"):
        winner, loser = loser, winner
    await winner.sees("F-12", "mine")
    await loser.sees("F-12", "held")
    await expect(loser.page.locator("#notice")).to_contain_text("F-12" if await told_by_map(loser) else "faster")
    await expect(loser.page.get_by_role("button", name="instead")).to_be_visible()
    await winner.page.click("#pay")
    await expect(winner.page.locator("#booked")).to_contain_text("Booked")
    await expect(winner.page.locator("#booked .code")).to_contain_text(f"{show}.b")
    await loser.sees("F-12", "sold")
    for person in people:
        await person.close()


async def told_by_map(person: Person) -> bool:
    """The loser may learn from the map or from the answer, whichever comes first."""
    return "somebody else" in await person.page.locator("#notice").inner_text()


async def test_a_refresh_in_the_middle_of_paying_loses_and_doubles_nothing(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, f"{node_urls(cluster)[0]}/shows/{show}")
    await asha.ready()
    await asha.clicks("C-5")
    await asha.page.click("#hold")
    await asha.page.wait_for_selector("#held")
    await asha.page.reload()
    await asha.ready()
    await asha.page.wait_for_selector("#held")
    await asha.sees("C-5", "mine")
    # The proof of payment is kept before it is used: what is cut off here is finished by the next load.
    await asha.page.evaluate(
        """async (show) => {
            const map = document.querySelector('seat-map');
            const key = `tickingtickets.booking.${show}`;
            const kept = JSON.parse(localStorage.getItem(key));
            const body = JSON.stringify({hold: kept.hold});
            const paid = await map.connection.http('/demo/pay', {method: 'POST', body});
            localStorage.setItem(key, JSON.stringify({...kept, payment: paid.payment}));
        }""",
        show,
    )
    await asha.page.reload()
    await expect(asha.page.locator("#booked")).to_contain_text("Booked")
    await asha.close()


async def test_offline_and_back_the_map_catches_up(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, f"{node_urls(cluster)[0]}/shows/{show}")
    await asha.ready()
    await asha.context.set_offline(True)
    await asha.page.evaluate("document.querySelector('seat-map').connection._lost()")
    await expect(asha.page.locator("#link")).to_have_text("Reconnecting")
    await expect(asha.page.locator("#banner")).to_contain_text("lost")
    bala = await Client.connect(node_urls(cluster)[2])
    assert (await bala.call("seats:hold", {"show": show, "seats": ["A-1"], "request_id": "1"}))["ok"]
    await asha.sees("A-1", "free")
    await asha.context.set_offline(False)
    await expect(asha.page.locator("#link")).to_have_text("Live", timeout=20_000)
    await asha.sees("A-1", "held")
    await expect(asha.page.locator("#banner")).to_be_hidden()
    await bala.close()
    await asha.close()


async def test_an_expired_hold_is_told_and_the_same_seats_are_offered(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster, hold_s=2)
    asha = await Person.arrive(browser, f"{node_urls(cluster)[1]}/shows/{show}")
    await asha.ready()
    await asha.clicks("B-3")
    await asha.page.click("#hold")
    await asha.page.wait_for_selector("#held")
    await expect(asha.page.locator("#notice")).to_contain_text("time ran out")
    await asha.sees("B-3", "free")
    await asha.page.get_by_role("button", name="Take the same seats again").click()
    await asha.page.wait_for_selector("#held")
    await asha.close()


async def test_the_keyboard_alone_is_enough(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, f"{node_urls(cluster)[0]}/shows/{show}")
    await asha.ready()
    await asha.page.get_by_label("Go to a seat").fill("e7")
    await asha.page.keyboard.press("Enter")
    await asha.page.keyboard.press("Enter")
    await asha.sees("E-7", "selected")
    await asha.page.keyboard.press("ArrowRight")
    await asha.page.keyboard.press("Enter")
    await asha.sees("E-8", "selected")
    await asha.page.locator("#hold").focus()
    await asha.page.keyboard.press("Enter")
    await asha.page.wait_for_selector("#held")
    await asha.page.locator("#pay").focus()
    await asha.page.keyboard.press("Enter")
    await expect(asha.page.locator("#booked")).to_contain_text("Booked")
    await asha.close()


async def test_the_list_leads_to_a_show_and_an_unknown_one_says_so(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], phone=True)
    await asha.page.locator(f'a[href="/shows/{show}"]').click()
    await asha.ready()
    await asha.page.goto(f"{node_urls(cluster)[0]}/shows/west-nowhere")
    await expect(asha.page.get_by_role("alert")).to_contain_text("no such show")
    await asha.close()
