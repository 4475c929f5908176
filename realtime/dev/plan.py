"""What the embedded cluster consists of: which servers on which ports, and the topology files that say so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path

HOST = "127.0.0.1"
LABELS = {"north": "Delhi", "west": "Mumbai", "south": "Bengaluru"}
FIRST_NODE_PORT = 8001
FIRST_MASTER_PORT = 7401
FIRST_REPLICA_PORT = 7411
FIRST_RELAY_PORT = 7431
DELAYS_MS = {
    frozenset(("north", "west")): (15.0, 20.0),
    frozenset(("west", "south")): (10.0, 15.0),
    frozenset(("north", "south")): (17.0, 25.0),
}
"""One way, between the cities of ``LABELS``."""


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """All ports of a cluster. ``replicas`` and ``relays`` are by (owning region, region of the reader)."""

    data: Path
    nodes: dict[str, list[int]]
    masters: dict[str, int]
    replicas: dict[tuple[str, str], int]
    relays: dict[tuple[str, str], int] = field(default_factory=dict)

    @property
    def regions(self) -> list[str]:
        """The names of the regions."""
        return list(self.masters)

    def ports(self) -> Iterator[tuple[int, str]]:
        """Yield each port and what it is for."""
        for region, port in self.masters.items():
            yield port, f"the lock master of {region}"
        for (owner, near), port in self.replicas.items():
            yield port, f"the replica of {owner} in {near}"
        for (owner, near), port in self.relays.items():
            yield port, f"the link from {near} to {owner}"
        for region, ports in self.nodes.items():
            for port in ports:
                yield port, f"a node of {region}"

    def node_urls(self, region: str) -> list[str]:
        """Return the public URLs of a region's nodes."""
        return [f"http://{HOST}:{port}" for port in self.nodes[region]]

    def master_port(self, owner: str, near: str) -> int:
        """Return the port at which processes in ``near`` reach the master of ``owner``."""
        return self.relays.get((owner, near), self.masters[owner])

    def topology(self, near: str) -> str:
        """Return the topology file for processes in ``near``: the same for all, unless links are delayed."""
        lines = ['payments = "demo"', ""]
        for owner in self.regions:
            lines += [
                f"[regions.{owner}]",
                f'label = "{LABELS.get(owner, owner)}"',
                f'master = "redis://{HOST}:{self.master_port(owner, near)}"',
                f'ledger = "sqlite:///{self.data.absolute()}/{owner}/ledger.db"',
                f"nodes = {self.node_urls(owner)}".replace("'", '"'),
                "",
                f"[regions.{owner}.replicas]",
                # Behind delayed links only the replica that stands here: the others would be reached undelayed.
                *(
                    f'{reader} = ["redis://{HOST}:{port}"]'
                    for (of, reader), port in self.replicas.items()
                    if of == owner and (reader == near or not self.relays)
                ),
                "",
            ]
        return "\n".join(lines)


def plan(
    data: Path,
    *,
    regions: tuple[str, ...] = tuple(LABELS),
    nodes_per_region: int = 1,
    wan: bool = False,
    port: Callable[[], int] | None = None,
) -> ClusterPlan:
    """Plan a cluster on the fixed ports, or on those that ``port`` gives (tests)."""

    def take(first: int, index: int) -> int:
        return port() if port is not None else first + index

    pairs = [(owner, near) for owner in regions for near in regions]
    crossing = list(permutations(regions, 2)) if wan else []
    return ClusterPlan(
        data,
        nodes={
            region: [take(FIRST_NODE_PORT, n * nodes_per_region + k) for k in range(nodes_per_region)]
            for n, region in enumerate(regions)
        },
        masters={region: take(FIRST_MASTER_PORT, n) for n, region in enumerate(regions)},
        replicas={pair: take(FIRST_REPLICA_PORT, n) for n, pair in enumerate(pairs)},
        relays={pair: take(FIRST_RELAY_PORT, n) for n, pair in enumerate(crossing)},
    )
