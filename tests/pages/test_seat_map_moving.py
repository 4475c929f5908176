"""Moving the map: wheel, pinch, drag, buttons, keys; tips by touch; no control covers the seats."""

from __future__ import annotations

from playwright.async_api import Browser, CDPSession, Page, expect

from realtime.dev.cluster import Cluster
from tests.cluster import node_urls
from tests.pages.conftest import Person
from tests.pages.halls import distance, painted, stands_show
from tests.pages.test_main_job import multiplex_show

ENDS = ("S1-A-1", "S8-A-14")


async def middle(page: Page) -> tuple[float, float]:
    box = await page.locator("seat-map .field").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


async def test_wheel_buttons_and_keys_zoom(browser: Browser, cluster: Cluster) -> None:
    show = await stands_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    page = asha.page
    await painted(page)
    whole = await distance(page, *ENDS)
    x, y = await middle(page)

    async def now_at(more: bool, than: float) -> float:
        sign = ">" if more else "<"
        await page.wait_for_function(
            f"""([one, other, than]) => {{
                const map = document.querySelector('seat-map');
                const [a, b] = [map.pointOf(one), map.pointOf(other)];
                return Math.hypot(a.x - b.x, a.y - b.y) {sign} than;
            }}""",
            arg=[*ENDS, than],
        )
        await painted(page)
        return await distance(page, *ENDS)

    await page.mouse.move(x, y)
    await page.mouse.wheel(0, -120)
    near = await now_at(True, whole * 1.05)
    await page.click("seat-map .zoomIn")
    nearer = await now_at(True, near * 1.3)
    await page.click("seat-map .zoomOut")
    back = await now_at(False, nearer / 1.3)
    await page.get_by_role("grid").focus()
    await page.keyboard.press("+")
    again = await now_at(True, back * 1.3)
    await page.click("seat-map .zoomFit")
    await now_at(False, again / 1.3)
    assert abs(await distance(page, *ENDS) - whole) < 1
    await asha.leaves()


async def touch(cdp: CDPSession, kind: str, *points: tuple[float, float]) -> None:
    fingers = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]
    await cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})


async def test_fingers_pinch_drag_and_press_for_a_tip(browser: Browser, cluster: Cluster) -> None:
    show = await stands_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}", phone=True)
    page = asha.page
    cdp = await asha.context.new_cdp_session(page)
    await painted(page)
    whole = await distance(page, *ENDS)
    x, y = await middle(page)
    await touch(cdp, "touchStart", (x - 20, y), (x + 20, y))
    for far in (30, 50, 70, 90, 110):
        await touch(cdp, "touchMove", (x - far, y), (x + far, y))
    await touch(cdp, "touchEnd")
    assert await distance(page, *ENDS) > whole * 2

    before = await page.evaluate("document.querySelector('seat-map').pointOf('S12-F-7')")
    await touch(cdp, "touchStart", (x, y))
    for by in (10, 20, 30, 40):
        await touch(cdp, "touchMove", (x + by, y - by))
    await touch(cdp, "touchEnd")
    after = await page.evaluate("document.querySelector('seat-map').pointOf('S12-F-7')")
    assert after["x"] > before["x"]
    assert after["y"] < before["y"]

    await page.evaluate("document.querySelector('seat-map').reveal('S12-F-7')")
    at = await page.evaluate("document.querySelector('seat-map').pointOf('S12-F-7')")
    await touch(cdp, "touchStart", (at["x"], at["y"]))
    tip = page.locator("seat-map .tip")
    await expect(tip).to_contain_text("F-7 · Stand 12")
    await expect(tip).to_contain_text("Silver · ₹400")
    await touch(cdp, "touchEnd")
    assert await page.evaluate("document.querySelector('seat-map').selection") == []
    await asha.leaves()


async def test_a_mouse_button_that_is_released_outside_leaves_the_map_where_it_is(
    browser: Browser, cluster: Cluster
) -> None:
    show = await stands_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}")
    page = asha.page
    await painted(page)
    before = await page.evaluate("document.querySelector('seat-map').pointOf('S12-F-7')")
    box = await page.locator("seat-map .field").bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    await page.mouse.move(box["x"] + 1, y)
    await page.mouse.down()
    await page.mouse.move(box["x"] - 3, y)
    await page.mouse.up()
    await page.mouse.move(box["x"] + 100, y, steps=5)
    assert await page.evaluate("document.querySelector('seat-map').pointOf('S12-F-7')") == before
    await asha.leaves()


async def test_no_control_covers_the_seats_on_a_phone(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}", phone=True)
    await painted(asha.page)
    covered = await asha.page.evaluate(
        """() => {
            const map = document.querySelector('seat-map');
            const root = map.shadowRoot;
            const field = root.querySelector('.field').getBoundingClientRect();
            const over = [...root.querySelectorAll('.tools button, .chip')].filter((part) => {
                const box = part.getBoundingClientRect();
                return box.width && box.bottom > field.top && box.top < field.bottom;
            });
            return over.map((part) => part.className);
        }"""
    )
    assert covered == []
    # Seats at all four ends of the hall can be hit where they are drawn.
    for seat in ("A-1", "A-18", "K-1"):
        hit = await asha.page.evaluate(
            """(seat) => {
                const map = document.querySelector('seat-map');
                const { x, y } = map.pointOf(seat);
                return map.shadowRoot.elementFromPoint(x, y)?.className ?? '';
            }""",
            seat,
        )
        assert "grid" in hit
    await asha.leaves()


async def test_every_control_is_44_pixels_or_more(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}", phone=True)
    small = """() => [...document.querySelector('seat-map').shadowRoot.querySelectorAll('button, summary')]
        .map((part) => [part.className, part.getBoundingClientRect()])
        .filter(([, box]) => box.width && (box.width < 44 || box.height < 44)).map(([name]) => name)"""
    assert await asha.page.evaluate(small) == []
    await asha.page.click("seat-map .listShow")
    await expect(asha.page.locator("seat-map .list-seat").first).to_be_visible()
    assert await asha.page.evaluate(small) == []
    await asha.leaves()


async def test_a_narrow_map_shows_its_legend_on_demand(browser: Browser, cluster: Cluster) -> None:
    show = await multiplex_show(cluster)
    asha = await Person.arrive(browser, node_urls(cluster)[0], f"/shows/{show}", phone=True)
    key = asha.page.locator("seat-map .key")
    await expect(key).to_be_hidden()
    button = asha.page.get_by_role("button", name="Legend")
    await button.click()
    await expect(key).to_contain_text("Wheelchair")
    await expect(button).to_have_attribute("aria-expanded", "true")
    await button.click()
    await expect(key).to_be_hidden()
    await asha.leaves()
