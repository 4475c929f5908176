"""A hold is kept while its payment is asked about, and no longer."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from realtime import errors, limits
from realtime.locks.deadlines import Deadlines, while_kept
from realtime.locks.holds import PaymentProof
from realtime.locks.seats import SeatLocks
from realtime.model import Hold, HoldState
from realtime.payments.errors import PaymentMismatch, Refusal
from realtime.payments.status import PaymentState, PaymentStatus
from tests.cluster import until

from .conftest import SHOW
from .seat_state import A, B, confirm


class Service:
    """A payment service that answers when it is let."""

    def __init__(self, answer: str | Exception) -> None:
        self._answer = answer
        self.may_answer = asyncio.Event()

    async def ask(self) -> str:
        await self.may_answer.wait()
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


@pytest.fixture
async def short(locks: SeatLocks) -> SeatLocks:
    """Locks of a show whose holds last for 3 s."""
    await locks.declare(replace(SHOW, hold_s=3), "epoch-1")
    return locks


@pytest.fixture
def prolonged(locks: SeatLocks, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The calls that prolong holds: step, and what is taken back (ms)."""
    calls, prolong = list[tuple[int, ...]](), locks.prolong

    async def noted(hold_id: str, *args: int) -> int:
        calls.append(args)
        return await prolong(hold_id, *args)

    monkeypatch.setattr(locks, "prolong", noted)
    return calls


async def past(locks: SeatLocks, at: int) -> None:
    async def is_past() -> bool:
        return (await locks.get(A))[1] > at

    await until(is_past)


async def test_a_hold_does_not_end_while_the_service_is_silent(short: SeatLocks) -> None:
    hold, _now = await short.hold(A, "asha", [1])
    service = Service("paid")
    asked = asyncio.create_task(while_kept(short, A, service.ask()))
    await past(short, hold.expires_at + 500)
    with pytest.raises(errors.SeatsTaken):
        await short.hold(B, "bala", [1])
    service.may_answer.set()
    assert await asked == "paid"
    assert (await confirm(short, A, "asha", "p1")).state is HoldState.CONFIRMING


async def test_a_hold_that_was_not_paid_for_ends_when_it_would_have(short: SeatLocks) -> None:
    hold, _now = await short.hold(A, "asha", [1])
    refusal = errors.PaymentRefused()
    for _ in range(3):
        service = Service(refusal)
        asked = asyncio.create_task(while_kept(short, A, service.ask()))
        await until(lambda: _later(short, hold))
        service.may_answer.set()
        with pytest.raises(errors.PaymentRefused):
            await asked
        assert (await short.get(A))[0].expires_at == hold.expires_at
    await past(short, hold.expires_at)
    assert (await short.hold(B, "bala", [1]))[0].state is HoldState.HELD


async def test_a_hold_is_kept_for_money_that_is_not_for_what_was_asked(short: SeatLocks) -> None:
    hold, _now = await short.hold(A, "asha", [1])
    money = PaymentStatus("p1", PaymentState.CAPTURED, 45_000)
    service = Service(PaymentMismatch(Refusal.WRONG_SEATS, money))
    asked = asyncio.create_task(while_kept(short, A, service.ask()))
    await until(lambda: _later(short, hold))
    service.may_answer.set()
    with pytest.raises(PaymentMismatch):
        await asked
    assert await _later(short, hold), "the ledger may make a booking of it"


async def _later(locks: SeatLocks, hold: Hold) -> bool:
    return (await locks.get(A))[0].expires_at > hold.expires_at


async def test_a_hold_is_kept_for_a_minute_after_no_answer(locks: SeatLocks, prolonged: list[tuple[int, ...]]) -> None:
    await locks.declare(replace(SHOW, hold_s=10), "epoch-1")
    await locks.hold(A, "asha", [1])
    _hold, now = await locks.get(A)
    service = Service(errors.PaymentUnavailable())
    service.may_answer.set()
    with pytest.raises(errors.PaymentUnavailable):
        await while_kept(locks, A, service.ask())
    assert prolonged == [(limits.PROLONG_STEP_MS, 0)]
    assert (await locks.get(A))[0].expires_at >= now + limits.PROLONG_STEP_MS


async def test_a_hold_with_time_left_costs_no_call(locks: SeatLocks, prolonged: list[tuple[int, ...]]) -> None:
    await locks.hold(A, "asha", [1])
    await locks.get(A)
    service = Service("paid")
    asyncio.get_running_loop().call_later(0.1, service.may_answer.set)
    assert await while_kept(locks, A, service.ask()) == "paid"
    assert prolonged == []


async def test_a_proof_that_is_refused_unasked_costs_no_call(
    locks: SeatLocks, prolonged: list[tuple[int, ...]]
) -> None:
    await locks.hold(A, "asha", [1])
    service = Service(errors.PaymentRefused())
    service.may_answer.set()
    with pytest.raises(errors.PaymentRefused):
        await while_kept(locks, A, service.ask())
    assert prolonged == []


async def test_a_hold_is_kept_for_ten_minutes_in_all(short: SeatLocks) -> None:
    hold, _now = await short.hold(A, "asha", [1])
    for _ in range(3):
        await short.prolong(A, limits.PROLONG_MS + 10_000)
    assert (await short.get(A))[0].expires_at == hold.expires_at + limits.PROLONG_MS
    service = Service("paid")
    service.may_answer.set()
    assert await while_kept(short, A, service.ask()) == "paid"


async def test_what_is_taken_back_is_never_of_an_extension(short: SeatLocks) -> None:
    await short.hold(A, "asha", [1])
    added = await short.prolong(A, 10_000)
    extended, _now = await short.extend(A, "asha")
    assert await short.prolong(A, 0, added) == 0
    assert (await short.get(A))[0].expires_at == extended.expires_at


async def test_a_hold_that_can_not_be_prolonged_hides_no_answer(locks: SeatLocks) -> None:
    await locks.hold(A, "asha", [1])
    await locks.confirm(A, "asha", PaymentProof("p1", 45_000))
    service = Service("paid")
    asyncio.get_running_loop().call_later(0.2, service.may_answer.set)
    assert await while_kept(locks, A, service.ask()) == "paid"


def test_deadlines_forget_what_was_noted_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "KNOWN_DEADLINES", 2)
    deadlines = Deadlines()

    def note(name: str, state: HoldState = HoldState.HELD) -> Any:
        deadlines.note(Hold(name, "asha", (1,), state, 61_000, 0), 1_000)

    for name in "abc":
        note(name)
    assert [round(deadlines.left_s(name)) for name in "abc"] == [0, 60, 60]
    note("b", HoldState.CONFIRMING)
    assert deadlines.left_s("b") == 0
