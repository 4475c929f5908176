"""Seats are held within a show's sales window, by the master's clock; a hold that was taken in time may be paid for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from realtime import errors, keys, limits
from realtime.locks.holds import PaymentProof
from realtime.locks.seats import SeatLocks
from realtime.model import HoldState, SalesState, Show

from .conftest import SHOW, hold_id
from .seat_state import confirm, lapse

A, B = hold_id("a"), hold_id("b")
ON_SALE = ""


async def on_the_clock(locks: SeatLocks, **minutes: float) -> Show:
    """Declare the show with times that are so many minutes from the master's now."""
    now = datetime.fromtimestamp(await locks.master.time_ms() / 1000, UTC)
    times: dict[str, Any] = {name: (now + timedelta(minutes=n)).isoformat() for name, n in minutes.items()}
    show = replace(SHOW, **times)
    await locks.declare(show, "ignored")
    return show


async def code_of_a_hold(locks: SeatLocks, seats: list[int]) -> str:
    try:
        await locks.hold(hold_id(f"s{seats[0]}"), "asha", seats)
    except errors.TicketError as error:
        return error.code
    return ON_SALE


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        ({"starts_at": 60}, ON_SALE),
        ({"starts_at": -19}, ON_SALE),
        ({"starts_at": -21}, "sales_closed"),
        ({"starts_at": -3_000_000}, "sales_closed"),
        ({"starts_at": 60, "sales_end": -1}, "sales_closed"),
        ({"starts_at": -60, "sales_end": 1}, ON_SALE),
        ({"starts_at": 60, "sales_start": 1}, "sales_not_started"),
        ({"starts_at": 60, "sales_start": -1}, ON_SALE),
        ({"starts_at": -60, "sales_start": -30, "sales_end": 30}, ON_SALE),
    ],
)
async def test_seats_are_held_within_the_sales_window_only(
    locks: SeatLocks, minutes: dict[str, float], expected: str
) -> None:
    await on_the_clock(locks, **minutes)
    # Neighbouring seats take the fast path, the others the full one.
    assert await code_of_a_hold(locks, [1, 2]) == expected
    assert await code_of_a_hold(locks, [4, 9]) == expected


async def test_a_refusal_before_the_start_says_when_sales_start(locks: SeatLocks) -> None:
    show = await on_the_clock(locks, sales_start=30)
    with pytest.raises(errors.SalesNotStarted) as refused:
        await locks.hold(A, "asha", [1])
    start = datetime.fromisoformat(show.sales_start).timestamp() * 1000
    assert refused.value.retryable
    assert abs(refused.value.details["sales_start"] - start) < 2


async def test_a_hold_that_was_taken_in_time_can_be_repeated_paid_and_released_but_not_extended(
    locks: SeatLocks,
) -> None:
    first, _now = await locks.hold(A, "asha", [1, 2])
    await locks.hold(B, "bala", [5])
    await on_the_clock(locks, starts_at=-60)
    assert (await locks.hold(A, "asha", [1, 2]))[0] == first
    with pytest.raises(errors.SalesClosed):
        await locks.extend(A, "asha")
    assert (await locks.get(A))[0].expires_at == first.expires_at
    await locks.release(B, "bala")
    confirmed, _doubled = await locks.confirm(A, "asha", PaymentProof("paid", 90_000))
    assert confirmed.state is HoldState.CONFIRMING


async def test_a_payment_past_the_deadline_and_past_the_sales_is_returned(locks: SeatLocks) -> None:
    await locks.declare(replace(SHOW, hold_s=0), "ignored")
    await locks.hold(A, "asha", [1])
    await on_the_clock(locks, starts_at=-60)
    with pytest.raises(errors.BookingRejected):
        await locks.confirm(A, "asha", PaymentProof("paid", 45_000))
    (entry,) = await locks.master.command("XRANGE", keys.OUTBOX, "-", "+")
    assert entry[1][b"kind"] == b"refund"


async def test_operators_state_counts_before_the_window(locks: SeatLocks) -> None:
    show = await on_the_clock(locks, sales_start=30)
    await locks.declare(replace(show, sales=show.sales.PAUSED), "ignored")
    assert await code_of_a_hold(locks, [1]) == "sales_paused"


async def test_a_keeper_of_the_release_before_leaves_the_window_as_it_is(locks: SeatLocks) -> None:
    await on_the_clock(locks, starts_at=-60)
    terms = ("open", SHOW.hold_s * 1000, SHOW.max_seats, 1)
    await locks.master.call("tt_declare", keys.show(SHOW.id), "ignored", SHOW.seat_count, *terms)
    assert await code_of_a_hold(locks, [1]) == "sales_closed"


async def test_a_show_that_only_such_a_keeper_has_declared_is_sold(locks: SeatLocks) -> None:
    terms = ("open", SHOW.hold_s * 1000, SHOW.max_seats, 1)
    await locks.master.call("tt_declare", keys.show("west-old"), "e1", SHOW.seat_count, *terms)
    hold, _now = await locks.hold(hold_id("a", "west-old"), "asha", [1])
    assert hold.state is HoldState.HELD


def test_the_default_end_is_twenty_minutes_after_the_start() -> None:
    assert limits.SALES_AFTER_START_S == 1200


@pytest.mark.parametrize("sales", [SalesState.CLOSED, SalesState.PAUSED])
async def test_a_late_payment_for_a_show_that_is_not_on_sale_is_refused_for_that(
    locks: SeatLocks, sales: SalesState
) -> None:
    await locks.hold(A, "asha", [1])
    await lapse(locks, A)
    await locks.set_sales(SHOW.id, sales)
    for payment in ("late", "late", "another"):
        with pytest.raises(errors.BookingRejected) as refused:
            await confirm(locks, A, "asha", payment)
        assert refused.value.details == {"reason": "not_on_sale"}
        assert "not on sale" in refused.value.message
    with pytest.raises(errors.BookingRejected, match="not on sale"):
        await locks.extend(A, "asha")


async def test_a_late_payment_for_seats_that_were_sold_is_refused_for_that(locks: SeatLocks) -> None:
    await locks.hold(A, "asha", [1, 2])
    await lapse(locks, A)
    await locks.hold(B, "bala", [2])
    with pytest.raises(errors.BookingRejected) as refused:
        await confirm(locks, A, "asha", "late")
    assert refused.value.details == {"seats": [2]}
    assert "another buyer" in refused.value.message
