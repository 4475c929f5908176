"""What every gateway that can be asked must do, whichever it is: one suite for the demo bank and Razorpay."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from realtime.errors import PaymentRefused, PaymentUnavailable
from realtime.payments.demo import DemoPayments
from realtime.payments.errors import Refusal
from realtime.payments.razorpay import RazorpayPayments
from realtime.payments.service import OrderRequest, PaymentService, order_key, refund_key
from realtime.payments.status import PaymentState, RefundState
from tests.payments.bank import SECRET, Bank, running_bank
from tests.payments.razorpay_stand_in import KEY_ID, KEY_SECRET, WEBHOOK_SECRET, RazorpayStandIn

HOLD, SEATS, AMOUNT = "west-show.hAAAAAAAAAAAAAAAAAAAAAA", ("A-1", "A-2"), 87_080


class Gateway(ABC):
    """A gateway, and the buyers in front of it. ``pay`` and ``decline`` return payment id and proof."""

    service: PaymentService
    unreachable: PaymentService

    @abstractmethod
    async def pay(self, order: str) -> tuple[str, str]: ...

    @abstractmethod
    async def decline(self, order: str) -> tuple[str, str]: ...


class DemoGateway(Gateway):
    def __init__(self, bank: Bank) -> None:
        self.bank = bank
        self.service = DemoPayments(bank.url, SECRET)
        self.unreachable = DemoPayments("http://127.0.0.1:1", SECRET)

    async def pay(self, order: str) -> tuple[str, str]:
        (paid,) = await self.bank.pay(order)
        return paid["id"], paid["proof"]

    async def decline(self, order: str) -> tuple[str, str]:
        (declined,) = await self.bank.pay(order, behaviour="decline")
        return declined["id"], declined["proof"]


class RazorpayGateway(Gateway):
    def __init__(self, standin: RazorpayStandIn) -> None:
        self.standin = standin
        url = str(standin.server.make_url("/"))
        self.service = RazorpayPayments(KEY_ID, KEY_SECRET, [WEBHOOK_SECRET], base_url=url)
        self.unreachable = RazorpayPayments(KEY_ID, KEY_SECRET, [], base_url="http://127.0.0.1:1")

    async def pay(self, order: str) -> tuple[str, str]:
        payment = self.standin.pay(order)
        return payment, self.standin.proof(payment)

    async def decline(self, order: str) -> tuple[str, str]:
        payment = self.standin.pay(order, "failed")
        return payment, self.standin.proof(payment)


@pytest.fixture(params=["demo", "razorpay"])
async def gateway(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Gateway]:
    standin = RazorpayStandIn()
    await standin.server.start_server()
    async with running_bank(tmp_path / "bank.db") as bank:
        gateway = DemoGateway(bank) if request.param == "demo" else RazorpayGateway(standin)
        yield gateway
        await gateway.service.close()
        await gateway.unreachable.close()
    await standin.server.close()


def request_for(hold: str = HOLD, seats: tuple[str, ...] = SEATS, amount: int = AMOUNT) -> OrderRequest:
    expires_at = int((time.time() + 300) * 1000)
    return OrderRequest(hold, seats, amount, expires_at, order_key(hold, amount, seats))


async def test_one_order_for_one_key_and_another_for_another(gateway: Gateway) -> None:
    order = await gateway.service.create_order(request_for())
    assert (order.hold, order.amount, order.currency) == (HOLD, AMOUNT, "INR")
    assert (await gateway.service.create_order(request_for())).id == order.id
    assert (await gateway.service.create_order(request_for(amount=AMOUNT + 1))).id != order.id
    assert await gateway.service.payments_of(order.id) == ()


async def test_proof_state_and_payments_of_the_order_agree(gateway: Gateway) -> None:
    order = await gateway.service.create_order(request_for())
    failed, _ = await gateway.decline(order.id)
    payment, proof = await gateway.pay(order.id)
    verified = await gateway.service.verify(HOLD, proof, AMOUNT, SEATS)
    assert verified == await gateway.service.verify(HOLD, proof, AMOUNT, SEATS)
    assert (verified.payment, verified.order, verified.amount) == (payment, order.id, AMOUNT)
    reported = {report.payment: report for report in await gateway.service.payments_of(order.id)}
    assert {name: report.state for name, report in reported.items()} == {
        failed: PaymentState.FAILED,
        payment: PaymentState.CAPTURED,
    }
    assert {report.hold for report in reported.values()} == {HOLD}
    assert (await gateway.service.state(payment)).merged(reported[payment]) == reported[payment]
    assert (await gateway.service.capture(payment, AMOUNT)).state is PaymentState.CAPTURED


async def test_no_proof_of_one_hold_serves_another(gateway: Gateway) -> None:
    dear = await gateway.service.create_order(request_for())
    cheap = await gateway.service.create_order(request_for("west-show.hBBBBBBBBBBBBBBBBBBBBBB", ("B-1",), 100))
    (_, cheap_proof), (_, declined) = await gateway.pay(cheap.id), await gateway.decline(dear.id)
    for proof, why in ((cheap_proof, Refusal.WRONG_HOLD), (declined, Refusal.NOT_PAID), ("{}", Refusal.FORGED)):
        with pytest.raises(PaymentRefused) as error:
            await gateway.service.verify(HOLD, proof, AMOUNT, SEATS)
        assert error.value.details["reason"] == why


async def test_money_goes_back_once_for_a_key_and_never_more_than_came(gateway: Gateway) -> None:
    order = await gateway.service.create_order(request_for())
    payment, proof = await gateway.pay(order.id)
    key = refund_key(HOLD, payment)
    assert await gateway.service.refund_status(payment, AMOUNT, key) is None
    too_much = await gateway.service.refund(payment, AMOUNT + 1, refund_key(HOLD, payment, 7))
    assert too_much.state is RefundState.FAILED
    done = await gateway.service.refund(payment, AMOUNT, key)
    assert (done.state, done.key, done.payment, done.amount) == (RefundState.DONE, key, payment, AMOUNT)
    assert await gateway.service.refund(payment, AMOUNT, key) == done
    assert await gateway.service.refund_status(payment, AMOUNT, key) == done
    status = await gateway.service.state(payment)
    assert (status.state, status.refunded) == (PaymentState.REFUNDED, AMOUNT)
    with pytest.raises(PaymentRefused) as error:
        await gateway.service.verify(HOLD, proof, AMOUNT, SEATS)
    assert error.value.details["reason"] == Refusal.ALREADY_REFUNDED


async def test_a_payment_without_money_is_not_refunded_or_captured(gateway: Gateway) -> None:
    order = await gateway.service.create_order(request_for())
    payment, _ = await gateway.decline(order.id)
    for call in (
        gateway.service.refund(payment, AMOUNT, refund_key(HOLD, payment)),
        gateway.service.capture(payment, AMOUNT),
    ):
        with pytest.raises(PaymentRefused) as error:
            await call
        assert error.value.details["reason"] == Refusal.NOT_PAID


async def test_a_gateway_out_of_reach_is_unavailable_for_every_call(gateway: Gateway) -> None:
    order = await gateway.service.create_order(request_for())
    payment, proof = await gateway.pay(order.id)
    away = gateway.unreachable
    for call in (
        away.create_order(request_for()),
        away.verify(HOLD, proof, AMOUNT, SEATS),
        away.state(payment),
        away.payments_of(order.id),
        away.capture(payment, AMOUNT),
        away.refund(payment, AMOUNT, refund_key(HOLD, payment)),
        away.refund_status(payment, AMOUNT, refund_key(HOLD, payment)),
    ):
        with pytest.raises(PaymentUnavailable) as error:
            await call
        assert error.value.retryable
