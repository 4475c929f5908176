"""A task is carried out by one worker at a time, and once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from bullmq import UnrecoverableError
from sqlalchemy import insert

from realtime.clock import now_ms
from realtime.ledger import Ledger, schema
from realtime.ledger.follow_ups import task
from realtime.ledger.rows import Queue, TaskRow
from realtime.workers.claims import Claims, NotDoneYet
from realtime.workers.payload import Payload
from tests.ledgers import new_ledger


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    opened = Ledger(new_ledger(tmp_path / "ledger.db"))
    await opened.open()
    async with opened.transaction() as connection:
        await connection.execute(insert(schema.tasks).values(task(Queue.TICKETS, "west-s.b1", 1)))
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
    assert await ledger.claim_task(job().task, now_ms(), now_ms() + 60_000), "by a worker that died"
    with pytest.raises(NotDoneYet):
        await claims.process(job())
    await ledger.release_task(job().task)
    for _ in range(3):
        await claims.process(job())
    assert done == ["west-s.b1"], "the ledger says what the subject is"
    row = await ledger.task(job().task)
    assert row is not None and row.done_at is not None and row.detail == "drawn"


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

    with pytest.raises(UnrecoverableError):
        await Claims(ledger, Queue.TICKETS, work).process(job("tickets.unknown"))
    with pytest.raises(UnrecoverableError):
        await Claims(ledger, Queue.MAIL, work).process(job())
