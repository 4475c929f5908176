"""An operator moves a booking to other seats: over HTTP, live on the map, with the same ticket."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import aiohttp
import orjson

from realtime.dev.cluster import Cluster
from realtime.model import Category, Layout, show_of
from realtime.wire.layouts import make_layout
from tests.cluster import Client, grid, node_urls, until

from .test_gate import ask
from .test_staff import add
from .test_tickets import booked, get


def two_prices() -> Layout:
    """Row F is Silver, the others are Gold."""
    layout = grid()
    seats = tuple(replace(seat, category="Silver") if seat.row == "F" else seat for seat in layout.seats)
    categories = (*layout.categories, Category("Silver", "#c0c0c0"))
    return make_layout("Two prices", layout.width, layout.height, categories, seats)


async def exchange(cluster: Cluster, booking: str, *seats: str, key: str = "", request: str = "") -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {key or cluster.secrets['OPERATOR_KEY']}"}
    if request:
        headers["Idempotency-Key"] = request
    url = f"{node_urls(cluster)[1]}/api/v1/ops/bookings/{booking}/exchange"
    async with aiohttp.ClientSession(headers=headers) as session, session.post(url, json={"seats": seats}) as answer:
        payload: dict[str, Any] = await answer.json()
        return payload.get("error", payload)  # type: ignore[no-any-return]


async def test_an_exchange_is_live_on_the_map_and_keeps_the_ticket(cluster: Cluster) -> None:
    owner, booking = await booked(cluster)
    show = show_of(booking)
    viewer = await Client.connect(node_urls(cluster)[2])
    await viewer.call("show:watch", {"show": show})
    buyer = await Client.connect(node_urls(cluster)[0], token=owner)
    (before,) = (await ask(cluster, "/bookings", owner))["bookings"]

    done = await exchange(cluster, booking, "B-1", "A-2", request="x-1")
    assert done == {"booking": {"id": booking, "show": show, "seats": ["A-2", "B-1"], "exchanges": 1}}
    assert await exchange(cluster, booking, "B-1", "A-2", request="x-1") == done
    assert (await exchange(cluster, booking, "B-3", "A-2", request="x-1"))["code"] == "request_reused"

    async def moved() -> bool:
        return [viewer.status(show, seat) for seat in (0, 1, 20)] == ["free", "sold", "sold"]

    await until(moved)
    heard = (await buyer.hears("booking:settled"))["booking"]
    assert (heard["id"], heard["state"], heard["seats"]) == (booking, "booked", ["A-2", "B-1"])
    (after,) = (await ask(cluster, "/bookings", owner))["bookings"]
    assert [seat["id"] for seat in after["seats"]] == ["A-2", "B-1"]
    for name in ("code", "ticket", "amount"):
        assert after[name] == before[name]
    status, pdf = await get(cluster, f"/bookings/{booking}/ticket.pdf", owner)
    assert status == 200 and pdf.startswith(b"%PDF")
    story = await ask(cluster, f"/ops/bookings/{booking}")
    (moved_to,) = story["exchanges"]
    assert (moved_to["before"], moved_to["after"]) == (["A-1", "A-2"], ["A-2", "B-1"])
    assert moved_to["seats"]["B-1"] == ["Stalls", "B", "1"]
    await buyer.close()
    await viewer.close()


async def test_an_exchange_is_for_operators_and_for_seats_of_the_same_price(cluster: Cluster) -> None:
    terms: dict[str, Any] = {"layout": two_prices(), "prices": {"Gold": 450, "Silver": 300}}
    owner, booking = await booked(cluster, **terms)
    refused = await exchange(cluster, booking, "F-1", "F-2")
    assert (refused["code"], refused["amount"], refused["price"]) == ("price_differs", 90_000, 60_000)
    gate = await add(cluster, "gatekeeper", "--role", "gate", "--theatre", "west-hall", "--region", "west")
    for key in (owner, gate):
        assert (await exchange(cluster, booking, "B-1", "B-2", key=key))["code"] == "forbidden"
    for other in (f"{booking[:-1]}x", "nonsense", "south-nowhere.b" + 22 * "x"):
        assert (await exchange(cluster, other, "B-1", "B-2"))["code"] == "booking_not_found"
    assert (await exchange(cluster, booking))["code"] == "bad_request"
    assert (await exchange(cluster, booking, *(f"B-{n}" for n in range(500))))["code"] == "bad_request"
    (kept,) = orjson.loads((await get(cluster, "/bookings", owner))[1])["bookings"]
    assert [seat["id"] for seat in kept["seats"]] == ["A-1", "A-2"]
