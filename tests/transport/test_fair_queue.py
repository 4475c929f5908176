"""Which work of many addresses is done in one iteration of the loop."""

from __future__ import annotations

import asyncio
import functools
import time
from itertools import pairwise

import pytest

from realtime import limits
from realtime.transport import fair_queue
from realtime.transport.fair_queue import FairQueue


async def iterations(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_an_address_waits_for_its_own_work_only_and_keeps_its_order() -> None:
    queue, done = FairQueue(), list[str]()
    for number in range(100):
        queue.add("crowd", lambda number=number: done.append(f"crowd {number}"))  # type: ignore[misc]
    queue.add("other", lambda: done.append("other"))
    await iterations(3)
    assert "other" in done
    assert len(done) < 10, "one of each address in the first iteration, and one more in each of the next"
    await queue.wait("crowd")
    assert [each for each in done if each != "other"] == [f"crowd {number}" for number in range(100)]


async def test_work_that_fails_stops_no_other() -> None:
    queue, failed = FairQueue(), list[str]()
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failed.append(str(context["exception"])))
    queue.add("one", lambda: [][0])
    queue.add("two", lambda: [][0])
    await queue.wait("one")
    await queue.wait("two")
    assert failed == ["list index out of range"] * 2


async def test_an_address_gets_more_after_an_iteration_that_took_long_but_not_as_much_more() -> None:
    queue, done = FairQueue(), list[int]()
    for number in range(100):
        queue.add("crowd", lambda number=number: done.append(number))  # type: ignore[misc]
    time.sleep(2 * fair_queue.AT_ONCE / fair_queue.AT_LEAST_PER_S)  # noqa: ASYNC251  as sending to many viewers does
    await iterations(2)
    assert len(done) >= fair_queue.AT_ONCE
    time.sleep(1)  # noqa: ASYNC251  as a lot of work at once does, on a machine with no time for this process
    done.clear()
    await iterations(2)
    assert len(done) <= 2 * fair_queue.AT_ONCE, "the longer an iteration, the longer the next one would be"


async def most_in_an_iteration(cost_s: float) -> int:
    """Let one address have 800 pieces of work that take ``cost_s`` each; return how many are done at once, at last."""
    queue, done = FairQueue(), list[int]()

    def work(number: int) -> None:
        time.sleep(cost_s)
        done.append(number)

    for number in range(800):
        queue.add("crowd", functools.partial(work, number))
    counts = [0]
    while len(done) < 800:
        await iterations(1)
        counts.append(len(done))
    assert done == list(range(800))
    return max(later - earlier for earlier, later in pairwise(counts[len(counts) // 2 :]))


async def test_cheap_work_is_done_together_and_expensive_work_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fair_queue, "SHORT_S", 0.1)  # whatever else this machine does
    monkeypatch.setattr(fair_queue, "LONG_S", 0.2)
    assert await most_in_an_iteration(0.0) == limits.TURNS
    monkeypatch.setattr(fair_queue, "SHORT_S", 0.0)
    monkeypatch.setattr(fair_queue, "LONG_S", 0.004)
    monkeypatch.setattr(fair_queue, "AT_ONCE", 1)
    assert await most_in_an_iteration(0.002) <= 2


async def test_who_asks_now_and_then_does_not_wait_for_addresses_that_always_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fair_queue, "SHORT_S", 0.0)
    monkeypatch.setattr(fair_queue, "ALL_AT_ONCE", 10)
    monkeypatch.setattr(fair_queue, "LONG_S", 10.0)
    queue, done = FairQueue(), list[str]()
    queue._most_in_all = 10
    for address in range(100):
        for _ in range(20):
            queue.add(f"crowd {address}", lambda address=address: done.append(f"crowd {address}"))  # type: ignore[misc]
    await iterations(2)
    assert 0 < len(done) <= 20, "not of all 100 addresses at once"
    while len(set(done)) < 100:
        before = len(done)
        await iterations(1)
        assert len(done) - before <= 10
    assert len(done) <= 200, "each has had a turn before many have had another"
    for number in range(5):
        before = len(done)
        await queue.wait("other")
        assert len(done) - before <= 20, f"time {number}"
        await iterations(12)  # the others' turns
    await asyncio.gather(*(queue.wait(f"crowd {address}") for address in range(100)))
    assert all(done.count(f"crowd {address}") == 20 for address in range(100))


async def test_an_address_of_many_people_does_not_wait_for_a_crowd_of_new_addresses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fair_queue, "SHORT_S", 0.0)
    monkeypatch.setattr(fair_queue, "LONG_S", 10.0)
    queue, done = FairQueue(), list[str]()
    queue._most_in_all = 10
    for _ in range(30):
        queue.add("shared", lambda: done.append("shared"))
    for iteration in range(100):
        for number in range(20):
            name = f"new {iteration} {number}"
            queue.add(name, functools.partial(done.append, name))
        await iterations(1)
    assert done.count("shared") == 30
    assert len(done) > 500, "the crowd goes on too"


async def test_the_first_turn_of_an_address_does_not_wait_and_its_others_wait_in_order() -> None:
    queue, done = FairQueue(), list[str]()

    async def work(name: str, address: str) -> None:
        await queue.take_turn(address)
        done.append(name)

    crowd = [asyncio.create_task(work(f"crowd {number}", "crowd")) for number in range(50)]
    other = asyncio.create_task(work("other", "other"))
    await iterations(1)
    assert done == ["crowd 0", "other"]
    await iterations(4)
    assert len(done) < 20, "one of each address in the first iteration, and a few more in each of the next"
    await asyncio.gather(*crowd, other)
    assert [name for name in done if name != "other"] == [f"crowd {number}" for number in range(50)]
