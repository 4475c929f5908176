"""One process of a crowd: ``python -m loadtest.crowd.worker``, started by ``loadtest.crowd.run``.

It writes ``ready``, reads a plan from stdin (one line of JSON) and writes a line of JSON to stdout for each second.
Then it writes ``idle``; when it reads ``compare`` it compares the maps, writes the result and exits. It also exits when
stdin ends.
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

from loadtest.connection import Endpoint
from loadtest.crowd.buyers import Buyer
from loadtest.crowd.context import WorkerContext
from loadtest.crowd.figures import Bin
from loadtest.crowd.final_maps import FinalMapCheck
from loadtest.crowd.map_store import MapStore
from loadtest.crowd.person import Layouts, Person
from loadtest.crowd.plan import GRACE_S, Plan, arrivals
from loadtest.crowd.pollers import Poller
from loadtest.crowd.prober import Prober
from loadtest.crowd.slow import SlowViewer
from loadtest.crowd.viewers import Viewer

HTTP_S = 15.0
RELEASE_S = 15.0
"""Time at the end for releasing all holds."""


def write_message(message: dict[str, Any]) -> None:
    """Send a message to the run."""
    sys.stdout.buffer.write(orjson.dumps(message, option=orjson.OPT_NON_STR_KEYS) + b"\n")
    sys.stdout.buffer.flush()


class Worker:
    """The part of the crowd that this process simulates."""

    def __init__(self, plan: Plan, http: aiohttp.ClientSession) -> None:
        """Create it on the running event loop."""
        self._plan = plan
        self._http = http
        endpoints = [Endpoint.of(url) for url in plan.urls]
        self._context = WorkerContext(plan, endpoints, MapStore({show.id: show.seats for show in plan.shows}))
        self._layouts = Layouts(plan.urls[0], http)
        self._viewers: list[Viewer] = []
        self._persons: list[Person] = []
        self._prober: Prober | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._cpu = time.process_time()

    async def run(self, compare: asyncio.Event) -> None:
        """Carry out the plan, from the first arrival to the comparison of maps, which waits for ``compare``."""
        plan, loop = self._plan, self._context.loop
        begin = loop.time() + plan.begin - time.monotonic()
        self._schedule_people(begin)
        second = 0
        while second < plan.seconds:
            second += 1
            await asyncio.sleep(max(0.0, begin + second - loop.time()))
            self._report(second - 1, (loop.time() - begin - second) * 1000)
        await self._stop_actions()
        self._report(second, 0.0)
        write_message({"idle": True})
        await compare.wait()
        maps = FinalMapCheck(plan, self._viewers, self._http)
        await maps.run()
        self._report(second, 0.0)
        write_message({"maps_verified": maps.verified, "failures": maps.failures})

    def _schedule_people(self, begin: float) -> None:
        plan, context, loop = self._plan, self._context, self._context.loop
        mine = list(plan.share(plan.viewers))
        for number, at in zip(mine, arrivals(len(mine), plan.arrive_s, plan.curve, context.rng), strict=True):
            self._add_viewer(Viewer(context, number, plan.shows[number % len(plan.shows)]), begin + at)
        for number in plan.share(plan.slow):
            viewer = SlowViewer(context, number, plan.shows[number % len(plan.shows)])
            self._add_viewer(viewer, begin + context.rng.random())
        for number in plan.share(plan.buyers):
            buyer = Buyer(self._add_person(f"b{number}", number), plan.shows[number % len(plan.shows)], self._http)
            self._start(buyer.run(), begin + plan.doors_s - loop.time())
        for number in plan.share(plan.pollers):
            self._start(Poller(context, number, plan.shows[number % len(plan.shows)], self._http).run(), 0.0)
        if self._viewers and plan.probe_s:
            self._prober = Prober(context, self._viewers, self._add_person(f"p{plan.number}", plan.number))
            self._start(self._prober.run(), begin + plan.doors_s - loop.time())

    def _add_viewer(self, viewer: Viewer, at: float) -> None:
        self._viewers.append(viewer)
        self._context.loop.call_at(at, viewer.connect)

    def _add_person(self, name: str, turn: int) -> Person:
        # Request ids are made from names, so names must differ from those of earlier runs.
        person = Person(self._context, self._layouts, f"{name}-{os.getpid()}-{self._plan.seed}", turn)
        self._persons.append(person)
        return person

    def _start(self, work: Coroutine[Any, Any, None], after_s: float) -> None:
        async def later() -> None:
            try:
                await asyncio.sleep(max(0.0, after_s))
                await work
            finally:
                work.close()

        self._tasks.add(self._context.loop.create_task(later()))

    async def _stop_actions(self) -> None:
        """End all purchases, polls and probes, and release what is held; connections stay."""
        self._context.ending = True
        for viewer in self._viewers:
            viewer.stop_actions()
        for task in self._tasks:
            task.cancel()
        for ended in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended
        if self._prober is not None:
            await self._prober.close()
        held = [(person, hold) for person in self._persons for hold in person.held if hold not in person.confirming]
        try:
            async with asyncio.timeout(RELEASE_S):
                await asyncio.gather(*(person.release(hold) for person, hold in held if person.connection is not None))
        except TimeoutError:
            self._context.count_error("no answer")

    def _report(self, second: int, late_ms: float) -> None:
        """Write the figures of a second, and start those of the next."""
        now, self._context.bin = self._context.bin, Bin()
        newest = self._context.maps.newest
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
        holds = []
        for person in self._persons:
            holds += [held.document() for held in person.ended]
            person.ended.clear()
        write_message({"second": second, "bin": now.document(), "holds": holds})

    async def close(self) -> None:
        """Disconnect everybody."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._context.close()
        for viewer in self._viewers:
            viewer.leave()
        for person in self._persons:
            person.close()
        # The transports write their last frames in later iterations of the loop.
        await asyncio.sleep(0.1)


async def _main() -> None:
    reader = asyncio.StreamReader(limit=64 * 1024 * 1024)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    write_message({"ready": True})
    plan = msgspec.json.decode(await reader.readline(), type=Plan)
    compare = asyncio.Event()

    async def read_commands() -> None:
        if await reader.readline() != b"compare\n":
            os._exit(1)  # the parent process is gone
        compare.set()
        await reader.read()
        os._exit(1)

    reading = loop.create_task(read_commands())
    timeout = aiohttp.ClientTimeout(total=HTTP_S)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as http:
        worker = Worker(plan, http)
        try:
            async with asyncio.timeout(plan.begin - time.monotonic() + plan.seconds + GRACE_S):
                await worker.run(compare)
        finally:
            await worker.close()
            reading.cancel()


if __name__ == "__main__":
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    uvloop.run(_main())
