"""Keys of the job queues that can't be used: sales, bookings and other queues go on, and the queue is filled again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from bullmq import Queue as BullQueue
from redis.exceptions import ResponseError

from realtime import connect, keys, limits
from realtime.clock import now_ms
from realtime.job_states import JobState
from realtime.jobs import Jobs
from realtime.keeper import background, task_keeper
from realtime.keeper.check import Checker
from realtime.keeper.compare import Difference, Kind
from realtime.ledger.rows import ANY_TIME, Queue, TaskRow, task_id
from realtime.model import booking_of
from realtime.topology import Plain
from tests.cluster import until

from .conftest import Place
from .test_record_path import all_booked, job_ids

QUEUE = Queue.TICKETS
GARBAGE = {
    "id": ("SET", "garbage"),
    "pc": ("SET", "garbage"),
    "limiter": ("SET", "1.5"),
    "stalled-check": ("SET", "1"),  # without an expiry
    "meta": ("HSET", "opts.maxLenEvents", "garbage"),
}
"""Values that the library can't use, of keys that have the type that they must have."""
CLOCK_AHEAD = "set while the clock was ahead"
"""``stalled-check`` lasts for ten minutes then, and jobs of workers that have died wait as long."""
DAMAGES = [
    ("stalled-check", CLOCK_AHEAD),
    *((part, "type") for part in keys.QUEUE_TYPES),
    *((part, "value") for part in GARBAGE),
]


async def damage(place: Place, part: str, how: str, queue: Queue = QUEUE) -> None:
    key = keys.queue(queue, part)
    if how == "value":
        command, *values = GARBAGE[part]
        await place.master.command(command, key, *values)
        return
    if how == CLOCK_AHEAD:
        await place.master.command("SET", key, "1", "PX", 600_000)
        return
    write = "RPUSH" if keys.QUEUE_TYPES[part] == "string" else "SET"
    # In one step: a keeper may add a job meanwhile.
    await place.master.command("EVAL", "redis.call('DEL', KEYS[1]) redis.call(ARGV[1], KEYS[1], 'x')", 1, key, write)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "TICK_MS", 100)
    monkeypatch.setattr(background, "QUEUE_KEYS_EVERY_MS", 100)
    monkeypatch.setattr(task_keeper, "YOUNG_MS", -1)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no keeper look at the queues before the end of a test."""
    monkeypatch.setattr(background, "QUEUE_KEYS_EVERY_MS", 10**9)
    monkeypatch.setattr(limits, "TASK_RETRY_S", 10**6)


async def checked(place: Place, *, repair: bool = False) -> list[Difference]:
    checker = Checker(place.settings.topology.regions["west"])
    try:
        found = (await checker.compare_all()).differences
        if repair:
            await checker.repair(found)
        return found
    finally:
        await checker.close()


async def queued(place: Place, holds: list[str], queue: Queue = QUEUE) -> bool:
    redis = connect.client(Plain(place.server.url), decode=True)
    try:
        bull = BullQueue(queue.value, {"prefix": keys.JOBS_PREFIX, "connection": redis})
        states = [await bull.getJobState(task_id(queue, booking_of(hold))) for hold in holds]
        return states == ["waiting"] * len(holds)
    except ResponseError:
        return False
    finally:
        await connect.close(redis)


@pytest.mark.parametrize(("part", "how"), DAMAGES)
async def test_a_queue_that_can_not_be_used_is_filled_again_by_a_keeper(
    place: Place, quick: None, part: str, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = await place.confirm("a", [1])
    await until(all_booked(place, [first]))
    await damage(place, part, how)
    second = await place.confirm("b", [3])
    await until(all_booked(place, [second]))

    async def healed() -> bool:
        return f"{keys.JOBS_PREFIX}:{QUEUE.value}:{part}" in caplog.text and await queued(place, [first, second])

    await until(healed)
    assert int(await place.master.command("GET", keys.DAMAGED)) >= 1
    assert await place.master.command("XLEN", keys.DEAD_LETTERS) == 0
    assert "Traceback" not in caplog.text


async def test_a_booking_does_not_wait_for_a_queue_and_other_queues_get_their_jobs(
    place: Place, slow: None, caplog: pytest.LogCaptureFixture
) -> None:
    await place.rest()
    await damage(place, "id", "value")
    place.keeper("k2")  # it reconciles the master, although it can't add the jobs
    holds = []
    for n in range(3):
        holds.append(await place.confirm(f"n{n}", [2 * n]))
        await until(all_booked(place, holds))

    async def acknowledged() -> bool:
        return int(await place.master.command("XLEN", keys.OUTBOX)) == 0

    await until(acknowledged)
    assert await place.master.command("XLEN", keys.DEAD_LETTERS) == 0
    assert caplog.text.count("the queue tickets takes no jobs") == 1
    assert "processing one by one" not in caplog.text
    assert "trying again" not in caplog.text
    assert int(await place.master.command("GET", keys.JOBS_NOT_ADDED)) >= 3
    redis = connect.client(Plain(place.server.url), decode=True)
    try:
        entries = BullQueue(Queue.ANALYTICS.value, {"prefix": keys.JOBS_PREFIX, "connection": redis})
        assert len(await entries.getJobs(["wait"])) == 3
    finally:
        await connect.close(redis)


async def test_check_names_and_repairs_a_queue_that_can_not_be_used(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.keeper.check.LOOK_AGAIN_S", 0.01)
    monkeypatch.setattr("realtime.keeper.check.YOUNG_MS", -1)
    hold = await place.confirm("a", [1])
    await until(all_booked(place, [hold]))
    await place.rest()
    for part, how in DAMAGES:
        await damage(place, part, how)
        found = {(each.kind, each.subject) for each in await checked(place, repair=True)}
        assert (Kind.QUEUE_DAMAGED, keys.queue(QUEUE, part)) in found
        assert await checked(place) == []
        assert await queued(place, [hold])


LOSSES: dict[str, list[tuple[str, ...]]] = {
    "in no list": [("DEL", keys.queue(QUEUE, "wait"))],
    "of another type": [("DEL", "{job}"), ("SET", "{job}", "x")],
    "with data that is no JSON": [("HSET", "{job}", "data", "{")],
    "with a list of another type": [("SET", "{job}:dependencies", "x"), ("DEL", keys.queue(QUEUE, "wait"))],
}


async def lose(place: Place, how: str, task: str) -> None:
    for command in LOSSES[how]:
        await place.master.command(*(part.replace("{job}", keys.queue(QUEUE, task)) for part in command))


@pytest.mark.parametrize("how", LOSSES)
async def test_a_job_that_no_worker_gets_is_added_again(place: Place, slow: None, how: str) -> None:
    hold = await place.confirm("a", [1])
    await until(all_booked(place, [hold]))
    await until(lambda: queued(place, [hold]))
    await lose(place, how, task_id(QUEUE, booking_of(hold)))
    keeper = task_keeper.TaskKeeper(place.ledger, jobs := Jobs("west", place.master))
    try:
        await keeper.add_all()
    finally:
        await jobs.close()
    assert await queued(place, [hold])
    assert await job_ids(place, QUEUE) == [booking_of(hold)]


@pytest.mark.parametrize("how", LOSSES)
async def test_check_finds_a_job_that_no_worker_gets(
    place: Place, slow: None, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr("realtime.keeper.check.LOOK_AGAIN_S", 0.05)
    monkeypatch.setattr("realtime.keeper.check.YOUNG_MS", -1)
    hold = await place.confirm("a", [1])
    await until(all_booked(place, [hold]))
    await until(lambda: queued(place, [hold]))
    assert await checked(place) == []
    task = task_id(QUEUE, booking_of(hold))
    await lose(place, how, task)
    assert await checked(place, repair=True) == [Difference("", Kind.TASK_WITHOUT_JOB, subject=task)]
    assert await queued(place, [hold])
    assert await checked(place) == []


async def test_a_job_that_a_worker_has_locked_is_not_added_a_second_time(place: Place, slow: None) -> None:
    await place.rest()
    task = TaskRow(task_id(QUEUE, "west-s.b1"), QUEUE, "west-s.b1", now_ms())
    jobs = Jobs("west", place.master)
    try:
        await jobs.add([task])
        await place.master.command("DEL", keys.queue(QUEUE, "wait"))
        lock = keys.queue(QUEUE, f"{task.id}:lock")
        await place.master.command("SET", lock, "worker")
        assert await jobs.states([task]) == [JobState.UNDELIVERABLE]
        await jobs.add_anew([task])
        assert await place.master.command("LLEN", keys.queue(QUEUE, "wait")) == 0
        await place.master.command("DEL", lock)
        await jobs.add_anew([task])
        assert await jobs.states([task]) == [JobState.PENDING]
    finally:
        await jobs.close()


async def test_the_lock_of_a_dead_worker_does_not_last_longer_because_the_clock_was_ahead(
    place: Place, quick: None
) -> None:
    await until(place.rebuilt)
    active, command = keys.queue(QUEUE, "active"), place.master.command
    locks = [keys.queue(QUEUE, f"{job}:lock") for job in ("live", "dead")]
    await command("RPUSH", active, "live", "dead")
    await command("SET", locks[0], "worker", "PX", 100_000)
    await command("SET", locks[1], "worker", "PX", 600_000)

    async def deleted() -> bool:
        return not await command("EXISTS", locks[1])

    await until(deleted)
    assert await command("EXISTS", locks[0])


async def test_thousands_of_jobs_are_looked_at_with_few_calls(place: Place, slow: None) -> None:
    await place.rest()
    tasks = [TaskRow(task_id(QUEUE, f"west-s.b{n}"), QUEUE, f"west-s.b{n}", now_ms()) for n in range(2_500)]
    jobs = Jobs("west", place.master)
    try:
        await jobs.add(tasks)
        lost = tasks[::500]
        for task in lost:
            await place.master.command("LREM", keys.queue(QUEUE, "wait"), 1, task.id)
        before = await _commands(place)
        states = await jobs.states(tasks)
        assert {task.id for task, state in zip(tasks, states, strict=True) if state is JobState.UNDELIVERABLE} == {
            task.id for task in lost
        }
        assert await _commands(place) - before < 8 * len(tasks)
        await jobs.add_anew(lost)
        assert set(await jobs.states(tasks)) == {JobState.PENDING}
    finally:
        await jobs.close()


async def _commands(place: Place) -> int:
    return int((await place.master.command("INFO", "stats"))["total_commands_processed"])


async def test_what_the_keepers_report_does_not_depend_on_a_queue(place: Place, slow: None) -> None:
    for part in ("wait", "failed", "completed", "delayed", "active"):
        await damage(place, part, "type")
    jobs = Jobs("west", place.master)
    try:
        assert (await jobs.waiting())[QUEUE] == 0
        assert set((await jobs.counts())[QUEUE].values()) == {0}
        assert await jobs.failed(10) == []
    finally:
        await jobs.close()
    await place.master.command("DEL", keys.KEEPERS)

    async def reported() -> bool:
        return bool(await place.master.command("HEXISTS", keys.KEEPERS, "k1"))

    await until(reported)


def test_all_tasks_are_looked_after_once_it_is_due() -> None:
    looks: list[tuple[Any, ...]] = []

    class NoTasks:
        async def unfinished_tasks(self, *args: Any) -> list[TaskRow]:
            looks.append(args)
            if len(looks) == 1:
                raise OSError
            return []

    keeper = task_keeper.TaskKeeper(NoTasks(), Jobs("west", None))  # type: ignore[arg-type]

    async def turns() -> None:
        await keeper.due_turn()
        keeper.all_due = True
        with pytest.raises(OSError):
            await keeper.due_turn()
        await keeper.due_turn()
        await keeper.due_turn()

    asyncio.run(turns())
    assert looks == [(ANY_TIME, task_keeper.PAGE, "")] * 2
