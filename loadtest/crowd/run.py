"""A run: worker processes started, listened to, brought to their end in time; what they measured, put together."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import aiohttp
import msgspec
import orjson

from loadtest.crowd import target
from loadtest.crowd.figures import Bin, Series
from loadtest.crowd.judge import Claim, Judge
from loadtest.crowd.person import Layouts
from loadtest.crowd.plan import GRACE_S, Plan
from loadtest.crowd.settle import snapshot

START_S = 1.5
"""Workers have read their plan and are ready by then."""
LINE_BYTES = 64 * 1024 * 1024
NODES_WATCHED = 16
MOST_GROWTH = 0.05
"""A soak in which the servers' memory grows by more of itself has found a leak."""
LONG_S = 600.0
"""In a shorter soak that is only a note: memory finds its level in minutes."""


@dataclass(slots=True)
class Outcome:
    """What a run came to. ``wrong`` is empty when everything that anybody was told was true and could be checked."""

    plan: Plan
    series: Series
    began: datetime
    took_s: float = 0.0
    wrong: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    maps_right: int = 0
    seats_checked: int = 0

    @property
    def passed(self) -> bool:
        """Whether the run measured something and found nothing wrong."""
        return not self.wrong


class Run:
    """One run. ``progress`` is called about once a second."""

    def __init__(self, plan: Plan, progress: Callable[[Run], None], operator_key: str = "") -> None:
        """Nothing happens before ``run``. With the operators' key nothing is for sale before the doors open.

        It is no part of the plan: that goes into the report.
        """
        self._operator_key = operator_key
        self.plan = msgspec.structs.replace(plan, begin=time.monotonic() + START_S + 0.3 * plan.processes)
        self.series = Series()
        self.judge = Judge()
        self.outcome = Outcome(self.plan, self.series, datetime.now().astimezone())
        self._progress = progress
        self._quiet = 0
        self._all_quiet = asyncio.Event()
        self._cpu: dict[str, tuple[float, float]] = {}

    @property
    def elapsed_s(self) -> float:
        """Seconds since the first arrival."""
        return max(0.0, time.monotonic() - self.plan.begin)

    async def run(self) -> Outcome:
        """Run to the end; a worker that does not come to one is stopped, and said to be wrong."""
        until = self.plan.begin + self.plan.seconds + GRACE_S
        timeout = aiohttp.ClientTimeout(total=10.0)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            watching = asyncio.create_task(self._watch(http))
            doors = asyncio.create_task(self._doors(http))
            try:
                async with asyncio.timeout(max(1.0, until - time.monotonic())):
                    workers = [self._work(number) for number in range(self.plan.processes)]
                    await asyncio.gather(*workers)
            except TimeoutError:
                self.outcome.wrong.append(f"the run had not ended {GRACE_S:g} s after its time")
            finally:
                watching.cancel()
                doors.cancel()
                await asyncio.gather(watching, doors, return_exceptions=True)
            await self._sold(http)
        self._conclude()
        return self.outcome

    # --- workers --------------------------------------------------------------------------------------------------
    async def _work(self, number: int) -> None:
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
            process.stdin.write(msgspec.json.encode(msgspec.structs.replace(self.plan, number=number)) + b"\n")
            await process.stdin.drain()
            ended = False
            async for line in process.stdout:
                told = orjson.loads(line)
                self._take(told)
                if "quiet" in told:
                    await self._all_quiet.wait()
                    process.stdin.write(b"settle\n")
                ended = ended or "right" in told
            await process.wait()
            if not ended:
                words = (await errors).decode(errors="replace").strip().splitlines()
                self.outcome.wrong.append(f"a load process ended early: {words[-1] if words else 'without a word'}")
                self._one_is_quiet()
        finally:
            errors.cancel()
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    def _one_is_quiet(self) -> None:
        self._quiet += 1
        if self._quiet >= self.plan.processes:
            self._all_quiet.set()

    def _take(self, told: dict[str, Any]) -> None:
        if "second" in told:
            self.series.add(told["second"], Bin.of(told["bin"]))
            for show, seats, hold, asked, until_told, until, booked in told["grips"]:
                end = float("inf") if booked else until
                self.judge.take(show, seats, Claim(hold, asked, until_told, end))
        elif "quiet" in told:
            self._one_is_quiet()
        else:
            self.outcome.maps_right += told["right"]
            self.outcome.wrong += told["wrong"]

    # --- beside them ----------------------------------------------------------------------------------------------
    async def _watch(self, http: aiohttp.ClientSession) -> None:
        """Show how it goes, and read the nodes' own figures, once a second."""
        while True:
            self._progress(self)
            urls = self.plan.urls[:NODES_WATCHED]
            found = await asyncio.gather(*(target.metrics(http, url) for url in urls))
            if time.monotonic() >= self.plan.begin and any(found):
                self.series.add(min(self.elapsed_s, self.plan.seconds), Bin(gauges=self._gauges(urls, found)))
            await asyncio.sleep(1.0)

    async def _doors(self, http: aiohttp.ClientSession) -> None:
        """Pause sales until the doors open, or the run ends before that."""
        if not self._operator_key:
            return
        await self._operate(http, "pause")
        if self.outcome.wrong:
            return
        try:
            await asyncio.sleep(self.plan.begin + self.plan.doors_s - time.monotonic())
        finally:
            await self._operate(http, "open")

    async def _operate(self, http: aiohttp.ClientSession, verb: str) -> None:
        for show in self.plan.shows:
            failed = await target.operate(http, self.plan.urls[0], show.id, verb, self._operator_key)
            if failed:
                self.outcome.wrong.append(f"{show.id}: could not {verb} its sales: {failed}")

    def _gauges(self, urls: list[str], found: list[dict[str, float]]) -> dict[str, float]:
        gauges: defaultdict[str, float] = defaultdict(float)
        now = time.monotonic()
        for url, known in zip(urls, found, strict=True):
            for name in ("memory", "behind", "connections"):
                if name in known:
                    gauges[f"server {name}"] += known[name]
            if "cpu" in known:
                before = self._cpu.get(url)
                self._cpu[url] = (now, known["cpu"])
                if before is not None and known["cpu"] >= before[1]:
                    share = (known["cpu"] - before[1]) / (now - before[0])
                    gauges["server cpu"] = max(gauges["server cpu"], share)
        return dict(gauges)

    async def _sold(self, http: aiohttp.ClientSession) -> None:
        """Hold what buyers were told against the map."""
        layouts = Layouts(self.plan.urls[0], http)
        for show in self.plan.shows:
            if not self.judge.booked[show.id]:
                continue
            found = await snapshot(http, self.plan.urls[0], show)
            if found is None:
                self.outcome.wrong.append(f"{show.id}: the map could not be read in the end")
                continue
            ids = await layouts.seat_ids(show)
            self.judge.sold(show.id, dict(zip(ids, found.statuses, strict=True)))

    def _conclude(self) -> None:
        outcome, whole = self.outcome, self.series.whole
        outcome.took_s = self.elapsed_s
        outcome.seats_checked = self.judge.checked
        outcome.wrong += self.judge.violations
        if whole.counts["versions fell"]:
            outcome.wrong.append(f"{whole.counts['versions fell']} times a viewer was sent an older version")
        if not any(name in whole.times for name in ("join", "hold", "poll")):
            outcome.wrong.append("nothing could be measured: no viewer, buyer or poller got an answer")
        outcome.notes += _notes(self.plan, whole, self.series)
        if self.plan.command == "soak" and (growth := self.series.growth("server memory")) is not None:
            words = f"The servers' memory changed by {growth:+.1%} from the second quarter of the time to the last."
            (outcome.wrong if growth > MOST_GROWTH and outcome.took_s >= LONG_S else outcome.notes).append(words)


def _notes(plan: Plan, whole: Bin, series: Series) -> list[str]:
    """Say what a reader of the figures must know."""
    notes = []
    if plan.buyers and not plan.demo_payments:
        notes.append("The target has no demo payment service: buyers held and released seats, and booked none.")
    if whole.counts["probes from the question"]:
        notes.append(
            "The clocks of this machine and of the servers differ: staleness is counted from the moment a change was "
            "asked for, and so is an upper bound."
        )
    if whole.counts["missed"]:
        notes.append(
            f"{whole.counts['missed']:,} times a viewer had a change only after 10 s or never; counted as 10 s."
        )
    busy = [bin.gauges[name] / series.width_s for bin in series.bins for name in bin.gauges if "load cpu" in name]
    if busy and sorted(busy)[len(busy) // 2] > 0.9:
        notes.append("The load processes were busy themselves: add --processes, or the figures are partly theirs.")
    if whole.counts["no seat to probe"] and "staleness" not in whole.times:
        notes.append("Staleness was not measured: no seat was free that could be held to see when viewers have it.")
    if whole.errors["rate_limited"]:
        notes.append(
            f"{whole.errors['rate_limited']:,} requests were refused as rate_limited; the crowd waited as it was told."
        )
    return notes
