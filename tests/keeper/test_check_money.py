"""``tickingtickets check`` on money: each fault is made by hand, found, and repaired where the ledger proves how."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from realtime import keys, limits
from realtime.clock import now_ms
from realtime.job_states import JobState
from realtime.keeper.compare import REPAIRED_IN_LEDGER, REPAIRED_ON_MASTER, Difference, Kind
from realtime.keeper.compare_money import task_differences
from realtime.ledger.rows import CancelledBy, OrderRow, OrderState, Queue, RefundProgress, TaskRow, task_id
from realtime.locks.holds import PaymentProof
from realtime.locks.seats import Sale
from realtime.model import booking_of
from realtime.payments.service import refund_key
from tests.cluster import until

from .conftest import PRICE, SHOW, Place
from .test_check import after_repair, differences, sold, tickets
from .test_record_path import job_ids


@pytest.fixture(autouse=True)
def look_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.keeper.check.LOOK_AGAIN_S", 0.05)
    monkeypatch.setattr("realtime.keeper.check.YOUNG_MS", -60_000)


@dataclass(frozen=True)
class Sold:
    """A hold that was paid twice: one booking, one refund; no keeper runs any more."""

    hold: str
    refund: str

    @property
    def booking(self) -> str:
        return booking_of(self.hold)


@pytest.fixture
async def paid_twice(place: Place) -> Sold:
    hold = await sold(place, "a", [1])
    await place.locks.confirm(hold, "a", PaymentProof("second", PRICE))
    refund = refund_key(hold, "second")
    await until(lambda: place.ledger.refund(refund))

    async def acknowledged() -> bool:
        return int(await place.master.command("XLEN", keys.OUTBOX)) == 0

    await until(acknowledged)
    await place.rest()
    assert await differences(place) == []
    return Sold(hold, refund)


def change(place: Place, statement: str, values: Sequence[Any] = ()) -> None:
    """Change the ledger as a bug or an operator's hand could, past its foreign keys."""
    with contextlib.closing(sqlite3.connect(place.folder / "west.db")) as ledger, ledger:
        assert ledger.execute(statement, values).rowcount == 1


FUTURE_MS = 10**13


async def cancel(place: Place, at: Sold) -> None:
    await place.ledger.cancel(at.booking, CancelledBy.OPERATOR, now_ms())
    async with place.ledger.transaction() as connection:
        # Nobody misses the jobs of its tasks yet.
        await connection.exec_driver_sql(f"UPDATE tasks SET created_at = {FUTURE_MS} WHERE done_at IS NULL")
    await place.locks.cancel(Sale(at.hold, "a", (1,), "paid a"))


def the(found: list[Difference], kind: Kind) -> Difference:
    (only,) = (each for each in found if each.kind is kind)
    return only


# --- what can't be repaired -------------------------------------------------------------------------------------------
async def _booked_and_refunded(place: Place, at: Sold) -> Kind:
    change(place, "UPDATE payments SET booking_id = ? WHERE id = 'second'", (at.booking,))
    change(place, "UPDATE bookings SET payment = 'second'")
    change(place, "DELETE FROM payments WHERE id = 'paid a'")
    return Kind.BOOKED_AND_REFUNDED


async def _booked_by_two_payments(place: Place, at: Sold) -> Kind:
    change(place, "DELETE FROM refunds")
    change(place, "UPDATE payments SET booking_id = ? WHERE id = 'second'", (at.booking,))
    return Kind.BOOKED_BY_ANOTHER


async def _booked_for_less(place: Place, at: Sold) -> Kind:
    change(place, "UPDATE payments SET amount = 100 WHERE id = 'paid a'")
    return Kind.AMOUNTS_DIFFER


async def _refund_of_less(place: Place, at: Sold) -> Kind:
    change(place, "UPDATE refunds SET amount = amount - 1")
    return Kind.AMOUNTS_DIFFER


async def _refund_failed(place: Place, at: Sold) -> Kind:
    await place.ledger.update_refund(at.refund, RefundProgress.FAILED, 1, detail="account closed", next_attempt=True)
    return Kind.REFUND_FAILED


async def _refund_lost(place: Place, at: Sold) -> Kind:
    released = await place.hold("late", [5])
    await place.locks.release(released, "late")
    with contextlib.suppress(Exception):
        await place.locks.confirm(released, "late", PaymentProof("late", PRICE))
    await place.master.command("XTRIM", keys.OUTBOX, "MAXLEN", 0)
    return Kind.REFUND_LOST


async def _cancelled_with_seats(place: Place, at: Sold) -> Kind:
    await cancel(place, at)
    change(place, "INSERT INTO booked_seats VALUES (?, 'A-2', 1, ?)", (SHOW, at.booking))
    await place.rest()
    return Kind.CANCELLED_WITH_SEATS


async def _stuck(place: Place, at: Sold) -> Kind:
    await place.confirm("b", [7])
    await place.master.command("XTRIM", keys.OUTBOX, "MAXLEN", 0)
    return Kind.STUCK


Plant = Callable[[Place, Sold], Awaitable[Kind]]


@pytest.mark.parametrize(
    "plant",
    [
        _booked_and_refunded,
        _booked_by_two_payments,
        _booked_for_less,
        _refund_of_less,
        _refund_failed,
        _refund_lost,
        _cancelled_with_seats,
        _stuck,
    ],
    ids=lambda plant: plant.__name__.lstrip("_"),
)
async def test_what_the_ledger_does_not_prove_is_found_and_left_to_an_operator(
    place: Place, paid_twice: Sold, plant: Plant
) -> None:
    kind = await plant(place, paid_twice)
    found = await differences(place)
    assert [each.kind for each in found] == [kind]
    assert kind not in REPAIRED_ON_MASTER | REPAIRED_IN_LEDGER
    assert await after_repair(place) == found


# --- what can be repaired ---------------------------------------------------------------------------------------------
async def _no_payment_row(place: Place, at: Sold) -> Kind:
    change(place, "DELETE FROM payments WHERE id = 'paid a'")
    return Kind.BOOKING_WITHOUT_PAYMENT


async def _payment_names_no_booking(place: Place, at: Sold) -> Kind:
    change(place, "UPDATE payments SET booking_id = NULL WHERE id = 'paid a'")
    return Kind.PAYMENT_WITHOUT_END


async def _no_refund_row(place: Place, at: Sold) -> Kind:
    change(place, "DELETE FROM refunds")
    change(place, "DELETE FROM tasks WHERE queue = 'refunds'")
    return Kind.PAYMENT_WITHOUT_END


async def _no_refund_task(place: Place, at: Sold) -> Kind:
    change(place, "DELETE FROM tasks WHERE queue = 'refunds'")
    return Kind.REFUND_WITHOUT_TASK


async def _no_job(place: Place, at: Sold) -> Kind:
    await place.master.command("DEL", *(await _job_keys(place)))
    return Kind.TASK_WITHOUT_JOB


@pytest.mark.parametrize(
    "plant",
    [_no_payment_row, _payment_names_no_booking, _no_refund_row, _no_refund_task, _no_job],
    ids=lambda plant: plant.__name__.lstrip("_"),
)
async def test_what_the_ledger_proves_is_repaired(place: Place, paid_twice: Sold, plant: Plant) -> None:
    kind = await plant(place, paid_twice)
    assert {each.kind for each in await differences(place)} == {kind}
    assert await after_repair(place) == []
    booked, returned = await place.ledger.payment("paid a"), await place.ledger.payment("second")
    assert booked is not None and (booked.booking, booked.refund) == (paid_twice.booking, None)
    assert returned is not None and (returned.booking, returned.refund) == (None, RefundProgress.PROMISED)
    assert await job_ids(place, Queue.REFUNDS) == [paid_twice.refund]
    assert await job_ids(place, Queue.TICKETS) == [paid_twice.booking]


async def _job_keys(place: Place) -> list[bytes]:
    found: list[bytes] = await place.master.command("KEYS", f"{keys.JOBS_PREFIX}:*")
    return found


async def test_the_command_names_the_payment_and_repairs_it(place: Place, paid_twice: Sold) -> None:
    await _no_refund_row(place, paid_twice)
    code, said = await tickets(place)
    assert code == 1
    assert f"DIFFERS: {SHOW}: payment second of {paid_twice.hold} has neither a booking nor a refund" in said
    code, said = await tickets(place, "--json", "--repair")
    assert code == 0, said
    west = orjson.loads(said)["regions"]["west"]
    assert (west["payments"], west["refunds"]) == (2, 0), "as it was found"
    (found,) = west["differences"]
    assert (found["kind"], found["payment"], found["repaired"]) == ("payment_without_end", "second", True)


async def test_a_refund_that_was_cancelled_may_return_a_part_and_keeps_its_booking(
    place: Place, paid_twice: Sold
) -> None:
    change(place, "UPDATE refunds SET reason = 'cancelled', amount = 100")
    change(place, "UPDATE payments SET booking_id = ? WHERE id = 'second'", (paid_twice.booking,))
    change(place, "DELETE FROM payments WHERE id = 'paid a'")
    change(place, "UPDATE bookings SET payment = 'second'")
    assert [each.kind for each in await differences(place)] == [Kind.BOOKED_AND_REFUNDED], "nobody has cancelled it"
    change(place, "UPDATE bookings SET cancelled_at = 7, cancelled_by = 'owner', cancelled_seats = ''")
    change(place, "DELETE FROM booked_seats")
    await place.locks.cancel(Sale(paid_twice.hold, "a", (1,), "second"))
    assert await differences(place) == []
    change(place, "UPDATE refunds SET amount = ?", (PRICE + 1,))
    assert [each.kind for each in await differences(place)] == [Kind.AMOUNTS_DIFFER]


async def test_a_cancelled_booking_without_a_refund_gets_one(place: Place, paid_twice: Sold) -> None:
    await cancel(place, paid_twice)
    change(place, "DELETE FROM refunds WHERE reason = 'cancelled'")
    change(place, "DELETE FROM tasks WHERE queue = 'refunds' AND subject != ?", (paid_twice.refund,))
    assert [each.kind for each in await differences(place)] == [Kind.CANCELLED_WITHOUT_REFUND]
    assert await after_repair(place) == []
    returned = await place.ledger.payment("paid a")
    assert returned is not None and returned.booking == paid_twice.booking
    assert returned.refund is RefundProgress.PROMISED


async def test_an_open_order_that_nobody_asks_about_is_found_and_asked_about_again(place: Place) -> None:
    await place.rest()
    now = now_ms()
    old = now - limits.ORDER_OPEN_S * 1000 - 3 * 3_600_000
    for name, created_at, check_at in (("fresh", now, now + 10_000), ("stopped", now, 0), ("old", old, now + 1000)):
        hold = f"{SHOW}.h{name:_<22}"
        order = OrderRow(name, hold, SHOW, "a", (1,), PRICE, OrderState.OPEN, created_at, check_at, 3)
        await place.ledger.save_orders([order])
    assert {each.subject for each in await differences(place)} == {"stopped", "old"}
    await after_repair(place)
    stopped = await place.ledger.order("stopped")
    assert stopped is not None and stopped.check_at >= now
    place.keeper("k2")

    async def settled() -> bool:
        rows = [await place.ledger.order(name) for name in ("stopped", "old")]
        return all(row is not None and row.state is OrderState.UNPAID for row in rows)

    await until(settled)
    assert await differences(place) == []


def test_a_job_that_ended_without_its_task_is_a_difference_unless_the_refund_says_so_itself() -> None:
    refund = TaskRow(task_id(Queue.REFUNDS, "r"), Queue.REFUNDS, "r", 1)
    booking = TaskRow(task_id(Queue.TICKETS, "b"), Queue.TICKETS, "b", 1)

    def kinds(task: TaskRow, state: JobState, failed: Sequence[str] = ()) -> list[Kind]:
        return [each.kind for each in task_differences([task], [state], failed)]

    assert kinds(refund, JobState.PENDING) == kinds(booking, JobState.PENDING) == []
    for lost in (JobState.MISSING, JobState.RECORDED, JobState.WITHOUT_TASK):
        assert kinds(refund, lost) == kinds(booking, lost) == [Kind.TASK_WITHOUT_JOB]
    assert kinds(refund, JobState.COMPLETED) == kinds(refund, JobState.FAILED) == [Kind.TASK_WITHOUT_JOB]
    assert kinds(booking, JobState.COMPLETED) == []
    assert kinds(booking, JobState.FAILED) == [Kind.TASK_FAILED]
    assert kinds(refund, JobState.FAILED, ["r"]) == []
