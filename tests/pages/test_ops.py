"""The pages of operators in a real browser: sign in, figures, actions on a show, its log and its replay."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import orjson
import pytest
from playwright.async_api import Browser, Locator, Page, Route, expect

from realtime import connect, keys
from realtime.dev.cluster import Cluster
from realtime.model import show_of
from tests.cluster import Client, new_show, node_urls, pay_order, running_cluster, until
from tests.pages.axe import violations
from tests.pages.conftest import Person
from tests.pages.halls import boxes
from tests.web.test_gate import code_of
from tests.web.test_gate_leases import NORTH, SOUTH, gate, of, soon
from tests.web.test_tickets import booked


@pytest.fixture(scope="module")
def mortal() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


async def sign_in(person: Person, cluster: Cluster) -> None:
    await person.page.fill("#key", cluster.secrets["OPERATOR_KEY"])
    await person.page.keyboard.press("Enter")


async def act(person: Person, what: str) -> None:
    await person.page.locator(f'[data-act="{what}"]').click()
    await person.page.locator(".question .primary").click()
    await person.page.wait_for_selector(".done")


async def listed(page: Page, show: str) -> Locator:
    """Search for a show among those of the overview, which lists only some; return its link."""
    await page.fill("label.search input", show)
    return page.locator(f'.show-list a[href$="{show}"]')


async def test_only_the_right_key_opens_the_ops_page(browser: Browser, cluster: Cluster) -> None:
    await new_show(cluster, "west")
    person = await Person.arrive(browser, node_urls(cluster)[1], "/ops")
    page = person.page
    await page.fill("#key", "not the key")
    await page.keyboard.press("Enter")
    await page.wait_for_function("() => document.querySelector('#problem')?.textContent.includes('not valid')")
    assert await violations(page) == []
    await sign_in(person, cluster)
    await page.wait_for_selector('.region[data-region="west"] .state.good')
    assert await page.locator(".region").count() == 3
    await page.wait_for_selector(".show-list a")
    plots = page.locator("#hourly figure")
    await expect(plots).to_have_count(6)
    await expect(plots.locator("canvas")).to_have_count(6)
    for details in await plots.locator("summary").all():
        await details.click()
    await page.fill("#hourly-show", "west-nothing")
    await page.keyboard.press("Enter")
    await expect(plots.get_by_text("No figures for this time.")).to_have_count(6)
    await page.fill("#hourly-show", "")
    async with page.expect_download() as saving:
        await page.locator('#hourly [data-key="csv"]').click()
    assert (await saving.value).suggested_filename == "analytics.csv"
    assert await violations(page) == []
    await page.reload()
    await page.wait_for_selector(".region")
    await page.get_by_role("button", name="Sign out").click()
    await page.wait_for_selector("#key")
    await person.leaves()


@pytest.mark.parametrize("place", ["the overview", "a show"])
async def test_who_signs_in_again_is_not_interrupted(browser: Browser, cluster: Cluster, place: str) -> None:
    show = await new_show(cluster, "west")
    person = await Person.arrive(browser, node_urls(cluster)[1], "/ops")
    page = person.page
    await sign_in(person, cluster)
    await page.wait_for_selector(".show-list a")
    if place == "a show":
        await person.page.goto(f"{person.node}/ops/shows/{show}")
        await page.wait_for_selector(".log")
    asked: list[str] = []

    async def refuse(route: Route) -> None:
        asked.append(route.request.url)
        await route.fulfill(status=403, json={"error": {"code": "forbidden", "message": ""}})

    await page.route("**/api/v1/**", refuse)
    await page.fill("#key", "another")
    before = len(asked)
    await page.wait_for_timeout(2_500)  # longer than between two requests of a page that has not stopped
    assert await page.input_value("#key") == "another"
    assert len(asked) == before
    await person.leaves()


async def test_a_phone_with_hindi_and_dark_theme_needs_no_sideways_scrolling(
    browser: Browser, cluster: Cluster
) -> None:
    person = await Person.arrive(browser, node_urls(cluster)[1], "/ops", phone=True, locale="hi-IN")
    await person.page.locator("button.theme").click()
    await sign_in(person, cluster)
    await person.page.wait_for_selector(".region dl")
    assert await person.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await violations(person.page) == []
    await person.leaves()


async def test_all_shows_can_be_listed(browser: Browser, cluster: Cluster) -> None:
    show = await new_show(cluster, "west")
    person = await Person.arrive(browser, node_urls(cluster)[0], "/ops")
    page = person.page

    async def many(route: Route) -> None:
        answer = await route.fetch()
        body = await answer.json()
        named = next(each for each in body["shows"] if each["id"] == show)
        await route.fulfill(response=answer, json={**body, "shows": [{**named, "id": f"west-{n}"} for n in range(70)]})

    await page.route("**/api/v1/shows?over=1", many)
    await sign_in(person, cluster)
    links = page.locator(".show-list a")
    await expect(links).to_have_count(60)
    await page.get_by_role("button", name="List all 70 shows").focus()
    await page.keyboard.press("Enter")
    await expect(links).to_have_count(70)
    await expect(links.nth(60)).to_be_focused()
    await page.fill("label.search input", "west-69")
    await expect(links).to_have_count(1)
    await expect(page.get_by_role("button", name="List all")).to_be_hidden()
    await person.leaves()


async def test_figures_move_when_people_hold_seats(browser: Browser, cluster: Cluster) -> None:
    show = await new_show(cluster, "west")
    person = await Person.arrive(browser, node_urls(cluster)[0], "/ops")
    await sign_in(person, cluster)
    await person.page.wait_for_selector(".totals b")
    buyer = await Client.connect(node_urls(cluster)[2])
    await buyer.call("show:watch", {"show": show})
    moved = "() => [...document.querySelectorAll('.region dd')].some((each) => /^[1-9]/.test(each.textContent))"
    await person.page.wait_for_function(moved)
    held = "() => Number(document.querySelectorAll('.region[data-region=west] dd')[1].textContent) >= 1"
    assert (await buyer.call("seats:hold", {"show": show, "seats": ["C-1"], "request_id": "1"}))["ok"]
    await person.page.wait_for_function(held)
    await buyer.close()
    await person.leaves()


async def test_what_an_operator_does_reaches_viewers_and_the_log_and_the_replay(
    browser: Browser, cluster: Cluster
) -> None:
    show = await new_show(cluster, "west", layout=boxes())
    north, west, _south = node_urls(cluster)
    viewer = await Client.connect(north)
    await viewer.call("show:watch", {"show": show})
    person = await Person.arrive(browser, west, f"/ops/shows/{show}")
    page = person.page
    await sign_in(person, cluster)
    await page.wait_for_selector(".log .hint")
    assert (await viewer.call("seats:hold", {"show": show, "seats": ["B-1", "B-2"], "request_id": "one"}))["ok"]
    await page.wait_for_selector(".log tbody tr")
    names = "Box B, Chair 1 (B-1), Box B, Chair 2 (B-2)"
    await expect(page.locator(".holds li b")).to_have_text(names)
    await expect(page.locator(".log tbody td:nth-child(3)")).to_have_text(names)
    await page.locator('[data-act="block"]').click()
    await page.wait_for_selector(".error")
    await page.fill("#seats", "A-1, nonsense")
    await page.fill("#reason", "Camera")
    await act(person, "block")
    await viewer.hears("seats:changed", blocked=[0])
    await expect(page.locator(".blocks li")).to_contain_text("Camera")
    await expect(page.locator(".blocks li")).to_contain_text("Box A, Chair 1 (A-1)")
    await page.fill("#seats", "B-1")
    await page.locator('[data-act="block"]').click()
    await page.locator(".question .primary").click()
    await page.wait_for_selector(".error")
    await page.fill("#seats", "A-1")
    await act(person, "unblock")
    await viewer.hears("seats:changed", free=[0])
    await act(person, "pause")
    await viewer.hears("show:status", status="paused")
    await page.wait_for_selector(".pill.paused")
    await act(person, "open")
    await page.wait_for_function("() => document.querySelectorAll('.log tbody tr').length === 5")
    assert await violations(page) == []

    blocked = "document.querySelector('.counts .blocked b').textContent"
    held = "document.querySelector('.counts .held b').textContent"
    await page.locator(".begin").click()
    slider = page.locator(".replay input")
    await slider.focus()
    await page.keyboard.press("Home")
    await page.wait_for_function(f"() => {held} === '0'")
    await page.keyboard.press("ArrowRight")
    await page.wait_for_function(f"() => {held} === '2' && {blocked} === '0'")
    await page.keyboard.press("ArrowRight")
    await page.wait_for_function(f"() => {blocked} === '1'")
    await page.locator(".play").click()
    await page.wait_for_function(f"() => {blocked} === '0' && {held} === '2'")
    assert await violations(page) == []
    await page.get_by_role("button", name="Back to live").click()
    await page.wait_for_selector(".begin")
    await viewer.close()
    await person.leaves()


async def test_seats_are_chosen_on_the_map_by_clicks_and_by_a_rectangle(browser: Browser, cluster: Cluster) -> None:
    show = await new_show(cluster, "west")
    person = await Person.arrive(browser, node_urls(cluster)[1], f"/ops/shows/{show}")
    page = person.page
    await sign_in(person, cluster)
    await page.wait_for_function("() => document.querySelector('seat-map')?.painted")
    await page.fill("#seats", "A-1 .. A-3")
    await page.fill("#reason", "Camera")
    await act(person, "block")
    await page.get_by_role("button", name="Choose these seats").click()
    await expect(page.locator("#seats")).to_have_value("A-1, A-2, A-3")
    # A blocked seat is chosen and removed like a free one.
    await person.clicks("A-2")
    await expect(page.locator("#seats")).to_have_value("A-1, A-3")
    box = await page.locator("seat-map .grid").bounding_box()
    assert box is not None
    await page.get_by_role("button", name="Draw a rectangle").click()
    await page.mouse.move(box["x"] + 2, box["y"] + 2)
    await page.mouse.down()
    await page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] - 2, steps=4)
    await expect(page.locator(".rectangle")).to_be_visible()
    assert await violations(page) == []
    await page.mouse.up()
    await expect(page.locator(".actions [role=status]")).to_contain_text("120 seats chosen")
    await page.fill("#seats", "A-1 .. A-3")
    await act(person, "unblock")
    await expect(page.locator(".blocks .hint")).to_have_text("No seat is blocked.")
    await page.locator('[data-act="undo"]').click()
    await expect(page.locator(".blocks li")).to_contain_text("Camera")
    await person.leaves()


async def test_refunds_and_payments_are_listed_and_filtered(browser: Browser, cluster: Cluster) -> None:
    show = await new_show(cluster, "west")
    buyer = await Client.connect(node_urls(cluster)[1])
    held = await buyer.call("seats:hold", {"show": show, "seats": ["A-1"], "request_id": "1"})
    order = (await buyer.call("seats:order", {"hold": held["hold"]["id"]}))["order"]["id"]
    await pay_order(cluster, order, behaviour="twice")
    person = await Person.arrive(browser, node_urls(cluster)[0], "/ops")
    page = person.page
    await sign_in(person, cluster)
    await page.fill("#money-show", show)
    await page.keyboard.press("Enter")
    await page.wait_for_selector('.money tr[data-state="done"]', timeout=60_000)
    row = page.locator("#money tbody tr")
    await expect(row).to_have_count(1)
    await expect(row).to_contain_text("paid twice")
    assert await violations(page) == []
    await page.select_option("#money-state", "failed")
    await expect(page.locator("#money .hint")).to_have_text("There are none.")
    await page.select_option("#money-listing", "payments")
    await expect(row).to_have_count(2)
    await page.select_option("#money-state", "booked")
    await expect(row).to_have_count(1)
    await expect(row).to_contain_text(f"{show}.b")
    await buyer.close()
    await person.leaves()


async def test_a_failed_refund_raises_an_alarm(browser: Browser, cluster: Cluster) -> None:
    show = await new_show(cluster, "west")
    # The demo bank returns every payment, so the answer of a gateway that does not is planted.
    failed = {
        "id": "refund-1",
        "payment": "pay_1",
        "hold": f"{show}.h1",
        "show_id": show,
        "amount": 87080,
        "reason": "late",
        "state": "failed",
        "detail": "account closed",
        "created_at": 1_795_000_000_000,
        "region": "west",
    }
    person = await Person.arrive(browser, node_urls(cluster)[0], "/ops", phone=True, locale="hi-IN")
    answer = {"time": 0, "refunds": [failed], "missing": ["north"]}
    await person.page.route("**/api/v1/ops/refunds?*", lambda route: route.fulfill(json=answer))
    await sign_in(person, cluster)
    alarm = person.page.locator(".alarm", has_text="रिफ़ंड")
    await expect(alarm).to_contain_text("1 रिफ़ंड विफल हुआ")
    await expect(person.page.locator("#screen")).to_contain_text("लेजर जवाब नहीं दे रहे: दिल्ली")
    await alarm.get_by_role("button").click()
    await expect(person.page.locator("#money")).to_be_focused()
    await expect(person.page.locator("#money tbody tr")).to_contain_text("account closed")
    assert await person.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await violations(person.page) == []
    await person.leaves()


async def test_dead_letters_are_listed_retried_and_their_payments_returned(browser: Browser, cluster: Cluster) -> None:
    _owner, booking = await booked(cluster)
    payment = (await money_of(cluster, "payments", show_of(booking)))[0]
    broken = {"kind": "booking", "hold": payment["hold"], "owner": "asha", "seats": "no number", "at": "1"}
    paid = {**broken, "payment": payment["id"], "amount": str(payment["amount"]), "reason": "it has no seats"}
    async with cluster.masters() as masters:
        for fields in ({"kind": "nonsense", "reason": "unknown kind"}, paid):
            await masters["west"].command("XADD", keys.DEAD_LETTERS, "*", *connect.flat(fields))
    person = await Person.arrive(browser, node_urls(cluster)[1], "/ops")
    page = person.page
    await sign_in(person, cluster)
    section = page.locator("#dead-letters")
    other, mine = (section.locator("tbody tr").filter(has_text=text) for text in ("nonsense", payment["id"]))
    await expect(mine).to_contain_text("it has no seats")
    alarm = page.locator(".alarm", has_text="1 payment is in a dead letter")
    await alarm.get_by_role("button").click()
    await expect(section).to_be_focused()
    assert await violations(page, within="#dead-letters") == []

    await expect(other).to_contain_text("Mumbai")
    await expect(other.locator('[data-act="refund"]')).to_have_count(0)
    async with page.expect_response("**/retry") as retried:
        await other.locator('[data-act="retry"]').click()
    assert (await (await retried.value).json())["kind"] == "nonsense"
    await expect(other).to_contain_text("unknown kind")  # it comes back

    await mine.locator('[data-act="refund"]').click()
    await section.locator(".question .button:not(.primary)").click()
    await expect(mine).to_have_count(1)
    await mine.locator('[data-act="refund"]').click()
    await section.locator(".question .primary").click()
    await expect(mine).to_have_count(0)
    await expect(alarm).to_have_count(0)
    refunds = await money_of(cluster, "refunds", show_of(booking))
    assert refunds == [], "it has its booking"
    async with cluster.masters() as masters:
        await masters["west"].command("DEL", keys.DEAD_LETTERS)
    await person.leaves()


async def money_of(cluster: Cluster, listing: str, show: str) -> list[dict[str, Any]]:
    """Return the payments or refunds of a show."""
    headers = {"Authorization": f"Bearer {cluster.secrets['OPERATOR_KEY']}"}
    url = f"{node_urls(cluster)[0]}/api/v1/ops/{listing}?show={show}"
    async with aiohttp.ClientSession(headers=headers) as session, session.get(url) as answer:
        found: list[dict[str, Any]] = (await answer.json())[listing]
        return found


async def test_leases_and_conflicts_of_gates_are_listed_and_a_conflict_leads_to_its_booking(
    browser: Browser, cluster: Cluster
) -> None:
    owner, booking = await booked(cluster, starts_at=soon())
    code = await code_of(cluster, owner)
    leased = show_of((await booked(cluster, starts_at=soon()))[1])
    await gate(cluster, "lease", of("lease-of-a-device", leased, gate="Balcony door"))
    for device in (NORTH, SOUTH):
        await gate(cluster, "reports", of(device, admitted={code: 60_000}))
    person = await Person.arrive(browser, node_urls(cluster)[0], "/ops")
    page = person.page
    await sign_in(person, cluster)
    await page.locator(".alarm", has_text="conflicting admission").get_by_role("button").click()
    await expect(page.locator("#gates")).to_be_focused()
    lease = page.locator("#gates tr", has=page.locator(f'a[href="/ops/shows/{leased}"]'))
    for text in ("Test Hall", "Balcony door"):
        await expect(lease).to_contain_text(text)
    await lease.get_by_role("button").click()
    await expect(page.locator("#gates .question")).to_contain_text("its 1 ticket")
    assert await violations(page, within="#gates") == []
    await page.locator("#gates .question .primary").click()
    await expect(lease).to_have_count(0)

    conflict = page.locator("#gates tr", has=page.get_by_role("link", name=code)).first
    await expect(conflict).to_contain_text("admitted twice")
    await page.locator("select.language").select_option("hi")
    await expect(conflict).to_contain_text("दो बार प्रवेश")
    await conflict.get_by_role("link", name=code).click()
    await expect(page.locator(".story")).to_have_attribute("data-booking", booking)
    await page.reload()
    await expect(page.locator(".story")).to_have_attribute("data-booking", booking)
    await person.leaves()


async def test_an_unreachable_region_is_shown_and_listed_for_good(browser: Browser, mortal: Cluster) -> None:
    person = await Person.arrive(browser, node_urls(mortal)[0], "/ops")
    await sign_in(person, mortal)
    await person.page.wait_for_selector('.region[data-region="west"] .state.good')
    other = await Person.arrive(browser, node_urls(mortal)[2], "/ops")
    await sign_in(other, mortal)
    master = mortal.pause("master west")
    master.signal(signal.SIGSTOP)
    for each in (person, other):
        await each.page.wait_for_selector('.region[data-region="west"] .state.lost', timeout=30_000)
    assert await person.page.locator('.region[data-region="south"] .state.good').count() == 1
    master.signal(signal.SIGCONT)
    mortal.resume("master west")
    await person.page.wait_for_selector('.region[data-region="west"] .state.good', timeout=30_000)
    await person.leaves()
    # The nodes of other regions have the same list.
    lines = other.page.locator(".incidents li")
    await expect(lines.filter(has_text="Mumbai: unreachable").filter(has_text="seen from Delhi")).to_have_count(1)
    over = lines.filter(has_text="Mumbai: over – unreachable").filter(has_text="seen from Bengaluru")
    await expect(over).to_have_count(1, timeout=30_000)
    assert await violations(other.page, within="#incidents") == []
    await other.leaves()


async def test_a_show_whose_time_can_not_be_read_is_listed_among_the_others_and_can_be_archived(
    browser: Browser, cluster: Cluster
) -> None:
    spoiled, sound = await new_show(cluster), await new_show(cluster)
    async with cluster.masters() as masters:
        record = orjson.loads(await masters["west"].command("HGET", keys.SHOWS, spoiled))
        record = orjson.dumps({**record, "starts_at": "next Friday"})
        await masters["west"].command("HSET", keys.SHOWS, spoiled, record)
        await masters["west"].command("PUBLISH", keys.DIRECTORY, orjson.dumps({"show": spoiled}))
    node = node_urls(cluster)[1]

    async def starts() -> dict[str, str]:
        async with aiohttp.ClientSession() as session, session.get(f"{node}/api/v1/shows?over=1") as answer:
            return {show["id"]: show["starts_at"] for show in (await answer.json())["shows"]}

    async def is_spoiled() -> bool:
        return (await starts())[spoiled].startswith("1970")

    async def is_gone() -> bool:
        return spoiled not in await starts()

    await until(is_spoiled)
    person = await Person.arrive(browser, node, "/ops")
    page = person.page
    await sign_in(person, cluster)
    await expect(await listed(page, sound)).to_have_count(1)
    link = await listed(page, spoiled)

    async def is_listed() -> bool:
        if not await link.count():  # a keeper was just writing its record again
            await page.reload()
            await expect(await listed(page, sound)).to_have_count(1)
            await listed(page, spoiled)
        return await link.count() == 1

    await until(is_listed)
    await link.click()
    await act(person, "close")
    await page.locator('[data-act="archive"]').click()
    await page.locator(".question .primary").click()
    await expect(page).to_have_url(f"{node}/ops")
    await until(is_gone)
    await page.reload()
    await expect(await listed(page, sound)).to_have_count(1)
    await expect(await listed(page, spoiled)).to_have_count(0)
    await person.leaves()


async def test_a_show_whose_record_can_not_be_read_is_listed_with_its_reason_and_can_be_repaired(
    browser: Browser, cluster: Cluster
) -> None:
    broken = await new_show(cluster)
    async with cluster.masters() as masters:
        for name, record in ((broken, b"{"), ("west-by-nobody", b"[]")):
            await masters["west"].command("HSET", keys.SHOWS, name, record)
        await masters["west"].command("PUBLISH", keys.DIRECTORY, b"{}")
    person = await Person.arrive(browser, node_urls(cluster)[1], "/ops")
    page = person.page
    await sign_in(person, cluster)
    section = page.locator(".unreadable")
    for name, reason in ((broken, "truncated"), ("west-by-nobody", "got `array`")):
        row = section.locator("tbody tr").filter(has_text=name)
        await expect(row).to_contain_text(reason, timeout=30_000)
        assert await violations(page, within=".unreadable") == []
        await row.locator('[data-act="repair"]').click()
        await section.locator(".question .primary").click()
        await expect(row).to_have_count(0, timeout=30_000)
    await expect(section).to_be_hidden()
    await page.reload()
    await expect(await listed(page, broken)).to_have_count(1)
    await person.leaves()


async def test_a_show_that_is_not_there_says_so(browser: Browser, cluster: Cluster) -> None:
    person = await Person.arrive(browser, node_urls(cluster)[0], "/ops/shows/west-nothing")
    await sign_in(person, cluster)
    await person.page.wait_for_selector(".error")
    assert "Show not found" in await person.page.locator(".error").inner_text()
    await person.leaves()


def answering(body: str) -> Callable[[Route], Awaitable[None]]:
    async def answer(route: Route) -> None:
        await route.fulfill(content_type="application/json", body=body)

    return answer


async def test_what_is_polled_goes_on_after_an_answer_that_is_cut_off_or_can_not_be_drawn(
    browser: Browser, cluster: Cluster
) -> None:
    show = await new_show(cluster, "west")
    person = await Person.arrive(browser, node_urls(cluster)[1], "/ops")
    page = person.page
    await sign_in(person, cluster)
    jobs, notice = page.locator("#jobs"), page.locator("#screen > [aria-live=polite]").first
    polled = (("**/api/v1/ops/jobs", jobs, "can’t be loaded"), ("**/api/v1/ops", notice, "does not answer"))
    await expect(jobs.locator("table")).not_to_have_count(0)
    for body in ('{"time": 1, "regions": [', '{"time": 1, "regions": [{}], "queues": {}, "missing": []}'):
        for path, place, text in polled:
            await page.route(path, answering(body))
            await expect(place).to_contain_text(text)
        for path, place, text in polled:
            await page.unroute(path)
            await expect(place).not_to_contain_text(text)
        await expect(jobs.locator("table")).not_to_have_count(0)

    await page.goto(f"{person.node}/ops/shows/{show}")
    await page.wait_for_selector(".log")
    notice = page.locator("#screen > [aria-live=polite]").first
    for body, text in (('{"events": [', "can’t connect"), ('{"events": [{"id": "1"}]}', "Something went wrong")):
        await page.route("**/log?count=100", answering(body))
        await expect(notice).to_contain_text(text)
        await page.unroute("**/log?count=100")
        await expect(notice).to_have_text("")
    assert person.errors, "what can't be drawn is reported as an error of the page"
    person.errors.clear()
    await person.leaves()
