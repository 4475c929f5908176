"""``razorpay`` against a stand-in with the documented semantics: orders, proofs, webhooks, refunds, and bad days."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from realtime.errors import PaymentRefused, PaymentUnavailable, WebhookRefused
from realtime.payments.errors import NoAnswer, PaymentMismatch, PaymentRateLimited, Refusal
from realtime.payments.razorpay import RazorpayPayments
from realtime.payments.service import CheckoutKind, OrderRequest, order_key, refund_key
from realtime.payments.status import PaymentState, RefundState
from tests.payments.razorpay_stand_in import (
    KEY_ID,
    KEY_SECRET,
    WEBHOOK_SECRET,
    RazorpayStandIn,
    answers,
    cuts,
    cuts_after,
    hmac_hex,
    passes,
    waits,
)

HOLD, SEATS, AMOUNT = "west-show.hAAAAAAAAAAAAAAAAAAAAAA", ("A-1", "A-2"), 87_080
REQUEST = OrderRequest(HOLD, SEATS, AMOUNT, 1_800_000_000_000, order_key(HOLD, AMOUNT, SEATS))


@pytest.fixture
async def standin() -> AsyncIterator[RazorpayStandIn]:
    standin = RazorpayStandIn()
    await standin.server.start_server()
    yield standin
    await standin.server.close()


@pytest.fixture
async def razorpay(standin: RazorpayStandIn) -> AsyncIterator[RazorpayPayments]:
    service = RazorpayPayments(
        KEY_ID, KEY_SECRET, [WEBHOOK_SECRET, "an older secret"], base_url=str(standin.server.make_url("/")), timeout_s=2
    )
    yield service
    await service.close()


def reason(error: pytest.ExceptionInfo[PaymentRefused] | pytest.ExceptionInfo[PaymentUnavailable]) -> str:
    return str(error.value.details["reason"])


async def test_an_order_is_made_once_for_a_key_and_carries_the_hold(
    standin: RazorpayStandIn, razorpay: RazorpayPayments
) -> None:
    order = await razorpay.create_order(REQUEST)
    assert (order.hold, order.amount, order.currency) == (HOLD, AMOUNT, "INR")
    assert (order.checkout.kind, order.checkout.key) == (CheckoutKind.RAZORPAY, KEY_ID)
    assert await razorpay.create_order(REQUEST) == order
    assert len(standin.orders) == 1
    assert KEY_SECRET not in repr(order)


async def test_an_order_whose_answer_was_lost_is_found_again(
    standin: RazorpayStandIn, razorpay: RazorpayPayments
) -> None:
    standin.next_faults = [passes, cuts_after(standin)]
    with pytest.raises(PaymentUnavailable):
        await razorpay.create_order(REQUEST)
    assert len(standin.orders) == 1
    assert (await razorpay.create_order(REQUEST)).id in standin.orders
    assert len(standin.orders) == 1


async def test_an_order_below_one_rupee_is_refused(razorpay: RazorpayPayments) -> None:
    with pytest.raises(PaymentRefused) as error:
        await razorpay.create_order(OrderRequest(HOLD, SEATS, 99, 0, "order-below-one-rupee"))
    assert reason(error) == Refusal.REJECTED


async def test_a_payment_is_verified_for_its_hold_seats_and_amount_only(
    standin: RazorpayStandIn, razorpay: RazorpayPayments
) -> None:
    order = await razorpay.create_order(REQUEST)
    payment = standin.pay(order.id)
    paid = await razorpay.verify(HOLD, standin.proof(payment), AMOUNT, reversed(SEATS))
    assert (paid.payment, paid.order, paid.amount, paid.state) == (payment, order.id, AMOUNT, PaymentState.CAPTURED)
    for hold, amount, seats, why in (
        ("west-show.hBBBBBBBBBBBBBBBBBBBBBB", AMOUNT, SEATS, Refusal.WRONG_HOLD),
        ("a-hold-of-the-buyers-choice", AMOUNT, SEATS, Refusal.WRONG_HOLD),
        (HOLD, AMOUNT - 1, SEATS, Refusal.WRONG_AMOUNT),
        (HOLD, AMOUNT, ("A-1",), Refusal.WRONG_SEATS),
    ):
        with pytest.raises(PaymentRefused) as error:
            await razorpay.verify(hold, standin.proof(payment), amount, seats)
        assert reason(error) == why


@pytest.mark.parametrize(
    ("over", "why"),
    [
        ({"amount": 100}, Refusal.WRONG_AMOUNT),
        ({"currency": "USD"}, Refusal.WRONG_CURRENCY),
        ({"status": "failed"}, Refusal.NOT_PAID),
        ({"status": "created"}, Refusal.NOT_PAID),
        ({"status": "not documented"}, Refusal.NOT_PAID),
        ({"status": "refunded", "amount_refunded": AMOUNT}, Refusal.ALREADY_REFUNDED),
        ({"amount_refunded": 1}, Refusal.ALREADY_REFUNDED),
    ],
)
async def test_a_signed_pair_with_another_payment_behind_it_is_refused(
    standin: RazorpayStandIn, razorpay: RazorpayPayments, over: dict[str, object], why: Refusal
) -> None:
    order = await razorpay.create_order(REQUEST)
    payment = standin.pay(order.id, **over)  # type: ignore[arg-type]
    with pytest.raises(PaymentRefused) as error:
        await razorpay.verify(HOLD, standin.proof(payment), AMOUNT, SEATS)
    assert reason(error) == why
    assert isinstance(error.value, PaymentMismatch) is (why in (Refusal.WRONG_AMOUNT, Refusal.WRONG_CURRENCY))


async def test_forged_proofs_are_refused_without_asking_the_gateway(
    standin: RazorpayStandIn, razorpay: RazorpayPayments
) -> None:
    order = await razorpay.create_order(REQUEST)
    payment = standin.pay(order.id)
    good = json.loads(standin.proof(payment))
    asked = len(standin.requests)
    signature = good["razorpay_signature"]
    for bad in (
        "",
        "null",
        "[]" * 5000,
        "[" * 2000,
        "\udc80",
        "demo",
        json.dumps(good | {"razorpay_signature": signature[::-1]}),
        json.dumps(good | {"razorpay_signature": "é" * 64}),
        json.dumps(good | {"razorpay_payment_id": "pay_other"}),
        json.dumps(good | {"razorpay_payment_id": "pay_/../orders"}),
        json.dumps(good | {"razorpay_signature": hmac_hex(WEBHOOK_SECRET, f"{order.id}|{payment}".encode())}),
    ):
        with pytest.raises(PaymentRefused) as error:
            await razorpay.verify(HOLD, bad, AMOUNT, SEATS)
        assert reason(error) == Refusal.FORGED
    assert len(standin.requests) == asked


async def test_a_late_authorisation_is_seen_captured_and_then_verified(
    standin: RazorpayStandIn, razorpay: RazorpayPayments
) -> None:
    order = await razorpay.create_order(REQUEST)
    payment = standin.pay(order.id, "failed")
    seen = [(await razorpay.payments_of(order.id))[0]]
    assert seen[0].hold == HOLD
    for status in ("authorized", "captured"):
        standin.becomes(payment, status)
        seen.append((await razorpay.payments_of(order.id))[0])
    assert [report.state for report in seen] == [
        PaymentState.FAILED,
        PaymentState.AUTHORIZED,
        PaymentState.CAPTURED,
    ]
    # In whatever order the reports come in, the last state is what is known.
    assert seen[2].merged(seen[0]).merged(seen[1]) == seen[2]
    assert (await razorpay.verify(HOLD, standin.proof(payment), AMOUNT, SEATS)).payment == payment


async def test_a_capture_is_repeatable_and_refused_for_another_amount_or_a_paid_order(
    standin: RazorpayStandIn, razorpay: RazorpayPayments
) -> None:
    order = await razorpay.create_order(REQUEST)
    first, second = standin.pay(order.id, "authorized"), standin.pay(order.id, "authorized")
    with pytest.raises(PaymentRefused) as error:
        await razorpay.capture(first, AMOUNT - 1)
    assert reason(error) == Refusal.WRONG_AMOUNT
    for _ in range(2):
        assert (await razorpay.capture(first, AMOUNT)).state is PaymentState.CAPTURED
    with pytest.raises(PaymentRefused) as error:
        await razorpay.capture(second, AMOUNT)
    assert reason(error) == Refusal.ORDER_PAID
    failed = standin.pay(order.id, "failed")
    with pytest.raises(PaymentRefused) as error:
        await razorpay.capture(failed, AMOUNT)
    assert reason(error) == Refusal.NOT_PAID


async def test_a_refund_is_made_once_for_a_key_also_when_answers_are_lost(
    standin: RazorpayStandIn, razorpay: RazorpayPayments
) -> None:
    order = await razorpay.create_order(REQUEST)
    payment = standin.pay(order.id)
    key = refund_key(HOLD, payment)
    standin.next_faults = [passes, passes, cuts_after(standin)]
    with pytest.raises(PaymentUnavailable):
        await razorpay.refund(payment, AMOUNT, key)
    done = await razorpay.refund(payment, AMOUNT, key)
    assert (done.state, done.amount, done.key) == (RefundState.DONE, AMOUNT, key)
    # The gateway may forget a key after a while; the receipt still finds the refund.
    standin.keys.clear()
    assert await razorpay.refund(payment, AMOUNT, key) == done == await razorpay.refund_status(payment, AMOUNT, key)
    assert [refund["amount"] for refund in standin.refunds.values()] == [AMOUNT]


async def test_two_workers_with_one_key_make_one_refund(standin: RazorpayStandIn, razorpay: RazorpayPayments) -> None:
    order = await razorpay.create_order(REQUEST)
    payment = standin.pay(order.id)
    key = refund_key(HOLD, payment)
    both = await asyncio.gather(*(razorpay.refund(payment, AMOUNT, key) for _ in range(2)))
    assert both[0].refund == both[1].refund or RefundState.DONE in {both[0].state, both[1].state}
    assert len(standin.refunds) == 1


async def test_an_authorised_payment_is_captured_to_be_refunded(
    standin: RazorpayStandIn, razorpay: RazorpayPayments
) -> None:
    order = await razorpay.create_order(REQUEST)
    payment = standin.pay(order.id, "authorized")
    assert (await razorpay.refund(payment, AMOUNT, refund_key(HOLD, payment))).state is RefundState.DONE
    assert standin.payments[payment]["status"] == "refunded"


async def test_a_second_authorised_payment_of_a_paid_order_is_returned_by_the_gateway_itself(
    standin: RazorpayStandIn, razorpay: RazorpayPayments
) -> None:
    order = await razorpay.create_order(REQUEST)
    standin.pay(order.id)
    second = standin.pay(order.id, "authorized")
    key = refund_key(HOLD, second)
    assert (await razorpay.refund(second, AMOUNT, key)).state is RefundState.PENDING
    standin.becomes(second, "refunded")
    assert (await razorpay.refund(second, AMOUNT, key)).state is RefundState.DONE
    assert standin.refunds == {}


async def test_money_that_staff_returned_by_hand_is_not_returned_again(
    standin: RazorpayStandIn, razorpay: RazorpayPayments
) -> None:
    order = await razorpay.create_order(REQUEST)
    payment = standin.pay(order.id)
    standin.refund_in_dashboard(payment, AMOUNT)
    assert (await razorpay.refund(payment, AMOUNT, refund_key(HOLD, payment))).state is RefundState.DONE
    assert len(standin.refunds) == 1


async def test_a_refund_of_more_than_was_captured_fails_and_one_without_money_is_refused(
    standin: RazorpayStandIn, razorpay: RazorpayPayments
) -> None:
    order = await razorpay.create_order(REQUEST)
    payment, failed = standin.pay(order.id), standin.pay(order.id, "failed")
    refund = await razorpay.refund(payment, AMOUNT + 1, refund_key(HOLD, payment))
    assert (refund.state, standin.refunds) == (RefundState.FAILED, {})
    assert "greater than amount captured" in refund.reason
    with pytest.raises(PaymentRefused) as error:
        await razorpay.refund(failed, AMOUNT, refund_key(HOLD, failed))
    assert reason(error) == Refusal.NOT_PAID


async def test_a_pending_refund_is_asked_for_until_it_is_done(
    standin: RazorpayStandIn, razorpay: RazorpayPayments
) -> None:
    order = await razorpay.create_order(REQUEST)
    payment = standin.pay(order.id)
    key = refund_key(HOLD, payment)
    assert await razorpay.refund_status(payment, AMOUNT, key) is None
    standin.refund_status = "pending"
    pending = await razorpay.refund(payment, AMOUNT, key)
    assert pending.state is RefundState.PENDING
    standin.refunds[pending.refund]["status"] = "processed"
    done = await razorpay.refund_status(payment, AMOUNT, key)
    assert done is not None and done.state is RefundState.DONE


async def test_webhooks_are_read_with_their_event_id_and_only_an_order_s_notes_name_the_hold(
    standin: RazorpayStandIn, razorpay: RazorpayPayments
) -> None:
    order = await razorpay.create_order(REQUEST)
    payment = standin.pay(order.id)
    body, headers = standin.webhook("payment.captured", payment)
    event = razorpay.read_webhook(headers, body)
    assert event is not None and event.payment is not None
    assert event.id == headers["x-razorpay-event-id"]
    assert (event.payment.payment, event.payment.order, event.payment.hold) == (payment, order.id, "")
    assert (event.payment.state, event.payment.amount) == (PaymentState.CAPTURED, AMOUNT)
    assert razorpay.read_webhook(headers, body) == event  # a duplicate has the same id
    body, headers = standin.webhook("order.paid", payment, order=True)
    event = razorpay.read_webhook({name.upper(): value for name, value in headers.items()}, body)
    assert event is not None and event.payment is not None and event.payment.hold == HOLD
    refund = await razorpay.refund(payment, AMOUNT, refund_key(HOLD, payment))
    body, headers = standin.webhook("refund.processed", payment, refund=refund.refund)
    event = razorpay.read_webhook(headers, body)
    assert event is not None and event.refund == refund
    body, headers = standin.webhook("settlement.processed", payment)
    assert razorpay.read_webhook(headers, body) is None


async def test_forged_and_malformed_webhooks_are_refused(standin: RazorpayStandIn, razorpay: RazorpayPayments) -> None:
    order = await razorpay.create_order(REQUEST)
    body, headers = standin.webhook("payment.captured", standin.pay(order.id))
    changed = body.replace(b'"captured"', b'"refunded"')
    for bad_body, signature in (
        (changed, headers["X-Razorpay-Signature"]),
        (body, ""),
        (body, "é"),
        (body, hmac_hex(KEY_SECRET, body)),
        (body, hmac_hex("", body)),
        (b"[" * 50_000, hmac_hex(WEBHOOK_SECRET, b"[" * 50_000)),
        (b"{}", hmac_hex(WEBHOOK_SECRET, b"{}")),
        (b"\xff", hmac_hex(WEBHOOK_SECRET, b"\xff")),
        (b" " * 300_000, hmac_hex(WEBHOOK_SECRET, b" " * 300_000)),
    ):
        with pytest.raises(WebhookRefused):
            razorpay.read_webhook({"X-Razorpay-Signature": signature}, bad_body)
    # While the secret is being changed, events signed with the old one are still accepted.
    assert razorpay.read_webhook({"X-Razorpay-Signature": hmac_hex("an older secret", body)}, body) is not None


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (answers(500), NoAnswer.GATEWAY_ERROR),
        (answers(502, "<html>bad gateway</html>"), NoAnswer.GATEWAY_ERROR),
        (answers(302, "", Location="http://127.0.0.1:1/"), NoAnswer.GATEWAY_ERROR),
        (answers(409), NoAnswer.BUSY),
        (answers(401), NoAnswer.CREDENTIALS),
        (answers(404, "<html>not here</html>"), NoAnswer.BAD_ANSWER),
        (answers(200, "<html>a portal</html>"), NoAnswer.BAD_ANSWER),
        (answers(200, '{"id": "pay_1", "amount": -5, "currency": "INR", "status": "captured"}'), NoAnswer.BAD_ANSWER),
        (answers(200, "[" * 100_000), NoAnswer.BAD_ANSWER),
        (answers(200, " " * 2_000_000), NoAnswer.BAD_ANSWER),
        (cuts, NoAnswer.UNREACHABLE),
    ],
)
async def test_what_is_no_answer_is_unavailable_and_never_a_refusal(
    standin: RazorpayStandIn, razorpay: RazorpayPayments, fault: object, why: NoAnswer
) -> None:
    # Twice: the HTTP client repeats a GET once when a connection is cut.
    standin.next_faults = [fault] * 2  # type: ignore[list-item]
    with pytest.raises(PaymentUnavailable) as error:
        await razorpay.state("pay_1")
    assert error.value.retryable and reason(error) == why


async def test_a_gateway_without_answers_is_logged_once_until_it_answers(
    standin: RazorpayStandIn, razorpay: RazorpayPayments, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        standin.next_faults = [answers(500)] * 3
        for _ in range(3):
            with pytest.raises(PaymentUnavailable):
                await razorpay.state("pay_1")
        with pytest.raises(PaymentRefused):
            await razorpay.state("pay_unknown")
    assert [record.getMessage() for record in caplog.records] == [
        "payment gateway: gateway_error: GET /v1/payments/pay_1: 500"
    ] * 2


async def test_a_rate_limit_says_how_long_to_wait(standin: RazorpayStandIn, razorpay: RazorpayPayments) -> None:
    for header, wait in (("7", 7_000), ("99999999", 3_600_000), ("soon", None), ("²", None), ("", None)):
        standin.next_faults = [answers(429, Retry_After=header)]
        with pytest.raises(PaymentRateLimited) as error:
            await razorpay.state("pay_1")
        assert error.value.retry_after_ms == wait


async def test_a_slow_answer_ends_at_the_time_out(standin: RazorpayStandIn) -> None:
    service = RazorpayPayments(KEY_ID, KEY_SECRET, [], base_url=str(standin.server.make_url("/")), timeout_s=0.2)
    released = asyncio.Event()
    standin.next_faults = [waits(released)]
    with pytest.raises(PaymentUnavailable) as error:
        await service.state("pay_1")
    assert reason(error) == NoAnswer.TIMEOUT
    released.set()
    await service.close()


async def test_a_gateway_that_is_not_there_is_unavailable() -> None:
    service = RazorpayPayments(KEY_ID, KEY_SECRET, [], base_url="http://127.0.0.1:1", timeout_s=2)
    with pytest.raises(PaymentUnavailable):
        await service.create_order(REQUEST)
    await service.close()


async def test_unknown_payments_and_orders_are_refused(razorpay: RazorpayPayments) -> None:
    for call in (
        razorpay.state("pay_unknown"),
        razorpay.state("pay_x/../../orders"),
        razorpay.payments_of("order_unknown"),
        razorpay.refund("pay_unknown", 100, "refund-unknown"),
        razorpay.capture("pay_unknown", 100),
    ):
        with pytest.raises(PaymentRefused) as error:
            await call
        assert reason(error) == Refusal.NOT_FOUND
