"""A storm: one show changes at a rate while viewers watch it. Measures what it costs, and how stale their maps get."""

from __future__ import annotations

import asyncio
import struct
import time
from pathlib import Path

from loadtest.bench.node import BenchNode
from loadtest.bench.peers import SETTLE_S, WINDOW, Bench, Row
from loadtest.bench.programs import Program, running
from realtime import keys, limits

LOGGED_VIEWERS = 500
"""About so many viewers of a crowd log every frame."""
MAX_BATCH = 200
ARRIVAL = struct.Struct("=4q")
"""A frame in the log: when it arrived (us), client, the version that it starts from, its version."""
STEP_S = 0.01
"""Pause between two pipelines of changes."""


class Changes:
    """Changes a show by holding pairs of seats; knows when each version was requested (us since 1970)."""

    def __init__(self, node: BenchNode, show: str) -> None:
        """Nobody else may change the show meanwhile."""
        self._node = node
        self._show = show
        self._pair = 0
        self.requested_us: dict[int, int] = {}
        self.version = 0

    async def read_version(self) -> None:
        """Read the show's version from its master."""
        _epoch, self.version, _digest = await self._node.locks.digest(self._show)

    async def run(self, rate: float, seconds: float) -> float:
        """Make ``rate`` changes a second; return the rate that was reached."""
        await self.read_version()
        begun, made = time.perf_counter(), 0
        while (passed := time.perf_counter() - begun) < seconds:
            due = int(passed * rate) - made
            if due > 0:
                await self.make(min(due, MAX_BATCH))
                made += min(due, MAX_BATCH)
            await asyncio.sleep(max(STEP_S, 1 / rate - (time.perf_counter() - begun - passed)))
        return made / (time.perf_counter() - begun)

    async def make(self, count: int) -> None:
        """Make changes in one pipeline; return when they are acknowledged."""
        now, calls = time.time_ns() // 1000, []
        for _ in range(count):
            pair, self._pair = self._pair, self._pair + 1
            self.version += 1
            self.requested_us[self.version] = now
            # Not by ``SeatLocks.hold``, which would combine holds of one moment into one change.
            hold = (f"{self._show}.h{pair:0>22}", f"o{pair}", f"{2 * pair},{2 * pair + 1}")
            bounds = (limits.MAX_HOLDS_PER_OWNER, limits.ENDED_KEEP_MS)
            calls.append(self._node.master.call("tt_hold", keys.show(self._show), *hold, *bounds))
        if any(reply[0] != b"ok" for reply in await asyncio.gather(*calls)):
            raise RuntimeError("a hold was refused")


async def request(program: Program, line: str) -> Row:
    """Send a command to a program and wait for its answer without blocking the event loop."""
    return await asyncio.to_thread(program.request, line)


def staleness(log: Path, changes: Changes) -> Row:
    """Read a crowd's log: percentiles of how late changes arrived, and whether all clients got the last version."""
    delays: dict[int, int] = {}
    last: dict[int, int] = {}
    for arrived, client, start, version in ARRIVAL.iter_unpack(log.read_bytes()):
        last[client] = version
        for each in range(start + 1, version + 1):
            requested = changes.requested_us.get(each)
            if requested is not None:
                delay_ms = max(0, arrived - requested) // 1000
                delays[delay_ms] = delays.get(delay_ms, 0) + 1
    converged = set(last.values()) == {changes.version}
    return {
        "p50_ms": _percentile(delays, 0.5),
        "p99_ms": _percentile(delays, 0.99),
        "max_ms": max(delays, default=0),
        "converged": converged,
    }


def _percentile(delays: dict[int, int], share: float) -> int | None:
    left = share * sum(delays.values())
    for delay in sorted(delays):
        left -= delays[delay]
        if left <= 0:
            return delay
    return None


async def storm(
    bench: Bench, node: BenchNode, folder: Path, show: str, viewers: int, rates: list[float], seconds: float
) -> list[Row]:
    """Change one show at each rate in turn, for the same viewers; return a row for each rate."""
    rows: list[Row] = []
    log = folder / f"{show}.log"
    changes = Changes(node, show)
    every = str(max(1, viewers // LOGGED_VIEWERS))
    with running(bench.crowd(node.port, viewers, show, WINDOW, str(log), every)) as crowd:
        await asyncio.to_thread(crowd.read)
        await asyncio.sleep(SETTLE_S)
        for rate in rates:
            if rows:
                log.open("r+b").truncate()
            changes.requested_us.clear()
            crowd.send("mark")
            cpu, begun = node.process.cpu_s, time.perf_counter()
            reached = await changes.run(rate, seconds)
            took = time.perf_counter() - begun
            spent = node.process.cpu_s - cpu
            report = await _final_report(crowd)
            rows.append(
                {
                    "viewers": viewers,
                    "rate": rate,
                    "reached": reached,
                    "core_percent": spent / took * 100,
                    "us_per_message": spent / max(report["frames"], 1) * 1e6,
                    "frames_per_s": max(report["most"] - 1, 0) / took,
                    "fewest_frames": report["fewest"],
                    "lost": report["lost"],
                    **await asyncio.to_thread(staleness, log, changes),
                }
            )
    await asyncio.sleep(SETTLE_S)
    return rows


async def _final_report(crowd: Program) -> Row:
    """Return the crowd's report when no more frames arrive."""
    report = await request(crowd, "report")
    while True:
        await asyncio.sleep(SETTLE_S)
        before, report = report, await request(crowd, "report")
        if report["frames"] == before["frames"]:
            return report
