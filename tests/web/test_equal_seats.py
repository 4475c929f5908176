"""A payment that comes after its seats were sold to somebody else: equal seats where the show offers them."""

from __future__ import annotations

from typing import Any

import pytest

from realtime.dev.cluster import Cluster
from tests.cluster import Client, new_show, node_urls, pay, pay_order, until

from .test_money import ops, ordered


async def paid_late(cluster: Cluster, buyer: Client, rival: Client, show: str) -> tuple[str, str]:
    """Let a buyer pay for A-1 and A-2 without a word to the system, and a rival book A-2 once the hold has expired."""
    hold, order, _amount = await ordered(buyer, show, ["A-1", "A-2"])
    proof = await pay_order(cluster, order, webhooks="never")
    await buyer.hears("hold:expired", hold=hold)
    taken = await rival.call("seats:hold", {"show": show, "seats": ["A-2"], "request_id": "1"})
    rivals = taken["hold"]["id"]
    answer = await rival.call("seats:confirm", {"hold": rivals, "payment": await pay(node_urls(cluster)[1], rivals)})
    assert answer["ok"], answer
    return hold, proof


@pytest.mark.parametrize("page", [True, False], ids=["page", "reconciler"])
async def test_a_late_payment_books_equal_seats_and_the_buyer_sees_instead_of_what(
    cluster: Cluster, page: bool
) -> None:
    show = await new_show(cluster, "west", hold_s=2, equal_seats=True)
    buyer, rival = await Client.connect(node_urls(cluster)[1]), await Client.connect(node_urls(cluster)[1])
    hold, proof = await paid_late(cluster, buyer, rival, show)
    if page:
        answer = await buyer.call("seats:confirm", {"hold": hold, "payment": proof})
        assert answer["ok"], answer
        booking = answer["booking"]
        assert (booking["seats"], booking["instead_of"]) == (["B-1", "B-2"], ["A-1", "A-2"])

    async def booked() -> dict[str, Any] | None:
        payments = (await ops(cluster, f"/api/v1/ops/payments?show={show}&hold={hold}"))["payments"]
        return payments[0] if payments else None

    payment = await until(booked, timeout_s=60)
    assert (payment["booking"] is not None, payment["refund"]) == (True, None)
    await until(lambda: _is_booked(buyer, hold))
    resumed = await buyer.call("hold:resume", {"hold": hold})
    assert resumed["hold"]["seats"] == ["B-1", "B-2"]
    for client in (buyer, rival):
        await client.close()


async def _is_booked(buyer: Client, hold: str) -> bool:
    answer = await buyer.call("hold:resume", {"hold": hold})
    return bool(answer["ok"] and answer["hold"]["state"] == "booked")


async def test_a_show_that_offers_no_equal_seats_returns_the_late_payment(cluster: Cluster) -> None:
    show = await new_show(cluster, "west", hold_s=2)
    buyer, rival = await Client.connect(node_urls(cluster)[1]), await Client.connect(node_urls(cluster)[1])
    hold, proof = await paid_late(cluster, buyer, rival, show)
    answer = await buyer.call("seats:confirm", {"hold": hold, "payment": proof})
    assert answer["error"]["code"] == "booking_rejected"
    assert answer["error"]["refund"]["state"] == "promised"
    for client in (buyer, rival):
        await client.close()
