"""Entries of a show that can't be written on the master: they wait, or are done, and delay no others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from realtime import keys
from realtime.clock import now_ms
from realtime.dev import valkey
from realtime.ledger.rows import NewBooking
from realtime.model import HoldState, booking_of
from realtime.payments.status import PaymentState

from .money_desk import LAYOUT, OWNER, PRICE, SHOW_ID, Desk


@pytest.fixture
async def desk(master_server: valkey.Valkey, tmp_path: Path) -> AsyncIterator[Desk]:
    opened = Desk(master_server.url, tmp_path / "west.db", equal_seats=False)
    await opened.open()
    yield opened
    await opened.close()


async def sold_to_a_rival(desk: Desk, show: str) -> None:
    """Sell seat 0 in the ledger only: it refuses who pays for the seat."""
    seats = ((LAYOUT.seats[0].id, 0),)
    await desk.ledger.record([NewBooking(f"{show}.b{'rival':_<22}", show, "rival", seats, "paid", PRICE, 1)])


async def pay(desk: Desk, show: str) -> str:
    """Hold seats 0 and 1 of a show and order their payment; return the payment."""
    hold = f"{show}.h{'a':_<22}"
    await desk.locks.hold(hold, OWNER, (0, 1))
    desk.gateway.pay(await desk.order(hold, (0, 1), 2 * PRICE), 2 * PRICE, PaymentState.CAPTURED)
    return list(desk.gateway.payments)[-1]


async def test_a_refused_booking_waits_for_its_show_and_delays_no_others(desk: Desk) -> None:
    other = await desk.another_show()
    await sold_to_a_rival(desk, other)
    refused, booked = f"{other}.h{'a':_<22}", f"{SHOW_ID}.h{'a':_<22}"
    await desk.confirm(refused, await pay(desk, other))
    await desk.confirm(booked, await pay(desk, SHOW_ID))
    reply = await desk.webhook("pay-2", "an event")
    await desk.locks.suspend(other, "nonce")
    await desk.record()
    assert [entry.fields["hold"] for entry in await desk.entries()] == [refused]
    assert await desk.replied(reply) == {"ours": True}
    assert (await desk.locks.get(booked))[0].state is HoldState.BOOKED
    refund = await desk.ledger.refund_of_payment("pay-1")
    assert refund is not None and (await desk.jobs.waiting())["refunds"] == 1
    await desk.rebuild(other)
    await desk.record()
    assert await desk.entries() == []
    assert (await desk.locks.get(refused))[0].state is HoldState.REJECTED
    assert (await desk.master.command("GET", keys.seats(other))).startswith(b"20")


async def test_a_refused_booking_of_an_archived_show_is_done(desk: Desk) -> None:
    """A dead letter, for example, that an operator has processed again."""
    other = await desk.another_show()
    await sold_to_a_rival(desk, other)
    await desk.locks.archive(other)
    await desk.ledger.archive_shows([other], 1)
    hold = f"{other}.h{'a':_<22}"
    asked = {"hold": hold, "owner": OWNER, "seats": "0,1", "payment": "a payment", "at": str(now_ms())}
    fields = {"kind": "booking", **asked}
    await desk.master.command("XADD", keys.OUTBOX, "*", *(part for pair in fields.items() for part in pair))
    await desk.confirm(f"{SHOW_ID}.h{'a':_<22}", await pay(desk, SHOW_ID))
    await desk.record()
    assert await desk.entries() == []
    refund = await desk.ledger.refund_of_payment("a payment")
    assert refund is not None and refund.hold == hold


async def test_a_keeper_that_repeats_a_refusal_tells_the_master_who_has_the_seats(desk: Desk) -> None:
    await sold_to_a_rival(desk, SHOW_ID)
    hold = f"{SHOW_ID}.h{'a':_<22}"
    await desk.confirm(hold, await pay(desk, SHOW_ID))
    await desk.record(dies_after=2)  # the ledger has refused it, the master does not know
    assert (await desk.locks.get(hold))[0].state is HoldState.CONFIRMING
    await desk.record()
    assert (await desk.locks.get(hold))[0].state is HoldState.REJECTED
    assert (await desk.master.command("GET", keys.seats(SHOW_ID))).startswith(b"20")
    assert [each.id for each in await desk.ledger.booked(SHOW_ID)] == [booking_of(f"{SHOW_ID}.h{'rival':_<22}")]
