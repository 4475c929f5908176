"""Does the damage, heals it, and measures how long it was felt. Touches only parts of the cluster it was given."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import shutil
import signal
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from loadtest.faults.history import History
from loadtest.faults.probe import Probe
from loadtest.faults.schedule import MEMORY, Fault, Kind
from realtime import connect
from realtime.dev.cluster import Cluster
from realtime.dev.plan import HOST
from realtime.dev.process import Child
from realtime.dev.relay import Relay

BOOKS = frozenset(
    {
        Kind.LOCK_LEDGER,
        Kind.CUT_LEDGER,
        Kind.KILL_KEEPER,
        Kind.PAUSE_KEEPER,
        Kind.WIPE_MASTER,
        Kind.OLD_MASTER,
        Kind.WIPE_BEHIND_LEDGER,
    }
)
"""Felt by who books; the others by who holds."""
OLD_COPY_S = 2.0
"""How far a master goes back in time."""
BEHIND_S = 0.9
"""How much the spares miss before a lossy failover; frozen for longer, they would not be promoted soon."""
SLOW_MS = 300.0
"""One way; a hold over such a link still answers in time."""


def targets(cluster: Cluster) -> dict[tuple[Kind, str], list[str]]:
    """Return what there is to be hit: names of parts by kind and region."""
    found: dict[tuple[Kind, str], list[str]] = {}

    def named(*prefixes: str) -> list[str]:
        return [name for name in cluster.children if name.startswith(prefixes)]

    for region, ports in cluster.plan.nodes.items():
        files = region not in cluster.plan.ledgers
        for kind in (Kind.KILL_KEEPER, Kind.PAUSE_KEEPER):
            found[kind, region] = named(f"keeper {region}")
        for kind in (Kind.KILL_NODE, Kind.PAUSE_NODE, Kind.STOP_NODE):
            found[kind, region] = [f"node {port}" for port in ports]
        found[Kind.KILL_REPLICA, region] = named(f"replica {region} ")
        found[Kind.LOCK_LEDGER if files else Kind.CUT_LEDGER, region] = [f"ledger {region}"]
        if region in cluster.plan.sentinels:
            found[Kind.KILL_SENTINEL, region] = named(f"sentinel {region}")
            kinds = [Kind.FAILOVER, Kind.FREEZE, Kind.LOSSY_FAILOVER]
        else:
            kinds = [Kind.KILL_MASTER, Kind.PAUSE_MASTER, Kind.WIPE_MASTER, Kind.OLD_MASTER, Kind.FULL_DISK]
            kinds.append(Kind.WIPE_BEHIND_LEDGER)
            for kind in (Kind.CUT_LINK, Kind.SLOW_LINK):
                found[kind, region] = [f"link {region} {near}" for owner, near in cluster.relays if owner == region]
            found[Kind.CUT_FEED, region] = [f"feed {region} {near}" for owner, near in cluster.feeds if owner == region]
        for kind in kinds:
            found[kind, region] = [f"master {region}"]
    return found


@contextlib.contextmanager
def _frozen(children: Sequence[Child]) -> Iterator[None]:
    for child in children:
        child.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for child in children:
            child.signal(signal.SIGCONT)


async def _copy(folder: Path, to: Path) -> None:
    """Copy a server's data while it writes; a file that goes away meanwhile makes us begin anew."""
    while True:
        try:
            shutil.copytree(folder, to)
            return
        except (shutil.Error, OSError):
            shutil.rmtree(to, ignore_errors=True)
            await asyncio.sleep(0.1)


async def _drop_replicas(port: int) -> None:
    async with Redis(host=HOST, port=port, socket_timeout=1) as redis:
        # One that can't be reached has no followers either.
        with contextlib.suppress(RedisError):
            await redis.execute_command("CLIENT", "KILL", "TYPE", "replica")  # type: ignore[no-untyped-call]


@dataclass(slots=True)
class Injector:
    """Carries out a schedule. ``probes`` by (node's region or name, show's region); ``ledgers``: links to them."""

    cluster: Cluster
    history: History
    probes: Mapping[tuple[str, str], Probe]
    ledgers: Mapping[str, Relay]
    now: dict[int, Fault] = field(default_factory=dict)
    outages: dict[Kind, list[float | None]] = field(default_factory=dict)
    trouble: list[str] = field(default_factory=list)
    """Faults that could not be caused: the runner's failure, not the product's."""

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
        except Exception as error:
            # The others go on; each act has put back what it took.
            self.trouble.append(f"{fault.kind} of {fault.target}: {error!r}")
            return
        finally:
            del self.now[number]
            if measuring is not None:
                measuring.cancel()
        self.outages.setdefault(fault.kind, []).append(outage)
        self._note(fault, "back", outage_ms=None if outage is None else round(outage * 1000))

    def _note(self, fault: Fault, phase: str, **more: int | None) -> None:
        self.history.add(
            "fault",
            kind=fault.kind,
            target=fault.target,
            region=fault.region,
            phase=phase,
            memory=fault.kind in MEMORY,
            **more,
        )

    async def _measure(self, fault: Fault) -> float | None:
        near = fault.region
        if fault.kind in (Kind.CUT_LINK, Kind.SLOW_LINK, Kind.CUT_FEED):
            near = fault.target.split()[2]
        probe = self.probes[near, fault.region]
        if fault.kind in (Kind.KILL_NODE, Kind.PAUSE_NODE, Kind.STOP_NODE):
            probe = self.probes[fault.target, fault.region]
        return await probe.outage_s(book=fault.kind in BOOKS)

    # --- the acts: each calls ``begun`` when the damage is done, and returns when it is healed ----------------------
    async def _kill(self, fault: Fault, begun: Callable[[], Awaitable[None]]) -> None:
        try:
            self.cluster.rest(fault.target).kill()
            await begun()
            await asyncio.sleep(fault.seconds)
        finally:
            self.cluster.wake(fault.target)

    async def _stop(self, fault: Fault, begun: Callable[[], Awaitable[None]]) -> None:
        try:
            await self.cluster.rest(fault.target).stop()
            await begun()
            await asyncio.sleep(fault.seconds)
        finally:
            self.cluster.wake(fault.target)

    async def _pause(self, fault: Fault, begun: Callable[[], Awaitable[None]]) -> None:
        with _frozen([self.cluster.children[fault.target]]):
            await begun()
            await asyncio.sleep(fault.seconds)

    async def _wipe(self, fault: Fault, begun: Callable[[], Awaitable[None]]) -> None:
        child = self.cluster.rest(fault.target)
        try:
            child.kill()
            shutil.rmtree(child.folder)
            await begun()
            await asyncio.sleep(fault.seconds)
        finally:
            self.cluster.wake(fault.target)

    async def _go_back(self, fault: Fault, begun: Callable[[], Awaitable[None]]) -> None:
        """As after a failover to a replica that lagged behind, while the keepers are slow to notice."""
        child = self.cluster.children[fault.target]
        old = self.cluster.plan.data / f"{fault.target.replace(' ', '-')}-old"
        await _copy(child.folder, old)
        await asyncio.sleep(OLD_COPY_S)
        keepers = [each for name, each in self.cluster.children.items() if name.startswith(f"keeper {fault.region}")]
        with _frozen(keepers):
            try:
                self.cluster.rest(fault.target).kill()
                shutil.rmtree(child.folder)
                old.rename(child.folder)
                await begun()
            finally:
                self.cluster.wake(fault.target)
            await asyncio.sleep(fault.seconds)

    async def _wipe_without_ledger(self, fault: Fault, begun: Callable[[], Awaitable[None]]) -> None:
        async with self._no_ledger(fault.region):
            await asyncio.sleep(fault.seconds / 2)
            await self._wipe(fault, begun)

    async def _fill_disk(self, fault: Fault, begun: Callable[[], Awaitable[None]]) -> None:
        """The append-only file may not grow by a byte."""
        child = self.cluster.children[fault.target]
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

    async def _without_ledger(self, fault: Fault, begun: Callable[[], Awaitable[None]]) -> None:
        async with self._no_ledger(fault.region):
            await begun()
            await asyncio.sleep(fault.seconds)

    @contextlib.asynccontextmanager
    async def _no_ledger(self, region: str) -> AsyncIterator[None]:
        """Lock a file, or cut the link to a server."""
        if region in self.ledgers:
            self.ledgers[region].cut()
            try:
                yield
            finally:
                self.ledgers[region].restore()
            return
        file = self.cluster.plan.data / region / "ledger.db"
        ledger = sqlite3.connect(file, timeout=30, isolation_level=None, check_same_thread=False)
        try:
            await asyncio.to_thread(ledger.execute, "BEGIN EXCLUSIVE")
            yield
        finally:
            ledger.close()

    async def _cut(self, fault: Fault, begun: Callable[[], Awaitable[None]]) -> None:
        link = self._link(fault)
        link.cut()
        try:
            await begun()
            await asyncio.sleep(fault.seconds)
        finally:
            link.restore()

    async def _slow(self, fault: Fault, begun: Callable[[], Awaitable[None]]) -> None:
        link = self._link(fault)
        link.slow_down(SLOW_MS)
        try:
            await begun()
            await asyncio.sleep(fault.seconds)
        finally:
            link.restore()

    def _link(self, fault: Fault) -> Relay:
        what, owner, near = fault.target.split()
        return (self.cluster.feeds if what == "feed" else self.cluster.relays)[owner, near]

    # --- failovers: the master is whom the Sentinels say ------------------------------------------------------------
    async def _fail_over(self, fault: Fault, begun: Callable[[], Awaitable[None]]) -> None:
        name, _port = await self._master(fault.region)
        try:
            self.cluster.rest(name).kill()
            await begun()
            await asyncio.sleep(fault.seconds)
        finally:
            self.cluster.wake(name)

    async def _freeze(self, fault: Fault, begun: Callable[[], Awaitable[None]]) -> None:
        """It comes back believing that it is the master."""
        name, _port = await self._master(fault.region)
        with _frozen([self.cluster.children[name]]):
            await begun()
            await asyncio.sleep(fault.seconds)

    async def _fail_over_lossy(self, fault: Fault, begun: Callable[[], Awaitable[None]]) -> None:
        """Those that can be promoted have missed the last writes."""
        name, port = await self._master(fault.region)
        may_lead = (f"master {fault.region}", f"spare {fault.region} ")
        spares = [each for n, each in self.cluster.children.items() if n.startswith(may_lead) and n != name]
        try:
            with _frozen(spares):
                # What is on its way to them is theirs; what comes after is not.
                await _drop_replicas(port)
                await asyncio.sleep(BEHIND_S)
                self.cluster.rest(name).kill()
                await begun()
            await asyncio.sleep(fault.seconds)
        finally:
            self.cluster.wake(name)

    async def _master(self, region: str) -> tuple[str, int]:
        while True:
            try:
                at = await connect.locate(self.cluster.plan.master(region))
                break
            except (RedisError, OSError):
                await asyncio.sleep(0.1)  # in the middle of the failover before
        port = int(at.url.rpartition(":")[2])
        return f"master {region}" if port == self.cluster.plan.masters[region] else f"spare {region} {port}", port

    _acts = {  # noqa: RUF012
        Kind.KILL_MASTER: _kill,
        Kind.PAUSE_MASTER: _pause,
        Kind.WIPE_MASTER: _wipe,
        Kind.OLD_MASTER: _go_back,
        Kind.WIPE_BEHIND_LEDGER: _wipe_without_ledger,
        Kind.FULL_DISK: _fill_disk,
        Kind.FAILOVER: _fail_over,
        Kind.FREEZE: _freeze,
        Kind.LOSSY_FAILOVER: _fail_over_lossy,
        Kind.KILL_SENTINEL: _kill,
        Kind.KILL_REPLICA: _kill,
        Kind.CUT_FEED: _cut,
        Kind.CUT_LINK: _cut,
        Kind.SLOW_LINK: _slow,
        Kind.LOCK_LEDGER: _without_ledger,
        Kind.CUT_LEDGER: _without_ledger,
        Kind.KILL_KEEPER: _kill,
        Kind.PAUSE_KEEPER: _pause,
        Kind.KILL_NODE: _kill,
        Kind.PAUSE_NODE: _pause,
        Kind.STOP_NODE: _stop,
    }
