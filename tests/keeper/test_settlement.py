"""What the gateway reports is settled: orders that were lost with a lock master, and others while one can't be."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from sqlalchemy import delete

from realtime import keys
from realtime.clock import now_ms
from realtime.dev import valkey
from realtime.ledger import schema
from realtime.ledger.money import Filter
from realtime.ledger.rows import OrderState
from realtime.model import SalesState, booking_of
from realtime.payments.report import PaymentReport, encode_report
from realtime.payments.service import OrderRequest
from realtime.payments.status import PaymentState

from .money_desk import LAYOUT, OWNER, PRICE, SHOW_ID, Desk

SEATS = (0, 1)
HOLD = f"{SHOW_ID}.h{'lost':_<22}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[valkey.Valkey]:
    started = valkey.start(tmp_path_factory.mktemp("settlement"))
    try:
        started.wait_ready()
        yield started
    finally:
        started.kill()


@contextlib.asynccontextmanager
async def opened(server: valkey.Valkey, folder: Path, *, can_ask: bool) -> AsyncIterator[Desk]:
    desk = Desk(server.url, folder / "west.db", equal_seats=False, can_ask=can_ask)
    await desk.open()
    yield desk
    await desk.close()


@pytest.fixture
async def desk(server: valkey.Valkey, tmp_path: Path) -> AsyncIterator[Desk]:
    async with opened(server, tmp_path, can_ask=True) as desk:
        yield desk


@pytest.fixture
async def shop(server: valkey.Valkey, tmp_path: Path) -> AsyncIterator[Desk]:
    """A desk whose payment service can't be asked: what it reports is all that is known of a payment."""
    async with opened(server, tmp_path, can_ask=False) as desk:
        yield desk


async def lose_the_master(desk: Desk) -> None:
    await desk.master.command("FLUSHALL")
    await desk.reconcile()


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


@pytest.mark.parametrize("hold", [HOLD, f"west-nowhere.h{'x' * 22}"])
async def test_the_payment_of_a_lost_order_and_a_lost_hold_is_returned(desk: Desk, hold: str) -> None:
    order = await pay_a_lost_order(desk, hold)
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


# --- what is acknowledged is in the ledger ------------------------------------------------------------------------
async def test_a_proof_is_acknowledged_when_its_booking_is_in_the_ledger(shop: Desk) -> None:
    await shop.locks.hold(HOLD, OWNER, SEATS)
    await pay_a_lost_order(shop)
    reply = await shop.webhook("pay-1")
    await shop.record()
    assert [entry.kind for entry in await shop.entries()] == ["booking"]
    assert await shop.replied(reply) is None
    await shop.record()
    assert await shop.replied(reply) == {"refund": None}
    assert await ends(shop) == [(True, None, 0)]


async def test_a_proof_that_was_lost_with_the_master_is_not_acknowledged_and_books_when_it_comes_again(
    shop: Desk,
) -> None:
    await shop.locks.hold(HOLD, OWNER, SEATS)
    await shop.order(HOLD, SEATS, PRICE * len(SEATS))
    shop.gateway.pay("order-0", PRICE * len(SEATS), PaymentState.CAPTURED)
    reply = await shop.webhook("pay-1")
    await shop.record()
    await lose_the_master(shop)
    assert await shop.replied(reply) is None
    again = await shop.webhook("pay-1")
    await shop.record()
    await shop.record()
    assert await shop.replied(again) == {"refund": None}
    assert await ends(shop) == [(True, None, 0)]


@pytest.mark.parametrize("hold", [HOLD, "west-unknown.h" + "_" * 22, "west-s.", "west-nonsense"])
async def test_a_proof_for_a_hold_that_nobody_knows_is_returned_and_delays_nothing(shop: Desk, hold: str) -> None:
    await pay_a_lost_order(shop, hold)
    reply = await shop.webhook("pay-1")
    await shop.record()
    assert await shop.replied(reply) == {"ours": True}
    assert await ends(shop) == [(False, "done", PRICE * len(SEATS))]
    assert await shop.master.command("XLEN", keys.DEAD_LETTERS) == 0


async def test_a_promised_refund_is_in_the_ledger_before_the_buyer_hears_of_it(desk: Desk) -> None:
    await desk.locks.hold(HOLD, OWNER, SEATS)
    order = await desk.order(HOLD, SEATS, PRICE * len(SEATS))
    desk.gateway.pay(order, PRICE * len(SEATS), PaymentState.CAPTURED)
    await desk.locks.release(HOLD, OWNER)
    lost = await desk.confirm(HOLD, "pay-1")
    await lose_the_master(desk)
    assert await desk.replied(lost) is None
    await desk.locks.hold(f"{SHOW_ID}.h{'other':_<22}", "another", SEATS)
    kept = await desk.confirm(HOLD, "pay-1")
    await desk.record()
    assert (await desk.replied(kept))["refund"]["state"] == "promised"
    await lose_the_master(desk)
    await desk.check_due()
    assert await ends(desk) == [(False, "done", PRICE * len(SEATS))]


async def test_a_repeated_confirm_of_a_rejected_payment_is_answered_with_its_refund(desk: Desk) -> None:
    await pay_a_lapsed_hold(desk)
    for _ in range(2):
        reply = await desk.confirm(HOLD, "pay-1")
        await desk.record()
        assert (await desk.replied(reply))["refund"]["payment"] == "pay-1"
    assert await ends(desk) == [(False, "done", PRICE * len(SEATS))]


@pytest.mark.parametrize("made", [True, False], ids=["made", "promised"])
async def test_a_refund_that_the_ledger_has_lost_is_recorded_again_and_made_once(desk: Desk, made: bool) -> None:
    await pay_a_lapsed_hold(desk)
    await desk.confirm(HOLD, "pay-1")
    await desk.record()
    if made:
        await desk.refund_all()
        await desk.complete_jobs()
    async with desk.ledger.transaction() as connection:
        for table in (schema.tasks, schema.refunds, schema.payments, schema.orders):
            await connection.execute(delete(table))
    await desk.record_again()
    await desk.check_due()
    await desk.record()
    assert (await desk.jobs.waiting())["refunds"] == 1
    assert await ends(desk) == [(False, "done", PRICE * len(SEATS))]


async def test_a_payment_that_comes_after_its_order_was_lost_is_asked_for(desk: Desk) -> None:
    await desk.locks.hold(HOLD, OWNER, SEATS)
    order = await desk.order(HOLD, SEATS, PRICE * len(SEATS))
    async with desk.ledger.transaction() as connection:
        await connection.execute(delete(schema.orders))
    await desk.record_again()
    await desk.check_due()
    assert await ends(desk) == []
    row = await desk.ledger.order(order)
    assert row is not None and row.state is OrderState.OPEN and row.check_at > 0, "it is asked for again"
    desk.gateway.pay(order, PRICE * len(SEATS), PaymentState.CAPTURED)
    await desk.check_due()
    assert await ends(desk) == [(True, None, 0)]


async def test_an_order_whose_refund_was_lost_is_due_at_once(desk: Desk) -> None:
    order = await pay_a_lapsed_hold(desk)
    await desk.confirm(HOLD, "pay-1")
    await desk.record()
    async with desk.ledger.transaction() as connection:
        for table in (schema.tasks, schema.refunds, schema.payments):
            await connection.execute(delete(table))
    await desk.ledger.order_due(order, now_ms() + 600_000)
    await desk.record_again()
    (due,) = await desk.ledger.claim_due_orders(now_ms(), now_ms() + 60_000, 10)
    assert due.id == order


async def pay_a_lapsed_hold(desk: Desk) -> str:
    """Pay the order of a hold that has lapsed, after the sales were closed: it can't be booked. Return the order."""
    await desk.locks.hold(HOLD, OWNER, SEATS)
    order = await desk.order(HOLD, SEATS, PRICE * len(SEATS))
    desk.gateway.pay(order, PRICE * len(SEATS), PaymentState.CAPTURED)
    await desk.locks.set_sales(SHOW_ID, SalesState.CLOSED)
    await desk.master.command("HSET", keys.holds(SHOW_ID), HOLD, await expired(desk))
    return order


async def expired(desk: Desk) -> bytes:
    record = orjson.loads(await desk.master.command("HGET", keys.holds(SHOW_ID), HOLD))
    return orjson.dumps({**record, "expires_at": 1})


async def test_an_order_that_was_asked_for_again_is_answered_again(desk: Desk) -> None:
    """The entry of the first request may have been lost."""
    await desk.locks.hold(HOLD, OWNER, SEATS)
    for reply in ("first", "second"):
        await desk.locks.order(HOLD, OWNER, "order", SEATS, PRICE, reply=reply)
        assert await desk.replied(reply) is None
        await desk.record()
        assert await desk.replied(reply) == {}


async def test_a_webhook_makes_its_order_due_however_old_it_is_and_nothing_is_asked_for_it_twice(desk: Desk) -> None:
    await desk.locks.hold(HOLD, OWNER, SEATS)
    order = await desk.order(HOLD, SEATS, PRICE * len(SEATS))
    row = await desk.ledger.order(order)
    assert row is not None
    await desk.ledger.order_checked(row, 0, "not paid for three days")
    desk.gateway.pay(order, PRICE * len(SEATS), PaymentState.CAPTURED)
    reply = await desk.webhook("pay-1")
    desk.gateway.away = True
    await desk.record()
    assert await desk.replied(reply) == {"ours": True}, "a gateway that is away does not delay the record path"
    (claimed,) = await desk.ledger.claim_due_orders(now_ms(), now_ms() + 60_000, 10)
    # Another report arrives while the gateway is asked: its answer may be older.
    await desk.ledger.order_due(order, now_ms())
    await desk.ledger.order_checked(claimed, 0, "not paid")
    desk.gateway.away = False
    await desk.check_due()
    assert await ends(desk) == [(True, None, 0)]


@pytest.mark.parametrize("hold", ["east-s.h" + "_" * 22, "", "another shop's"])
async def test_the_order_of_another_region_is_left_to_that_region(desk: Desk, hold: str) -> None:
    order = await pay_a_lost_order(desk, hold)
    await webhook(desk, order)
    await desk.check(order)
    assert await ends(desk) == []
    row = await desk.ledger.order(order)
    assert row is not None
    assert (row.state, row.check_at) == (OrderState.UNPAID, 0)
