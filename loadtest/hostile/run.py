"""Attacks a node of an own cluster, one attack after the other, and measures what other people notice."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp

from loadtest.hostile.attacks import HOST, KINDS
from loadtest.installation import own_cluster
from loadtest.measures import percentile, rss_of

REGION = "west"
OTHERS = "127.0.0.2"
"""The address of other people: the node counts per address."""
ASK_S = 0.05
SETTLE_S = 10.0
"""How long the other processes of the cluster keep the cores busy after its start."""
AFTER_S = 10.0
"""When the memory must have been given back."""
MOST_MS, MOST_MB = 50.0, 20.0
"""The targets: how much the 99th percentile of other people's requests, and the node's memory, may grow."""
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One attack. Times are of other people's GETs, in ms; memory is the node's resident set, in MB."""

    attack: str
    opened: int
    sent_mb: float
    quiet_p50: float
    quiet_p99: float
    p50: float
    p99: float
    failed: int
    """Other people's requests that failed or took longer than 5 s."""
    rss_before: float
    rss_most: float
    rss_after: float

    @property
    def met(self) -> bool:
        """Whether both targets are met."""
        grown = max(self.rss_most, self.rss_after) - self.rss_before
        return self.p99 - self.quiet_p99 <= MOST_MS and grown <= MOST_MB and not self.failed


async def attack_all(
    folder: Path, names: Sequence[str], seconds: float, addresses: int, say: Say
) -> list[dict[str, Any]]:
    """Start a cluster, run the attacks of these names for ``seconds`` each, and return their outcomes.

    The connections of an attack come from ``addresses`` network addresses in turn.
    """
    async with own_cluster(folder, REGION) as cluster:
        say(_HEAD)
        url = cluster.plan.node_urls(REGION)[0]
        process = next(child.process for child in cluster.children.values() if child.name.startswith("node"))
        assert process is not None, "the cluster runs"
        show, layout = await _largest_show(url)
        await asyncio.sleep(SETTLE_S)
        outcomes = []
        for name in names:
            outcome = await _attack(name, url, process.pid, show, layout, seconds, addresses)
            outcomes.append({**asdict(outcome), "met": outcome.met})
            say(_line(outcome))
        return outcomes


async def _attack(name: str, url: str, pid: int, show: str, layout: str, seconds: float, addresses: int) -> Outcome:
    async with _others(f"{url}/api/v1/shows/{show}") as quiet:
        await asyncio.sleep(min(5.0, seconds))
    before = rss_of(pid) / 1e6
    arguments = (name, url.rpartition(":")[2], str(seconds), f"/api/v1/layouts/{layout}", str(addresses))
    command = (sys.executable, "-m", "loadtest.hostile.attacks", *arguments)
    child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    memory = [before]
    async with _others(f"{url}/api/v1/shows/{show}") as times:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await asyncio.sleep(0.1)
            memory.append(rss_of(pid) / 1e6)
    output, _ = await child.communicate()
    did = json.loads(output)
    await asyncio.sleep(AFTER_S)
    return Outcome(
        name,
        did["opened"],
        did["sent"] / 1e6,
        percentile(quiet, 0.5),
        percentile(quiet, 0.99),
        percentile(times, 0.5),
        percentile(times, 0.99),
        sum(each == float("inf") for each in times),
        before,
        max(memory),
        rss_of(pid) / 1e6,
    )


@asynccontextmanager
async def _others(url: str) -> AsyncIterator[list[float]]:
    """Ask for ``url`` over a new connection every ``ASK_S``; collect the times (ms), infinity for a failure."""
    times: list[float] = []
    connector = aiohttp.TCPConnector(local_addr=(OTHERS, 0), force_close=True, limit=0)
    timeout = aiohttp.ClientTimeout(total=5)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http, asyncio.TaskGroup() as group:

        async def ask() -> None:
            begun = time.perf_counter()
            try:
                async with http.get(url) as answer:
                    await answer.read()
                    ok = answer.status == 200
            except (aiohttp.ClientError, TimeoutError, OSError):
                ok = False
            times.append((time.perf_counter() - begun) * 1000 if ok else float("inf"))

        async def ask_always() -> None:
            while True:
                group.create_task(ask())
                await asyncio.sleep(ASK_S)

        asking = group.create_task(ask_always())
        yield times
        asking.cancel()


async def _largest_show(url: str) -> tuple[str, str]:
    async with aiohttp.ClientSession() as http, http.get(f"{url}/api/v1/shows") as answer:
        largest = max((await answer.json())["shows"], key=lambda show: show["seat_count"])
    return str(largest["id"]), str(largest["layout"])


_HEAD = (
    f"{'attack on ' + HOST:28}{'opened':>8}{'MB sent':>9} | {'p50 ms':>13}{'p99 ms':>15}{'failed':>8} | "
    f"{'MB before':>10}{'most':>7}{'after':>7}  met"
)


def _line(one: Outcome) -> str:
    p50, p99 = f"{one.quiet_p50:.1f} -> {one.p50:.1f}", f"{one.quiet_p99:.1f} -> {one.p99:.1f}"
    return (
        f"{one.attack:28}{one.opened:>8,}{one.sent_mb:>9.1f} | {p50:>13}{p99:>15}{one.failed:>8} | "
        f"{one.rss_before:>10.1f}{one.rss_most:>7.1f}{one.rss_after:>7.1f}  {'yes' if one.met else 'NO'}"
    )


ALL = tuple(KINDS)
