"""Which worker carries out a task is decided by one clock."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import insert, select

from realtime.clock import now_ms
from realtime.ledger import Ledger, schema
from realtime.ledger.database import clock_ms
from realtime.ledger.follow_ups import task
from realtime.ledger.rows import Queue

TASK = "mail.west-s.b1"


@pytest.fixture
async def ledger(url: str) -> AsyncIterator[Ledger]:
    opened = Ledger(url)
    await opened.open()
    async with opened.transaction() as connection:
        await connection.execute(insert(schema.tasks).values(task(Queue.MAIL, "west-s.b1")))
    yield opened
    await opened.close()


async def test_a_ledger_tells_the_time_and_a_claim_lasts_as_long_as_it_is_made_for(ledger: Ledger) -> None:
    before = now_ms()
    async with ledger.snapshot() as connection:
        now = await connection.scalar(select(clock_ms(connection)))
    assert now is not None and before - 1 <= now <= now_ms() + 1, "both are on this machine"
    assert await ledger.claim_task(TASK, 60_000)
    assert not await ledger.claim_task(TASK, 60_000)
    await ledger.release_task(TASK)
    assert await ledger.claim_task(TASK, 0)
    assert await ledger.claim_task(TASK, 60_000)


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_worker_with_a_wrong_clock_takes_no_task_from_another(
    ledger: Ledger, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await ledger.claim_task(TASK, 60_000)
    right = time.time
    with monkeypatch.context() as wrong:
        wrong.setattr(time, "time", lambda: right() + hours * 3600)
        assert not await ledger.claim_task(TASK, 60_000)
    await ledger.finish_task(TASK, now_ms())
    assert not await ledger.claim_task(TASK, 60_000)
