"""Turns: how many at a time, and whose is the next."""

from __future__ import annotations

import asyncio

import pytest

from realtime import limits
from realtime.errors import Overloaded
from realtime.web.fair_turns import FairTurns

LONG_S = 60.0


class Work:
    """Notes who has begun; ends when it is allowed to."""

    def __init__(self, turns: FairTurns) -> None:
        self._turns = turns
        self.begun: list[str] = []
        self.may_end: asyncio.Semaphore = asyncio.Semaphore(0)
        self.tasks: list[asyncio.Task[None]] = []

    async def _do(self, address: str) -> None:
        async with self._turns.turn(address, LONG_S):
            self.begun.append(address)
            await self.may_end.acquire()

    async def add(self, *addresses: str) -> None:
        self.tasks += [asyncio.create_task(self._do(address)) for address in addresses]
        await asyncio.sleep(0)

    async def end(self, count: int) -> None:
        for _ in range(count):
            self.may_end.release()
            for _turn in range(5):
                await asyncio.sleep(0)


async def test_so_many_at_a_time_then_each_address_in_turn() -> None:
    work = Work(FairTurns(2))
    await work.add(*["crowd"] * 6, "a", "b", "a")
    assert work.begun == ["crowd"] * 2
    await work.end(9)
    assert work.begun[2:] == ["crowd", "a", "b", "crowd", "a", "crowd", "crowd"]
    await asyncio.gather(*work.tasks)
    await work.add("c", "c", "c")
    assert work.begun[-2:] == ["c", "c"], "as many as at first, no more"
    await work.end(3)


async def test_an_address_waits_with_a_bounded_number_of_requests_and_others_still_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "ADDRESS_WAITING", 3)
    turns = FairTurns(1)
    work = Work(turns)
    await work.add(*["crowd"] * 4)
    with pytest.raises(Overloaded):
        async with turns.turn("crowd", LONG_S):
            pass
    await work.add("a")
    await work.end(5)
    assert work.begun == ["crowd", "crowd", "a", "crowd", "crowd"]


async def test_who_gives_up_or_waits_too_long_takes_no_turn_away() -> None:
    turns = FairTurns(1)
    work = Work(turns)
    await work.add("a", "b", "c")
    with pytest.raises(Overloaded):
        async with turns.turn("b", 0.01):
            pass
    work.tasks[1].cancel()
    await asyncio.sleep(0)
    await work.end(1)
    assert work.begun == ["a", "c"]
    await work.add("x", "f")
    work.may_end.release()
    work.tasks[-2].cancel()  # in the iteration in which its turn comes
    await work.tasks[2]
    await work.end(1)
    assert work.begun == ["a", "c", "f"]
    await asyncio.gather(*work.tasks, return_exceptions=True)
    await work.add("g")
    late = asyncio.create_task(work._do("d"))
    await asyncio.sleep(0)
    work.may_end.release()
    await work.tasks[-1]
    late.cancel()  # its turn has just come
    await asyncio.gather(late, return_exceptions=True)
    await work.add("e")
    assert work.begun[-1] == "e"
    await work.end(1)
