"""Measurements on a whole node: joins with their snapshot, storms, pollers, holds, and how fast news travels."""

from __future__ import annotations

import asyncio
import random
import struct
import time
import urllib.request
from pathlib import Path

from loadtest.bench.installation import Installation
from loadtest.bench.peers import SETTLE_S, TICK_S, WINDOW, Bench, Row
from loadtest.bench.programs import Program, running
from realtime import keys, limits
from realtime.dev.valkey import HOST

POLLERS = 64
SAMPLED = 500
"""Viewers of a crowd whose every frame is looked at."""
MOST_AT_ONCE = 200
QUIET_S = 0.08
"""Between two lone changes: longer than a tick."""
ROW = struct.Struct("=4q")
IDLE = 0.1
"""Share of a core that a node without work takes at most."""
STEP_S = 0.01
"""A storm's changes come in pipelines this far apart."""


async def ask(program: Program, line: str) -> Row:
    """Send a line to a program and wait for its answer without blocking the loop."""
    return await asyncio.to_thread(program.ask, line)


async def sell_half(here: Installation, show: str, seats: int) -> None:
    """Give a show a map as it looks in mid-sale: what is free and what is not in no order."""
    rng = random.Random(7)
    await here.master.command("SET", keys.seats(show), "".join(rng.choices("0012", k=seats)))


async def joins(bench: Bench, here: Installation, show: str, viewers: int) -> Row:
    """All come at once, each answered with its snapshot; all refresh, without and with ``since``; and all leave."""
    cpu, rss = here.node.cpu_s, here.node.rss_bytes
    with running(bench.crowd(here.port, viewers, show)) as crowd:
        first = await asyncio.to_thread(crowd.hear)
        cost = here.node.cpu_s - cpu
        await asyncio.sleep(SETTLE_S)
        memory = (here.node.rss_bytes - rss) / viewers / 1024
        row = {"seconds": first["seconds"], "cpu_us": cost / viewers * 1e6, "kib": memory}
        for name in ("watch", "catchup"):
            cpu = here.node.cpu_s
            again = await ask(crowd, name)
            row[name] = {"seconds": again["seconds"], "cpu_us": (here.node.cpu_s - cpu) / viewers * 1e6}
        cpu = here.node.cpu_s
    row["leave_us"] = (await _idle(here) - cpu) / viewers * 1e6
    return row


async def _idle(here: Installation) -> float:
    """Wait until the node has nothing to do any more; return its CPU time."""
    now = here.node.cpu_s
    while True:
        await asyncio.sleep(SETTLE_S)
        before, now = now, here.node.cpu_s
        if now - before < IDLE * SETTLE_S:
            return now


class Storm:
    """Changes of a show at a rate: pairs of seats held; knows when each version was asked for."""

    def __init__(self, here: Installation, show: str) -> None:
        """Nobody else may change the show meanwhile."""
        self._here = here
        self._show = show
        self._pair = 0
        self.asked_us: dict[int, int] = {}
        self.version = 0

    async def blow(self, rate: float, seconds: float) -> float:
        """Make ``rate`` changes a second; return the rate that was reached."""
        _epoch, self.version, _digest = await self._here.locks.digest(self._show)
        begun, made = time.perf_counter(), 0
        while (passed := time.perf_counter() - begun) < seconds:
            due = int(passed * rate) - made
            if due > 0:
                await self.make(min(due, MOST_AT_ONCE))
                made += min(due, MOST_AT_ONCE)
            await asyncio.sleep(max(STEP_S, 1 / rate - (time.perf_counter() - begun - passed)))
        return made / (time.perf_counter() - begun)

    async def make(self, count: int) -> None:
        """Make changes in one pipeline; returns when they are acknowledged."""
        now, calls = time.time_ns() // 1000, []
        for _ in range(count):
            pair, self._pair = self._pair, self._pair + 1
            self.version += 1
            self.asked_us[self.version] = now
            # Not by ``SeatLocks.hold``: holds of one moment would be one change.
            hold = (f"{self._show}.h{pair:0>22}", f"o{pair}", f"{2 * pair},{2 * pair + 1}")
            terms = (limits.MAX_HOLDS_PER_OWNER, limits.ENDED_KEEP_MS)
            calls.append(self._here.master.call("tt_hold", keys.show(self._show), *hold, *terms))
        if any(reply[0] != b"ok" for reply in await asyncio.gather(*calls)):
            raise RuntimeError("a hold was refused")


def ages(log: Path, storm: Storm) -> Row:
    """Read a crowd's log: how old each change was when it came, and whether all came to the last version."""
    steps: dict[int, int] = {}
    last: dict[int, int] = {}
    most = count = 0
    for arrived, client, start, version in ROW.iter_unpack(log.read_bytes()):
        last[client] = version
        for each in range(start + 1, version + 1):
            asked = storm.asked_us.get(each)
            if asked is not None:
                late = max(0, arrived - asked) // 1000
                steps[late] = steps.get(late, 0) + 1
                most, count = max(most, late), count + 1
    row: Row = {"p50_ms": None, "p99_ms": None, "max_ms": most, "converged": set(last.values()) == {storm.version}}
    for name, share in (("p50_ms", 0.5), ("p99_ms", 0.99)):
        seen = 0
        for late in sorted(steps):
            seen += steps[late]
            if row[name] is None and seen >= share * count:
                row[name] = late
    return row


async def storm(bench: Bench, here: Installation, folder: Path, show: str, viewers: int, rates: list[float],
                seconds: float) -> list[Row]:  # fmt: skip
    """Change one show at each rate in turn before the same viewers; return what it cost and how old maps were."""
    rows = []
    log = folder / f"{show}.log"
    storm = Storm(here, show)
    every = str(max(1, viewers // SAMPLED))
    with running(bench.crowd(here.port, viewers, show, WINDOW, str(log), every)) as crowd:
        await asyncio.to_thread(crowd.hear)
        await asyncio.sleep(SETTLE_S)
        for rate in rates:
            log.open("r+b").truncate() if rates[0] != rate else None
            storm.asked_us.clear()
            crowd.tell("mark")
            cpu, begun = here.node.cpu_s, time.perf_counter()
            reached = await storm.blow(rate, seconds)
            took = time.perf_counter() - begun
            spent = here.node.cpu_s - cpu
            told = await _quiet(crowd)
            rows.append({
                "viewers": viewers,
                "rate": rate,
                "reached": reached,
                "core_percent": spent / took * 100,
                "us_per_message": spent / max(told["frames"], 1) * 1e6,
                "frames_per_s": max(told["most"] - 1, 0) / took,
                "fewest_frames": told["fewest"],
                "lost": told["lost"],
                **await asyncio.to_thread(ages, log, storm),
            })  # fmt: skip
    await asyncio.sleep(SETTLE_S)
    return rows


async def _quiet(crowd: Program) -> Row:
    """Wait until nothing comes any more; return the crowd's report."""
    told = await ask(crowd, "report")
    while True:
        await asyncio.sleep(SETTLE_S)
        before, told = told, await ask(crowd, "report")
        if told["frames"] == before["frames"]:
            return told


async def lone(bench: Bench, here: Installation, folder: Path, show: str, changes: int) -> Row:
    """One change at a time on a quiet show: from its ack to a viewer beyond a replica, and to a bare subscriber."""
    log = folder / f"{show}.log"
    storm = Storm(here, show)
    _epoch, storm.version, _digest = await here.locks.digest(show)
    acked: dict[int, int] = {}
    heard: dict[int, int] = {}
    replica = here.replica()
    listening = replica.pubsub()
    await listening.subscribe(keys.changes(show))
    with running(bench.crowd(here.port, 1, show, 1, str(log), "1")) as crowd:
        await asyncio.to_thread(crowd.hear)
        await asyncio.sleep(SETTLE_S)
        for _ in range(changes):
            await storm.make(1)
            acked[storm.version] = time.time_ns() // 1000
            while (message := await listening.get_message(ignore_subscribe_messages=True, timeout=1.0)) is None:
                pass
            heard[storm.version] = time.time_ns() // 1000
            assert message["type"] == "message", "the replica's news"
            await asyncio.sleep(QUIET_S)
        await ask(crowd, "report")
    await listening.aclose()  # type: ignore[no-untyped-call]
    await replica.aclose()
    arrived = {version: at for at, _client, _from, version in ROW.iter_unpack(log.read_bytes())}
    extra = sorted(max(0, arrived[v] - acked[v]) / 1000 for v in acked if v in arrived)
    bare = sorted(max(0, heard[v] - acked[v]) / 1000 for v in acked)
    return {"viewer_p50_ms": extra[len(extra) // 2], "viewer_p99_ms": extra[int(len(extra) * 0.99)],
            "replica_p50_ms": bare[len(bare) // 2], "replica_p99_ms": bare[int(len(bare) * 0.99)]}  # fmt: skip


async def pollers(bench: Bench, here: Installation, show: str, seconds: float) -> Row:
    """Ask for the map over HTTP again and again, with and without the ETag of what is known."""
    path = f"/api/v1/shows/{show}/seats"
    url = f"http://{HOST}:{here.port}{path}"
    etag = await asyncio.to_thread(lambda: str(urllib.request.urlopen(url).headers["ETag"]))
    row: Row = {}
    for name, header in (("body", []), ("unchanged", [f"If-None-Match: {etag}"])):
        command = [str(bench.binaries / "poll"), HOST, str(here.port), str(POLLERS), str(seconds), path, *header]
        cpu = here.node.cpu_s
        with running(Program(command, bench.other_core)) as program:
            told = await asyncio.to_thread(program.hear)
        spent = here.node.cpu_s - cpu
        wrong = told["others"] or (name == "unchanged" and told["unchanged"] != told["answers"])
        row[name] = {"per_s": told["answers"] / told["seconds"], "per_core_s": told["answers"] / max(spent, TICK_S),
                     "bytes": told["bytes"] / told["answers"], "p99_ms": told["p99_ms"], "wrong": wrong}  # fmt: skip
    return row


async def holds(bench: Bench, here: Installation, show: str, holders: int, shows: int) -> Row:
    """Clients hold two seats each, one hold after the other, as fast as one node answers."""
    for number in range(shows):
        await here.declare(f"{show}-{number}")
    with running(bench.crowd(here.port, holders, f"{show}-0")) as crowd:
        await asyncio.to_thread(crowd.hear)
        crowd.tell(f"show {show}")
        cpu = here.node.cpu_s
        told = await ask(crowd, f"hold {shows} {holders}")
        spent = here.node.cpu_s - cpu
    figures = {name: told[name] for name in ("refused", "p50_ms", "p99_ms")}
    return {"per_s": told["held"] / told["seconds"], "per_core_s": told["held"] / max(spent, TICK_S), **figures}
