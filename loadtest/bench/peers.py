"""One room served by four kinds of servers in turn: the kernel's floor, ours, Node.js, and plain ``emit``."""

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
"""Clients on their way in at a time."""
SETTLE_S = 0.5
TICK_S, PAGE_BYTES = 0.01, 4096
"""What the kernel counts CPU time and memory in."""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bench:
    """What every measurement needs: compiled clients, how to start the Node.js peer, and two cores."""

    binaries: Path
    peer: list[str] | None
    redis: str
    server_core: int | None
    other_core: int | None

    def kinds(self) -> list[str]:
        """Return the kinds of servers that can run here."""
        return [kind for kind in KINDS if kind != "node" or self.peer is not None]

    def serve(self, kind: str, port: int) -> Program:
        """Start a server of a kind; returns when it listens."""
        command = {
            "floor": [str(self.binaries / "floor"), str(port)],
            "node": [*(self.peer or []), str(port), self.redis],
        }.get(kind, [sys.executable, "-m", "loadtest.bench.server", kind, str(port)])
        program = Program(command, self.server_core)
        program.hear()
        return program

    def crowd(self, port: int, count: int, show: str = "x", window: int = WINDOW, *log: str) -> Program:
        """Start a crowd; the first thing to hear from it is that all have joined."""
        command = [str(self.binaries / "crowd"), HOST, str(port), str(count), show, str(window), *log]
        return Program(command, self.other_core)


@contextmanager
def room(bench: Bench, kind: str, viewers: int) -> Iterator[tuple[Program, Program, Row]]:
    """A server with its viewers: server, crowd, and what the joins cost."""
    port = free_port()
    with running(bench.serve(kind, port)) as server:
        before, cpu = server.rss_bytes, server.cpu_s
        with running(bench.crowd(port, viewers)) as crowd:
            joined = crowd.hear()
            cpu = server.cpu_s - cpu
            time.sleep(SETTLE_S)
            memory = max(server.rss_bytes - before, PAGE_BYTES) / viewers / 1024
            joins = {"seconds": joined["seconds"], "cpu_us": max(cpu, TICK_S) / viewers * 1e6, "kib": memory}
            yield server, crowd, joins


def fan_out(bench: Bench, kind: str, viewers: int, rate: float, seconds: float) -> Row:
    """Offer a load, then as much as goes; return what a message cost, how late it was, and what joining cost."""
    with room(bench, kind, viewers) as (server, crowd, joins):
        crowd.tell("mark")
        cpu = server.cpu_s
        server.ask(f"send {rate} {seconds}")
        time.sleep(SETTLE_S)
        told = crowd.ask("report")
        us = max(server.cpu_s - cpu, TICK_S) / max(told["frames"], 1) * 1e6
        crowd.tell("mark")
        server.ask(f"send 0 {min(seconds, 3.0)}")
        most = crowd.ask("report")
        return {
            "us": us,
            "p99_ms": told["p99_ms"],
            "offered": rate * viewers,
            "delivered": told["frames"] / seconds,
            "saturated": most["frames"] / most["seconds"],
            "joins": joins,
        }
