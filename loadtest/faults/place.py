"""Where a run takes place: an installation, as far as the runner needs to know it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from realtime.dev.plan import ClusterPlan
from realtime.ledger import Ledger
from realtime.locks.master import LockMaster
from realtime.topology import Region, Topology


@dataclass(frozen=True, slots=True)
class Place:
    """Regions with their masters and ledgers, and the nodes' URLs by region."""

    regions: Mapping[str, Region]
    nodes: Mapping[str, Sequence[str]]
    password: str = ""

    @classmethod
    def of_cluster(cls, plan: ClusterPlan) -> Place:
        """Return an embedded cluster, its masters reached directly, past the links that will be cut."""
        regions = {name: Region(name, name, plan.master(name), {}, plan.ledger(name)) for name in plan.regions}
        return cls(regions, {name: plan.node_urls(name) for name in plan.regions})

    @classmethod
    def of_topology(cls, topology: Topology, password: str) -> Place:
        """Return the installation that a topology file describes."""
        return cls(topology.regions, topology.nodes, password)

    @contextlib.asynccontextmanager
    async def masters(self) -> AsyncIterator[dict[str, LockMaster]]:
        """Links to all lock masters, for the time of the context."""
        links = {name: LockMaster(region, self.password, timeout_s=5.0) for name, region in self.regions.items()}
        try:
            yield links
        finally:
            for link in links.values():
                await link.close()

    def ledger(self, region: str) -> Ledger:
        """Return a region's ledger; the caller closes it."""
        return Ledger(self.regions[region].ledger)
