"""The demo bank: what it does on good and bad days, its webhooks, its pages, and what kill -9 leaves."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from realtime.dev.bank.texts import language_of, rupees
from realtime.errors import PaymentRefused, PaymentUnavailable, WebhookRefused
from realtime.payments.demo import DemoPayments
from realtime.payments.errors import NoAnswer, Refusal
from realtime.payments.service import OrderRequest, refund_key
from realtime.payments.status import PaymentState, RefundState
from tests.payments.bank import SECRET, Bank, BankProcess, Receiver, bank_process, running_bank, running_receiver

HOLD, SEATS, AMOUNT = "west-show.hAAAAAAAAAAAAAAAAAAAAAA", ("A-1", "A-2"), 87_080


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as receiver:
        yield receiver


@pytest.fixture
async def bank(tmp_path: Path, receiver: Receiver) -> AsyncIterator[Bank]:
    # The first receiver is not there: the second one stands by.
    async with running_bank(tmp_path / "bank.db", ["http://127.0.0.1:1/webhook", receiver.url]) as bank:
        yield bank


@pytest.fixture
async def demo(bank: Bank) -> AsyncIterator[DemoPayments]:
    service = DemoPayments(bank.url, SECRET)
    yield service
    await service.close()


def request(hold_s: float = 300, key: str = "order-key-1", return_url: str = "") -> OrderRequest:
    return OrderRequest(HOLD, SEATS, AMOUNT, int((time.time() + hold_s) * 1000), key, return_url=return_url)


async def test_paying_an_order_twice_without_a_browser_gives_the_same_proof_and_one_payment(demo: DemoPayments) -> None:
    order = await demo.create_order(request())
    proofs = {await demo.pay(order.id) for _ in range(3)}
    assert len(proofs) == len(await demo.payments_of(order.id)) == 1
    assert (await demo.verify(HOLD, proofs.pop(), AMOUNT, SEATS)).state is PaymentState.CAPTURED
    with pytest.raises(PaymentRefused) as unknown:
        await demo.pay("order_that_is_none")
    assert unknown.value.details["reason"] == Refusal.REJECTED


async def test_a_payment_is_reported_by_the_page_the_webhook_and_the_state_alike(
    bank: Bank, demo: DemoPayments, receiver: Receiver
) -> None:
    order = await demo.create_order(request())
    assert (await demo.create_order(request())).id == order.id
    (paid,) = await bank.pay(order.id)
    verified = await demo.verify(HOLD, paid["proof"], AMOUNT, reversed(SEATS))
    assert (verified.payment, verified.state) == (paid["id"], PaymentState.CAPTURED)
    await receiver.until(lambda: bool(receiver.events))
    (state,) = await demo.payments_of(order.id)
    assert receiver.events[0].payment == state == await demo.state(paid["id"])
    assert (state.hold, state.amount, state.state) == (HOLD, AMOUNT, PaymentState.CAPTURED)


async def test_proofs_are_for_their_hold_seats_and_amount(bank: Bank, demo: DemoPayments) -> None:
    order = await demo.create_order(request())
    (paid,) = await bank.pay(order.id)
    proof = paid["proof"]
    for hold, given, amount, seats, why in (
        ("west-show.hBBBBBBBBBBBBBBBBBBBBBB", proof, AMOUNT, SEATS, Refusal.WRONG_HOLD),
        (HOLD, proof, AMOUNT + 1, SEATS, Refusal.WRONG_AMOUNT),
        (HOLD, proof, AMOUNT, SEATS[:1], Refusal.WRONG_SEATS),
        (HOLD, proof[:-1] + ("0" if proof[-1] != "0" else "1"), AMOUNT, SEATS, Refusal.FORGED),
        (HOLD, "\udc80", AMOUNT, SEATS, Refusal.FORGED),
        (HOLD, "..", AMOUNT, SEATS, Refusal.FORGED),
        (HOLD, "", AMOUNT, SEATS, Refusal.FORGED),
    ):
        with pytest.raises(PaymentRefused) as error:
            await demo.verify(hold, given, amount, seats)
        assert error.value.details["reason"] == why


async def test_a_declined_payment_is_no_payment_and_a_second_try_pays(bank: Bank, demo: DemoPayments) -> None:
    order = await demo.create_order(request())
    (declined,) = await bank.pay(order.id, behaviour="decline")
    with pytest.raises(PaymentRefused):
        await demo.verify(HOLD, declined["proof"], AMOUNT, SEATS)
    (paid,) = await bank.pay(order.id)
    assert [p.state for p in await demo.payments_of(order.id)] == [PaymentState.FAILED, PaymentState.CAPTURED]
    again = await bank.ask("POST", f"/orders/{order.id}/pay", json={})
    assert again["error"]["code"] == "order_paid"
    assert (await demo.capture(paid["id"], AMOUNT)).state is PaymentState.CAPTURED


async def test_a_late_payment_fails_with_the_hold_and_is_captured_after_it(
    bank: Bank, demo: DemoPayments, receiver: Receiver
) -> None:
    order = await demo.create_order(request(hold_s=0.5))
    (late,) = await bank.pay(order.id, behaviour="late", late_ms=500)
    assert late["state"] == "created"
    await receiver.until(lambda: len(receiver.events) == 2)
    reported = [event.payment.state for event in receiver.events if event.payment is not None]
    assert reported == [PaymentState.FAILED, PaymentState.CAPTURED]
    assert (await demo.state(late["id"])).state is PaymentState.CAPTURED


async def test_twice_is_two_payments_and_each_is_refunded_once_for_its_key(
    bank: Bank, demo: DemoPayments, receiver: Receiver
) -> None:
    order = await demo.create_order(request())
    first, second = (paid["id"] for paid in await bank.pay(order.id, behaviour="twice"))
    key = refund_key(HOLD, second)
    assert await demo.refund_status(second, AMOUNT, key) is None
    done = await demo.refund(second, AMOUNT, key)
    assert done.state is RefundState.DONE
    assert await demo.refund(second, AMOUNT, key) == done == await demo.refund_status(second, AMOUNT, key)
    assert (await demo.refund(second, AMOUNT, refund_key(HOLD, second, 1))).state is RefundState.FAILED
    assert (await demo.refund(first, AMOUNT, key)).state is RefundState.FAILED, "the key returned other money"
    audit = await bank.ask("GET", "/audit")
    assert [(p["id"], p["state"], p["refunded"]) for p in audit["payments"]] == [
        (first, "captured", 0),
        (second, "refunded", AMOUNT),
    ]
    assert [(r["payment"], r["key"], r["amount"]) for r in audit["refunds"]] == [(second, key, AMOUNT)]
    await receiver.until(lambda: any(event.refund == done for event in receiver.events))


async def test_a_silent_payment_is_found_by_asking_only(bank: Bank, demo: DemoPayments, receiver: Receiver) -> None:
    silent, other = await demo.create_order(request()), await demo.create_order(request(key="order-key-2"))
    await bank.pay(silent.id, behaviour="silent")
    await bank.pay(other.id)
    await receiver.until(lambda: bool(receiver.events))
    assert [event.payment.order for event in receiver.events if event.payment] == [other.id]
    assert [p.state for p in await demo.payments_of(silent.id)] == [PaymentState.CAPTURED]


async def test_webhooks_are_repeated_until_taken_and_twice_on_request(
    bank: Bank, demo: DemoPayments, receiver: Receiver
) -> None:
    receiver.answers = [500, 503]
    order = await demo.create_order(request())
    await bank.pay(order.id, webhooks="twice")
    await receiver.until(lambda: len(receiver.events) == 2)
    assert len(receiver.bodies) == 4
    assert receiver.events[0] == receiver.events[1]


async def test_a_forged_or_old_webhook_is_refused(bank: Bank, demo: DemoPayments, receiver: Receiver) -> None:
    order = await demo.create_order(request())
    await bank.pay(order.id)
    await receiver.until(lambda: bool(receiver.events))
    headers, body = receiver.bodies[-1]
    old = str(int(time.time()) - 3600)
    for bad_headers, bad_body in (
        ({}, body),
        (headers, body.replace(b"87080", b"17080")),
        (headers, b"\xff" + body),
        (headers | {"webhook-timestamp": old}, body),
        (headers | {"webhook-signature": "v1,AAAA"}, body),
        (headers | {"webhook-signature": "nonsense"}, body),
        (headers | {"webhook-signature": "v1,é"}, body),
        (headers | {"webhook-id": "\udc80"}, body),
        (headers, b" " * 300_000),
    ):
        lower = {name.lower(): value for name, value in bad_headers.items()}
        with pytest.raises(WebhookRefused):
            demo.read_webhook(lower, bad_body)


async def test_a_killed_bank_keeps_everything_and_sends_its_webhooks_later(tmp_path: Path, receiver: Receiver) -> None:
    async with bank_process(tmp_path / "bank.db", [receiver.url]) as bank:
        demo = DemoPayments(bank.url, SECRET)
        await kill_and_compare(bank, demo, receiver)
        await demo.close()


async def kill_and_compare(bank: BankProcess, demo: DemoPayments, receiver: Receiver) -> None:
    receiver.answers = [503] * 2
    order = await demo.create_order(request(hold_s=1.0))
    other = await demo.create_order(request(hold_s=1.0, key="order-key-2"))
    (paid,) = await bank.pay(order.id)
    (late,) = await bank.pay(other.id, behaviour="late", late_ms=200)
    refund = await demo.refund(paid["id"], AMOUNT, refund_key(HOLD, paid["id"]))
    await bank.kill()
    with pytest.raises(PaymentUnavailable) as error:
        await demo.state(paid["id"])
    assert error.value.details["reason"] == NoAnswer.UNREACHABLE
    await bank.start()
    assert (await demo.state(paid["id"])).refunded == AMOUNT
    assert await demo.refund(paid["id"], AMOUNT, refund_key(HOLD, paid["id"])) == refund
    await receiver.until(lambda: any(event.refund == refund for event in receiver.events))
    await receiver.until(lambda: (late["id"], PaymentState.CAPTURED) in receiver.states())


async def test_only_the_secret_opens_the_api(bank: Bank, demo: DemoPayments) -> None:
    order = await demo.create_order(request())
    (paid,) = await bank.pay(order.id)
    async with aiohttp.ClientSession() as session:
        for method, path in (
            ("GET", "/audit"),
            ("POST", f"/orders/{order.id}/pay"),
            ("POST", f"/api/payments/{paid['id']}/refunds"),
        ):
            for headers in ({}, {"Authorization": "Bearer no"}):
                async with session.request(method, bank.url + path, headers=headers) as answer:
                    assert answer.status == 401
    stranger = DemoPayments(bank.url, "not the secret")
    with pytest.raises(PaymentUnavailable) as error:
        await stranger.state(paid["id"])
    await stranger.close()
    assert error.value.details["reason"] == NoAnswer.CREDENTIALS


async def test_bad_requests_are_refused(bank: Bank, demo: DemoPayments) -> None:
    order = await demo.create_order(request())
    (paid,) = await bank.pay(order.id)
    for path, body in (
        (f"/orders/{order.id}/pay", {"behaviour": "steal"}),
        (f"/orders/{order.id}/pay", {"late_ms": -1}),
        (f"/api/payments/{paid['id']}/refunds", {"amount": 0, "key": "key"}),
        ("/api/orders", {"hold": HOLD}),
    ):
        assert (await bank.ask("POST", path, json=body))["error"]["code"] == "bad_request"
    with pytest.raises(PaymentRefused):
        await demo.create_order(OrderRequest(HOLD, SEATS, AMOUNT + 1, 0, "order-key-1"))
    for unknown in ("pay_x", "x/../../audit", ""):
        with pytest.raises(PaymentRefused):
            await demo.state(unknown)


async def test_the_page_leads_back_to_the_shop_with_a_proof(bank: Bank, demo: DemoPayments) -> None:
    order = await demo.create_order(request(return_url="http://127.0.0.1:1/back?show=west-show#seats"))
    async with aiohttp.ClientSession() as session:
        async with session.get(order.checkout.url) as page:
            html = await page.text()
            assert page.status == 200 and "script" not in html and "₹870.80" in html
            assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        assert sorted(re.findall(r'value="(\w+)"', html)) == ["decline", "late", "pay", "silent", "twice"]
        async with session.post(order.checkout.url, data={"behaviour": "pay"}, allow_redirects=False) as answer:
            assert answer.status == 303
            back = urlsplit(answer.headers["Location"])
        assert (back.path, back.fragment) == ("/back", "seats")
        query = parse_qs(back.query)
        assert query["show"] == ["west-show"]
        assert (await demo.verify(HOLD, query["proof"][0], AMOUNT, SEATS)).order == order.id
        async with session.post(order.checkout.url, data={"behaviour": "pay"}) as answer:
            assert answer.status == 400 and "already paid" in await answer.text()


async def test_the_other_buttons_and_the_hindi_page(bank: Bank, demo: DemoPayments) -> None:
    for behaviour, words in (("decline", "declined"), ("late", "not confirmed"), ("silent", "does not report")):
        order = await demo.create_order(request(key=f"order-{behaviour}", return_url="http://127.0.0.1:1/back"))
        async with aiohttp.ClientSession() as session:
            async with session.post(order.checkout.url, data={"behaviour": behaviour}) as answer:
                html = await answer.text()
                assert answer.status == 200 and words in html
                assert (f"/back?order={order.id}&amp;status=declined" in html) == (behaviour == "decline")
            async with session.get(order.checkout.url + "?lang=hi") as page:
                html = await page.text()
                assert '<html lang="hi">' in html and "डेमो बैंक" in html
            async with session.get(order.checkout.url, headers={"Accept-Language": "hi-IN,en;q=0.5"}) as page:
                assert "डेमो बैंक" in await page.text()
            async with session.post(order.checkout.url, data={"behaviour": "steal"}) as answer:
                assert answer.status == 400
            async with session.get(f"{bank.url}/pay/unknown") as page:
                assert page.status == 404 and "<h1>There is no such order</h1>" in await page.text()


def test_amounts_and_languages() -> None:
    assert [rupees(paise) for paise in (5, 100_000, 12_345_670, 1_234_567_890)] == [
        "₹0.05",
        "₹1,000.00",
        "₹1,23,456.70",
        "₹1,23,45,678.90",
    ]
    assert [language_of("", accepted) for accepted in ("hi-IN,en", "en-IN,hi", "", "ta")] == ["hi", "en", "en", "en"]
    assert language_of("hi", "en") == "hi"
