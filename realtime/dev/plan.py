"""The plan of an embedded cluster: its servers and ports, and the topology files of its processes."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from realtime.dev.samples.names import NAMES_HI
from realtime.topology import Plain, Sentinels, WebhookTarget

HOST = "127.0.0.1"
LABELS = {"north": "Delhi", "west": "Mumbai", "south": "Bengaluru"}
FIRST_NODE_PORT = 8001
BANK_PORT = 7400
SMTP_PORT = 7398
MAILBOX_PORT = 7399
FIRST_MASTER_PORT = 7401
FIRST_REPLICA_PORT = 7411
FIRST_RELAY_PORT = 7431
FIRST_SPARE_PORT = 7441
FIRST_SENTINEL_PORT = 7451
FIRST_FEED_PORT = 7471
SPARES = 2
SENTINELS = 3
DELAYS_MS = {
    frozenset(("north", "west")): (15.0, 20.0),
    frozenset(("west", "south")): (10.0, 15.0),
    frozenset(("north", "south")): (17.0, 25.0),
}
"""Bounds of the one-way delay (ms) between the cities of ``LABELS``. Links within a city are not delayed."""


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """All ports of a cluster. Keys of ``replicas``, ``relays`` and ``feeds``: (owning region, region of the reader)."""

    data: Path
    nodes: dict[str, list[int]]
    masters: dict[str, int]
    replicas: dict[tuple[str, str], int]
    relays: dict[tuple[str, str], int] = field(default_factory=dict)
    """Links to a master that can be delayed and cut, for nodes and keepers, and for replicas without a feed."""
    feeds: dict[tuple[str, str], int] = field(default_factory=dict)
    """Separate links for the replication to a replica."""
    spares: dict[str, list[int]] = field(default_factory=dict)
    """With Sentinels: the replicas of each region that may become its master."""
    sentinels: dict[str, list[int]] = field(default_factory=dict)
    """The Sentinels of each region; they know its master by the name of the region."""
    bank: int = BANK_PORT
    """The demo bank."""
    smtp: int = SMTP_PORT
    """The mail server that delivers nothing ..."""
    mailbox: int = MAILBOX_PORT
    """... and the page that shows what it has taken."""
    keepers: int = 1
    """Keepers in each region."""
    workers: int = 1
    """Workers in each region."""
    ledgers: Mapping[str, str] = field(default_factory=dict)
    """URLs of ledgers by region; a region without one has an SQLite file in the folder of the cluster."""
    origins: tuple[str, ...] = ()
    """Other sites whose pages may embed the seat map."""
    webhooks: Mapping[str, WebhookTarget] = field(default_factory=dict)
    """Systems of a shop by name; the cluster makes their secrets."""
    password: str = ""
    """Of all masters, replicas and Sentinels; the cluster makes it when it starts."""

    @property
    def regions(self) -> list[str]:
        """The names of the regions."""
        return list(self.masters)

    def ports(self) -> Iterator[tuple[int, str]]:
        """Yield each port and the server that uses it, in words."""
        yield self.bank, "the demo bank"
        yield self.smtp, "the mail server"
        yield self.mailbox, "the mailbox page"
        for region, port in self.masters.items():
            yield port, f"the lock master of {region}"
        for (owner, near), port in self.replicas.items():
            yield port, f"the replica of {owner} in {near}"
        for (owner, near), port in self.relays.items():
            yield port, f"the link from {near} to {owner}"
        for (owner, near), port in self.feeds.items():
            yield port, f"the link of the replica of {owner} in {near}"
        for what, by_region in (
            ("a spare of", self.spares),
            ("a Sentinel of", self.sentinels),
            ("a node of", self.nodes),
        ):
            for region, ports in by_region.items():
                for port in ports:
                    yield port, f"{what} {region}"

    @property
    def bank_url(self) -> str:
        """The address of the demo bank, for processes and browsers."""
        return f"http://{HOST}:{self.bank}"

    @property
    def mailbox_url(self) -> str:
        """The address of the page that shows the mails."""
        return f"http://{HOST}:{self.mailbox}"

    def node_urls(self, region: str) -> list[str]:
        """Return the public URLs of a region's nodes."""
        return [f"http://{HOST}:{port}" for port in self.nodes[region]]

    def master_port(self, owner: str, near: str) -> int:
        """Return the port at which processes in ``near`` reach the master of ``owner``."""
        return self.relays.get((owner, near), self.masters[owner])

    def ledger(self, region: str) -> str:
        """Return the URL of a region's ledger."""
        return self.ledgers.get(region, f"sqlite:///{self.data.absolute()}/{region}/ledger.db")

    def master(self, region: str) -> Plain | Sentinels:
        """Return the address of a region's master, without the delay of a relay."""
        if region in self.sentinels:
            hosts = tuple(f"{HOST}:{port}" for port in self.sentinels[region])
            return Sentinels(hosts, region, self._scheme, self._scheme)
        return Plain(self.server_url(self.masters[region]))

    def server_url(self, port: int) -> str:
        """Return the address of a master, replica or Sentinel on a port, with its password."""
        return f"{self._scheme}{HOST}:{port}"

    @property
    def _scheme(self) -> str:
        return f"redis://:{self.password}@" if self.password else "redis://"

    def _master_lines(self, owner: str, near: str) -> list[str]:
        if owner in self.sentinels:
            hosts = [f"{HOST}:{port}" for port in self.sentinels[owner]]
            sentinels = f"sentinels = {hosts}".replace("'", '"')
            passwords = [f'{name} = "{self._scheme}"' for name in ("credentials", "sentinel_credentials")]
            return [sentinels, f'service = "{owner}"', *passwords]
        return [f'master = "{self.server_url(self.master_port(owner, near))}"']

    def topology(self, near: str) -> str:
        """Return the topology file for processes in the region ``near``; it differs only in the relays and replicas."""
        lines = [f"origins = {[*self.origins]}".replace("'", '"'), ""]
        # Load tests and tests of a cluster come from one address, as do all kiosks and browsers of one machine. Other
        # loopback addresses are limited as any address is (``python -m loadtest scalper``).
        lines += ["[limits]", 'shared_networks = ["127.0.0.1/32", "::1/128"]', ""]
        lines += ["[payments]", 'service = "demo"', f'url = "{self.bank_url}"', ""]
        lines += ["[mail]", f'url = "smtp://{HOST}:{self.smtp}"', 'sender = "tickets@tickingtickets.example"', ""]
        for name, target in self.webhooks.items():
            events = f"events = {[*target.events]}".replace("'", '"')
            private = f"private = {str(target.private).lower()}"
            lines += [f"[webhooks.{name}]", f'url = "{target.url}"', events, private, ""]
        lines += ["[names.hi]", *(f"{json.dumps(name)} = {json.dumps(shown)}" for name, shown in NAMES_HI.items()), ""]
        for owner in self.regions:
            lines += [
                f"[regions.{owner}]",
                f'label = "{LABELS.get(owner, owner)}"',
                *self._master_lines(owner, near),
                f'ledger = "{self.ledger(owner)}"',
                f"nodes = {self.node_urls(owner)}".replace("'", '"'),
                "",
                f"[regions.{owner}.replicas]",
                # With relays, only the replica in this region: the others would be reached without the delay.
                *(
                    f'{reader} = ["{self.server_url(port)}"]'
                    for (of, reader), port in self.replicas.items()
                    if of == owner and (reader == near or (owner, near) not in self.relays)
                ),
                "",
            ]
        return "\n".join(lines)


def plan(
    data: Path,
    *,
    regions: tuple[str, ...] = tuple(LABELS),
    nodes_per_region: int = 1,
    keepers_per_region: int = 1,
    workers_per_region: int = 1,
    wan: bool = False,
    links: bool = False,
    sentinels: Collection[str] = (),
    ledgers: Mapping[str, str] | None = None,
    origins: tuple[str, ...] = (),
    webhooks: Mapping[str, WebhookTarget] | None = None,
    port: Callable[[], int] | None = None,
) -> ClusterPlan:
    """Return the plan of a cluster on the fixed ports, or on those that ``port`` returns (for tests).

    ``wan`` delays the links between regions. ``links`` puts a relay that can be cut on every link to a master, and
    separate ones on the links of replicas. Regions in ``sentinels`` have no relays, because a relay forwards to one
    fixed server while their masters move.
    """

    def take(first: int, index: int) -> int:
        return port() if port is not None else first + index

    def several(first: int, each: int, where: Collection[str]) -> dict[str, list[int]]:
        places = [(n, name) for n, name in enumerate(regions) if name in where]
        return {name: [take(first, n * each + k) for k in range(each)] for n, name in places}

    pairs = [(owner, near) for owner in regions for near in regions]
    fixed = [pair for pair in pairs if pair[0] not in sentinels]
    linked = [pair for pair in fixed if links or (wan and pair[0] != pair[1])]
    return ClusterPlan(
        data,
        nodes=several(FIRST_NODE_PORT, nodes_per_region, regions),
        masters={region: take(FIRST_MASTER_PORT, n) for n, region in enumerate(regions)},
        replicas={pair: take(FIRST_REPLICA_PORT, n) for n, pair in enumerate(pairs)},
        relays={pair: take(FIRST_RELAY_PORT, n) for n, pair in enumerate(linked)},
        feeds={pair: take(FIRST_FEED_PORT, n) for n, pair in enumerate(fixed if links else ())},
        spares=several(FIRST_SPARE_PORT, SPARES, sentinels),
        sentinels=several(FIRST_SENTINEL_PORT, SENTINELS, sentinels),
        bank=take(BANK_PORT, 0),
        smtp=take(SMTP_PORT, 0),
        mailbox=take(MAILBOX_PORT, 0),
        keepers=keepers_per_region,
        workers=workers_per_region,
        ledgers=ledgers or {},
        origins=origins,
        webhooks=webhooks or {},
    )
