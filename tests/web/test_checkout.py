"""The checkout of one node, against a real master and a real ledger: what is paid is exactly what is booked."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import Table, func, select

from realtime import keys, limits
from realtime.contact import Contact
from realtime.dev import valkey
from realtime.errors import (
    HoldEnded,
    HoldLost,
    HoldNotFound,
    NotYourHold,
    Overloaded,
    SeatNotFound,
    TooManyHolds,
)
from realtime.feeds.directory import SeatIds
from realtime.ledger import schema
from realtime.ledger.money import Filter
from realtime.locks.holds import PaymentProof
from realtime.locks.replies import wait_until_recorded
from realtime.model import HoldState, Show
from realtime.payments.service import Order, OrderRequest, VerifiedPayment
from realtime.payments.status import PaymentState
from realtime.web.address_keys import AddressKeys
from realtime.web.address_pace import AddressRateLimited
from realtime.web.checkout import Checkout
from realtime.wire.requests import ConfirmHold, OrderHold
from tests.cluster import entries_added, until
from tests.keeper.money_desk import LAYOUT, OWNER, PRICE, SHOW_ID, Desk

HOLD = f"{SHOW_ID}.h{'a':_<22}"
NAMES = [LAYOUT.seats[seat].id for seat in (0, 1)]


class Directory:
    """Knows the show of the desk."""

    def __init__(self, show: Show) -> None:
        self.show = show
        ids = tuple(seat.id for seat in LAYOUT.seats)
        self._seats = SeatIds(ids, {seat: n for n, seat in enumerate(ids)}, ("Gold",), bytes(len(ids)))

    def declared_show(self, show_id: str) -> Show:
        assert show_id == self.show.id
        return self.show

    async def seat_ids(self, _show: Show) -> SeatIds:
        return self._seats


@pytest.fixture
async def desk(master_server: valkey.Valkey, tmp_path: Path) -> AsyncIterator[Desk]:
    opened = Desk(master_server.url, tmp_path / "west.db", equal_seats=False)
    await opened.open()
    recording = asyncio.create_task(record(opened))
    yield opened
    recording.cancel()
    await asyncio.wait([recording])
    await opened.close()


async def record(desk: Desk) -> None:
    while True:
        await desk.record()
        await asyncio.sleep(0.02)


async def checkout_of(desk: Desk, price: int = PRICE) -> Checkout:
    show = await desk.ledger.show(SHOW_ID)
    assert show is not None
    directory = Directory(replace(show, prices={"Gold": price // 100}))
    return Checkout(
        cast(Any, directory), {"west": desk.locks}, desk.gateway, (), lambda _region: None, AddressKeys("x" * 32, [])
    )


async def test_orders_of_one_hold_wait_for_each_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are asked for at a time, they take one of the waits for keepers that all buyers of a node share."""
    await desk.locks.hold(HOLD, OWNER, (0, 1))
    checkout, wait, waiting, most = await checkout_of(desk), wait_until_recorded, 0, 0

    async def counted(*args: Any) -> Any:
        nonlocal waiting, most
        waiting += 1
        most = max(most, waiting)
        try:
            return await wait(*args)
        finally:
            waiting -= 1

    monkeypatch.setattr("realtime.web.orders.wait_until_recorded", counted)
    answers = await asyncio.gather(*(checkout.order(OWNER, OrderHold(HOLD), "") for _ in range(10)))
    assert all(answer["order"]["amount"] == 2 * PRICE for answer in answers)
    assert most == 1


@pytest.fixture
def asked(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The gateway makes one order for each idempotency key; returns the keys that it was asked with."""
    asked, create, known = [], desk.gateway.create_order, dict[str, Order]()

    async def create_once(request: OrderRequest) -> Order:
        key = request.idempotency_key
        asked.append(key)
        if key not in known:
            known[key] = await create(request)
        return known[key]

    monkeypatch.setattr(desk.gateway, "create_order", create_once)
    return asked


async def rows_of(desk: Desk, table: Table) -> int:
    async with desk.ledger.snapshot() as connection:
        return int(await connection.scalar(select(func.count()).select_from(table)) or 0)


async def test_the_gateway_is_not_asked_for_an_order_that_is_refused(desk: Desk, asked: list[str]) -> None:
    await desk.locks.hold(HOLD, OWNER, (0, 1))
    checkout = await checkout_of(desk)
    with pytest.raises(NotYourHold):
        await checkout.order("another", OrderHold(HOLD), "")
    with pytest.raises(SeatNotFound) as refusal:
        await checkout.order(OWNER, OrderHold(HOLD, [NAMES[0], LAYOUT.seats[2].id]), "")
    assert refusal.value.details == {"seats": [LAYOUT.seats[2].id]}
    await desk.locks.release(HOLD, OWNER)
    with pytest.raises(HoldEnded):
        await checkout.order(OWNER, OrderHold(HOLD), "")
    assert asked == []


async def test_an_order_that_is_asked_for_again_is_no_work_for_anybody_else(desk: Desk, asked: list[str]) -> None:
    await desk.locks.hold(HOLD, OWNER, (0, 1))
    checkout, contacts = await checkout_of(desk), [Contact(email=f"asha{number}@mail.example") for number in range(3)]
    first = await checkout.order(OWNER, OrderHold(HOLD, NAMES, contact=contacts[0], request_id="r0"), "")
    entries = await entries_added(desk.master)
    for number in range(1, 6):
        again = OrderHold(HOLD, NAMES[::-1] if number % 2 else None, request_id=f"r{number}")
        assert (await checkout.order(OWNER, again, ""))["order"] == first["order"]
    assert (len(asked), await entries_added(desk.master)) == (1, entries)
    other_node = await checkout_of(desk)
    for number in range(6, 9):
        answer = await other_node.order(OWNER, OrderHold(HOLD, request_id=f"r{number}"), "")
        assert answer["order"] == first["order"]
    assert len(asked) == 2
    for contact in (*contacts[1:], contacts[0]):
        ask = OrderHold(HOLD, contact=contact, request_id=f"with {contact.email}")
        assert (await checkout.order(OWNER, ask, ""))["order"] == first["order"]
        assert (await desk.ledger.contact(HOLD), len(asked)) == (contact, 2), "the last contact counts"
    assert (await rows_of(desk, schema.orders), await rows_of(desk, schema.commands)) == (1, 1)
    command = await desk.ledger.command(OWNER, "r0")
    assert command is not None and first["order"]["id"].encode() in command.outcome


async def test_an_order_that_a_master_has_lost_is_recorded_again(desk: Desk, asked: list[str]) -> None:
    await desk.locks.hold(HOLD, OWNER, (0, 1))
    checkout, record = await checkout_of(desk), await desk.master.command("HGET", keys.holds(SHOW_ID), HOLD)
    first = await checkout.order(OWNER, OrderHold(HOLD), "")
    await desk.master.command("HSET", keys.holds(SHOW_ID), HOLD, record)
    assert (await checkout.order(OWNER, OrderHold(HOLD), ""))["order"] == first["order"]
    record = await desk.master.command("HGET", keys.holds(SHOW_ID), HOLD)
    assert first["order"]["id"].encode() in record


async def test_a_hold_has_a_few_different_orders(desk: Desk, asked: list[str]) -> None:
    await desk.locks.hold(HOLD, OWNER, range(6))
    names = [LAYOUT.seats[seat].id for seat in range(6)]
    checkout = await checkout_of(desk)
    orders = [
        (await checkout.order(OWNER, OrderHold(HOLD, names[: count + 1], request_id=f"r{count}"), ""))["order"]
        for count in range(limits.MAX_ORDERS_PER_HOLD)
    ]
    for node in (checkout, await checkout_of(desk)):
        for wanted in (None, names[2:]):
            with pytest.raises(TooManyHolds, match="release the hold"):
                await node.order(OWNER, OrderHold(HOLD, wanted, request_id="more"), "")
    assert len(asked) == len(orders)
    assert (await (await checkout_of(desk)).order(OWNER, OrderHold(HOLD, names[:2]), ""))["order"] == orders[1]
    assert await rows_of(desk, schema.orders) == len(orders)
    desk.gateway.pay(orders[2]["id"], orders[2]["amount"], PaymentState.CAPTURED)
    answer = await checkout.confirm(OWNER, ConfirmHold(HOLD, "pay-1", names[:3]))
    assert answer["booking"]["seats"] == names[:3]


async def test_an_address_orders_at_a_pace_and_a_kiosk_at_its_own(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ADDRESS_ORDERS_BURST", 2)
    monkeypatch.setattr(limits, "ADDRESS_ORDERS_PER_S", 0.001)
    await desk.locks.hold(HOLD, OWNER, (0, 1))
    checkout = await checkout_of(desk)
    for _ in range(2):
        await checkout.order(OWNER, OrderHold(HOLD), "192.0.2.1")
    with pytest.raises(AddressRateLimited):
        await checkout.order(OWNER, OrderHold(HOLD), "192.0.2.1")
    for address, kiosk in (("192.0.2.2", ""), ("192.0.2.1", "kiosk-1"), ("", "")):
        assert (await checkout.order(OWNER, OrderHold(HOLD), address, kiosk))["order"]


async def test_confirms_of_a_booking_leave_a_few_rows_and_each_is_answered(desk: Desk) -> None:
    await desk.locks.hold(HOLD, OWNER, (0, 1))
    checkout = await checkout_of(desk)
    order = (await checkout.order(OWNER, OrderHold(HOLD), ""))["order"]
    desk.gateway.pay(order["id"], order["amount"], PaymentState.CAPTURED)
    contacts = [Contact(email=f"asha{number}@mail.example") for number in range(30)]
    answers = []
    for number, contact in enumerate(contacts):
        ask = ConfirmHold(HOLD, "pay-1", request_id=f"r{number}", contact=contact)
        answers.append(await checkout.confirm(OWNER, ask))
        if number == 20:  # ten before the ledger has it, and ten after
            entries = await entries_added(desk.master)
    assert all(answer == answers[0] for answer in answers)
    assert await entries_added(desk.master) == entries
    await until(lambda: outbox_is_empty(desk))
    assert await rows_of(desk, schema.commands) <= 20 and await desk.ledger.command(OWNER, "r0") is not None
    assert await desk.ledger.contact(HOLD) in contacts[9:20]


async def test_confirms_whose_payment_is_returned_leave_a_few_rows_and_each_is_answered(desk: Desk) -> None:
    await desk.locks.hold(HOLD, OWNER, (0, 1))
    checkout = await checkout_of(desk)
    order = (await checkout.order(OWNER, OrderHold(HOLD), ""))["order"]
    desk.gateway.pay(order["id"], order["amount"], PaymentState.CAPTURED)
    await desk.locks.release(HOLD, OWNER)
    for number in range(15):
        with pytest.raises(HoldEnded) as refusal:
            await checkout.confirm(OWNER, ConfirmHold(HOLD, "pay-1", NAMES, request_id=f"r{number}"))
        assert refusal.value.details["refund"]["amount"] == order["amount"]
    await until(lambda: outbox_is_empty(desk))
    assert await rows_of(desk, schema.commands) == 10


async def outbox_is_empty(desk: Desk) -> bool:
    return await desk.entries() == []


async def test_seats_that_are_released_while_the_payment_is_verified_are_not_paid_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.locks.hold(HOLD, OWNER, (0, 1))
    checkout, verify = await checkout_of(desk), desk.gateway.verify
    order = (await checkout.order(OWNER, OrderHold(HOLD), ""))["order"]
    desk.gateway.pay(order["id"], order["amount"], PaymentState.CAPTURED)

    async def slow(hold: str, proof: str, amount: int, seats: Iterable[str]) -> VerifiedPayment:
        verified = await verify(hold, proof, amount, seats)
        await desk.locks.release(HOLD, OWNER, [1])  # in another tab
        return verified

    monkeypatch.setattr(desk.gateway, "verify", slow)
    with pytest.raises(SeatNotFound) as refusal:
        await checkout.confirm(OWNER, ConfirmHold(HOLD, "pay-1"))
    assert refusal.value.details["refund"]["amount"] == 2 * PRICE
    assert await desk.ledger.booked(SHOW_ID) == []
    assert (await desk.locks.get(HOLD))[0].state is HoldState.HELD


@pytest.mark.parametrize("by_page", [True, False], ids=["page", "reconciler"])
async def test_a_paid_hold_is_kept_while_the_outbox_takes_no_entries(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, by_page: bool
) -> None:
    hold, _now = await desk.locks.hold(HOLD, OWNER, (0, 1))
    checkout = await checkout_of(desk)
    order = (await checkout.order(OWNER, OrderHold(HOLD), ""))["order"]
    desk.gateway.pay(order["id"], order["amount"], PaymentState.CAPTURED)
    monkeypatch.setattr(limits, "PROLONG_STEP_MS", limits.DEFAULT_HOLD_S * 1000 + 60_000)
    with monkeypatch.context() as full:
        full.setattr(limits, "OUTBOX_LIMIT", 0)
        if by_page:
            with pytest.raises(Overloaded):
                await checkout.confirm(OWNER, ConfirmHold(HOLD, "pay-1"))
        else:
            await desk.check_due()
    assert (await desk.locks.get(HOLD))[0].expires_at >= hold.expires_at + 59_000
    answer = await checkout.confirm(OWNER, ConfirmHold(HOLD, "pay-1"))
    assert answer["booking"]["seats"] == NAMES


async def test_a_seat_that_is_named_twice_is_paid_for_once(desk: Desk) -> None:
    await desk.locks.hold(HOLD, OWNER, (0, 1))
    checkout = await checkout_of(desk)
    answer = await checkout.order(OWNER, OrderHold(HOLD, [NAMES[0], NAMES[0]]), "")
    assert answer["order"]["amount"] == answer["prices"]["total"] == PRICE
    desk.gateway.pay(answer["order"]["id"], PRICE, PaymentState.CAPTURED)
    await checkout.confirm(OWNER, ConfirmHold(HOLD, "pay-1", [NAMES[0], NAMES[0]]))
    (row,) = await desk.ledger.payments(Filter())
    assert row.booking is not None and row.amount == PRICE
    assert [booking.seats for booking in await desk.ledger.booked(SHOW_ID)] == [(0,)]


async def test_a_lost_hold_without_seats_is_not_ordered(desk: Desk) -> None:
    await desk.locks.master.command("FLUSHALL")
    await desk.reconcile()
    with contextlib.suppress(HoldLost, HoldNotFound):
        await desk.locks.confirm(HOLD, OWNER, PaymentProof("paid", PRICE))
    with pytest.raises(HoldLost):
        await (await checkout_of(desk)).order(OWNER, OrderHold(HOLD), "")


async def test_a_free_confirm_for_a_hold_that_is_unknown_or_of_another_buyer_leaves_nothing(desk: Desk) -> None:
    await desk.locks.hold(HOLD, OWNER, (0,))
    checkout = await checkout_of(desk, price=0)
    with pytest.raises(NotYourHold):
        await checkout.confirm("another", ConfirmHold(HOLD, "free", NAMES[:1]))
    unknown = f"{SHOW_ID}.h{'unknown':_<22}"
    with pytest.raises((HoldLost, HoldNotFound)):
        await checkout.confirm(OWNER, ConfirmHold(unknown, "free", NAMES[:1]))
    assert await desk.master.command("HKEYS", keys.holds(SHOW_ID)) == [HOLD.encode()]
    assert (await desk.locks.get(HOLD))[0].state is HoldState.HELD
    assert await desk.ledger.payments(Filter()) == []
