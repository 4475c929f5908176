"""The checkout of one node, against a real master and a real ledger: what is paid is exactly what is booked."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from realtime import keys, limits
from realtime.dev import valkey
from realtime.errors import HoldLost, HoldNotFound, NotYourHold, Overloaded, SeatNotFound
from realtime.feeds.directory import SeatIds
from realtime.ledger.money import Filter
from realtime.locks.holds import PaymentProof
from realtime.locks.replies import wait_until_recorded
from realtime.model import HoldState, Show
from realtime.payments.service import VerifiedPayment
from realtime.payments.status import PaymentState
from realtime.web.checkout import Checkout
from realtime.wire.requests import ConfirmHold, OrderHold
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
    return Checkout(cast(Any, directory), {"west": desk.locks}, desk.gateway, (), lambda _region: None)


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

    monkeypatch.setattr("realtime.web.checkout.wait_until_recorded", counted)
    answers = await asyncio.gather(*(checkout.order(OWNER, OrderHold(HOLD)) for _ in range(10)))
    assert all(answer["order"]["amount"] == 2 * PRICE for answer in answers)
    assert most == 1


async def test_seats_that_are_released_while_the_payment_is_verified_are_not_paid_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.locks.hold(HOLD, OWNER, (0, 1))
    checkout, verify = await checkout_of(desk), desk.gateway.verify
    order = (await checkout.order(OWNER, OrderHold(HOLD)))["order"]
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
    order = (await checkout.order(OWNER, OrderHold(HOLD)))["order"]
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
    answer = await checkout.order(OWNER, OrderHold(HOLD, [NAMES[0], NAMES[0]]))
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
        await (await checkout_of(desk)).order(OWNER, OrderHold(HOLD))


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
