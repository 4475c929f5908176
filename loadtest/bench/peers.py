"""One room served by each of four kinds of servers: the bare kernel (floor), ours, Node.js, and plain ``emit``."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtest.bench.programs import Program, running
from realtime.dev.valkey import HOST, free_port

KINDS = ("floor", "ours", "node", "emit")
WINDOW = 500
"""Clients that join at the same time."""
SETTLE_S = 0.5
TICK_S, PAGE_BYTES = 0.01, 4096
"""The kernel's units of CPU time (s) and memory."""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bench:
    """Compiled clients, the command of the Node.js server, and the two cores."""

    binaries: Path
    peer: list[str] | None
    redis: str
    server_core: int | None
    other_core: int | None

    def kinds(self) -> list[str]:
        """Return the kinds of servers that are available."""
        return [kind for kind in KINDS if kind != "node" or self.peer is not None]

    def serve(self, kind: str, port: int) -> Program:
        """Start a server; return when it listens."""
        command = {
            "floor": [str(self.binaries / "floor"), str(port)],
            "node": [*(self.peer or []), str(port), self.redis],
        }.get(kind, [sys.executable, "-m", "loadtest.bench.server", kind, str(port)])
        program = Program(command, self.server_core)
        program.read()
        return program

    def crowd(self, port: int, count: int, show: str = "x", window: int = WINDOW, *log: str) -> Program:
        """Start a crowd of clients; its first message says that all have joined."""
        command = [str(self.binaries / "crowd"), HOST, str(port), str(count), show, str(window), *log]
        return Program(command, self.other_core)


@contextmanager
def room(bench: Bench, kind: str, viewers: int) -> Iterator[tuple[Program, Program, Row]]:
    """Run a server with viewers: yields the server, the crowd, and the cost of joining."""
    port = free_port()
    with running(bench.serve(kind, port)) as server:
        before, cpu = server.rss_bytes, server.cpu_s
        with running(bench.crowd(port, viewers)) as crowd:
            joined = crowd.read()
            cpu = server.cpu_s - cpu
            time.sleep(SETTLE_S)
            memory = max(server.rss_bytes - before, PAGE_BYTES) / viewers / 1024
            joins = {"seconds": joined["seconds"], "cpu_us": max(cpu, TICK_S) / viewers * 1e6, "kib": memory}
            yield server, crowd, joins


def fan_out(bench: Bench, kind: str, viewers: int, rate: float, seconds: float) -> Row:
    """Send at ``rate``, then as fast as possible; return the cost and delay of a message, and the cost of joining."""
    with room(bench, kind, viewers) as (server, crowd, joins):
        crowd.send("mark")
        cpu = server.cpu_s
        server.request(f"send {rate} {seconds}")
        time.sleep(SETTLE_S)
        report = crowd.request("report")
        us = max(server.cpu_s - cpu, TICK_S) / max(report["frames"], 1) * 1e6
        crowd.send("mark")
        server.request(f"send 0 {min(seconds, 3.0)}")
        saturated = crowd.request("report")
        return {
            "us": us,
            "p99_ms": report["p99_ms"],
            "offered": rate * viewers,
            "delivered": report["frames"] / seconds,
            "saturated": saturated["frames"] / saturated["seconds"],
            "joins": joins,
        }
