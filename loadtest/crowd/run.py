"""Coordinates a run: starts the worker processes, merges what they measure, and ends them in time."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Any

import aiohttp
import msgspec
import orjson

from loadtest.crowd import nodes
from loadtest.crowd.figures import Bin, Series
from loadtest.crowd.final_maps import read_snapshot
from loadtest.crowd.outcome import Outcome
from loadtest.crowd.ownership import Claim, OwnershipCheck
from loadtest.crowd.person import Layouts
from loadtest.crowd.plan import GRACE_S, Plan

START_S = 60.0
"""How long all workers together may take to start, on a busy machine."""
READ_S = 0.3
"""Time for a worker to read its plan."""
LINE_BYTES = 64 * 1024 * 1024
NODES_SAMPLED = 16
"""Bound on the nodes whose /metrics are read each second."""


class Run:
    """One run. ``progress`` is called about once a second."""

    def __init__(self, plan: Plan, progress: Callable[[Run], None], operator_key: str = "") -> None:
        """With the operators' key, sales are paused until ``plan.doors_s``.

        The key is not in the plan, because the plan is printed in the report.
        """
        self._operator_key = operator_key
        self.plan = msgspec.structs.replace(plan, begin=float("inf"))
        self.series = Series()
        self.ownership = OwnershipCheck()
        self.outcome = Outcome(self.plan, self.series, datetime.now().astimezone())
        self._progress = progress
        self._ready = 0
        self._begun = asyncio.Event()
        self._idle_workers = 0
        self._all_idle = asyncio.Event()
        self._cpu: dict[str, tuple[float, float]] = {}

    @property
    def elapsed_s(self) -> float:
        """Seconds since the first arrival; 0 before it."""
        return max(0.0, time.monotonic() - self.plan.begin)

    async def run(self) -> Outcome:
        """Run to the end. A worker that does not end in time is killed, and reported as a failure."""
        timeout = aiohttp.ClientTimeout(total=10.0)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            self._limit = asyncio.timeout(START_S)
            sampling = asyncio.create_task(self._sample_nodes(http))
            doors = asyncio.create_task(self._control_sales(http))
            try:
                async with self._limit:
                    workers = [self._run_worker(number) for number in range(self.plan.processes)]
                    await asyncio.gather(*workers)
            except TimeoutError:
                late = f"ended {GRACE_S:g} s after its planned time"
                self.outcome.failures.append(f"the run had not {late if self._begun.is_set() else 'begun in time'}")
            finally:
                sampling.cancel()
                doors.cancel()
                await asyncio.gather(sampling, doors, return_exceptions=True)
            await self._check_bookings(http)
        self.outcome.duration_s = self.elapsed_s
        self.outcome.claims_checked = self.ownership.checked
        self.outcome.failures += self.ownership.violations
        self.outcome.conclude()
        return self.outcome

    # --- workers --------------------------------------------------------------------------------------------------
    async def _run_worker(self, number: int) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "loadtest.crowd.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=LINE_BYTES,
        )
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        errors = asyncio.create_task(process.stderr.read())
        try:
            await process.stdout.readline()  # it is ready, or has ended
            self._count_ready()
            await self._begun.wait()
            process.stdin.write(msgspec.json.encode(msgspec.structs.replace(self.plan, number=number)) + b"\n")
            with contextlib.suppress(ConnectionError):  # it has ended: that is reported below
                await process.stdin.drain()
            ended = False
            async for line in process.stdout:
                message = orjson.loads(line)
                self._on_message(message)
                if "idle" in message:
                    await self._all_idle.wait()
                    process.stdin.write(b"compare\n")
                ended = ended or "maps_verified" in message
            await process.wait()
            if not ended:
                output = (await errors).decode(errors="replace").strip().splitlines()
                reason = output[-1] if output else "no error output"
                self.outcome.failures.append(f"a load process ended early: {reason}")
                self._count_idle_worker()
        finally:
            errors.cancel()
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    def _count_ready(self) -> None:
        """Begin when sales are paused and all workers are ready: how long they take to start is no part of the plan."""
        self._ready += 1
        if self._ready == self.plan.processes + 1:
            self.outcome.plan = self.plan = msgspec.structs.replace(self.plan, begin=time.monotonic() + READ_S)
            self._limit.reschedule(asyncio.get_running_loop().time() + READ_S + self.plan.seconds + GRACE_S)
            self._begun.set()

    def _count_idle_worker(self) -> None:
        self._idle_workers += 1
        if self._idle_workers >= self.plan.processes:
            self._all_idle.set()

    def _on_message(self, message: dict[str, Any]) -> None:
        if "second" in message:
            self.series.add(message["second"], Bin.of(message["bin"]))
            for show, seats, hold, asked, answered, until, booked in message["holds"]:
                self.ownership.add(show, seats, Claim(hold, asked, answered, float("inf") if booked else until))
        elif "idle" in message:
            self._count_idle_worker()
        else:
            self.outcome.maps_verified += message["maps_verified"]
            self.outcome.failures += message["failures"]

    # --- the nodes ------------------------------------------------------------------------------------------------
    async def _sample_nodes(self, http: aiohttp.ClientSession) -> None:
        """Show progress and read the nodes' metrics, once a second."""
        while True:
            self._progress(self)
            urls = self.plan.urls[:NODES_SAMPLED]
            found = await asyncio.gather(*(nodes.read_metrics(http, url) for url in urls))
            if time.monotonic() >= self.plan.begin and any(found):
                self.series.add(min(self.elapsed_s, self.plan.seconds), Bin(gauges=self._gauges(urls, found)))
            await asyncio.sleep(1.0)

    def _gauges(self, urls: list[str], found: list[dict[str, float]]) -> dict[str, float]:
        """Sum the nodes' metrics; of CPU, as a share of a core, take the busiest node."""
        gauges: defaultdict[str, float] = defaultdict(float)
        now = time.monotonic()
        for url, known in zip(urls, found, strict=True):
            for name in ("memory", "lagging", "connections"):
                if name in known:
                    gauges[f"server {name}"] += known[name]
            if "cpu" in known:
                before = self._cpu.get(url)
                self._cpu[url] = (now, known["cpu"])
                if before is not None and known["cpu"] >= before[1]:
                    share = (known["cpu"] - before[1]) / (now - before[0])
                    gauges["server cpu"] = max(gauges["server cpu"], share)
        return dict(gauges)

    async def _control_sales(self, http: aiohttp.ClientSession) -> None:
        """Pause sales now and open them at ``plan.doors_s``, or when the run ends before that."""
        if self._operator_key:
            await self._operate(http, "pause")
        self._count_ready()
        if not self._operator_key or self.outcome.failures:
            return
        try:
            await self._begun.wait()
            await asyncio.sleep(self.plan.begin + self.plan.doors_s - time.monotonic())
        finally:
            await self._operate(http, "open")

    async def _operate(self, http: aiohttp.ClientSession, verb: str) -> None:
        for show in self.plan.shows:
            reason = await nodes.operate(http, self.plan.urls[0], show.id, verb, self._operator_key)
            if reason:
                self.outcome.failures.append(f"{show.id}: could not {verb} its sales: {reason}")

    async def _check_bookings(self, http: aiohttp.ClientSession) -> None:
        """Compare the bookings in the answers to buyers with the map."""
        layouts = Layouts(self.plan.urls[0], http)
        for show in self.plan.shows:
            if not self.ownership.booked[show.id]:
                continue
            found = await read_snapshot(http, self.plan.urls[0], show)
            if found is None:
                self.outcome.failures.append(f"{show.id}: the map could not be read at the end")
                continue
            ids = await layouts.seat_ids(show)
            self.ownership.compare_with_map(show.id, dict(zip(ids, found.statuses, strict=True)))
