"""What the gateway reports is settled: of orders that were lost with a lock master, and beside one that can't be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from realtime import keys
from realtime.clock import now_ms
from realtime.dev import valkey
from realtime.ledger.money import Filter
from realtime.ledger.rows import OrderState
from realtime.model import booking_of
from realtime.payments.report import PaymentReport, encode_report
from realtime.payments.service import OrderRequest
from realtime.payments.status import PaymentState

from .money_desk import LAYOUT, OWNER, PRICE, SHOW_ID, Desk

SEATS = (0, 1)
HOLD = f"{SHOW_ID}.h{'lost':_<22}"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    server = valkey.start(tmp_path)
    try:
        server.wait_ready()
        desk = Desk(server.url, tmp_path / "west.db", equal_seats=False)
        await desk.open()
        yield desk
        await desk.close()
    finally:
        server.kill()


async def pay_a_lost_order(desk: Desk, hold: str = HOLD) -> str:
    """Pay an order that only the gateway knows; return its id."""
    names = tuple(LAYOUT.seats[seat].id for seat in SEATS)
    order = await desk.gateway.create_order(OrderRequest(hold, names, PRICE * len(SEATS), 1, hold))
    desk.gateway.pay(order.id, order.amount, PaymentState.CAPTURED)
    return order.id


async def webhook(desk: Desk, order: str) -> None:
    report = encode_report(PaymentReport(f"event of {order}", "pay-1", order, state="captured"))
    await desk.master.command("XADD", keys.OUTBOX, "*", "kind", "webhook", "event", report)
    await desk.record()


async def ends(desk: Desk) -> list[tuple[bool, str | None, int]]:
    """Return each payment of the ledger: is it booked, its refund, and what the gateway returned of it."""
    await desk.record()
    await desk.refund_all()
    assert await desk.ledger.audit_money(now_ms()) == []
    rows = await desk.ledger.payments(Filter(limit=10))
    return [(row.booking is not None, row.refund, desk.gateway.payments[row.id].refunded) for row in rows]


async def test_the_payment_of_a_lost_order_books_its_hold(desk: Desk) -> None:
    await desk.locks.hold(HOLD, OWNER, SEATS)
    order = await pay_a_lost_order(desk)
    await webhook(desk, order)
    await desk.check(order)
    assert await ends(desk) == [(True, None, 0)]
    booked = await desk.ledger.booked(SHOW_ID)
    assert [(booking.owner, tuple(booking.seats)) for booking in booked] == [(OWNER, SEATS)]


async def test_the_payment_of_a_lost_order_and_a_lost_hold_is_returned(desk: Desk) -> None:
    order = await pay_a_lost_order(desk)
    await webhook(desk, order)
    await desk.check(order)
    await desk.check(order)
    assert await ends(desk) == [(False, "done", PRICE * len(SEATS))]


async def test_the_webhook_of_a_lost_order_waits_for_a_gateway_that_is_away(desk: Desk) -> None:
    await desk.locks.hold(HOLD, OWNER, SEATS)
    order = await pay_a_lost_order(desk)
    desk.gateway.away = True
    await webhook(desk, order)
    await desk.check(order)
    assert await desk.ledger.payments(Filter(limit=10)) == []
    due = await desk.ledger.claim_due_orders(now_ms() + 60_000, now_ms() + 60_000, 10)
    assert [row.id for row in due] == [order]
    desk.gateway.away = False
    await desk.check(order)
    assert await ends(desk) == [(True, None, 0)]


async def test_an_order_that_cannot_be_settled_does_not_delay_the_others(desk: Desk) -> None:
    holds = [f"{SHOW_ID}.h{name:_<22}" for name in "ab"]
    orders = []
    for hold, seat in zip(holds, SEATS, strict=True):
        await desk.locks.hold(hold, OWNER, (seat,))
        orders.append(await desk.order(hold, (seat,), PRICE))
        desk.gateway.pay(orders[-1], PRICE, PaymentState.CAPTURED)
    # The gateway contradicts itself about the first.
    desk.gateway.payments["pay-1"] = replace(desk.gateway.payments["pay-1"], hold=holds[1])
    await desk.check_due()
    await desk.record()
    assert [booking.id for booking in await desk.ledger.booked(SHOW_ID)] == [booking_of(holds[1])]
    broken = await desk.ledger.order(orders[0])
    assert broken is not None
    assert broken.check_at > 0 and "pay-1" in broken.detail


@pytest.mark.parametrize("hold", ["east-s.h" + "_" * 22, "", "another shop's"])
async def test_the_order_of_another_region_is_left_to_that_region(desk: Desk, hold: str) -> None:
    order = await pay_a_lost_order(desk, hold)
    await webhook(desk, order)
    await desk.check(order)
    assert await ends(desk) == []
    row = await desk.ledger.order(order)
    assert row is not None
    assert (row.state, row.check_at) == (OrderState.UNPAID, 0)
