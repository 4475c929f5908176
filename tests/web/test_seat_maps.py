"""``GET /api/v1/shows/{show}/seats`` and ``/config``, over a real master and replica that a test may freeze."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from realtime import limits
from realtime.settings import Settings
from realtime.topology import Topology
from realtime.web.address_keys import AddressKeys
from realtime.web.availability import Availability
from realtime.web.box_office import BoxOffice
from realtime.web.buyers import Buyers
from realtime.web.identity import Identities
from realtime.web.public_api import PublicApi
from tests.cluster import until
from tests.read_path import SHOW, Node, Servers, known

SECRET = "a secret for the tests"


@pytest.fixture
async def seats_url(own_node: Node, own_servers: Servers) -> AsyncIterator[str]:
    settings = Settings(Topology({"west": own_servers.region}), SECRET)
    identities = Identities(SECRET)
    address_keys = AddressKeys(SECRET, [])
    office = BoxOffice(own_node.directory, {"west": own_node.locks}, identities, address_keys)
    buyers = Buyers({}, address_keys)
    app = web.Application()
    for route in PublicApi(
        settings, "west", identities, own_node.directory, own_node.rooms, office, buyers, False, Availability({})
    ).routes():
        app.router.add_route(route.method, route.path, route.handler)
    async with TestServer(app) as server:
        await until(known(own_node))
        yield str(server.make_url(f"/api/v1/shows/{SHOW.id}/seats"))


async def test_a_map_that_became_stale_is_sent_again_although_its_version_is_the_same(
    seats_url: str,
    own_servers: Servers,
) -> None:
    async with aiohttp.ClientSession() as session:

        async def seats(etag: str = "") -> tuple[int, str, dict[str, Any]]:
            async with session.get(seats_url, headers={"If-None-Match": etag}) as response:
                return (
                    response.status,
                    response.headers["ETag"],
                    await response.json() if response.status == 200 else {},
                )

        _status, live_etag, live = await seats()
        assert (await seats(live_etag))[0] == 304
        own_servers.master.process.send_signal(signal.SIGSTOP)

        async def stale() -> dict[str, Any] | None:
            _status, _etag, body = await seats()
            return body if body["status"] == "stale" else None

        body = await until(stale)
        assert (body["epoch"], body["version"]) == (live["epoch"], live["version"])
        status, stale_etag, again = await seats(live_etag)
        assert (status, again["status"]) == (200, "stale")
        assert (await seats(stale_etag))[0] == 304


async def test_pages_learn_the_payment_time_out_and_it_ends_before_a_hold_does(seats_url: str) -> None:
    async with aiohttp.ClientSession() as session:
        url = seats_url.partition("/api/")[0] + "/api/v1/config"
        async with session.get(url) as response:
            config = await response.json()
    assert config["payment_timeout_s"] == limits.PAYMENT_TIMEOUT_S
    assert config["payment_timeout_s"] + limits.PAYMENT_SLACK_S <= limits.DEFAULT_HOLD_S
