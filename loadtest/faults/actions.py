"""Causes and heals faults of processes, their data, and ledgers.

Each action calls ``begun`` when the damage is done and returns when it is healed. If it fails or is cancelled, it
restores what it changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import shutil
import signal
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtest.faults.history import History
from loadtest.faults.relay_process import RelayProcess
from loadtest.faults.schedule import Fault
from realtime.dev.cluster import Cluster
from realtime.dev.process import Child

OLD_COPY_S = 2.0
"""Age of the data that ``restart_with_old_data`` brings back."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What faults may touch: a cluster, and the links to its PostgreSQL ledgers by region; where they record things."""

    cluster: Cluster
    ledgers: Mapping[str, RelayProcess]
    history: History


Begun = Callable[[], Awaitable[None]]
Action = Callable[[Parts, Fault, Begun], Awaitable[None]]


@contextlib.contextmanager
def frozen(children: Sequence[Child]) -> Iterator[None]:
    """Stop processes with SIGSTOP for the duration of the context."""
    for child in children:
        child.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for child in children:
            child.signal(signal.SIGCONT)


# --- processes ----------------------------------------------------------------------------------------------------
async def kill(parts: Parts, fault: Fault, begun: Begun) -> None:
    """Kill a process with SIGKILL and restart it."""
    try:
        parts.cluster.pause(fault.target).kill()
        await begun()
        await asyncio.sleep(fault.seconds)
    finally:
        parts.cluster.resume(fault.target)


async def stop(parts: Parts, fault: Fault, begun: Begun) -> None:
    """Stop a process with SIGTERM and restart it, as in a rolling restart."""
    try:
        await parts.cluster.pause(fault.target).stop()
        await begun()
        await asyncio.sleep(fault.seconds)
    finally:
        parts.cluster.resume(fault.target)


async def pause(parts: Parts, fault: Fault, begun: Begun) -> None:
    """Freeze a process."""
    with frozen([parts.cluster.children[fault.target]]):
        await begun()
        await asyncio.sleep(fault.seconds)


# --- data of masters ----------------------------------------------------------------------------------------------
async def wipe(parts: Parts, fault: Fault, begun: Begun) -> None:
    """Kill a master, delete its data, and restart it."""
    child = parts.cluster.pause(fault.target)
    try:
        child.kill()
        shutil.rmtree(child.folder)
        await begun()
        await asyncio.sleep(fault.seconds)
    finally:
        parts.cluster.resume(fault.target)


async def restart_with_old_data(parts: Parts, fault: Fault, begun: Begun) -> None:
    """Restart a master with data from ``OLD_COPY_S`` ago, while its keepers are frozen.

    This is what a failover to a lagging replica does when keepers are slow to notice it.
    """
    cluster = parts.cluster
    child = cluster.children[fault.target]
    old = cluster.plan.data / f"{fault.target.replace(' ', '-')}-old"
    await _copy(child.folder, old)
    await asyncio.sleep(OLD_COPY_S)
    keepers = [each for name, each in cluster.children.items() if name.startswith(f"keeper {fault.region}")]
    with frozen(keepers):
        try:
            cluster.pause(fault.target).kill()
            shutil.rmtree(child.folder)
            old.rename(child.folder)
            await begun()
        finally:
            cluster.resume(fault.target)
        await asyncio.sleep(fault.seconds)


async def wipe_without_ledger(parts: Parts, fault: Fault, begun: Begun) -> None:
    """Make the ledger unavailable, then wipe the master: what was confirmed meanwhile is lost."""
    async with _ledger_unavailable(parts, fault.region):
        await asyncio.sleep(fault.seconds / 2)
        await wipe(parts, fault, begun)


async def fill_disk(parts: Parts, fault: Fault, begun: Begun) -> None:
    """Limit the size of a master's files, so that its append-only file can't grow."""
    child = parts.cluster.children[fault.target]
    assert child.process is not None
    files = (child.folder / "appendonlydir").iterdir()
    size = max(file.stat().st_size for file in files)
    _soft, hard = resource.prlimit(child.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(child.process.pid, resource.RLIMIT_FSIZE, (size, hard))
    try:
        await begun()
        await asyncio.sleep(fault.seconds)
    finally:
        resource.prlimit(child.process.pid, resource.RLIMIT_FSIZE, (hard, hard))


async def _copy(folder: Path, to: Path) -> None:
    """Copy a server's data while it writes; start again when a file disappears meanwhile."""
    while True:
        try:
            shutil.copytree(folder, to)
            return
        except (shutil.Error, OSError):
            shutil.rmtree(to, ignore_errors=True)
            await asyncio.sleep(0.1)


# --- ledgers ------------------------------------------------------------------------------------------------------
async def block_ledger(parts: Parts, fault: Fault, begun: Begun) -> None:
    """Lock a ledger's SQLite file, or cut the link to its PostgreSQL."""
    async with _ledger_unavailable(parts, fault.region):
        await begun()
        await asyncio.sleep(fault.seconds)


@contextlib.asynccontextmanager
async def _ledger_unavailable(parts: Parts, region: str) -> AsyncIterator[None]:
    if region in parts.ledgers:
        parts.ledgers[region].cut()
        try:
            yield
        finally:
            parts.ledgers[region].restore()
        return
    file = parts.cluster.plan.data / region / "ledger.db"
    ledger = sqlite3.connect(file, timeout=30, isolation_level=None, check_same_thread=False)
    try:
        await asyncio.to_thread(ledger.execute, "BEGIN EXCLUSIVE")
        yield
    finally:
        ledger.close()
