"""Two buyers compete for one seat across three regions; then two hundred buyers."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from realtime.dev.cluster import Cluster
from realtime.ledger import Ledger
from realtime.model import hold_of
from tests.cluster import Client, grid, map_of_master, new_show, node_urls, pay, retried, until

F12 = next(n for n, seat in enumerate(grid().seats) if seat.id == "F-12")


@pytest.mark.parametrize("transports", [["websocket"], ["polling"], ["polling", "websocket"]])
async def test_one_buyer_gets_the_seat_both_see_it_and_it_is_sold_in_every_region(
    cluster: Cluster, transports: list[str]
) -> None:
    show = await new_show(cluster, "west")
    delhi, mumbai, bengaluru = node_urls(cluster)
    asha = await Client.connect(delhi, transports=transports)
    bala = await Client.connect(bengaluru, transports=transports)
    for client in (asha, bala):
        watched = await client.call("show:watch", {"show": show})
        assert (watched["ok"], watched["status"]) == (True, "live")
    asks = [client.call("seats:hold", {"show": show, "seats": ["F-12"], "request_id": "1"}) for client in (asha, bala)]
    answers = await asyncio.gather(*asks)
    assert sorted(answer["ok"] for answer in answers) == [False, True]
    winner, won = next((c, a) for c, a in zip((asha, bala), answers, strict=True) if a["ok"])
    lost = next(a for a in answers if not a["ok"])
    assert (lost["error"]["code"], lost["error"]["seats"]) == ("seats_taken", ["F-12"])
    for client in (asha, bala):
        await until(lambda client=client: _is(client, show, F12, "held"))

    hold = won["hold"]["id"]
    assert won["hold"]["expires_at"] - won["server_time"] == 480_000
    booked = await winner.call("seats:confirm", {"hold": hold, "payment": await pay(mumbai, hold)})
    assert booked["ok"], booked
    assert (booked["booking"]["state"], booked["booking"]["seats"]) == ("booked", ["F-12"])
    for client in (asha, bala):
        await until(lambda client=client: _is(client, show, F12, "sold"))
    await winner.hears("booking:settled")
    assert (await ledger_bookings(cluster, show)) == {hold: (F12,)}
    await asyncio.gather(asha.close(), bala.close())


async def _is(client: Client, show: str, index: int, status: str) -> bool:
    return client.status(show, index) == status


async def ledger_bookings(cluster: Cluster, show: str) -> dict[str, tuple[int, ...]]:
    region = show.partition("-")[0]
    ledger = Ledger(f"sqlite:///{cluster.plan.data}/{region}/ledger.db")
    try:
        return {hold_of(booking.id): booking.seats for booking in await ledger.booked(show)}
    finally:
        await ledger.close()


async def race(cluster: Cluster, show: str, wishes: list[list[str]]) -> list[dict[str, Any]]:
    """Let one buyer for each wish try at once, over the nodes of all regions; winners pay. Return their bookings."""
    urls = node_urls(cluster)
    buyers = [await Client.connect(urls[n % len(urls)]) for n in range(len(wishes))]
    viewers = [await Client.connect(url) for url in urls]
    for viewer in viewers:
        await viewer.call("show:watch", {"show": show})
    asks = [
        retried(buyer, "seats:hold", {"show": show, "seats": wish, "request_id": "only"})
        for buyer, wish in zip(buyers, wishes, strict=True)
    ]
    answers = await asyncio.gather(*asks)
    for answer in answers:
        assert answer["ok"] or answer["error"]["code"] == "seats_taken", answer

    async def book(buyer: Client, answer: dict[str, Any]) -> dict[str, Any]:
        hold = answer["hold"]["id"]
        done = await retried(buyer, "seats:confirm", {"hold": hold, "payment": await pay(urls[0], hold)})
        assert done["ok"], done
        if done["booking"]["state"] == "pending":
            done = {"booking": (await buyer.hears("booking:settled"))["booking"]}
        assert done["booking"]["state"] == "booked"
        return dict(done["booking"])

    winners = [(buyer, answer) for buyer, answer in zip(buyers, answers, strict=True) if answer["ok"]]
    bookings = await asyncio.gather(*(book(buyer, answer) for buyer, answer in winners))

    epoch, version, text = await map_of_master(cluster, show)
    for viewer in viewers:

        async def caught_up(viewer: Client = viewer) -> bool:
            return viewer.maps[show][:2] == (epoch, version)

        await until(caught_up)
        seen = "".join(map(str, viewer.maps[show][2][: len(text)]))
        assert seen == text, "a viewer's map differs from the authority"
    names = {seat.id: n for n, seat in enumerate(grid().seats)}
    expected = {b["hold"]: tuple(sorted(names[seat] for seat in b["seats"])) for b in bookings}
    assert await ledger_bookings(cluster, show) == expected
    sold = {index for seats in expected.values() for index in seats}
    assert {n for n, digit in enumerate(text) if digit == "2"} == sold
    assert sum(len(seats) for seats in expected.values()) == len(sold), "a seat stands in two bookings"
    await asyncio.gather(*(client.close() for client in (*buyers, *viewers)))
    return bookings


async def test_two_hundred_buyers_race_for_a_hundred_seats(cluster: Cluster) -> None:
    show = await new_show(cluster, "west")
    seats = [seat.id for seat in grid().seats][:100]
    wishes = [[seats[n % 100]] for n in range(200)]
    random.Random(12).shuffle(wishes)
    assert len(await race(cluster, show, wishes)) == 100


async def test_two_hundred_buyers_race_for_overlapping_seats(cluster: Cluster) -> None:
    show = await new_show(cluster, "south")
    seats = [seat.id for seat in grid().seats][:100]
    dice = random.Random(34)
    wishes = [seats[start : start + dice.randint(1, 4)] for start in (dice.randrange(97) for _ in range(200))]
    bookings = await race(cluster, show, wishes)
    taken = {seat for booking in bookings for seat in booking["seats"]}
    # Everyone who lost, lost to somebody: no wish is wholly free at the end.
    assert all(taken & set(wish) for wish in wishes)
