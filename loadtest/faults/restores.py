"""Replaces a ledger by an older copy, and repairs it as an operator does who follows docs/backup.md."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import sys
from pathlib import Path

from redis.exceptions import RedisError

from loadtest.faults.actions import Begun, Parts
from loadtest.faults.schedule import Fault
from loadtest.faults.servers import master
from realtime import keys
from realtime.dev.cluster import Cluster

BACKUP_S = 3.0
"""Age of the backup."""
COMMITTED_S = 120.0
"""Time until something is committed after a backup."""
NOTICED_S = 60.0
"""Time for a keeper to notice that the ledger has lost commits, and to stop the sales."""
REPAIRED_S = 300.0
"""Time until ``check --repair`` leaves no difference, while other faults come and go; it is run again until then."""
RUN_AGAIN_S = 1.0


async def set_back(parts: Parts, fault: Fault, begun: Begun) -> None:
    """Restore a backup of a SQLite ledger that is some seconds old, and run ``check --repair`` until it is in order.

    Takes as long as the repair. The fault's duration keeps others away from the master, which alone has what was lost.
    """
    cluster, region = parts.cluster, fault.region
    ledger = cluster.plan.data / region / "ledger.db"
    backup = ledger.with_name("backup.db")
    await _old_backup(parts, region, ledger, backup)
    users = [name for name in cluster.children if name.startswith((f"keeper {region}", f"worker {region}"))]
    try:
        await asyncio.gather(*(cluster.pause(name).stop() for name in users))
        for suffix in ("-wal", "-shm"):
            ledger.with_name(ledger.name + suffix).unlink(missing_ok=True)
        backup.replace(ledger)
        await begun()
    finally:
        for name in users:
            cluster.resume(name)
    try:
        await _until_halted(parts, region)
    except TimeoutError:
        await _repair(cluster, region)
        raise
    await _repair(cluster, region)


async def _old_backup(parts: Parts, region: str, ledger: Path, to: Path) -> None:
    """Back up a ledger, again and again until something is committed within ``BACKUP_S`` after it.

    The master must be reconciled then: one that has just lost its data knows nothing of the ledger, and can't prove a
    loss.
    """
    async with asyncio.timeout(COMMITTED_S):
        while True:
            at_backup = await asyncio.to_thread(_back_up, ledger, to)
            await asyncio.sleep(BACKUP_S)
            if await _has(parts, region, keys.RECONCILED) and await asyncio.to_thread(_position, ledger) > at_backup:
                return


async def _has(parts: Parts, region: str, key: str) -> bool:
    """Return whether the present master has a key; False if it does not answer."""
    async with master(parts, region) as redis:
        with contextlib.suppress(RedisError, OSError):
            return bool(await redis.exists(key))
    return False


def _back_up(ledger: Path, to: Path) -> int:
    """Copy a ledger while it is written to; return the position of the copy."""
    with (
        contextlib.closing(sqlite3.connect(ledger, timeout=30)) as source,
        contextlib.closing(sqlite3.connect(to)) as target,
    ):
        source.backup(target)
    return _position(to)


def _position(ledger: Path) -> int:
    with contextlib.closing(sqlite3.connect(ledger, timeout=30)) as database:
        return int(database.execute("SELECT position FROM ledger_position").fetchone()[0])


async def _until_halted(parts: Parts, region: str) -> None:
    async with asyncio.timeout(NOTICED_S):
        while True:
            if await _has(parts, region, keys.HALTED):
                return
            await asyncio.sleep(0.1)


async def _repair(cluster: Cluster, region: str) -> None:
    """Run ``check --repair`` until it leaves no difference. Raises ``RuntimeError`` with what it says at last."""
    topology = str(cluster.topology_file(region).absolute())
    command = [sys.executable, "-m", "realtime", "--topology", topology, "check", "--repair", "--region", region]
    loop = asyncio.get_running_loop()
    deadline = loop.time() + REPAIRED_S
    while True:
        check = await asyncio.create_subprocess_exec(
            *command,
            env=cluster.children[f"keeper {region}"].env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await check.communicate()
        if check.returncode == 0:
            return
        if loop.time() > deadline:
            raise RuntimeError(f"check --repair: {output.decode(errors='replace')}")
        await asyncio.sleep(RUN_AGAIN_S)
