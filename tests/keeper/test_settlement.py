"""What the gateway reports is settled: orders that were lost with a lock master, and others while one can't be."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from sqlalchemy import delete, update

from realtime import connect, keys, limits
from realtime.clock import now_ms
from realtime.contact import Contact, encode_contact
from realtime.dev import valkey
from realtime.keeper import contradictions, rerecord, task_keeper
from realtime.keeper.recorder import WEBHOOKS_AT_ONCE
from realtime.keeper.refunds import listed_refund
from realtime.keeper.settlement import ORDERS_AT_ONCE, UNIDENTIFIED_CHECK_MS
from realtime.ledger import LedgerUnavailable, schema
from realtime.ledger.money import Filter
from realtime.ledger.rows import ANY_TIME, NewBooking, OrderState, Queue, RefundProgress, RefundReason, Result
from realtime.locks.holds import PaymentProof
from realtime.model import HoldState, SalesState, booking_of
from realtime.payments.errors import NoAnswer, Refusal, refused, unavailable
from realtime.payments.report import PaymentReport, encode_report
from realtime.payments.service import OrderRequest, WebhookEvent, refund_key
from realtime.payments.status import PaymentState, PaymentStatus

from .money_desk import LAYOUT, OWNER, PRICE, SHOW_ID, Desk

WRONG_CLOCK = pytest.mark.parametrize("wrong_by_ms", [600_000, -10_000_000_000], ids=["ahead", "months-behind"])
"""Of the lock master."""
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


async def test_an_order_that_a_webhook_names_is_asked_about_before_those_that_nobody_pays(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.locks.hold(HOLD, OWNER, SEATS)
    paid = await desk.order(HOLD, SEATS, PRICE * len(SEATS))
    row = await desk.ledger.order(paid)
    assert row is not None
    unpaid = [replace(row, id=f"unpaid-{number}", check_at=now_ms() - 60_000) for number in range(100)]
    await desk.ledger.save_orders(unpaid)
    desk.gateway.pay(paid, PRICE * len(SEATS), PaymentState.CAPTURED)
    await webhook(desk, paid)
    with monkeypatch.context() as patched:
        patched.setattr(desk.gateway, "away", True)
        await desk._settlement.check_due_orders()
    assert await desk.ledger.payments(Filter(limit=10)) == []
    await make_due(desk)
    await desk._settlement.check_due_orders()
    assert await ends(desk) == [(True, None, 0)]
    asked = await desk.ledger.order(paid)
    assert asked is not None and asked.checks == 0, "from now on it is asked about like others"


async def make_due(desk: Desk) -> None:
    """Let the time of every order come, that of those whose names say that nobody pays them long ago."""
    table, now = schema.orders, now_ms()
    async with desk.ledger.transaction() as connection:
        await connection.execute(update(table).values(check_at=now - 1))
        await connection.execute(update(table).where(table.c.id.startswith("unpaid")).values(check_at=now - 60_000))


async def test_a_webhook_that_comes_while_its_order_is_asked_about_puts_it_first_again(desk: Desk) -> None:
    await desk.locks.hold(HOLD, OWNER, SEATS)
    order = await desk.order(HOLD, SEATS, PRICE * len(SEATS))
    await make_due(desk)
    (claimed,) = await desk.ledger.claim_due_orders(now_ms(), now_ms() + 60_000, 10)
    await desk.ledger.order_due(order, now_ms())
    await desk.ledger.order_checked(claimed, now_ms() + 10_000, "not paid")
    await desk.ledger.save_orders([replace(claimed, id="unpaid", check_at=1, checks=0)])
    assert [row.id for row in await desk.ledger.claim_due_orders(now_ms(), now_ms(), 1)] == [order]


async def test_a_slow_gateway_is_asked_about_several_orders_at_a_time(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.locks.hold(HOLD, OWNER, SEATS)
    row = await desk.ledger.order(await desk.order(HOLD, SEATS, PRICE * len(SEATS)))
    assert row is not None
    await desk.ledger.save_orders([replace(row, id=f"unpaid-{number}", check_at=1) for number in range(6)])
    waiting, most = 0, 0

    async def slow(_order: str) -> tuple[PaymentStatus, ...]:
        nonlocal waiting, most
        waiting += 1
        most = max(most, waiting)
        await asyncio.sleep(0.02)
        waiting -= 1
        return ()

    monkeypatch.setattr(desk.gateway, "payments_of", slow)
    await desk._settlement.check_due_orders()
    assert most == ORDERS_AT_ONCE > 1


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


async def test_a_show_that_is_not_rebuilt_delays_no_orders_of_other_shows(desk: Desk) -> None:
    other = await desk.another_show()
    holds = [f"{show}.h{'a':_<22}" for show in (other, SHOW_ID)]
    for hold in holds:
        await desk.locks.hold(hold, OWNER, SEATS)
        desk.gateway.pay(await desk.order(hold, SEATS, PRICE * 2), PRICE * 2, PaymentState.CAPTURED)
    await desk.locks.suspend(other, "nonce")
    await desk.check_due()
    await desk.record()
    assert [booking.id for booking in await desk.ledger.booked(SHOW_ID)] == [booking_of(holds[1])]
    await desk.rebuild(other)
    await desk.check_due()
    assert await ends(desk) == [(True, None, 0), (True, None, 0)]


@pytest.mark.parametrize("answer", [refused(Refusal.NOT_PAID), unavailable(NoAnswer.TIMEOUT)], ids=["no", "no answer"])
async def test_a_payment_that_cannot_be_captured_does_not_delay_another_one_of_its_order(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, answer: Exception
) -> None:
    order = await pay_twice(desk)

    async def capture(_payment: str, _amount: int) -> PaymentStatus:
        raise answer

    with monkeypatch.context() as patch:
        patch.setattr(desk.gateway, "capture", capture)
        await desk.check_due()
    await desk.record()
    assert [row.id for row in await desk.ledger.payments(Filter(state="booked"))] == ["pay-2"]
    row = await desk.ledger.order(order)
    assert row is not None and row.check_at > 0 and "pay-1 authorized (" in row.detail
    await desk.check_due()
    assert sorted(await ends(desk)) == [(False, "done", 2 * PRICE), (True, None, 0)]


async def test_the_hold_of_an_authorised_payment_is_kept_while_its_capture_is_not_answered(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold, _now = await desk.locks.hold(HOLD, OWNER, SEATS)
    order = await desk.order(HOLD, SEATS, 2 * PRICE)
    desk.gateway.pay(order, 2 * PRICE, PaymentState.AUTHORIZED)

    async def capture(_payment: str, _amount: int) -> PaymentStatus:
        raise unavailable(NoAnswer.TIMEOUT)

    monkeypatch.setattr(desk.gateway, "capture", capture)
    monkeypatch.setattr(limits, "PROLONG_STEP_MS", limits.DEFAULT_HOLD_S * 1000 + 60_000)
    await desk.check_due()
    assert (await desk.locks.get(HOLD))[0].expires_at >= hold.expires_at + 59_000


async def test_a_payment_that_is_not_captured_because_another_one_was_gets_its_refund(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pay_twice(desk)

    async def capture(_payment: str, _amount: int) -> PaymentStatus:
        raise refused(Refusal.ORDER_PAID)

    monkeypatch.setattr(desk.gateway, "capture", capture)
    await desk.check_due()
    await desk.record()
    assert [row.id for row in await desk.ledger.payments(Filter(state="booked"))] == ["pay-2"]
    refund = await desk.ledger.refund_of_payment("pay-1")
    assert refund is not None and (refund.amount, refund.reason) == (2 * PRICE, RefundReason.DOUBLED)


async def test_a_settled_order_is_asked_for_as_long_as_another_payment_of_it_may_get_its_money(desk: Desk) -> None:
    await desk.locks.hold(HOLD, OWNER, SEATS)
    order = await desk.order(HOLD, SEATS, 2 * PRICE)
    for state in (PaymentState.FAILED, PaymentState.CAPTURED):
        desk.gateway.pay(order, 2 * PRICE, state)
    await desk.check_due()
    await desk.record()
    async with desk.ledger.transaction() as connection:
        day_ago = now_ms() - 24 * 3600 * 1000
        await connection.execute(update(schema.orders).values(created_at=day_ago))
    await desk.check(order)
    row = await desk.ledger.order(order)
    assert row is not None and row.state is OrderState.SETTLED and row.check_at > 0
    # Its bank has taken the money after all, and no webhook arrives.
    desk.gateway.payments["pay-1"] = replace(desk.gateway.payments["pay-1"], state=PaymentState.CAPTURED)
    await desk.check(order)
    await desk.record()
    await desk.check(order)
    row = await desk.ledger.order(order)
    assert row is not None and row.check_at == 0, "nothing can come any more"
    assert sorted(await ends(desk)) == [(False, "done", 2 * PRICE), (True, None, 0)]


async def test_an_old_order_is_asked_for_again_while_any_payment_of_it_is_on_its_way_to_the_ledger(desk: Desk) -> None:
    await desk.locks.hold(HOLD, OWNER, SEATS)
    order = await desk.order(HOLD, SEATS, 2 * PRICE)
    for state in (PaymentState.CAPTURED, PaymentState.FAILED):
        desk.gateway.pay(order, 2 * PRICE, state)
    async with desk.ledger.transaction() as connection:
        long_ago = now_ms() - (limits.ORDER_OPEN_S + 60) * 1000
        await connection.execute(update(schema.orders).values(created_at=long_ago))
    await desk.check(order)
    row = await desk.ledger.order(order)
    assert row is not None and row.check_at > 0


async def test_a_refund_that_the_gateway_has_made_and_the_ledger_lacks_is_recorded_with_all_its_money(
    desk: Desk,
) -> None:
    await desk.locks.hold(HOLD, OWNER, SEATS)
    order = await desk.order(HOLD, SEATS, 2 * PRICE)
    desk.gateway.pay(order, 2 * PRICE, PaymentState.CAPTURED)
    await desk.gateway.refund("pay-1", 2 * PRICE, "an earlier key")
    await desk.check(order)
    refund = await desk.ledger.refund_of_payment("pay-1")
    assert refund is not None and (refund.amount, refund.reason) == (2 * PRICE, RefundReason.LOST)


async def test_the_hold_of_a_payment_that_meets_a_full_outbox_is_kept_for_the_next_attempt(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.locks.hold(HOLD, OWNER, SEATS)
    order = await desk.order(HOLD, SEATS, 2 * PRICE)
    desk.gateway.pay(order, 2 * PRICE, PaymentState.CAPTURED)
    record = orjson.loads(await desk.master.command("HGET", keys.holds(SHOW_ID), HOLD))
    record["expires_at"] = now_ms() + 5_000
    await desk.master.command("HSET", keys.holds(SHOW_ID), HOLD, orjson.dumps(record))
    with monkeypatch.context() as patch:
        patch.setattr(limits, "OUTBOX_LIMIT", 0)
        await desk.check(order)
    kept = orjson.loads(await desk.master.command("HGET", keys.holds(SHOW_ID), HOLD))
    assert (kept["state"], kept["expires_at"] - record["expires_at"]) == ("held", kept["prolonged_ms"])
    assert kept["prolonged_ms"] > 0
    await desk.check(order)
    await desk.record()
    assert await ends(desk) == [(True, None, 0)]


async def pay_twice(desk: Desk) -> str:
    """Pay an order twice; the gateway has captured the second payment, and tells of the other one first."""
    await desk.locks.hold(HOLD, OWNER, SEATS)
    order = await desk.order(HOLD, SEATS, 2 * PRICE)
    for state in (PaymentState.AUTHORIZED, PaymentState.CAPTURED):
        desk.gateway.pay(order, 2 * PRICE, state)
    return order


# --- reports that contradict the ledger ---------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"amount": 1}, "1 INR of pay-1"),
        ({"currency": "USD"}, "USD of pay-1"),
        ({"order": "order-x"}, "order-x can't both be true"),
        ({"hold": f"{SHOW_ID}.h{'other':_<22}"}, "can't both be true"),
        ({"state": "refunded"}, "stands"),
    ],
    ids=["amount", "currency", "order", "hold", "refunded"],
)
async def test_operators_see_once_what_contradicts_the_ledger(
    desk: Desk, caplog: pytest.LogCaptureFixture, change: dict[str, Any], cause: str
) -> None:
    await desk.locks.hold(HOLD, OWNER, SEATS)
    order = await pay_a_lost_order(desk)
    true = PaymentReport("true", "pay-1", order, HOLD, PRICE * len(SEATS), "captured", currency="INR")
    await report(desk, true)
    await desk.check(order)
    await desk.record()
    await report(desk, msgspec.structs.replace(true, event="true again"))
    await desk.check(order)
    assert await desk.master.command("GET", keys.CONTRADICTIONS) is None
    for event in ("wrong", "wrong again"):
        await report(desk, msgspec.structs.replace(true, event=event, **change))
    lines = [each.getMessage() for each in caplog.records if each.name == contradictions.__name__]
    assert len(lines) == 1 and "pay-1" in lines[0] and cause in lines[0]
    assert await desk.master.command("GET", keys.CONTRADICTIONS) == b"1"
    await desk.incidents.send()
    ((_id, noted),) = await desk.master.command("XRANGE", keys.INCIDENTS, "-", "+")
    assert (noted[b"kind"], noted[b"detail"]) == (b"contradiction", b"pay-1")
    assert await ends(desk) == [(True, None, 0)], "it changes nothing"


async def test_operators_see_that_the_gateway_has_returned_the_payment_of_a_standing_booking(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    await desk.locks.hold(HOLD, OWNER, SEATS)
    order = await pay_a_lost_order(desk)
    await webhook(desk, order)
    await desk.check(order)
    await desk.record()
    desk.gateway.payments["pay-1"] = replace(desk.gateway.payments["pay-1"], state=PaymentState.REFUNDED)
    await desk.check(order)
    assert "contradicts the ledger" in caplog.text and "stands" in caplog.text


async def test_what_follows_from_a_refund_is_no_contradiction(desk: Desk) -> None:
    order = await pay_a_lost_order(desk)
    await webhook(desk, order)
    await desk.check(order)
    await ends(desk)
    returned = PaymentReport("returned", "pay-1", order, HOLD, PRICE * len(SEATS), "refunded", currency="INR")
    await report(desk, returned)
    await desk.check(order)
    assert await desk.master.command("GET", keys.CONTRADICTIONS) is None


async def report(desk: Desk, heard: PaymentReport) -> None:
    await desk.master.command("XADD", keys.OUTBOX, "*", "kind", "webhook", "event", encode_report(heard))
    await desk.record()


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


def proof(shop: Desk, *seats: int, amount: int = 0) -> PaymentReport:
    """Let the shop take the money for some seats of the hold; return the report of its signed proof."""
    names, amount = tuple(LAYOUT.seats[seat].id for seat in seats), amount or PRICE * len(seats)
    shop.gateway.payments["pay-1"] = PaymentStatus("pay-1", PaymentState.CAPTURED, amount, hold=HOLD, seats=names)
    return PaymentReport.of(WebhookEvent("event of pay-1", shop.gateway.payments["pay-1"]))


@pytest.mark.parametrize("is_known", [True, False], ids=["order-known", "order-lost"])
@pytest.mark.parametrize("names_seats", [True, False], ids=["", "of-an-earlier-node"])
async def test_a_proof_of_some_seats_of_a_hold_books_these_though_the_webhook_comes_before_the_page(
    shop: Desk, is_known: bool, names_seats: bool
) -> None:
    await shop.locks.hold(HOLD, OWNER, (0, 1, 2))
    order = await shop.order(HOLD, SEATS, PRICE * len(SEATS)) if is_known else ""
    heard = proof(shop, *SEATS)
    await report(shop, heard if names_seats else msgspec.structs.replace(heard, seats=()))
    if not (is_known or names_seats):
        assert await ends(shop) == [(False, "done", PRICE * len(SEATS))], "nobody knows what it is for"
        return
    booked, doubled = await shop.locks.confirm(HOLD, OWNER, PaymentProof("pay-1", PRICE * len(SEATS), order), SEATS)
    assert (booked.seats, doubled) == (SEATS, False)
    assert await ends(shop) == [(True, None, 0)]
    assert [each.seats for each in await shop.ledger.booked(SHOW_ID)] == [SEATS]
    assert 2 in await shop.locks.free_seats(SHOW_ID)
    if is_known:
        row = await shop.ledger.order(order)
        assert row is not None and row.state is OrderState.SETTLED


@pytest.mark.parametrize(
    ("seats", "amount"), [((0, 1), 0), ((1, 3), 0), ((1, 2), PRICE)], ids=["released", "not-held", "too-little"]
)
async def test_a_proof_of_other_seats_than_the_hold_has_is_returned(
    shop: Desk, seats: tuple[int, ...], amount: int
) -> None:
    """The hold has as many seats as the proof names, for the same price."""
    await shop.locks.hold(HOLD, OWNER, (0, 1, 2))
    await shop.locks.release(HOLD, OWNER, (0,))
    heard = proof(shop, *seats, amount=amount)
    await report(shop, heard)
    assert await ends(shop) == [(False, "done", heard.amount)]
    assert await shop.ledger.booked(SHOW_ID) == []


async def test_a_proof_that_names_an_unknown_seat_is_returned(shop: Desk) -> None:
    await shop.locks.hold(HOLD, OWNER, SEATS)
    await report(shop, msgspec.structs.replace(proof(shop, *SEATS), seats=("Z-1", "Z-2")))
    assert await ends(shop) == [(False, "done", PRICE * len(SEATS))]


@pytest.mark.parametrize("named", [0, 1])
async def test_a_refund_that_the_shop_has_made_is_done_whichever_of_its_keys_it_names(shop: Desk, named: int) -> None:
    """A shop that knew the key of the first attempt only has made the second one with that."""
    await report(shop, proof(shop, *SEATS))
    await shop.record()
    keys_listed = []
    for attempt, state in ((0, "failed"), (0, "failed"), (named, "done")):
        (row,) = await shop.ledger.refunds(Filter())
        keys_listed.append(listed_refund(row)["key"])
        if len(keys_listed) == 2:
            # The first statement was signed anew, with another reason: it is of an attempt that has failed already.
            assert (row.state, row.attempt) == (RefundProgress.FAILED, 1)
            assert await shop.ledger.retry_refund(row.id, now_ms()) is not None
        key = refund_key(HOLD, "pay-1", attempt)
        event = f"{state} {len(keys_listed)}"
        await report(shop, PaymentReport(event, "pay-1", refund_key=key, refund_state=state, refund_reason=event))
    (row,) = await shop.ledger.refunds(Filter())
    assert keys_listed == [refund_key(HOLD, "pay-1", attempt) for attempt in (0, 1, 1)]
    assert (row.state, row.attempt) == (RefundProgress.DONE, 1)
    assert not [task for task in await shop.ledger.unfinished_tasks(ANY_TIME, 10) if task.queue is Queue.REFUNDS]


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
        await desk.end_jobs("completed")
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


@WRONG_CLOCK
async def test_an_order_that_is_recorded_again_does_not_wait_for_the_clock_of_the_lock_master(
    desk: Desk, wrong_by_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.locks.hold(HOLD, OWNER, SEATS)
    order = await desk.order(HOLD, SEATS, PRICE * len(SEATS))
    async with desk.ledger.transaction() as connection:
        await connection.execute(delete(schema.orders))
    monkeypatch.setattr(connect, "time_ms", lambda _reply: now_ms() + wrong_by_ms)
    before = now_ms()
    await desk.record_again()
    row = await desk.ledger.order(order)
    assert row is not None
    assert before <= row.created_at <= now_ms()
    assert before <= row.check_at <= now_ms() + UNIDENTIFIED_CHECK_MS


@WRONG_CLOCK
async def test_an_order_whose_refund_was_lost_is_due_at_once(
    desk: Desk, wrong_by_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await pay_a_lapsed_hold(desk)
    await desk.confirm(HOLD, "pay-1")
    await desk.record()
    async with desk.ledger.transaction() as connection:
        for table in (schema.tasks, schema.refunds, schema.payments):
            await connection.execute(delete(table))
    await desk.ledger.order_due(order, now_ms() + 900_000)
    monkeypatch.setattr(connect, "time_ms", lambda _reply: now_ms() + wrong_by_ms)
    await desk.record_again()
    (due,) = await desk.ledger.claim_due_orders(now_ms(), now_ms() + 60_000, 10)
    assert due.id == order


@WRONG_CLOCK
async def test_money_and_tasks_do_not_wait_for_the_clock_of_the_lock_master(desk: Desk, wrong_by_ms: int) -> None:
    hold, at, amount = {"hold": HOLD, "owner": OWNER, "seats": "0,1"}, now_ms() + wrong_by_ms, PRICE * len(SEATS)
    order = await desk.gateway.create_order(OrderRequest(HOLD, (), amount, 1, HOLD))
    for fields in (
        {"kind": "order", "order": order.id},
        {"kind": "booking", "payment": "of a page that was closed"},
    ):
        entry = {**hold, **fields, "amount": str(amount), "at": str(at)}
        await desk.master.command("XADD", keys.OUTBOX, "*", *connect.flat(entry))
    before = now_ms()
    await desk.record()
    asked = await desk.ledger.order(order.id)
    assert asked is not None
    assert 0 <= asked.check_at - before <= limits.ORDER_CHECK_S[0] * 1000 + (now_ms() - before)
    await desk.check(order.id)
    asked = await desk.ledger.order(order.id)
    assert asked is not None and asked.check_at > before, "nobody has paid yet, so it is asked again"
    tasks = await desk.ledger.unfinished_tasks(ANY_TIME, 10)
    assert tasks and all(before <= task.created_at <= now_ms() for task in tasks)


@pytest.mark.parametrize("refused_by_the_gateway", [False, True])
async def test_a_failed_job_of_a_refund_is_added_again_unless_the_gateway_has_refused_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, refused_by_the_gateway: bool
) -> None:
    """Its attempts are over, or an operator had it tried again a moment before the job failed."""
    monkeypatch.setattr(task_keeper, "YOUNG_MS", -60_000)
    await pay_a_lapsed_hold(desk)
    await desk.confirm(HOLD, "pay-1")
    await desk.record()
    refund = await desk.ledger.refund_of_payment("pay-1")
    assert refund is not None
    if refused_by_the_gateway:
        await desk.ledger.update_refund(refund.id, RefundProgress.FAILED, 1, next_attempt=True)
    await desk.end_jobs("failed")
    assert (await desk.jobs.waiting())["refunds"] == 0
    await task_keeper.TaskKeeper(desk.ledger, desk.jobs).turn()
    assert (await desk.jobs.waiting())["refunds"] == (0 if refused_by_the_gateway else 1)


async def test_a_refunded_dead_letter_frees_its_seats_and_keeps_its_contact(desk: Desk) -> None:
    await desk.locks.hold(HOLD, OWNER, SEATS)
    order = await desk.order(HOLD, SEATS, PRICE * len(SEATS))
    desk.gateway.pay(order, PRICE * len(SEATS), PaymentState.CAPTURED)
    contact = Contact("asha@example.in")
    await desk.locks.confirm(HOLD, OWNER, PaymentProof("pay-1", 2 * PRICE, order, contact=encode_contact(contact)))
    (entry,) = await desk.entries()
    letter = await desk.master.command("XADD", keys.DEAD_LETTERS, "*", *connect.flat(entry.fields), "reason", "a fault")
    await desk.master.command("XDEL", keys.OUTBOX, entry.id)
    body = ("body", orjson.dumps({"id": letter.decode()}))
    await desk.master.command(
        "XADD", keys.OUTBOX, "*", "kind", "command", "id", "c", "name", "refund_dead_letter", *body
    )
    await desk.record()
    await desk.record()
    assert (await desk.locks.get(HOLD))[0].state is HoldState.REJECTED
    assert set(SEATS) <= await desk.locks.free_seats(SHOW_ID)
    assert await desk.ledger.contact(HOLD) == contact
    assert await ends(desk) == [(False, "done", PRICE * len(SEATS))]


async def test_a_booking_settles_its_order_though_both_are_recorded_at_once(desk: Desk) -> None:
    await desk.locks.hold(HOLD, OWNER, SEATS)
    await desk.locks.order(HOLD, OWNER, "order-1", SEATS, 2 * PRICE)
    await desk.locks.confirm(HOLD, OWNER, PaymentProof("pay-1", 2 * PRICE, "order-1"))
    assert [entry.kind for entry in await desk.entries()] == ["order", "booking"]
    await desk.record()
    recorded = await desk.ledger.order("order-1")
    assert recorded is not None and recorded.state is OrderState.SETTLED


async def test_the_refund_of_another_payment_leaves_the_seats_to_the_one_that_is_being_booked(desk: Desk) -> None:
    await desk.locks.hold(HOLD, OWNER, SEATS)
    await desk.locks.confirm(HOLD, OWNER, PaymentProof("pay-1", 2 * PRICE))
    (booking,) = await desk.entries()
    await desk.master.command("XDEL", keys.OUTBOX, booking.id)
    refund = {**booking.fields, "kind": "refund", "payment": "pay-2", "reason": "lost"}
    await desk.master.command("XADD", keys.OUTBOX, "*", *connect.flat(refund))
    await desk.record()
    assert (await desk.locks.get(HOLD))[0].state is HoldState.CONFIRMING
    await desk.master.command("XADD", keys.OUTBOX, "*", *connect.flat(booking.fields))
    await desk.record()
    assert (await desk.locks.get(HOLD))[0].state is HoldState.BOOKED


async def test_a_big_show_is_recorded_again_in_transactions_of_bounded_size(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    holds = [f"{SHOW_ID}.h{n:_<22}" for n in range(5)]
    for seat, hold in enumerate(holds):
        await desk.locks.hold(hold, OWNER, (seat,))
        await desk.locks.confirm(hold, OWNER, PaymentProof(f"pay-{seat}", PRICE))
    await desk.record()
    async with desk.ledger.transaction() as connection:
        for table in (schema.tasks, schema.payments, schema.booked_seats, schema.bookings):
            await connection.execute(delete(table))
    sizes: list[int] = []
    record = desk.ledger.record

    async def counted(bookings: Sequence[NewBooking], token: str | None = None) -> list[Result]:
        sizes.append(len(bookings))
        return await record(bookings, token)

    monkeypatch.setattr(desk.ledger, "record", counted)
    monkeypatch.setattr(rerecord, "PAGE", 2)
    await desk.record_again()
    assert sizes == [2, 2, 1]
    assert {each.id for each in await desk.ledger.booked(SHOW_ID)} == {booking_of(hold) for hold in holds}


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


async def test_webhooks_are_processed_side_by_side_and_those_of_one_hold_in_their_order(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an outage there are many, each takes several round trips, and orders wait for the batch."""
    begun, together = list[str](), asyncio.Barrier(2)

    async def on_report(report: PaymentReport, _reply: str) -> bool | None:
        begun.append(report.event)
        if report.event in ("a1", "b1"):
            await asyncio.wait_for(together.wait(), 20)
            await asyncio.sleep(0.05)
        begun.append(f"{report.event} done")
        return None

    monkeypatch.setattr(desk._settlement, "on_report", on_report)
    for event, hold in (("a1", "a"), ("a2", "a"), ("b1", "b"), ("b2", "b")):
        report = encode_report(PaymentReport(event, hold=hold, state="captured"))
        await desk.master.command("XADD", keys.OUTBOX, "*", "kind", "webhook", "event", report)
    await desk.record(("webhook",))
    assert begun[:2] == ["a1", "b1"]
    for first, then in (("a1 done", "a2"), ("b1 done", "b2")):
        assert begun.index(first) < begun.index(then)
    assert await desk.entries() == []


async def test_webhooks_wait_for_a_ledger_that_fails_half_way(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[str]()

    async def on_report(report: PaymentReport, _reply: str) -> bool | None:
        asked.append(report.event)
        raise LedgerUnavailable("away")

    monkeypatch.setattr(desk._settlement, "on_report", on_report)
    for number in range(20):
        report = encode_report(PaymentReport(f"e{number}", hold=f"h{number}", state="captured"))
        await desk.master.command("XADD", keys.OUTBOX, "*", "kind", "webhook", "event", report)
    with pytest.raises(LedgerUnavailable):
        await desk.record(("webhook",))
    assert len(asked) <= WEBHOOKS_AT_ONCE, "no other is begun after the first has failed"
    assert len(await desk.entries()) == 20
