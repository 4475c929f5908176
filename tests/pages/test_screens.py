"""Every page fits every screen, from phone to kiosk, for all kinds of sample theatres and in both languages."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from realtime.dev import samples
from realtime.dev.cluster import Cluster
from realtime.model import Category, Layout, Seat
from realtime.plans import read_plan
from realtime.wire.layouts import make_layout
from tests.cluster import Client, grid, new_show, node_urls
from tests.pages.conftest import Person
from tests.pages.kiosk import theatre_of_its_own, today

SIZES = [(360, 740), (390, 844), (768, 1024), (1280, 800), (1080, 1920), (844, 390), (320, 256)]
"""Phones, a tablet, a desktop, a kiosk, a phone held sideways, a desktop zoomed to 400 %."""
OUTSIDE = """() => {
    const clipped = (node) => {
        for (let up = node.parentElement; up; up = up.parentElement)
            if (['auto', 'scroll', 'hidden'].includes(getComputedStyle(up).overflowX) &&
                up.getBoundingClientRect().right <= innerWidth + 1) return true;
        return false;
    };
    const wide = document.documentElement.scrollWidth - innerWidth;
    const cut = [...document.querySelectorAll('button, h1, h2, .total, .panel-foot, select')].filter((node) => {
        const box = node.getBoundingClientRect();
        return box.width && box.right > innerWidth + 1 && !clipped(node);
    });
    const found = cut.map((node) => node.outerHTML.slice(0, 80));
    return wide > 0 ? [`the page is ${wide} px too wide`, ...found] : found;
}"""
PLANS = {
    "multiplex": samples.multiplex_plan,
    "concert_hall": samples.concert_hall_plan,
    "stadium": samples.stadium_plan,
}
COVERED = """() => {
    const root = document.querySelector('seat-map').shadowRoot;
    const box = (name) => root.querySelector(name).getBoundingClientRect();
    const map = box('.field');
    const labels = [...root.querySelectorAll('.labels:not([hidden]) .label:not(.as-none)')];
    const cut = labels.filter((label) => {
        const { left, top, right, bottom } = label.getBoundingClientRect();
        return left < map.left || top < map.top || right > map.right || bottom > map.bottom;
    });
    const found = cut.map((label) => `cut: ${label.textContent}`);
    return box('.banner').bottom > map.top ? ['the banner is over the map', ...found] : found;
}"""
CHOOSE = """(n) => {
    const map = document.querySelector('seat-map');
    for (const id of map.live.layout.ids) if (map.selection.length < n) map.select(id);
}"""
SQUEEZED = """() => [...document.querySelectorAll('body *')].filter((node) => {
    const style = getComputedStyle(node);
    const text = [...node.childNodes].some((child) => child.nodeType === Node.TEXT_NODE && child.data.trim());
    return (text || node.matches('.panel')) && node.clientWidth > 1 && node.scrollWidth > node.clientWidth + 1 &&
        style.textOverflow !== 'ellipsis';
}).map((node) => `${node.scrollWidth} of ${node.clientWidth} px: ${node.outerHTML.slice(0, 80)}`)"""
"""What is narrower than its text. A title may end with an ellipsis."""
VISIBLE = """() => {
    const within = (root) =>
        [...root.querySelectorAll('*')].flatMap((each) => [each, ...(each.shadowRoot ? within(each.shadowRoot) : [])]);
    const visible = (node) => {
        const had = node.hasAttribute('hidden');
        node.setAttribute('hidden', '');
        const { display } = getComputedStyle(node);
        if (!had) node.removeAttribute('hidden');
        return display !== 'none';
    };
    return within(document.body).filter(visible).map((node) => node.outerHTML.slice(0, 80));
}"""
"""What is still visible once it has the attribute ``hidden``."""
BOTTOM = "(key) => document.querySelector(`[data-key=${key}]`).getBoundingClientRect().bottom - innerHeight"


def long_names(section: str, category: str) -> Layout:
    seats = (
        Seat(f"{row}-{n}", section, f"Sofa row {row}", f"Double chair {n}", category, n * 30.0, line * 30.0)
        for line, row in enumerate("ABC")
        for n in range(1, 9)
    )
    return make_layout("Long names", 300, 120, (Category(category, "#aa5533"),), tuple(seats))


async def sample_show(cluster: Cluster, kind: str, **terms: Any) -> str:
    layout = read_plan(PLANS[kind]())
    prices = {category.name: 340 for category in layout.categories}
    title = "Ragas at Dusk: An Evening of Sitar and Sarod, with Friends from Many Places"
    return await new_show(cluster, "west", layout=layout, prices=prices, title=title, **terms)


async def outside(page: Page) -> list[Any]:
    found = []
    for width, height in SIZES:
        await page.set_viewport_size({"width": width, "height": height})
        found += [(width, height, each) for each in await page.evaluate(OUTSIDE)]
    return found


@pytest.mark.parametrize("locale", ["en-IN", "hi-IN"])
@pytest.mark.parametrize("kind", ["multiplex", "concert_hall", "stadium"])
async def test_nothing_is_cut_off_at_any_size(browser: Browser, cluster: Cluster, kind: str, locale: str) -> None:
    show = await sample_show(cluster, kind)
    asha = await Person.arrive(browser, node_urls(cluster)[1], f"/shows/{show}", locale=locale)
    await asha.page.evaluate(CHOOSE, 10)
    assert await outside(asha.page) == []
    for width, height in SIZES[:-1]:  # a page zoomed to 400 % scrolls as a whole
        await asha.page.set_viewport_size({"width": width, "height": height})
        assert await asha.page.evaluate(BOTTOM, "hold") <= 0, (width, height)
        assert await asha.page.locator("#when").is_visible()
    await asha.page.set_viewport_size({"width": 360, "height": 740})
    await asha.presses("hold")
    await asha.is_at("held")
    for width, height in SIZES[:-1]:
        await asha.page.set_viewport_size({"width": width, "height": height})
        assert await asha.page.evaluate(BOTTOM, "pay") <= 0, (width, height)
        assert await asha.page.locator(".panel-when").is_visible()
    assert await outside(asha.page) == []
    await asha.leaves()


@pytest.mark.parametrize("many", ["words", "letters"])
async def test_long_names_have_room_everywhere(browser: Browser, cluster: Cluster, many: str) -> None:
    words = " ".join(["Centenary retrospective of ensembles"] * 3)
    name = words if many == "words" else words.replace(" ", "")
    theatre = await theatre_of_its_own(cluster, name=name)
    show = await new_show(
        cluster,
        "west",
        layout=long_names(name, f"Recliner {name}"),
        prices={f"Recliner {name}": 123_456},
        title=name,
        theatre=theatre,
        starts_at=today(),
    )
    asha = await Person.arrive(browser, node_urls(cluster)[1], f"/shows/{show}")

    async def has_room(place: str) -> None:
        for width, height in SIZES:
            await asha.page.set_viewport_size({"width": width, "height": height})
            found = [*await asha.page.evaluate(OUTSIDE), *await asha.page.evaluate(SQUEEZED)]
            assert found == [], (place, width, height)

    await has_room("choosing")
    await asha.page.evaluate(CHOOSE, 3)
    await has_room("chosen")
    await asha.presses("hold")
    await asha.is_at("held")
    await has_room("held")
    for path, ready in (("/", ".card"), (f"/kiosk/{theatre}", ".kiosk-show"), ("/kiosk/nowhere", ".kiosk-show")):
        await asha.goes(path)
        await asha.page.wait_for_selector(ready)
        await has_room(path)
    await asha.goes(f"/shows/{show}")
    await asha.is_at("held")
    await asha.pays()
    await asha.is_at("booked")
    await asha.page.wait_for_selector("svg.qr")
    await has_room("booked")
    await asha.goes("/tickets")
    await asha.page.wait_for_selector("svg.qr")
    await has_room("/tickets")
    await asha.leaves()


@pytest.mark.parametrize("kind", ["multiplex", "concert_hall", "stadium"])
async def test_the_map_is_laid_out_below_its_banner_and_no_label_is_cut(
    browser: Browser, cluster: Cluster, kind: str
) -> None:
    show = await sample_show(cluster, kind, sales_start="2029-12-01T10:00:00+05:30")
    asha = await Person.arrive(browser, node_urls(cluster)[1], f"/shows/{show}")
    await asha.page.wait_for_selector("seat-map .banner:not([hidden])")
    for width, height in SIZES[:-1]:
        await asha.page.set_viewport_size({"width": width, "height": height})
        await asha.page.wait_for_function(f"() => !({COVERED})().length")
    await asha.leaves()


async def test_held_seats_can_be_dropped_and_added_and_chosen_ones_survive_a_reload(
    browser: Browser, cluster: Cluster
) -> None:
    show = await sample_show(cluster, "multiplex")
    asha = await Person.arrive(browser, node_urls(cluster)[1], f"/shows/{show}")
    for seat in ("C-5", "C-6"):
        await asha.clicks(seat)
    await asha.goes(f"/shows/{show}")
    await asha.sees("C-6", "selected")
    await asha.presses("hold")
    await asha.is_at("held")
    await asha.presses("drop-C-6")
    await asha.sees("C-6", "free")
    await asha.sees("C-5", "mine")
    await asha.clicks("C-7")
    await asha.presses("add")
    await asha.sees("C-7", "mine")
    await asha.sees("C-5", "mine")
    await asha.is_at("held")
    await asha.leaves()


async def test_the_last_seats_are_sold_out_to_all_but_who_has_them(browser: Browser, cluster: Cluster) -> None:
    show = await new_show(cluster, "west", layout=grid(1, 2))
    asha = await Person.arrive(browser, node_urls(cluster)[1], f"/shows/{show}")
    bala = await Person.arrive(browser, node_urls(cluster)[1], f"/shows/{show}")
    hers, his = (person.page.locator("seat-map .banner") for person in (asha, bala))
    await asha.holds("A-1", "A-2")
    await expect(his).to_contain_text("sold out")
    await asha.sees("A-2", "mine")
    await expect(asha.page.locator("seat-map .count")).to_have_text("0 free")
    await expect(hers).to_be_hidden()
    await asha.goes(f"/shows/{show}")
    await asha.is_at("held")
    await expect(hers).to_be_hidden()
    await asha.pays()
    await asha.is_at("booked")
    await asha.presses("again")
    await expect(hers).to_contain_text("sold out")
    for person in (asha, bala):
        await person.leaves()


async def test_other_times_are_asked_for_until_there_is_an_answer(browser: Browser, cluster: Cluster) -> None:
    title = "One night, then another"
    other = await new_show(cluster, "west", title=title, starts_at="2030-01-02T18:30:00+05:30")
    show = await new_show(cluster, "west", layout=grid(1, 2), title=title)
    bala = await Client.connect(node_urls(cluster)[1])
    await bala.call("seats:hold", {"show": show, "seats": ["A-1", "A-2"], "request_id": "1"})
    asha = await Person.arrive(browser, node_urls(cluster)[1])
    await asha.page.route("**/api/v1/shows", lambda route: route.abort(), times=1)
    async with asha.page.expect_request("**/api/v1/shows"):
        await asha.goes(f"/shows/{show}")
    # Nothing about the show changes meanwhile.
    await expect(asha.page.locator(f'.other-times a[href="/shows/{other}"]')).to_be_visible()
    await bala.close()
    await asha.leaves()


async def test_the_map_of_a_page_connects_once(browser: Browser, cluster: Cluster) -> None:
    show = await sample_show(cluster, "multiplex")
    asha = await Person.arrive(browser, node_urls(cluster)[1])
    sockets: list[str] = []
    asha.page.on("websocket", lambda socket: sockets.append(socket.url))
    await asha.goes(f"/shows/{show}")
    assert len(sockets) == 1
    await asha.leaves()


async def test_a_wheelchair_space_is_named_and_its_companion_seat_offered(browser: Browser, cluster: Cluster) -> None:
    show = await sample_show(cluster, "multiplex")
    asha = await Person.arrive(browser, node_urls(cluster)[1], f"/shows/{show}")
    space = await asha.page.evaluate(
        """() => {
            const map = document.querySelector('seat-map');
            const space = map.live.layout.ids.find((id) => map.companions(id).length);
            map.select(space);
            return space;
        }"""
    )
    await asha.page.locator("[data-note=wheelchair] button").first.click()
    chosen = await asha.page.evaluate("() => document.querySelector('seat-map').selection")
    assert chosen[0] == space
    assert len(chosen) == 2
    await asha.leaves()


async def test_what_has_the_attribute_hidden_is_not_visible_on_any_page(browser: Browser, cluster: Cluster) -> None:
    show = await sample_show(cluster, "concert_hall")
    asha = await Person.arrive(browser, node_urls(cluster)[1])
    places = {
        "/": ".card",
        f"/shows/{show}": "seat-map .chip",
        "/tickets": "#tickets[aria-busy=false]",
        "/kiosk/west-hall": ".kiosk-lead",
        "/gate": "#screen > *",
        "/ops": "#key",
        "/nothing": ".message",
    }
    for path, ready in places.items():
        await asha.goes(path)
        await asha.page.wait_for_selector(ready)
        assert await asha.page.evaluate(VISIBLE) == [], path
        if path == "/ops":
            await asha.page.fill("#key", cluster.secrets["OPERATOR_KEY"])
            await asha.page.keyboard.press("Enter")
            await asha.page.wait_for_selector(".region dl")
            assert await asha.page.evaluate(VISIBLE) == []
    await asha.leaves()
