"""Refunds by a worker process: once, however often its job runs, and whatever dies or is away in between."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sqlite3
from typing import Any

import pytest

from realtime import keys
from realtime.errors import PaymentUnavailable
from realtime.job_states import JobState
from realtime.keeper.task_keeper import TaskKeeper
from realtime.ledger.rows import NewRefund, Queue, RefundProgress, RefundReason
from realtime.locks.commands import run_command
from realtime.locks.refund_notices import RefundNotices
from realtime.payments.demo import DemoPayments
from realtime.payments.service import refund_key
from realtime.payments.signed import SignedPayments, shared_secret
from realtime.workers.claims import NotDoneYet
from realtime.workers.payload import Payload
from realtime.workers.refunds import Refunds, pause_ms
from tests.cluster import until
from tests.payments.bank import SECRET as BANK_SECRET

from .conftest import AMOUNT, Desk, end, refund_task


async def test_a_refund_is_made_at_the_bank_and_recorded_with_its_task(desk: Desk) -> None:
    refund = await desk.promised("a")
    desk.worker()
    await desk.until_state(refund, RefundProgress.DONE)
    assert await desk.returned() == [(refund.payment, AMOUNT)]

    async def finished() -> bool:
        return await desk.ledger.unfinished_tasks(10**15, 10) == []

    await until(finished)


async def test_a_job_that_runs_again_returns_nothing_more(desk: Desk) -> None:
    refund = await desk.promised("a")
    desk.worker()
    await desk.until_state(refund, RefundProgress.DONE)
    # Its row as before, as after a restore of the ledger: the gateway is asked again, with the same key.
    await asyncio.to_thread(_set_promised, desk)

    async def ended() -> bool:
        return await desk.job_state(Queue.REFUNDS, refund_task(refund).id) == "completed"

    await until(ended)
    await desk.jobs.add_anew([refund_task(refund)])
    await desk.until_state(refund, RefundProgress.DONE)
    assert desk.gate.refunds_asked == 2
    assert await desk.returned() == [(refund.payment, AMOUNT)]


def _set_promised(desk: Desk) -> None:
    with contextlib.closing(sqlite3.connect(desk.folder / "west.db")) as ledger, ledger:
        ledger.execute("UPDATE refunds SET state = 'promised'")
        ledger.execute("UPDATE tasks SET done_at = NULL")


async def test_a_worker_killed_between_the_bank_and_the_ledger_returns_the_money_once(desk: Desk) -> None:
    refund = await desk.promised("a")
    first = desk.worker()

    async def kill() -> None:
        desk.gate.before_answer = None
        end(first, signal.SIGKILL)

    desk.gate.before_answer = kill
    await asyncio.to_thread(first.wait, 60)
    assert await desk.returned() == [(refund.payment, AMOUNT)], "the bank has done it"
    assert await desk.state(refund) is RefundProgress.PROMISED, "the ledger does not know"
    desk.worker()
    await desk.until_state(refund, RefundProgress.DONE, timeout_s=90)
    assert desk.gate.refunds_asked == 2
    assert await desk.returned() == [(refund.payment, AMOUNT)]


async def test_a_bank_that_is_away_is_asked_again_until_it_is_back(desk: Desk) -> None:
    desk.gate.down = True
    refund = await desk.promised("a")
    desk.worker()

    async def explained() -> bool:
        row = await desk.ledger.refund(refund.id)
        return row is not None and row.state is RefundProgress.PROMISED and row.detail.startswith("no answer")

    await until(explained, timeout_s=60)

    async def waits() -> bool:
        return await desk.job_state(Queue.REFUNDS, refund_task(refund).id) == "delayed"

    await until(waits)
    desk.gate.down = False
    await desk.until_state(refund, RefundProgress.DONE, timeout_s=60)
    assert await desk.returned() == [(refund.payment, AMOUNT)]


async def test_an_operator_s_retry_does_not_wait_for_the_next_attempt(desk: Desk) -> None:
    desk.keeper()
    await until(lambda: desk.master.command("GET", keys.REBUILT))
    desk.gate.down = True
    refund = await desk.promised("a")
    job = (Queue.REFUNDS, refund_task(refund).id)
    worker = desk.worker()

    async def waits() -> bool:
        return await desk.job_state(*job) == "delayed"

    await until(waits, timeout_s=60)
    await asyncio.to_thread(end, worker)
    await run_command(desk.master, "retry_refund", {"id": refund.id})
    assert await desk.job_state(*job) == "waiting"


@pytest.mark.parametrize("answers", ["nothing", "handed_over"])
async def test_an_answer_that_says_nothing_new_is_not_written_to_the_ledger(
    desk: Desk, answers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refund = await desk.promised("a")
    desk.gate.down = True
    away, shop = DemoPayments(desk.gate.url, BANK_SECRET), SignedPayments(shared_secret("s" * 32))
    service = away if answers == "nothing" else shop
    worker = Refunds(desk.ledger, service, RefundNotices(desk.master), desk.jobs)
    begin, count = desk.ledger.transaction, 0

    def counted() -> Any:
        nonlocal count
        count += 1
        return begin()

    monkeypatch.setattr(desk.ledger, "transaction", counted)
    for _ in range(5):
        with pytest.raises((PaymentUnavailable, NotDoneYet)):
            await worker.process(Payload(1, refund_task(refund).id, "west", refund.id, 1))
    assert count == 1, "the first answer is new"
    row = await desk.ledger.refund(refund.id)
    assert row is not None
    assert row.detail.startswith("no answer") if answers == "nothing" else row.state is RefundProgress.SENT
    await away.close()


def test_pauses_between_attempts_grow_and_are_shorter_while_the_gateway_is_away() -> None:
    for error, expected in (
        (NotDoneYet(), [15, 30, 60, 120, 240, 480, 600, 600]),
        (PaymentUnavailable(), [15, 30, 60, 60, 60, 60, 60, 60]),
    ):
        assert [pause_ms(attempt, None, error, None) // 1000 for attempt in (1, 2, 3, 4, 5, 6, 7, 50_000)] == expected


async def test_a_final_refusal_waits_for_an_operator_whose_retry_has_a_key_of_its_own(desk: Desk) -> None:
    desk.keeper()
    desk.gate.refusal = {"code": "account_closed", "description": "The account is closed."}
    refund = await desk.promised("a")
    desk.worker()
    failed = await desk.until_state(refund, RefundProgress.FAILED)
    assert (failed.detail, failed.attempt) == ("The account is closed.", 1)
    task = refund_task(refund)

    async def ended() -> bool:
        return await desk.job_state(Queue.REFUNDS, task.id) == "failed"

    await until(ended)
    # A job that is added again (its queue was lost) does not ask the bank behind the operators' back.
    asked = desk.gate.refunds_asked
    await desk.jobs.add_anew([task])
    await until(ended)
    assert desk.gate.refunds_asked == asked
    desk.gate.refusal = None
    answer = await run_command(desk.master, "retry_refund", {"id": refund.id})
    assert answer["refund"]["state"] == "promised"
    await desk.until_state(refund, RefundProgress.DONE)
    audit = await desk.gate.bank.ask("GET", "/audit")
    assert [each["key"] for each in audit["refunds"]] == [refund_key(refund.hold, refund.payment, 1)]
    # The same command again, as after a lost answer, changes nothing.
    answer = await run_command(desk.master, "retry_refund", {"id": refund.id})
    assert answer["refund"]["state"] == "done"


async def test_a_job_that_ran_while_a_set_back_ledger_had_no_task_is_done_once_it_has(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    refund = await desk.promised("a")
    task = refund_task(refund)
    async with desk.ledger.transaction() as connection:
        for table in ("tasks", "refunds", "payments"):
            await connection.exec_driver_sql(f"DELETE FROM {table}")
    desk.worker()

    async def without_task() -> bool:
        return await desk.jobs.states([task]) == [JobState.WITHOUT_TASK]

    await until(without_task, 60)
    promised = NewRefund(refund.hold, "west-s", "owner", refund.payment, AMOUNT, RefundReason.LATE, at=1)
    assert await desk.ledger.promise_refund(promised) == refund
    monkeypatch.setattr("realtime.keeper.task_keeper.YOUNG_MS", -1)
    await TaskKeeper(desk.ledger, desk.jobs).turn()
    await desk.until_state(refund, RefundProgress.DONE)


async def test_queues_that_are_lost_with_the_master_are_filled_again_from_the_ledger(desk: Desk) -> None:
    desk.keeper()
    await until(lambda: desk.master.command("GET", keys.RECONCILED))
    refunds = [await desk.promised(f"n{n}") for n in range(5)]
    await desk.master.command("FLUSHALL")
    assert await desk.job_state(Queue.REFUNDS, refund_task(refunds[0]).id) in ("unknown", "waiting")
    desk.worker()
    for refund in refunds:
        await desk.until_state(refund, RefundProgress.DONE, timeout_s=90)
    assert sorted(await desk.returned()) == sorted((refund.payment, AMOUNT) for refund in refunds)


@pytest.mark.parametrize("command", ["retry_refund", "retry_task", ""])
async def test_a_refund_whose_job_is_in_no_list_is_made(
    desk: Desk, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.keeper.task_keeper.YOUNG_MS", -1)
    monkeypatch.setattr("realtime.limits.TASK_RETRY_S", 10**6 if command else 0.5)
    desk.keeper()
    await until(lambda: desk.master.command("GET", keys.REBUILT))
    refund = await desk.promised("a")
    await desk.master.command("DEL", keys.queue(Queue.REFUNDS, "wait"))
    desk.worker()
    if command:
        subject = refund.id if command == "retry_refund" else refund_task(refund).id
        await run_command(desk.master, command, {"id": subject})
    await desk.until_state(refund, RefundProgress.DONE)
    assert await desk.returned() == [(refund.payment, AMOUNT)]
