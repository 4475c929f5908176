"""Does the damage, heals it, and measures how long it was felt. Touches only parts of the cluster it was given."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from loadtest.faults.history import History
from loadtest.faults.probe import Probe
from loadtest.faults.schedule import Fault, Kind
from realtime.dev.cluster import Cluster

BOOKS = frozenset(
    {Kind.LOCK_LEDGER, Kind.KILL_KEEPER, Kind.PAUSE_KEEPER, Kind.WIPE_MASTER, Kind.OLD_MASTER, Kind.WIPE_BEHIND_LEDGER}
)
"""Felt by who books; the others by who holds."""
OLD_COPY_S = 2.0
"""How far a master goes back in time."""


def targets(cluster: Cluster) -> dict[tuple[Kind, str], list[str]]:
    """Return what there is to be hit: names of parts by kind and region."""
    found: dict[tuple[Kind, str], list[str]] = {}
    for region, ports in cluster.plan.nodes.items():
        masters = [name for name in cluster.children if name.startswith(f"master {region}")]
        keepers = [name for name in cluster.children if name.startswith(f"keeper {region}")]
        nodes = [f"node {port}" for port in ports]
        for kind in (Kind.KILL_MASTER, Kind.PAUSE_MASTER, Kind.WIPE_MASTER, Kind.OLD_MASTER, Kind.WIPE_BEHIND_LEDGER):
            found[kind, region] = masters
        found[Kind.LOCK_LEDGER, region] = [f"ledger {region}"]
        found[Kind.KILL_REPLICA, region] = [n for n in cluster.children if n.startswith(f"replica {region} ")]
        found[Kind.KILL_KEEPER, region] = found[Kind.PAUSE_KEEPER, region] = keepers
        found[Kind.KILL_NODE, region] = found[Kind.PAUSE_NODE, region] = nodes
        found[Kind.CUT_LINK, region] = [f"link {region} {near}" for owner, near in cluster.relays if owner == region]
        found[Kind.KILL_SENTINEL, region] = [n for n in cluster.children if n.startswith(f"sentinel {region}")]
    return found


@dataclass(slots=True)
class Injector:
    """Carries out a schedule. ``probes`` by (node's region, show's region)."""

    cluster: Cluster
    history: History
    probes: Mapping[tuple[str, str], Probe]
    now: dict[int, Fault] = field(default_factory=dict)
    outages: dict[Kind, list[float | None]] = field(default_factory=dict)

    async def run(self, faults: Sequence[Fault]) -> None:
        """Inject all, each at its time; returns when all have healed and their end was felt."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.TaskGroup() as group:
            for number, fault in enumerate(faults):
                await asyncio.sleep(max(0.0, began + fault.at - loop.time()))
                group.create_task(self._inject(number, fault))

    async def _inject(self, number: int, fault: Fault) -> None:
        self.now[number] = fault
        measuring: asyncio.Task[float | None] | None = None

        async def begun() -> None:
            nonlocal measuring
            self._note(fault, "begin")
            measuring = asyncio.create_task(self._measure(fault))

        try:
            await self._acts[fault.kind](self, fault, begun)
            self._note(fault, "healed")
            assert measuring is not None, "every fault says when it begins"
            outage = await measuring
        finally:
            del self.now[number]
            if measuring is not None:
                measuring.cancel()
        self.outages.setdefault(fault.kind, []).append(outage)
        self._note(fault, "back", outage_ms=None if outage is None else round(outage * 1000))

    def _note(self, fault: Fault, phase: str, **more: int | None) -> None:
        self.history.add("fault", kind=fault.kind, target=fault.target, region=fault.region, phase=phase, **more)

    async def _measure(self, fault: Fault) -> float | None:
        near = fault.region
        if fault.kind is Kind.CUT_LINK:
            near = fault.target.split()[2]
        probe = self.probes[near, fault.region]
        if fault.kind in (Kind.KILL_NODE, Kind.PAUSE_NODE):
            probe = self.probes[fault.target, fault.region]
        return await probe.outage_s(book=fault.kind in BOOKS)

    # --- the acts: each calls ``begun`` when the damage is done, and returns when it is healed ----------------------
    async def _kill(self, fault: Fault, begun: Callable[[], Awaitable[None]]) -> None:
        self.cluster.rest(fault.target).kill()
        await begun()
        await asyncio.sleep(fault.seconds)
        self.cluster.wake(fault.target)

    async def _pause(self, fault: Fault, begun: Callable[[], Awaitable[None]]) -> None:
        child = self.cluster.children[fault.target]
        child.signal(signal.SIGSTOP)
        try:
            await begun()
            await asyncio.sleep(fault.seconds)
        finally:
            child.signal(signal.SIGCONT)

    async def _wipe(self, fault: Fault, begun: Callable[[], Awaitable[None]]) -> None:
        child = self.cluster.rest(fault.target)
        child.kill()
        shutil.rmtree(child.folder)
        await begun()
        await asyncio.sleep(fault.seconds)
        self.cluster.wake(fault.target)

    async def _go_back(self, fault: Fault, begun: Callable[[], Awaitable[None]]) -> None:
        """As after a failover to a replica that lagged behind, while the keepers are slow to notice."""
        child = self.cluster.children[fault.target]
        old = self.cluster.plan.data / f"{fault.target.replace(' ', '-')}-old"
        shutil.copytree(child.folder, old)
        await asyncio.sleep(OLD_COPY_S)
        keepers = [each for name, each in self.cluster.children.items() if name.startswith(f"keeper {fault.region}")]
        for keeper in keepers:
            keeper.signal(signal.SIGSTOP)
        try:
            self.cluster.rest(fault.target).kill()
            shutil.rmtree(child.folder)
            old.rename(child.folder)
            await begun()
            self.cluster.wake(fault.target)
            await asyncio.sleep(fault.seconds)
        finally:
            for keeper in keepers:
                keeper.signal(signal.SIGCONT)

    async def _wipe_behind_ledger(self, fault: Fault, begun: Callable[[], Awaitable[None]]) -> None:
        with self._locked(fault.region) as lock:
            await asyncio.to_thread(lock)
            await asyncio.sleep(fault.seconds / 2)
            await self._wipe(fault, begun)

    async def _lock_ledger(self, fault: Fault, begun: Callable[[], Awaitable[None]]) -> None:
        with self._locked(fault.region) as lock:
            await asyncio.to_thread(lock)
            await begun()
            await asyncio.sleep(fault.seconds)

    @contextlib.contextmanager
    def _locked(self, region: str) -> Iterator[Callable[[], object]]:
        ledger = sqlite3.connect(self._ledger(region), timeout=30, isolation_level=None, check_same_thread=False)
        try:
            yield lambda: ledger.execute("BEGIN EXCLUSIVE")
        finally:
            ledger.close()

    def _ledger(self, region: str) -> Path:
        return self.cluster.plan.data / region / "ledger.db"

    async def _cut(self, fault: Fault, begun: Callable[[], Awaitable[None]]) -> None:
        _, owner, near = fault.target.split()
        relay = self.cluster.relays[owner, near]
        relay.cut()
        try:
            await begun()
            await asyncio.sleep(fault.seconds)
        finally:
            relay.restore()

    _acts = {  # noqa: RUF012
        Kind.KILL_MASTER: _kill,
        Kind.KILL_REPLICA: _kill,
        Kind.KILL_KEEPER: _kill,
        Kind.KILL_NODE: _kill,
        Kind.KILL_SENTINEL: _kill,
        Kind.PAUSE_MASTER: _pause,
        Kind.PAUSE_KEEPER: _pause,
        Kind.PAUSE_NODE: _pause,
        Kind.WIPE_MASTER: _wipe,
        Kind.OLD_MASTER: _go_back,
        Kind.WIPE_BEHIND_LEDGER: _wipe_behind_ledger,
        Kind.LOCK_LEDGER: _lock_ledger,
        Kind.CUT_LINK: _cut,
    }
