"""Measurements on a whole node: joins with their snapshot, HTTP pollers, single changes, holds."""

from __future__ import annotations

import asyncio
import random
import time
import urllib.request
from pathlib import Path

from redis.asyncio.client import PubSub

from loadtest.bench.node import BenchNode
from loadtest.bench.peers import SETTLE_S, TICK_S, Bench, Row
from loadtest.bench.programs import Program, running
from loadtest.bench.storm import ARRIVAL, Changes, request
from realtime import keys
from realtime.dev.valkey import HOST

POLLERS = 64
BETWEEN_CHANGES_S = 0.08
"""Longer than a room's tick, so that each change is sent by itself."""
IDLE = 0.1
"""Highest share of a core that an idle node uses."""


async def sell_half(node: BenchNode, show: str, seats: int) -> None:
    """Set a show's map to what it looks like in the middle of a sale: free, held and sold in random order."""
    rng = random.Random(7)
    await node.master.command("SET", keys.seats(show), "".join(rng.choices("0012", k=seats)))


async def joins(bench: Bench, node: BenchNode, show: str, viewers: int) -> Row:
    """All viewers join at once, each with a snapshot; all refresh, without and with ``since``; then all leave."""
    cpu, rss = await _cpu_when_idle(node), node.process.rss_bytes
    with running(bench.crowd(node.port, viewers, show)) as crowd:
        joined = await asyncio.to_thread(crowd.read)
        cost = node.process.cpu_s - cpu
        await asyncio.sleep(SETTLE_S)
        memory = (node.process.rss_bytes - rss) / viewers / 1024
        row = {"seconds": joined["seconds"], "cpu_us": cost / viewers * 1e6, "kib": memory}
        for name in ("watch", "catchup"):
            cpu = node.process.cpu_s
            refreshed = await request(crowd, name)
            row[name] = {"seconds": refreshed["seconds"], "cpu_us": (node.process.cpu_s - cpu) / viewers * 1e6}
        cpu = node.process.cpu_s
    row["leave_us"] = (await _cpu_when_idle(node) - cpu) / viewers * 1e6
    return row


async def _cpu_when_idle(node: BenchNode) -> float:
    """Wait until the node is idle; return its CPU time."""
    now = node.process.cpu_s
    while True:
        await asyncio.sleep(SETTLE_S)
        before, now = now, node.process.cpu_s
        if now - before < IDLE * SETTLE_S:
            return now


async def single_changes(bench: Bench, node: BenchNode, folder: Path, show: str, count: int) -> Row:
    """Change a quiet show ``count`` times; measure from each acknowledgement to a viewer and to the replica itself."""
    log = folder / f"{show}.log"
    changes = Changes(node, show)
    await changes.read_version()
    acked: dict[int, int] = {}
    replicated: dict[int, int] = {}
    replica = node.replica_client()
    subscription = replica.pubsub()
    await subscription.subscribe(keys.changes(show))
    with running(bench.crowd(node.port, 1, show, 1, str(log), "1")) as crowd:
        await asyncio.to_thread(crowd.read)
        await asyncio.sleep(SETTLE_S)
        for _ in range(count):
            await changes.make(1)
            acked[changes.version] = time.time_ns() // 1000
            await _read_message(subscription)
            replicated[changes.version] = time.time_ns() // 1000
            await asyncio.sleep(BETWEEN_CHANGES_S)
        await request(crowd, "report")
    await subscription.aclose()  # type: ignore[no-untyped-call]
    await replica.aclose()
    arrived = {version: at for at, _client, _start, version in ARRIVAL.iter_unpack(log.read_bytes())}
    viewer = sorted(max(0, arrived[v] - acked[v]) / 1000 for v in acked if v in arrived)
    bare = sorted(max(0, replicated[v] - acked[v]) / 1000 for v in acked)
    return {
        "viewer_p50_ms": viewer[len(viewer) // 2],
        "viewer_p99_ms": viewer[int(len(viewer) * 0.99)],
        "replica_p50_ms": bare[len(bare) // 2],
        "replica_p99_ms": bare[int(len(bare) * 0.99)],
    }


async def _read_message(subscription: PubSub) -> None:
    while await subscription.get_message(ignore_subscribe_messages=True, timeout=1.0) is None:
        pass


async def pollers(bench: Bench, node: BenchNode, show: str, seconds: float) -> Row:
    """Request the map over HTTP as fast as possible, without an ETag and with the current one."""
    path = f"/api/v1/shows/{show}/seats"
    url = f"http://{HOST}:{node.port}{path}"
    etag = await asyncio.to_thread(lambda: str(urllib.request.urlopen(url).headers["ETag"]))
    row: Row = {}
    for name, header in (("body", []), ("unchanged", [f"If-None-Match: {etag}"])):
        command = [str(bench.binaries / "poll"), HOST, str(node.port), str(POLLERS), str(seconds), path, *header]
        cpu = node.process.cpu_s
        with running(Program(command, bench.other_core)) as program:
            report = await asyncio.to_thread(program.read)
        spent = node.process.cpu_s - cpu
        row[name] = {
            "per_s": report["answers"] / report["seconds"],
            "per_core_s": report["answers"] / max(spent, TICK_S),
            "bytes": report["bytes"] / report["answers"],
            "p99_ms": report["p99_ms"],
            "wrong": report["others"] or (name == "unchanged" and report["unchanged"] != report["answers"]),
        }
    return row


async def holds(bench: Bench, node: BenchNode, show: str, holders: int, shows: int) -> Row:
    """Clients hold two seats each, one hold after the other, as fast as one node answers."""
    for number in range(shows):
        await node.declare(f"{show}-{number}")
    with running(bench.crowd(node.port, holders, f"{show}-0")) as crowd:
        await asyncio.to_thread(crowd.read)
        crowd.send(f"show {show}")
        cpu = node.process.cpu_s
        report = await request(crowd, f"hold {shows} {holders}")
        spent = node.process.cpu_s - cpu
    return {
        "per_s": report["held"] / report["seconds"],
        "per_core_s": report["held"] / max(spent, TICK_S),
        "refused": report["refused"],
        "p50_ms": report["p50_ms"],
        "p99_ms": report["p99_ms"],
    }
