"""The queues as others use them: workers in Node.js, jobs that others add, senseless jobs, and a graceful end."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from bullmq import Queue as BullQueue

from realtime import connect, keys
from realtime.clock import now_ms
from realtime.job_states import JobState
from realtime.keeper.task_keeper import TaskKeeper
from realtime.ledger.rows import ANY_TIME, NewRefund, Queue, RefundProgress, RefundReason, TaskRow, task_id
from realtime.topology import Plain
from tests.cluster import until

from .conftest import AMOUNT, Desk, end, refund_task

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("worker.mjs")


async def add_raw(desk: Desk, job: str, data: Any) -> None:
    redis = connect.client(Plain(desk.server.url), decode=True)
    try:
        queue = BullQueue(Queue.REFUNDS.value, {"prefix": keys.JOBS_PREFIX, "connection": redis})
        await queue.add("refunds", data, {"jobId": job, "attempts": 50})
    finally:
        await connect.close(redis)


async def node(binary: Path, *args: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(binary, SCRIPT, *args, stdout=asyncio.subprocess.PIPE)


async def test_a_worker_in_node_takes_our_jobs_and_their_tasks_are_done(desk: Desk, node_binary: Path) -> None:
    task = TaskRow(task_id(Queue.TICKETS, "west-s.b1"), Queue.TICKETS, "west-s.b1", now_ms())
    await desk.jobs.add([task])
    worker = await node(node_binary, str(desk.server.port), Queue.TICKETS.value)
    try:
        assert worker.stdout is not None
        line = await asyncio.wait_for(worker.stdout.readline(), 60)

        async def completed() -> bool:
            return await desk.jobs.states([task]) == [JobState.COMPLETED]

        await until(completed)
    finally:
        worker.kill()
        await worker.wait()
    data = {
        "v": 1,
        "task": task.id,
        "region": "west",
        "kind": "",
        "subject": "west-s.b1",
        "created_at": task.created_at,
    }
    assert orjson.loads(line) == {"id": task.id, "data": data}


def documented(language: str) -> str:
    """Return the program that docs/workers.md shows in a language."""
    text = (ROOT / "docs" / "workers.md").read_text(encoding="utf-8")
    (program,) = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return str(program)


@pytest.mark.parametrize("language", ["js", "python"])
async def test_the_programs_of_the_documents_take_jobs_and_end_gracefully(
    desk: Desk, node_binary: Path, language: str
) -> None:
    program = desk.folder / f"worker.{'mjs' if language == 'js' else 'py'}"
    program.write_text(documented(language))
    if language == "js":
        (desk.folder / "node_modules").symlink_to(ROOT / "node_modules")
    assert len([line for line in program.read_text().splitlines() if line.strip()]) <= 20
    tasks = [TaskRow(f"tickets.west-s.b{n}", Queue.TICKETS, f"west-s.b{n}", now_ms()) for n in range(2)]
    await desk.jobs.add(tasks)
    command = str(node_binary) if language == "js" else sys.executable
    env = {**os.environ, "MASTER": desk.server.url}
    worker = await asyncio.create_subprocess_exec(command, program, env=env, stdout=asyncio.subprocess.PIPE)
    try:
        assert worker.stdout is not None
        lines = [(await asyncio.wait_for(worker.stdout.readline(), 60)).decode() for _ in tasks]
        assert sorted(lines) == [f"west {task.id} {task.subject}\n" for task in tasks]

        async def completed() -> bool:
            return set(await desk.jobs.states(tasks)) == {JobState.COMPLETED}

        await until(completed)
        worker.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(worker.wait(), 30) == 0
    finally:
        if worker.returncode is None:
            worker.kill()
            await worker.wait()


async def test_a_refund_is_not_done_because_some_worker_completed_its_job(
    desk: Desk, node_binary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refund = await desk.promised("a")
    task = refund_task(refund)
    keeper = TaskKeeper(desk.ledger, desk.jobs)
    worker = await node(node_binary, str(desk.server.port), Queue.REFUNDS.value)
    try:

        async def completed() -> bool:
            return await desk.job_state(Queue.REFUNDS, task.id) == "completed"

        await until(completed, timeout_s=60)
    finally:
        worker.kill()
        await worker.wait()
    monkeypatch.setattr("realtime.keeper.task_keeper.YOUNG_MS", -1)
    await keeper.turn()
    unfinished = await desk.ledger.unfinished_tasks(ANY_TIME, 10)
    assert [each.id for each in unfinished] == [task.id], "of a refund only the ledger says that it is done"
    assert await desk.job_state(Queue.REFUNDS, task.id) == "waiting", "it is tried again"


async def test_a_job_that_node_added_is_done_by_our_worker(desk: Desk, node_binary: Path) -> None:
    hold = "west-s.h" + "n" * 22
    payment = await desk.paid(hold)
    refund = await desk.ledger.promise_refund(
        NewRefund(hold, "west-s", "owner", payment, AMOUNT, RefundReason.LATE, at=1)
    )
    assert refund is not None
    task = refund_task(refund)
    data = {"v": 1, "task": task.id, "region": "west", "subject": refund.id, "created_at": 1}
    adding = await node(node_binary, str(desk.server.port), Queue.REFUNDS.value, task.id, orjson.dumps(data).decode())
    assert await asyncio.wait_for(adding.wait(), 60) == 0
    desk.worker()
    await desk.until_state(refund, RefundProgress.DONE)
    assert await desk.returned() == [(payment, AMOUNT)]


GOOD = {"v": 1, "task": "refunds.r", "region": "west", "subject": "unknown", "created_at": 1}


POISON = {
    "text": "text",
    "list": [1, 2],
    "empty": {},
    "version": {**GOOD, "v": 2},
    "region": {**GOOD, "region": "north"},
    "type": {**GOOD, "subject": 7},
    "length": {**GOOD, "subject": "x" * 200},
    "unknown_refund": GOOD,
}


async def test_jobs_that_make_no_sense_fail_at_once_and_stop_nothing(desk: Desk) -> None:
    for name, data in POISON.items():
        await add_raw(desk, name, data)
    refund = await desk.promised("a")
    desk.worker()
    await desk.until_state(refund, RefundProgress.DONE)

    async def failed(name: str) -> bool:
        return await desk.job_state(Queue.REFUNDS, name) == "failed"

    for name in POISON:
        await until(partial(failed, name))


async def test_a_worker_that_is_asked_to_stop_finishes_the_job_under_way(desk: Desk) -> None:
    refund = await desk.promised("a")
    worker = desk.worker()
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        reached.set()
        await go_on.wait()

    desk.gate.before_answer = wait
    await asyncio.wait_for(reached.wait(), 60)
    worker.send_signal(signal.SIGTERM)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.to_thread(worker.wait, 1.0), 0.9)
    waiting = await desk.promised("b")
    go_on.set()
    assert await asyncio.to_thread(end, worker) == 0
    assert await desk.state(refund) is RefundProgress.DONE
    assert await desk.job_state(Queue.REFUNDS, refund_task(refund).id) == "completed"
    assert await desk.state(waiting) is RefundProgress.PROMISED, "no other job was begun"


async def test_a_worker_ends_while_its_master_is_away_and_a_job_waits_for_it(desk: Desk) -> None:
    await desk.promised("a")
    worker = desk.worker()
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        reached.set()
        await go_on.wait()

    desk.gate.before_answer = wait
    await asyncio.wait_for(reached.wait(), 60)
    desk.server.kill()
    go_on.set()
    worker.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(end, worker) == 0


@pytest.mark.parametrize("part", ["id", "meta", "wait", "active", "events", "marker", "completed", "stalled"])
async def test_a_worker_goes_on_once_a_queue_that_can_not_be_used_is_filled_again(desk: Desk, part: str) -> None:
    desk.keeper()
    worker = desk.worker()
    await desk.until_state(await desk.promised("a"), RefundProgress.DONE)
    key = keys.queue(Queue.REFUNDS, part)
    await desk.master.command("DEL", key)
    await desk.master.command(*(("RPUSH", key, "x") if part == "id" else ("SET", key, "x")))
    refunds = [await desk.promised(f"n{n}") for n in range(3)]
    for refund in refunds:
        await desk.until_state(refund, RefundProgress.DONE, timeout_s=90)
    assert len(await desk.returned()) == 4
    assert worker.poll() is None
    assert "Traceback" not in (desk.folder / "worker.log").read_text()
