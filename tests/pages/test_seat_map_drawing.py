"""What the map draws: current statuses at every scale, only the tiles that changed, section labels, pulses."""

from __future__ import annotations

from playwright.async_api import Browser, Page, expect

from realtime.dev.cluster import Cluster
from tests.cluster import Client, node_urls
from tests.pages.conftest import DESKTOP, Person
from tests.pages.halls import color_of, distance, painted, stands_show

WATCH_CANVASES = """() => {
    window.touched = new Set();
    const real = ImageBitmapRenderingContext.prototype.transferFromImageBitmap;
    ImageBitmapRenderingContext.prototype.transferFromImageBitmap = function (bitmap) {
        if (this.canvas.getRootNode() instanceof ShadowRoot) window.touched.add(this.canvas);
        return real.call(this, bitmap);
    };
}"""

REMEMBER_QUERIES = """
    const real = window.matchMedia.bind(window);
    const queries = [];
    window.matchMedia = (text) => {
        const query = real(text);
        queries.push([query, query.matches]);
        return query;
    };
    window.tellQueries = () => {
        for (const [query, matched] of queries.splice(0)) {
            if (query.matches === matched) queries.push([query, matched]);
            else query.dispatchEvent(new Event('change'));
        }
    };
"""


async def holding(cluster: Cluster, show: str, *seats: str) -> Client:
    """Somebody in another region who holds seats."""
    other = await Client.connect(node_urls(cluster)[1])
    answer = await other.call("seats:hold", {"show": show, "seats": list(seats), "request_id": "r"})
    assert answer["ok"]
    return other


async def zoom_to(page: Page, seat: str) -> None:
    await page.evaluate("(seat) => document.querySelector('seat-map').reveal(seat)", seat)
    await painted(page)


async def test_a_change_is_painted_at_every_scale(browser: Browser, cluster: Cluster) -> None:
    show = await stands_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    gold_far = await color_of(asha.page, "S1-F-7")
    silver_far = await color_of(asha.page, "S20-F-7")
    assert gold_far != silver_far
    other = await holding(cluster, show, "S1-F-7")
    await asha.sees("S1-F-7", "held")
    taken_far = await color_of(asha.page, "S1-F-7")
    assert taken_far not in (gold_far, silver_far)
    assert await color_of(asha.page, "S1-F-8") == gold_far
    await zoom_to(asha.page, "S1-F-7")
    aside = await distance(asha.page, "S1-F-7", "S1-F-8") * 0.3
    assert await color_of(asha.page, "S1-F-8", aside) == gold_far
    assert await color_of(asha.page, "S1-F-7", aside) != gold_far
    await other.close()
    await asha.leaves()


async def test_a_change_during_a_zoom_is_painted_after_it(browser: Browser, cluster: Cluster) -> None:
    show = await stands_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    gold = await color_of(asha.page, "S4-F-7")
    other = await Client.connect(node_urls(cluster)[1])
    point = await asha.page.evaluate("document.querySelector('seat-map').pointOf('S4-F-7')")
    await asha.page.mouse.move(point["x"], point["y"])
    for turn in range(12):
        await asha.page.mouse.wheel(0, -60 if turn < 8 else 60)
        if turn == 5:
            held = {"show": show, "seats": ["S4-F-7"], "request_id": "1"}
            assert (await other.call("seats:hold", held))["ok"]
    await asha.sees("S4-F-7", "held")
    assert await color_of(asha.page, "S4-F-7") != gold
    await asha.page.click("seat-map .zoomFit")
    assert await color_of(asha.page, "S4-F-7") != gold
    assert await color_of(asha.page, "S4-F-8") == gold
    await other.close()
    await asha.leaves()


async def test_a_change_repaints_the_tile_of_its_seat_and_no_other(browser: Browser, cluster: Cluster) -> None:
    show = await stands_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    await painted(asha.page)
    tiles = await asha.page.evaluate(
        "document.querySelector('seat-map').shadowRoot.querySelectorAll('.pane canvas').length"
    )
    await asha.page.evaluate(WATCH_CANVASES)
    other = await holding(cluster, show, "S12-F-7")
    await asha.sees("S12-F-7", "held")
    await painted(asha.page)
    touched = await asha.page.evaluate("window.touched.size")
    # A seat on the edge of tiles may lie on up to four.
    assert 1 <= touched <= 4 < tiles
    await other.close()
    await asha.leaves()


async def test_small_scales_show_labels_with_the_free_seats_of_sections(browser: Browser, cluster: Cluster) -> None:
    show = await stands_show(cluster)
    other = await holding(cluster, show, *(f"S5-A-{n}" for n in range(2, 10)))
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    await expect(asha.page.locator("seat-map .count")).to_have_text("5,368 free")
    label = asha.page.locator("seat-map .label", has_text="Stand 5").first
    await expect(label).to_be_visible()
    await expect(label).to_contain_text("160 free")
    point = await asha.page.evaluate("document.querySelector('seat-map').pointOf('S5-F-7')")
    await asha.page.mouse.move(point["x"], point["y"])
    tip = asha.page.locator("seat-map .tip")
    await expect(tip).to_contain_text("Stand 5")
    await expect(tip).to_contain_text("160 of 168 free · ₹1,062")
    await zoom_to(asha.page, "S5-F-7")
    await expect(label).to_be_hidden()
    await other.close()
    await asha.leaves()


async def test_with_little_room_gauges_show_how_much_is_free(browser: Browser, cluster: Cluster) -> None:
    show = await stands_show(cluster)
    other = await holding(cluster, show, *(f"S5-A-{n}" for n in range(2, 12)))
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}", phone=True)
    gauges = asha.page.locator("seat-map .label .gauge i:visible")
    # While the numbers are not known, gauges are hidden: an empty or a full one would say something.
    await expect(gauges).to_have_count(32)
    filled = await gauges.evaluate_all("bars => bars.map((bar) => bar.style.width)")
    assert filled[4] == "95%"
    assert set(filled[:4] + filled[5:]) == {"100%"}
    await other.close()
    await asha.leaves()


async def test_a_change_by_others_pulses_once_and_not_with_reduced_motion(browser: Browser, cluster: Cluster) -> None:
    show = await stands_show(cluster)
    node = node_urls(cluster)[0]
    asha = await Person.arrive(browser, node, f"/shows/{show}")
    lively = await browser.new_page(reduced_motion="no-preference")
    await lively.goto(f"{node}/shows/{show}")
    await lively.wait_for_selector("html[data-ready]")
    count = """() => {
        const canvas = document.querySelector('seat-map').shadowRoot.querySelector('.overlay');
        const context = canvas.getContext('2d');
        const real = context.arc;
        window.pulses = 0;
        context.arc = (...args) => { window.pulses++; real.apply(context, args); };
    }"""
    for page in (asha.page, lively):
        await painted(page)
        await page.evaluate(count)
    other = await holding(cluster, show, "S12-F-7")
    await lively.wait_for_function("() => window.pulses > 0")
    await asha.sees("S12-F-7", "held")
    await painted(asha.page)
    assert await asha.page.evaluate("window.pulses") == 0
    await other.close()
    await lively.close()
    await asha.leaves()


async def test_the_map_is_painted_again_when_the_pixel_ratio_changes(browser: Browser, cluster: Cluster) -> None:
    """As when the window moves to another screen. A browser without a screen changes the ratio, but tells nobody."""
    show = await stands_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0])
    await asha.page.add_init_script(REMEMBER_QUERIES)
    await asha.goes(f"/shows/{show}")
    gold = await color_of(asha.page, "S1-F-7")
    chrome = await asha.context.new_cdp_session(asha.page)
    screen = {"width": DESKTOP[0], "height": DESKTOP[1], "mobile": False}
    for ratio in (2, 1.5, 1):
        await chrome.send("Emulation.setDeviceMetricsOverride", {**screen, "deviceScaleFactor": ratio})
        await asha.page.evaluate("tellQueries()")
        await asha.page.wait_for_function(
            """(ratio) => {
                const map = document.querySelector('seat-map');
                const tiles = [...map.shadowRoot.querySelectorAll('.stage canvas')]
                    .map((canvas) => canvas.width / canvas.getBoundingClientRect().width)
                    .filter(Number.isFinite);
                return map.painted && tiles.length && tiles.every((each) => Math.abs(each - ratio) < 0.01);
            }""",
            arg=ratio,
        )
        assert await color_of(asha.page, "S1-F-7") == gold
    await asha.leaves()
