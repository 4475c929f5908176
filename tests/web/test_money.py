"""Money on a running system: the demo bank on its bad days, its webhooks, refunds by a worker, and who can see them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import aiohttp
import msgspec
import pytest

from loadtest.faults.actions import frozen
from realtime import keys
from realtime.dev.cluster import Cluster
from realtime.errors import BadRequest
from realtime.locks.master import LockMaster
from realtime.model import Theatre
from realtime.payments.demo import BankEvent, BankPayment, webhook_signer
from realtime.payments.service import seats_digest
from realtime.payments.status import PaymentState
from realtime.web.orders import Orders
from realtime.wire.shows import encode_theatre
from tests.cluster import Client, map_of_master, new_show, node_urls, pay_order, retried, until


async def ops(cluster: Cluster, path: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {cluster.secrets['OPERATOR_KEY']}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"{node_urls(cluster)[0]}{path}") as answer,
    ):
        assert answer.status == 200, await answer.text()
        found: dict[str, Any] = await answer.json()
        return found


async def ordered(client: Client, show: str, seats: list[str], request_id: str = "1") -> tuple[str, str, int]:
    """Hold seats and order their payment; return hold, order and amount in paise."""
    held = await client.call("seats:hold", {"show": show, "seats": seats, "request_id": request_id})
    answer = await client.call("seats:order", {"hold": held["hold"]["id"]})
    assert answer["prices"]["total"] == answer["order"]["amount"] == held["hold"]["prices"]["total"]
    return held["hold"]["id"], answer["order"]["id"], answer["order"]["amount"]


async def test_the_price_in_the_list_of_shows_is_what_the_seat_costs(cluster: Cluster) -> None:
    show = await new_show(cluster, "west", fee={"paise": 2000, "basis_points": 200}, admission="cinema")
    async with aiohttp.ClientSession() as session, session.get(f"{node_urls(cluster)[0]}/api/v1/shows/{show}") as got:
        listed = (await got.json())["all_in_prices"]
    buyer = await Client.connect(node_urls(cluster)[0])
    held = await buyer.call("seats:hold", {"show": show, "seats": ["A-1"], "request_id": "1"})
    assert listed == {"Gold": held["hold"]["prices"]["total"]}
    await buyer.close()


async def test_a_buyer_who_pays_and_closes_the_page_is_booked(cluster: Cluster) -> None:
    show = await new_show(cluster, "south")
    buyer = await Client.connect(node_urls(cluster)[0])
    hold, order, _amount = await ordered(buyer, show, ["A-1", "A-2"])
    token = buyer.token
    await buyer.close()
    await pay_order(cluster, order)
    again = await Client.connect(node_urls(cluster)[2], token=token)

    async def booked() -> bool:
        answer = await again.call("hold:resume", {"hold": hold})
        return bool(answer["ok"] and answer["hold"]["state"] == "booked")

    await until(booked)
    await again.close()


async def test_page_and_webhooks_that_race_make_one_booking(cluster: Cluster) -> None:
    show = await new_show(cluster, "west")
    buyer = await Client.connect(node_urls(cluster)[1])
    hold, order, amount = await ordered(buyer, show, ["A-1"])
    proof = await pay_order(cluster, order, webhooks="twice")
    for _ in range(3):
        answer = await buyer.call("seats:confirm", {"hold": hold, "payment": proof})
        assert answer["booking"]["state"] == "booked" and "refund" not in answer
    (payment,) = (await ops(cluster, f"/api/v1/ops/payments?show={show}"))["payments"]
    assert (payment["hold"], payment["amount"], payment["refund"]) == (hold, amount, None)
    assert payment["booking"] is not None
    await buyer.close()


async def test_the_second_payment_of_a_hold_is_returned(cluster: Cluster) -> None:
    show = await new_show(cluster, "west")
    buyer = await Client.connect(node_urls(cluster)[1])
    hold, order, amount = await ordered(buyer, show, ["A-1"])
    await pay_order(cluster, order, behaviour="twice")

    async def settled() -> list[dict[str, Any]] | None:
        payments = (await ops(cluster, f"/api/v1/ops/payments?show={show}"))["payments"]
        done = [each for each in payments if each["booking"] or each["refund"] == "done"]
        return payments if len(done) == len(payments) == 2 else None

    payments = await until(settled, timeout_s=60)
    assert sorted(each["refund"] or "booked" for each in payments) == ["booked", "done"]
    (refund,) = (await ops(cluster, f"/api/v1/ops/refunds?show={show}&state=done"))["refunds"]
    assert (refund["hold"], refund["amount"], refund["reason"]) == (hold, amount, "doubled")
    assert refund["key"] == refund["id"], "of the first attempt"
    await buyer.close()


@pytest.mark.parametrize("behaviour", ["late", "silent"])
async def test_a_payment_that_nobody_reports_is_found_by_asking(cluster: Cluster, behaviour: str) -> None:
    show = await new_show(cluster, "north", hold_s=3)
    buyer = await Client.connect(node_urls(cluster)[0])
    hold, order, amount = await ordered(buyer, show, ["A-1"])
    await pay_order(cluster, order, behaviour=behaviour, webhooks="never", late_ms=500)

    async def settled() -> dict[str, Any] | None:
        payments = (await ops(cluster, f"/api/v1/ops/payments?show={show}"))["payments"]
        return payments[0] if payments else None

    payment = await until(settled, timeout_s=60)
    assert (payment["hold"], payment["amount"]) == (hold, amount)
    assert payment["booking"] is not None, "its seats were free again, so the late payment books them"
    await buyer.close()


@pytest.mark.parametrize("named", [None, ["A-1"]], ids=["all seats", "named seats"])
async def test_a_paid_hold_does_not_end_while_the_bank_is_silent(cluster: Cluster, named: list[str] | None) -> None:
    show = await new_show(cluster, "west", hold_s=5)
    buyer, rival = [await Client.connect(node_urls(cluster)[n]) for n in (1, 2)]
    hold, order, _amount = await ordered(buyer, show, ["A-1"])
    proof = await pay_order(cluster, order, webhooks="never")
    other = await Client.connect(node_urls(cluster)[0], token=buyer.token)
    confirm = {"hold": hold, "payment": proof} | ({} if named is None else {"seats": named})
    rivals = iter(range(10_000))
    with frozen([cluster.children["bank"]]):
        # At a node that has not been asked about the hold before.
        asked = asyncio.create_task(other.call("seats:confirm", confirm))
        while not asked.done():
            taken = {"show": show, "seats": ["A-1"], "request_id": f"r{next(rivals)}"}
            assert (await rival.call("seats:hold", taken))["error"]["code"] == "seats_taken"
            await asyncio.wait({asked}, timeout=0.2)
        assert (await asked)["error"]["code"] == "payment_unavailable"
        held = await buyer.call("hold:resume", {"hold": hold})
        assert held["hold"]["expires_at"] - held["server_time"] > 30_000, "it may be sent again for a while"
    booked = await retried(buyer, "seats:confirm", confirm)
    assert (booked["booking"]["state"], "refund" in booked) == ("booked", False)
    for client in (buyer, rival, other):
        await client.close()


async def test_a_payment_of_another_hold_keeps_no_hold(cluster: Cluster) -> None:
    show = await new_show(cluster, "west", hold_s=4)
    buyer, rival = [await Client.connect(node_urls(cluster)[n]) for n in (1, 2)]
    paid, order, _amount = await ordered(buyer, show, ["B-1"], "paid")
    proof = await pay_order(cluster, order, webhooks="never")
    assert (await buyer.call("seats:confirm", {"hold": paid, "payment": proof}))["booking"]["state"] == "booked"
    held = (await buyer.call("seats:hold", {"show": show, "seats": ["A-1"], "request_id": "unpaid"}))["hold"]

    async def ended() -> dict[str, Any] | None:
        refused = await buyer.call("seats:confirm", {"hold": held["id"], "payment": proof, "seats": ["A-1"]})
        assert refused["error"]["code"] == "payment_refused"
        now = await buyer.call("hold:resume", {"hold": held["id"]})
        return now if now["hold"]["state"] == "expired" else None

    now = await until(ended)
    assert now["hold"]["expires_at"] == held["expires_at"]
    taken = await rival.call("seats:hold", {"show": show, "seats": ["A-1"], "request_id": "1"})
    assert taken["ok"]
    for client in (buyer, rival):
        await client.close()


async def test_a_buyer_is_sent_back_to_pages_of_the_installation_only(cluster: Cluster) -> None:
    show = await new_show(cluster, "west")
    buyer = await Client.connect(node_urls(cluster)[1])
    held = await buyer.call("seats:hold", {"show": show, "seats": ["A-1"], "request_id": "1"})
    page = f"{node_urls(cluster)[0]}/shows/{show}"
    scheme, rest = page.split("://")
    for url in ("", page, f"{scheme.upper()}://{rest}?x=1#Y"):
        assert (await buyer.call("seats:order", {"hold": held["hold"]["id"], "return_url": url}))["ok"], url
    for url in (
        f"{page} x",
        f" {page}",
        "HTTP://example.org/",
        "javascript:alert(1)",
        "//example.org",
        rest,
        "http://[",
    ):
        refused = await buyer.call("seats:order", {"hold": held["hold"]["id"], "return_url": url})
        assert refused["error"]["code"] == "bad_request", url
    await buyer.close()


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("HTTPS://Tickets.Example/A?b=C#D", "https://tickets.example/A?b=C#D"),
        ("https://tickets.example:443/", "https://tickets.example/"),
        ("https://tickets.example:8443/", ""),
        ("https://tickets.example@evil.example/", ""),
        ("https://tickets.example\\@evil.example/", ""),
        ("http://tickets.example/", ""),
    ],
)
def test_return_urls_are_compared_by_their_origin(url: str, taken: str) -> None:
    nobody: Any = None
    orders = Orders(nobody, {}, nobody, ["https://Tickets.example"], nobody)
    if taken:
        assert orders._return_url(url) == taken
    else:
        with pytest.raises(BadRequest):
            orders._return_url(url)


async def bank_order(cluster: Cluster, hold: str, seats: list[str], amount: int) -> str:
    """Make an order at the bank that no node knows; return its id."""
    body = {"hold": hold, "seats": seats_digest(seats), "amount": amount, "currency": "INR", "expires_at": 2**40}
    headers = {"Authorization": f"Bearer {cluster.secrets['BANK_SECRET']}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{cluster.plan.bank_url}/api/orders", json={**body, "key": f"{hold}.{amount}"}) as answer,
    ):
        assert answer.status == 200, await answer.text()
        return str((await answer.json())["id"])


async def test_money_for_something_else_that_only_the_page_brings_has_one_end(cluster: Cluster) -> None:
    show = await new_show(cluster, "west")
    buyer = await Client.connect(node_urls(cluster)[1])
    hold, _order, amount = await ordered(buyer, show, ["A-1"], "amount")
    other, _order, _amount = await ordered(buyer, show, ["A-3", "A-4"], "seats")
    wrong_amount = await bank_order(cluster, hold, ["A-1"], amount - 1)
    wrong_seats = await bank_order(cluster, other, ["A-3"], amount)
    for mine, order, reason in ((hold, wrong_amount, "wrong_amount"), (other, wrong_seats, "wrong_seats")):
        proof = await pay_order(cluster, order, webhooks="never")
        refused = await buyer.call("seats:confirm", {"hold": mine, "payment": proof})
        assert (refused["error"]["code"], refused["error"]["reason"]) == ("payment_refused", reason)
    unknown = f"west-nowhere.h{'x' * 22}"
    lost = f"{show}.h{'x' * 22}"
    for mine, seats, code in (
        (unknown, None, "hold_not_found"),
        (lost, None, "hold_"),
        (lost, ["Z-1"], "seat_not_found"),
    ):
        order = await bank_order(cluster, mine, ["A-9"], amount + len(code))
        proof = await pay_order(cluster, order, webhooks="never")
        confirm = {"hold": mine, "payment": proof} | ({} if seats is None else {"seats": seats})
        refused = await buyer.call("seats:confirm", confirm)
        assert refused["error"]["code"].startswith(code), refused
        forged = await buyer.call("seats:confirm", {**confirm, "payment": f"{proof[:-4]}aaaa"})
        assert forged["error"]["code"] == refused["error"]["code"], "what the confirm asks for decides the error"

    async def returned() -> list[tuple[str, int]] | None:
        paths = (f"/api/v1/ops/refunds?show={each}&state=done" for each in (show, "west-nowhere"))
        found = [(each["hold"], each["amount"]) for path in paths for each in (await ops(cluster, path))["refunds"]]
        return found if len(found) == 5 else None

    of_lost = {(lost, amount + len(code)) for code in ("hold_", "seat_not_found")}
    ours = {(hold, amount - 1), (other, amount), (unknown, amount + len("hold_not_found"))}
    assert set(await until(returned, timeout_s=60)) == ours | of_lost
    await buyer.close()


async def test_a_hold_id_is_not_used_again_once_its_payment_was_returned(cluster: Cluster) -> None:
    show = await new_show(cluster, "west")
    buyer = await Client.connect(node_urls(cluster)[1])
    hold, order, _amount = await ordered(buyer, show, ["A-1"], "reused")
    assert (await buyer.call("seats:release", {"hold": hold}))["ok"]
    proof = await pay_order(cluster, order, webhooks="never")
    refused = await buyer.call("seats:confirm", {"hold": hold, "payment": proof})
    assert (refused["error"]["code"], refused["error"]["refund"]["state"]) == ("hold_ended", "promised")
    async with cluster.masters() as masters:
        # As ten minutes later: the record of an ended hold is deleted, unless it was paid for.
        await masters["west"].command("ZADD", keys.ENDED, 1, hold)
        await until(lambda: _swept(masters["west"], hold))
    again = await buyer.call("seats:hold", {"show": show, "seats": ["A-1"], "request_id": "reused"})
    assert again["error"]["code"] == "request_reused"
    await buyer.close()


async def _swept(master: LockMaster, hold: str) -> bool:
    return await master.command("ZSCORE", keys.ENDED, hold) is None


async def test_a_client_can_ask_what_became_of_its_requests(cluster: Cluster) -> None:
    show = await new_show(cluster, "west")
    url = f"{node_urls(cluster)[0]}/api/v1"
    async with aiohttp.ClientSession() as session:
        token = (await (await session.post(f"{url}/session")).json())["token"]
        session.headers["Authorization"] = f"Bearer {token}"

        async def ask(method: str, path: str, body: Any = None, key: str = "") -> Any:
            headers = {"Idempotency-Key": key} if key else {}
            async with session.request(method, f"{url}{path}", json=body, headers=headers) as answer:
                return await answer.json()

        held = await ask("POST", f"/shows/{show}/holds", {"seats": ["A-1", "A-2"]}, key="hold-1")
        hold = held["hold"]["id"]
        found = await ask("GET", "/commands/hold-1")
        assert (found["kind"], found["subject"], found["outcome"]["state"]) == ("hold", hold, "held")
        extended = [await ask("POST", f"/holds/{hold}/extend", key="extend-1") for _ in range(2)]
        assert extended[0]["hold"]["expires_at"] == extended[1]["hold"]["expires_at"]
        order = (await ask("POST", f"/holds/{hold}/order", key="order-1"))["order"]["id"]
        found = await ask("GET", "/commands/order-1")
        assert (found["kind"], found["subject"], found["outcome"]["order"]) == ("order", hold, order)
        proof = await pay_order(cluster, order, webhooks="never")
        booked = await ask("POST", f"/holds/{hold}/confirm", {"payment": proof}, key="confirm-1")
        assert booked["booking"]["state"] == "booked"

        async def recorded() -> Any:
            answer = await ask("GET", "/commands/confirm-1")
            return answer if "outcome" in answer else None

        found = await until(recorded)
        assert (found["kind"], found["subject"]) == ("confirm", hold)
        booking = booked["booking"]["id"]
        assert found["outcome"] == {"booking": booking, "state": "booked"}
        found = await ask("GET", "/commands/extend-1")
        assert (found["kind"], found["outcome"]) == ("extend", {"state": "held"})
        cancelled = [await ask("POST", f"/bookings/{booking}/cancel", key="cancel-1") for _ in range(2)]
        assert cancelled[0] == cancelled[1]
        found = await ask("GET", "/commands/cancel-1")
        assert (found["kind"], found["subject"], found["outcome"]) == ("cancel", booking, cancelled[0])
        assert (await ask("GET", "/commands/never-sent"))["error"]["code"] == "command_not_found"


async def test_a_key_belongs_to_its_owner_and_to_one_command(cluster: Cluster) -> None:
    url = f"{node_urls(cluster)[0]}/api/v1"
    show = await new_show(cluster, "west")
    headers = {"Authorization": f"Bearer {cluster.secrets['OPERATOR_KEY']}", "Idempotency-Key": f"key of {show}"}
    async with aiohttp.ClientSession(headers=headers) as session:

        async def post(path: str, body: Any = None) -> Any:
            async with session.post(f"{url}/shows/{show}/{path}", json=body) as answer:
                return await answer.json()

        for _ in range(2):
            assert (await post("block", {"seats": ["A-1"]}))["seats"] == ["A-1"]
        for path, body in (("block", {"seats": ["A-2"]}), ("unblock", {"seats": ["A-1"]}), ("pause", None)):
            assert (await post(path, body))["error"]["code"] == "request_reused"
    _epoch, _version, seats = await map_of_master(cluster, show)
    assert seats[:2] == "30"


async def test_a_region_that_is_down_does_not_hide_what_another_knows_of_a_request(cluster: Cluster) -> None:
    show = await new_show(cluster, "west")
    buyer = await Client.connect(node_urls(cluster)[0])
    await buyer.call("seats:hold", {"show": show, "seats": ["A-1"], "request_id": "known"})

    async def ask(request: str) -> Any:
        headers = {"Authorization": f"Bearer {buyer.token}"}
        url = f"{node_urls(cluster)[0]}/api/v1/commands/{request}"
        async with aiohttp.ClientSession(headers=headers) as session, session.get(url) as answer:
            return await answer.json()

    with frozen([cluster.children["master north"]]):
        assert (await ask("known"))["outcome"]["state"] == "held"
        assert (await ask("unknown"))["error"]["code"] == "region_unavailable", "north may know it"
    await until(lambda: _unknown(ask))
    await buyer.close()


async def _unknown(ask: Any) -> bool:
    return bool((await ask("unknown"))["error"]["code"] == "command_not_found")


async def test_a_payment_for_a_theatre_in_conflict_has_one_end(cluster: Cluster) -> None:
    show = await new_show(cluster, "west")
    buyer = await Client.connect(node_urls(cluster)[1])
    hold, order, _amount = await ordered(buyer, show, ["A-1"], "kept")
    proof = await pay_order(cluster, order, webhooks="never")
    released, order, _amount = await ordered(buyer, show, ["B-1"], "released")
    late = await pay_order(cluster, order, webhooks="never")
    await buyer.call("seats:release", {"hold": released})
    rival = encode_theatre(Theatre("west-hall", "Rival Hall", "Chennai", "south"))
    async with cluster.masters() as masters:
        await masters["south"].command("HSET", keys.THEATRES, "west-hall", rival)
        try:
            await masters["south"].command("PUBLISH", keys.DIRECTORY, "{}")
            another = {"show": show, "seats": ["C-1"]}
            conflict = iter(range(1_000))

            async def refused() -> bool:
                answer = await buyer.call("seats:hold", {**another, "request_id": f"c{next(conflict)}"})
                return not answer["ok"] and answer["error"]["code"] == "theatre_conflict"

            await until(refused)
            booked = await buyer.call("seats:confirm", {"hold": hold, "payment": proof})
            returned = await buyer.call("seats:confirm", {"hold": released, "payment": late})
        finally:
            await masters["south"].command("HDEL", keys.THEATRES, "west-hall")
            await masters["south"].command("PUBLISH", keys.DIRECTORY, "{}")
    assert booked["booking"]["state"] == "booked"
    assert (returned["error"]["code"], "refund" in returned["error"]) == ("hold_ended", True)
    rows = (await ops(cluster, f"/api/v1/ops/payments?show={show}"))["payments"]
    assert {row["hold"]: (row["booking"] is not None, row["refund"] is not None) for row in rows} == {
        hold: (True, False),
        released: (False, True),
    }
    await buyer.close()


async def test_nothing_about_money_is_acknowledged_before_the_ledger_has_it(cluster: Cluster) -> None:
    show = await new_show(cluster, "west")
    buyer = await Client.connect(node_urls(cluster)[1])
    paid, order, amount = await ordered(buyer, show, ["A-1"], "paid")
    proof = await pay_order(cluster, order, webhooks="never")
    released, order, _amount = await ordered(buyer, show, ["B-1"], "released")
    late = await pay_order(cluster, order, webhooks="never")
    await buyer.call("seats:release", {"hold": released})
    held = await buyer.call("seats:hold", {"show": show, "seats": ["C-1"], "request_id": "unpaid"})
    new_order = ("seats:order", {"hold": held["hold"]["id"]})
    refund = ("seats:confirm", {"hold": released, "payment": late})
    keepers = [child for name, child in cluster.children.items() if name.startswith("keeper west")]
    event = signed_event(cluster, f"late {paid}", paid, proof, amount)
    with frozen(keepers):
        asked = await asyncio.gather(buyer.call(*new_order), buyer.call(*refund), send_event(cluster, event))
    codes = [answer["error"]["code"] for answer in asked]
    assert codes == ["region_unavailable"] * 3
    assert all(answer["error"]["retryable"] for answer in asked)
    assert (await buyer.call(*new_order))["order"]["amount"] == amount
    returned = (await buyer.call(*refund))["error"]
    # A worker may have returned the money in the meantime: then the gateway says so.
    assert returned.get("reason") == "already_refunded" or returned["refund"]["state"] in ("promised", "sent", "done")
    assert await send_event(cluster, event) == {}

    async def ends() -> bool:
        rows = (await ops(cluster, f"/api/v1/ops/payments?show={show}"))["payments"]
        return {row["hold"]: row["refund"] or "booked" for row in rows} == {paid: "booked", released: "done"}

    await until(ends, timeout_s=30)
    await buyer.close()


def signed_event(cluster: Cluster, event: str, hold: str, proof: str, amount: int) -> tuple[dict[str, str], bytes]:
    """Return headers and body of the bank's webhook about a captured payment."""
    order, payment, _signature = proof.split(".")
    captured = BankPayment(payment, order, hold, "", amount, "INR", PaymentState.CAPTURED, 0)
    body, now = msgspec.json.encode(BankEvent("payment.captured", captured)), datetime.now(UTC)
    signature = webhook_signer(cluster.secrets["BANK_SECRET"]).sign(event, now, body.decode())
    stamp = str(int(now.timestamp()))
    return {"webhook-id": event, "webhook-timestamp": stamp, "webhook-signature": signature}, body


async def send_event(cluster: Cluster, event: tuple[dict[str, str], bytes]) -> Any:
    url = f"{node_urls(cluster)[0]}/api/v1/payments/webhook"
    async with aiohttp.ClientSession() as session, session.post(url, data=event[1], headers=event[0]) as answer:
        body = await answer.json()
        assert answer.status == (503 if "error" in body else 200)
        return body


async def test_a_forged_webhook_is_refused(cluster: Cluster) -> None:
    async with aiohttp.ClientSession() as session:
        url = f"{node_urls(cluster)[0]}/api/v1/payments/webhook"
        headers = {"webhook-id": "1", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"}
        async with session.post(url, data=b'{"type": "payment"}', headers=headers) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (400, "webhook_refused")
