"""Pages at a node that limits holds: challenges are solved by the page, and a kiosk's token exempts its address."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

from playwright.async_api import Browser, expect

from realtime import settings
from realtime.cli.node import static_folder
from realtime.dev import valkey
from realtime.dev.cluster import Cluster
from realtime.environment import PREFIX
from realtime.transport.acceptor import serving
from realtime.web.app import make_app
from tests.cluster import Client
from tests.pages.axe import violations
from tests.pages.conftest import Person
from tests.pages.kiosk import PORTRAIT, Kiosk, a_show_today, theatre_of_its_own
from tests.pages.test_main_job import multiplex_show
from tests.web.test_staff import add

CHALLENGE = """
[challenge]
service = "altcha"
show_holds_per_s = 0.01
options = { max_number = 2000 }
"""
"""From the second hold of a show on."""
TWO_SEATS = "seats_per_address = 2"


@contextlib.asynccontextmanager
async def strict_node(cluster: Cluster, folder: Path, limits: str) -> AsyncIterator[str]:
    """A node of Mumbai with other limits, to which this machine is an address like others. It knows no other node."""
    port = valkey.free_port()
    url = f"http://127.0.0.1:{port}"
    topology = re.sub(r"(?m)^nodes = .*$", f'nodes = ["{url}"]', cluster.topology_file("west").read_text())
    file = folder / "topology.toml"
    file.write_text(re.sub(r"(?m)^shared_networks = .*$", f"shared_networks = []\n{limits}", topology))
    secrets = {f"{PREFIX}{name}": value for name, value in cluster.secrets.items()}
    environ = {**secrets, f"{PREFIX}ALLOW_DEMO_PAYMENTS": "yes"}
    app = make_app(settings.load(file, environ), "west", static=static_folder())
    async with serving(app, "127.0.0.1", port, shutdown_timeout=1.0):
        yield url


async def test_a_page_solves_the_challenge_and_holds(browser: Browser, cluster: Cluster, tmp_path: Path) -> None:
    show = await multiplex_show(cluster)
    async with strict_node(cluster, tmp_path, CHALLENGE) as node:
        other = await Client.connect(node)
        assert (await other.call("seats:hold", {"show": show, "seats": ["C-1"], "request_id": "1"}))["ok"]
        refused = await other.call("seats:hold", {"show": show, "seats": ["C-2"], "request_id": "2"})
        assert refused["error"]["code"] == "challenge_required"
        buyer = await Person.arrive(browser, node, f"/shows/{show}")
        async with buyer.page.expect_request(lambda request: "/challenge" in request.url):
            await buyer.clicks("C-6")
            await buyer.presses("hold")
        await buyer.is_at("held")
        await buyer.sees("C-6", "mine", "held")
        await other.close()
        await buyer.leaves()


async def test_with_its_staff_token_a_kiosk_holds_more_seats_than_other_addresses(
    browser: Browser, cluster: Cluster, tmp_path: Path
) -> None:
    theatre = await theatre_of_its_own(cluster)
    show = await a_show_today(cluster, theatre)
    token = await add(cluster, "foyer", "--role", "kiosk", "--theatre", theatre, "--region", "west")
    async with strict_node(cluster, tmp_path, TWO_SEATS) as node:
        other = await Client.connect(node)
        assert (await other.call("seats:hold", {"show": show, "seats": ["C-1", "C-2"], "request_id": "1"}))["ok"]
        refused = await other.call("seats:hold", {"show": show, "seats": ["C-3"], "request_id": "2"})
        assert refused["error"]["code"] == "address_limit"
        context = await browser.new_context(viewport=PORTRAIT, has_touch=True, locale="en-IN")
        kiosk = Kiosk(context, await context.new_page(), node)
        await kiosk.page.goto(f"{node}/kiosk")
        for wrong, problem in (("no token", "not valid"), (cluster.secrets["OPERATOR_KEY"], "not for kiosks")):
            await kiosk.page.fill("#token", wrong)
            await kiosk.page.keyboard.press("Enter")
            await expect(kiosk.page.get_by_role("alert")).to_contain_text(problem)
        assert await violations(kiosk.page) == []
        await kiosk.page.fill("#token", token)
        await kiosk.page.keyboard.press("Enter")
        await kiosk.page.wait_for_url(f"**/kiosk/{theatre}")
        await kiosk.picks(show)
        await kiosk.holds("F-11")
        await other.close()
        await kiosk.leaves()
