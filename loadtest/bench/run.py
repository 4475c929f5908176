"""Carries out all measurements of ``python -m loadtest bench``, one after the other."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtest.bench import function, node_measurements, programs
from loadtest.bench.node import BenchNode, running_node
from loadtest.bench.peers import Bench, Row, fan_out
from loadtest.bench.storm import storm
from realtime.dev import valkey

CASES = ((1_000, 20.0), (10_000, 2.0))
VIEWERS = (100, 300, 1_000, 3_000, 10_000)
RATES = (10.0, 50.0, 200.0, 500.0, 1_000.0, 2_000.0)


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured. ``cases`` are (viewers, rate) of the fan-out, ``viewers`` and ``rates`` of the storms."""

    cases: tuple[tuple[int, float], ...]
    viewers: tuple[int, ...]
    rates: tuple[float, ...]
    curve_viewers: int
    seconds: float
    seats: int
    changes: int
    holders: int
    shows: int
    calls: int


FULL = Size(CASES, VIEWERS, RATES, 3_000, 4.0, 60_000, 50, 400, 3, function.CALLS)
QUICK = Size(((20, 10.0), (40, 5.0)), (10, 20), (10.0, 100.0), 20, 0.5, 2_000, 5, 20, 1, 500)

Progress = Callable[[float, str], None]
"""Called with the seconds since the beginning, and what is measured next."""


def measure(binaries: Path, peer: list[str] | None, folder: Path, size: Size, progress: Progress) -> Row:
    """Return all figures of a run. ``peer`` is the command of the Node.js server, or None to leave it out."""
    begun = time.monotonic()

    def say(what: str) -> None:
        progress(time.monotonic() - begun, what)

    server_core, other_core = programs.cores()
    if server_core is None:
        say("only one core is available: clients slow the server down")
    redis = valkey.start(folder / "redis")
    try:
        redis.wait_ready()
        bench = Bench(binaries, peer, redis.url, server_core, other_core)
        run: Row = {"machine": machine(), "at": time.strftime("%Y-%m-%d"), "fan_out": _fan_outs(bench, size, say)}
        say("the hold function")
        run["writes"] = {"function": function.hold_function(bench, size.calls)}
        asyncio.run(_measure_node(bench, folder, size, run, say))
        run["load_after"] = os.getloadavg()[0]
        return run
    finally:
        redis.kill()


def _fan_outs(bench: Bench, size: Size, say: Callable[[str], None]) -> list[Row]:
    rows = []
    for viewers, rate in size.cases:
        kinds: dict[str, Any] = {}
        for kind in bench.kinds():
            say(f"fan-out: {viewers:,} viewers at {rate:g} Hz, {kind}")
            kinds[kind] = fan_out(bench, kind, viewers, rate, size.seconds)
        rows.append({"viewers": viewers, "rate": rate, "kinds": kinds})
    return rows


async def _measure_node(bench: Bench, folder: Path, size: Size, run: Row, say: Callable[[str], None]) -> None:
    """Add to ``run`` what is measured on a whole node."""
    async with running_node(folder, bench.server_core, bench.other_core, size.seats) as node:
        viewers = size.cases[-1][0]
        await node.declare("west-joins")
        await node_measurements.sell_half(node, "west-joins", size.seats)
        say(f"a node: {viewers:,} viewers join, then refresh")
        run["joins"] = {"viewers": viewers, **await node_measurements.joins(bench, node, "west-joins", viewers)}
        say("a node: pollers")
        run["http"] = await node_measurements.pollers(bench, node, "west-joins", size.seconds)
        say("a node: single changes")
        await node.declare("west-single")
        run["single"] = await node_measurements.single_changes(bench, node, folder, "west-single", size.changes)
        say("a node: holds")
        holds = await node_measurements.holds(bench, node, "west-holds", size.holders, size.shows)
        run["writes"]["holds"] = holds
        run["curves"] = await _curves(bench, node, folder, size, say)
        run["storm"] = run["curves"]["viewers"][-1]


async def _curves(
    bench: Bench, node: BenchNode, folder: Path, size: Size, say: Callable[[str], None]
) -> dict[str, list[Row]]:
    """Measure storms by number of viewers at the highest rate, and by rate at ``size.curve_viewers``."""
    curves: dict[str, list[Row]] = {"viewers": [], "rates": []}
    top = size.rates[-1]
    for viewers in size.viewers:
        say(f"a node: {top:,.0f} changes a second for {viewers:,} viewers")
        await node.declare(f"west-v{viewers}")
        curves["viewers"] += await storm(bench, node, folder, f"west-v{viewers}", viewers, [top], size.seconds)
    say(f"a node: {size.rates[0]:g} to {top:,.0f} changes a second for {size.curve_viewers:,} viewers")
    await node.declare("west-rates")
    rates = list(size.rates)
    curves["rates"] = await storm(bench, node, folder, "west-rates", size.curve_viewers, rates, size.seconds)
    return curves


def machine() -> dict[str, Any]:
    """Return what readers of the figures need to know about this machine."""
    found = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": found[0].partition(":")[2].strip() if found else platform.processor(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "node": _version("node"),
        "load_before": os.getloadavg()[0],
    }


def _version(program: str) -> str | None:
    found = shutil.which(program)
    if found is None:
        return None
    return subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout.strip()
