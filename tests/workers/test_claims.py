"""A task is carried out by one worker at a time, and once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bullmq import UnrecoverableError
from sqlalchemy import insert, select

from realtime.job_states import NO_TASK
from realtime.ledger import Ledger, LedgerUnavailable, schema
from realtime.ledger.follow_ups import task
from realtime.ledger.rows import Queue, TaskRow
from realtime.ledger.shows import Shows
from realtime.model import show_of
from realtime.tickets.data import Ticket
from realtime.tickets.token import derive_key
from realtime.workers import claims as claims_module
from realtime.workers.booked_tickets import BookedTickets
from realtime.workers.claims import Claims, NotDoneYet
from realtime.workers.payload import Payload
from tests.ledgers import new_ledger
from tests.tickets.samples import BOOKING, CODE, ONE_SEAT, SELLER


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    opened = Ledger(new_ledger(tmp_path / "ledger.db"))
    await opened.open()
    async with opened.transaction() as connection:
        await connection.execute(insert(schema.tasks).values(task(Queue.TICKETS, "west-s.b1")))
    yield opened
    await opened.close()


def job(name: str = "tickets.west-s.b1") -> Payload:
    return Payload(1, name, "west", "whatever the job says", 1)


async def test_a_task_that_another_worker_has_is_left_to_it_until_its_claim_has_ended(ledger: Ledger) -> None:
    done: list[str] = []

    async def work(task: TaskRow) -> str:
        done.append(task.subject)
        with pytest.raises(NotDoneYet):
            await other.process(job())
        return "drawn"

    claims, other = (Claims(ledger, Queue.TICKETS, work) for _ in range(2))
    assert await ledger.claim_task(job().task, 60_000), "by a worker that died"
    with pytest.raises(NotDoneYet):
        await claims.process(job())
    await ledger.release_task(job().task)
    for _ in range(3):
        await claims.process(job())
    assert done == ["west-s.b1"], "the ledger says what the subject is"
    row = await ledger.task(job().task)
    assert row is not None and row.done_at is not None and row.detail == "drawn"


async def test_a_worker_that_was_suspended_until_its_claim_had_ended_goes_no_further(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims_module, "CLAIM_MS", 50)
    sent: list[str] = []

    async def work(task: TaskRow) -> str:
        time.sleep(0.1)  # noqa: ASYNC251 - the whole process stands still
        await asyncio.sleep(0.01)
        sent.append(task.subject)
        return "sent"

    with pytest.raises(NotDoneYet):
        await Claims(ledger, Queue.TICKETS, work).process(job())
    assert sent == []
    async with ledger.snapshot() as connection:
        assert await connection.scalar(select(schema.tasks.c.claimed_until)), (
            "it has ended no claim: the present one is another worker's"
        )


async def test_a_task_is_not_carried_out_again_because_the_ledger_was_away_when_it_was_done(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    failures = [LedgerUnavailable("it restarts")] * 2
    finish = ledger.finish_task

    async def work(task: TaskRow) -> str:
        done.append(task.subject)
        return "sent"

    async def finish_later(*task: Any) -> None:
        if failures:
            raise failures.pop()
        await finish(*task)

    monkeypatch.setattr(claims_module, "FINISH_PAUSE_S", 0.01)
    monkeypatch.setattr(ledger, "finish_task", finish_later)
    for _ in range(2):
        await Claims(ledger, Queue.TICKETS, work).process(job())
    assert done == ["west-s.b1"] and failures == []


async def test_a_worker_that_fails_leaves_the_task_free(ledger: Ledger) -> None:
    async def fail(_task: TaskRow) -> str:
        raise RuntimeError("no fonts")

    claims = Claims(ledger, Queue.TICKETS, fail)
    for _ in range(2):
        with pytest.raises(RuntimeError):
            await claims.process(job())


async def test_jobs_without_a_task_of_this_queue_fail_for_good(ledger: Ledger) -> None:
    async def work(_task: TaskRow) -> str:
        raise AssertionError("not reached")

    with pytest.raises(UnrecoverableError, match=NO_TASK):
        await Claims(ledger, Queue.TICKETS, work).process(job("tickets.unknown"))
    with pytest.raises(UnrecoverableError):
        await Claims(ledger, Queue.MAIL, work).process(job())


@pytest.mark.parametrize("start", ["2150-01-01T18:30:00+05:30", "9999-12-31T23:00:00+00:00"])
async def test_a_ticket_of_a_day_that_no_ticket_can_state_fails_for_good(ledger: Ledger, start: str) -> None:
    tickets = BookedTickets(ledger, Shows(ledger), SELLER, derive_key("x" * 32, "west"), {})
    seats, at = ONE_SEAT, datetime.fromisoformat(start)
    ticket = Ticket(BOOKING, CODE, "A show", "Gateway", "Mumbai", at, seats, datetime.now(UTC), SELLER)
    with pytest.raises(UnrecoverableError, match="can't have a ticket"):
        tickets.token(ticket, show_of(BOOKING))
