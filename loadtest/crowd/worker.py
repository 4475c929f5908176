"""One process of a crowd: ``python -m loadtest.crowd.worker``. Started by the run; not for people.

It reads a plan (one line of JSON) and writes a line a second of what happened; then ``quiet``; when told ``settle`` it
compares maps, writes the outcome, and ends. It also ends when its input does.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import time
from collections.abc import Coroutine
from typing import Any

import aiohttp
import msgspec
import orjson
import uvloop

from loadtest.crowd.board import Board
from loadtest.crowd.buyers import Buyer
from loadtest.crowd.figures import Bin
from loadtest.crowd.person import Layouts, Person
from loadtest.crowd.plan import GRACE_S, Plan
from loadtest.crowd.pollers import Poller
from loadtest.crowd.prober import Prober
from loadtest.crowd.settle import Settling
from loadtest.crowd.slow import SlowViewer
from loadtest.crowd.viewers import Stage, Viewer, arrivals
from loadtest.link import Endpoint

HTTP_S = 15.0
LET_GO_S = 15.0


def say(what: dict[str, Any]) -> None:
    """Write a line to the run."""
    sys.stdout.buffer.write(orjson.dumps(what, option=orjson.OPT_NON_STR_KEYS) + b"\n")
    sys.stdout.buffer.flush()


class Worker:
    """The crowd of this process."""

    def __init__(self, plan: Plan, http: aiohttp.ClientSession) -> None:
        """Must be made on the loop."""
        self._plan = plan
        self._http = http
        self._stage = Stage(plan, [Endpoint.of(url) for url in plan.urls], Board({s.id: s.seats for s in plan.shows}))
        self._layouts = Layouts(plan.urls[0], http)
        self._viewers: list[Viewer] = []
        self._persons: list[Person] = []
        self._prober: Prober | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._cpu = time.process_time()

    async def run(self, settle: asyncio.Event) -> None:
        """Do what is planned, from the first arrival to the verdict."""
        plan, loop = self._plan, self._stage.loop
        begin = loop.time() + plan.begin - time.monotonic()
        self._people(begin)
        second = 0
        while second < plan.seconds:
            second += 1
            await asyncio.sleep(max(0.0, begin + second - loop.time()))
            self._tell(second - 1, (loop.time() - begin - second) * 1000)
        await self._calm()
        self._tell(second, 0.0)
        say({"quiet": True})
        await settle.wait()
        settling = Settling(plan, self._viewers, self._http)
        await settling.run()
        self._tell(second, 0.0)
        say({"right": settling.right, "wrong": settling.wrong})

    def _people(self, begin: float) -> None:
        plan, stage, loop = self._plan, self._stage, self._stage.loop
        mine = list(plan.share(plan.viewers))
        for number, at in zip(mine, arrivals(len(mine), plan.arrive_s, plan.curve, stage.rng), strict=True):
            self._comes(Viewer(stage, number, plan.shows[number % len(plan.shows)]), begin + at)
        for number in plan.share(plan.slow):
            self._comes(SlowViewer(stage, number, plan.shows[number % len(plan.shows)]), begin + stage.rng.random())
        for number in plan.share(plan.buyers):
            buyer = Buyer(self._person(f"b{number}", number), plan.shows[number % len(plan.shows)], self._http)
            self._start(buyer.run(), begin + plan.doors_s - loop.time())
        for number in plan.share(plan.pollers):
            self._start(Poller(stage, number, plan.shows[number % len(plan.shows)], self._http).run(), 0.0)
        if self._viewers and plan.probe_s:
            self._prober = Prober(stage, self._viewers, self._person(f"p{plan.number}", plan.number))
            self._start(self._prober.run(), begin + plan.doors_s - loop.time())

    def _comes(self, viewer: Viewer, at: float) -> None:
        self._viewers.append(viewer)
        self._stage.loop.call_at(at, viewer.come)

    def _person(self, name: str, turn: int) -> Person:
        # Names are new for each run: requests are told apart by them.
        person = Person(self._stage, self._layouts, f"{name}-{os.getpid()}-{self._plan.seed}", turn)
        self._persons.append(person)
        return person

    def _start(self, work: Coroutine[Any, Any, None], after_s: float) -> None:
        async def later() -> None:
            try:
                await asyncio.sleep(max(0.0, after_s))
                await work
            finally:
                work.close()

        self._tasks.add(self._stage.loop.create_task(later()))

    async def _calm(self) -> None:
        """End all business; what is held is let go."""
        self._stage.ending = True
        for viewer in self._viewers:
            viewer.calm()
        for task in self._tasks:
            task.cancel()
        for ended in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended
        if self._prober is not None:
            await self._prober.close()
        held = [(person, hold) for person in self._persons for hold in person.grips if hold not in person.confirming]
        try:
            async with asyncio.timeout(LET_GO_S):
                await asyncio.gather(*(person.let_go(hold) for person, hold in held if person.link is not None))
        except TimeoutError:
            self._stage.error("no answer")

    def _tell(self, second: int, late_ms: float) -> None:
        now, self._stage.now = self._stage.now, Bin()
        newest = self._stage.board.newest
        watching = 0
        for viewer in self._viewers:
            state = viewer.state
            if viewer.is_watching and state is not None:
                watching += 1
                known = newest[state.show]
                if known.epoch == state.epoch and viewer.measured:
                    now.times["versions behind"].add_number(max(0, known.version - state.version))
        cpu, self._cpu = self._cpu, time.process_time()
        now.gauges = {f"viewers {self._plan.number}": watching}
        if second < self._plan.seconds:
            now.gauges |= {f"load cpu {self._plan.number}": self._cpu - cpu, f"load late {self._plan.number}": late_ms}
        grips = []
        for person in self._persons:
            grips += [grip.document() for grip in person.ended]
            person.ended.clear()
        say({"second": second, "bin": now.document(), "grips": grips})

    async def close(self) -> None:
        """Leave."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stage.close()
        for viewer in self._viewers:
            viewer.go()
        for person in self._persons:
            person.close()
        await asyncio.sleep(0.1)


async def _main() -> None:
    reader = asyncio.StreamReader(limit=64 * 1024 * 1024)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    plan = msgspec.json.decode(await reader.readline(), type=Plan)
    settle = asyncio.Event()

    async def told() -> None:
        if await reader.readline() != b"settle\n":
            os._exit(1)  # whoever started us is gone
        settle.set()
        await reader.read()
        os._exit(1)

    listening = loop.create_task(told())
    timeout = aiohttp.ClientTimeout(total=HTTP_S)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as http:
        worker = Worker(plan, http)
        try:
            async with asyncio.timeout(plan.begin - time.monotonic() + plan.seconds + GRACE_S):
                await worker.run(settle)
        finally:
            await worker.close()
            listening.cancel()


if __name__ == "__main__":
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    uvloop.run(_main())
