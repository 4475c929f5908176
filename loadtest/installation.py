"""The installation under test: its lock masters, ledgers and nodes, as far as the tests need them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from realtime.dev import valkey
from realtime.dev.cluster import Cluster
from realtime.dev.plan import ClusterPlan, plan
from realtime.ledger import Ledger
from realtime.locks.master import LockMaster
from realtime.topology import Region, Topology


@contextlib.asynccontextmanager
async def own_cluster(folder: Path, region: str) -> AsyncIterator[Cluster]:
    """Run an embedded cluster of one region, with sample data and on free ports, for the duration of the context."""
    cluster = Cluster(plan(folder, regions=(region,), port=valkey.free_port), echo=lambda _line: None)
    await cluster.start()
    try:
        yield cluster
    finally:
        await cluster.stop()


@dataclass(frozen=True, slots=True)
class Installation:
    """Regions with their masters and ledgers, and the nodes' URLs by region."""

    regions: Mapping[str, Region]
    nodes: Mapping[str, Sequence[str]]
    password: str = ""
    operator_key: str = ""

    @classmethod
    def of_cluster(cls, plan: ClusterPlan, operator_key: str = "") -> Installation:
        """Return an embedded cluster. Its masters are reached directly, not through the links that faults cut."""
        regions = {name: Region(name, name, plan.master(name), {}, plan.ledger(name)) for name in plan.regions}
        nodes = {name: plan.node_urls(name) for name in plan.regions}
        return cls(regions, nodes, operator_key=operator_key)

    @classmethod
    def of_topology(cls, topology: Topology, password: str, operator_key: str) -> Installation:
        """Return the installation that a topology file describes."""
        return cls(topology.regions, topology.nodes, password, operator_key)

    @contextlib.asynccontextmanager
    async def masters(self) -> AsyncIterator[dict[str, LockMaster]]:
        """Connect to all lock masters for the duration of the context."""
        masters = {name: LockMaster(region, self.password, timeout_s=5.0) for name, region in self.regions.items()}
        try:
            yield masters
        finally:
            for master in masters.values():
                await master.close()

    def ledger(self, region: str) -> Ledger:
        """Return a region's ledger; the caller closes it."""
        return Ledger(self.regions[region].ledger)
