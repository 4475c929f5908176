"""What the page of a stadium weighs in requests and bytes, which do not depend on the machine."""

from __future__ import annotations

from playwright.async_api import Browser

from loadtest.frames.arrival import arrive
from loadtest.frames.weight import HIDE
from realtime.dev.cluster import Cluster
from realtime.dev.samples.stadium import stadium_plan
from realtime.plans import read_plan
from tests.cluster import Client, new_show, node_urls
from tests.pages.conftest import Person
from tests.pages.test_main_job import multiplex_show

MAX_BYTES = 120_000
MAX_REQUESTS = 12
MAX_AGAIN_BYTES = 5_000


async def test_a_stadium_takes_few_bytes_and_requests_and_nothing_twice(browser: Browser, cluster: Cluster) -> None:
    layout = read_plan(stadium_plan())
    prices = {category.name: 500 for category in layout.categories}
    show = await new_show(cluster, layout=layout, prices=prices)
    url = f"{node_urls(cluster)[0]}/shows/{show}"
    context = await browser.new_context(viewport={"width": 360, "height": 740}, has_touch=True, locale="en-IN")
    first = await arrive(context, url, None, 1)
    assert {each.status for each in first.requests if each.url.startswith("http")} == {200}
    assert len(first.sent) <= MAX_REQUESTS, [each.url for each in first.sent]
    assert first.bytes <= MAX_BYTES, [(each.bytes, each.url) for each in first.sent]
    again = await arrive(context, url, None, 1)
    assert again.revalidated == []
    # The page itself, and the connection.
    assert [each.url.partition(":")[0] for each in again.sent] == ["http", "ws"], [each.url for each in again.sent]
    assert again.bytes <= MAX_AGAIN_BYTES
    await context.close()


async def test_a_hidden_page_gets_no_changes_and_catches_up_when_it_is_shown(
    browser: Browser, cluster: Cluster
) -> None:
    show = await multiplex_show(cluster)
    node = node_urls(cluster)[0]
    asha = await Person.arrive(browser, node, f"/shows/{show}")
    await asha.page.evaluate(HIDE, True)
    bala = await Client.connect(node)
    await bala.call("show:watch", {"show": show})
    assert (await bala.call("seats:hold", {"show": show, "seats": ["B-3"], "request_id": "1"}))["ok"]
    await bala.hears("seats:changed", show=show)
    state = "document.querySelector('seat-map').seatState('B-3')"
    # Frames are sent to all viewers of a node in one go, so hers would have come: her connection answers after it.
    await asha.page.evaluate("document.querySelector('seat-map').request('hold:resume', {hold: 'x'}).catch(() => 0)")
    assert await asha.page.evaluate(state) == "free"
    await asha.page.evaluate(HIDE, False)
    await asha.sees("B-3", "held")
    await bala.close()
    await asha.leaves()
