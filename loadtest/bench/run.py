"""``python -m loadtest bench``: the comparison, measured side by side in one run."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from loadtest.bench import function, programs, table, whole
from loadtest.bench.installation import installed
from loadtest.bench.peers import Bench, Row, fan_out
from realtime.dev import valkey

CASES = ((1_000, 20.0), (10_000, 2.0))
VIEWERS = (100, 300, 1_000, 3_000, 10_000)
RATES = (10.0, 50.0, 200.0, 500.0, 1_000.0, 2_000.0)


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

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


@click.command()
@click.option("--quick", is_flag=True, help="A few viewers for a moment: shows that it works, measures nothing.")
@click.option("--no-node", is_flag=True, help="Without the Node.js peer (it is installed on demand otherwise).")
@click.option("--json", "target", type=click.Path(path_type=Path, dir_okay=False), help="Write all figures there.")
def bench(quick: bool, no_node: bool, target: Path | None) -> None:
    """Compare with plain emit, Node.js and the bare kernel: fan-out, joins, memory, storms, pollers, writes.

    Takes under ten minutes. The server under test has one core to itself and its clients the other; figures are CPU
    times of the server where a rate would depend on the clients. Loopback only; ends by itself.
    """
    folder = Path("var") / "bench"
    try:
        binaries = programs.build(folder / "bin")
        peer = None if no_node else programs.peer(folder / "peer")
    except programs.Missing as error:
        raise click.ClickException(str(error)) from None
    with tempfile.TemporaryDirectory() as temporary:
        run = _measure(binaries, peer, Path(temporary), QUICK if quick else FULL)
    click.echo(f"\n{table.text(run)}")
    if target is not None:
        target.write_text(json.dumps(run, indent=1) + "\n")


class _Progress:
    def __init__(self) -> None:
        self._begun = time.monotonic()

    def __call__(self, what: str) -> None:
        click.echo(f"{time.monotonic() - self._begun:5.0f} s  {what}", err=True)


def _measure(binaries: Path, peer: list[str] | None, folder: Path, size: Size) -> Row:
    say = _Progress()
    server_core, other_core = programs.cores()
    if server_core is None:
        say("only one core here: clients take their time from the server")
    redis = valkey.start(folder / "redis")
    try:
        redis.wait_ready()
        each = Bench(binaries, peer, redis.url, server_core, other_core)
        run: Row = {"machine": machine(), "at": time.strftime("%Y-%m-%d"), "fan_out": _fan_outs(each, size, say)}
        say("the hold function")
        run["writes"] = {"function": function.hold_function(each, size.calls)}
        asyncio.run(_whole(each, folder, size, run, say))
        run["load_after"] = os.getloadavg()[0]
        return run
    finally:
        redis.kill()


def _fan_outs(each: Bench, size: Size, say: _Progress) -> list[Row]:
    rows = []
    for viewers, rate in size.cases:
        kinds: dict[str, Any] = {}
        for kind in each.kinds():
            say(f"fan-out: {viewers:,} viewers at {rate:g} Hz, {kind}")
            kinds[kind] = fan_out(each, kind, viewers, rate, size.seconds)
        rows.append({"viewers": viewers, "rate": rate, "kinds": kinds})
    return rows


async def _whole(each: Bench, folder: Path, size: Size, run: Row, say: _Progress) -> None:
    async with installed(folder, each.server_core, each.other_core, size.seats) as here:
        crowd = size.cases[-1][0]
        await here.declare("west-joins")
        await whole.sell_half(here, "west-joins", size.seats)
        say(f"a node: {crowd:,} viewers join, then refresh")
        run["joins"] = {"viewers": crowd, **await whole.joins(each, here, "west-joins", crowd)}
        say("a node: pollers")
        run["http"] = await whole.pollers(each, here, "west-joins", size.seconds)
        say("a node: lone changes")
        await here.declare("west-lone")
        run["lone"] = await whole.lone(each, here, folder, "west-lone", size.changes)
        say("a node: holds")
        run["writes"]["holds"] = await whole.holds(each, here, "west-holds", size.holders, size.shows)
        curves: dict[str, list[Row]] = {"viewers": [], "rates": []}
        for viewers in size.viewers:
            say(f"a node: {size.rates[-1]:,.0f} changes a second before {viewers:,} viewers")
            await here.declare(f"west-v{viewers}")
            rates = [size.rates[-1]]
            curves["viewers"] += await whole.storm(each, here, folder, f"west-v{viewers}", viewers, rates, size.seconds)
        say(
            f"a node: {size.rates[0]:g} to {size.rates[-1]:,.0f} changes a second before {size.curve_viewers:,} viewers"
        )
        await here.declare("west-rates")
        rates = list(size.rates)
        curves["rates"] = await whole.storm(each, here, folder, "west-rates", size.curve_viewers, rates, size.seconds)
        run["curves"] = curves
        run["storm"] = curves["viewers"][-1]


def machine() -> dict[str, Any]:
    """Return what a reader needs to know of this machine."""
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
