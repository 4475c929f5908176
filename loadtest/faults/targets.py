"""Which parts of a cluster each kind of fault can hit."""

from __future__ import annotations

from loadtest.faults.schedule import Kind
from realtime.dev.cluster import Cluster


def find_targets(cluster: Cluster) -> dict[tuple[Kind, str], list[str]]:
    """Return the names of parts by kind of fault and region."""
    found: dict[tuple[Kind, str], list[str]] = {}
    for region in cluster.plan.nodes:
        for kind, names in (_common(cluster, region) | _masters(cluster, region)).items():
            found[kind, region] = names
    return found


def _named(cluster: Cluster, prefix: str) -> list[str]:
    return [name for name in cluster.children if name.startswith(prefix)]


def _common(cluster: Cluster, region: str) -> dict[Kind, list[str]]:
    keepers = _named(cluster, f"keeper {region}")
    nodes = [f"node {port}" for port in cluster.plan.nodes[region]]
    ledger = Kind.CUT_LEDGER if region in cluster.plan.ledgers else Kind.LOCK_LEDGER
    return {
        Kind.KILL_KEEPER: keepers,
        Kind.PAUSE_KEEPER: keepers,
        Kind.KILL_NODE: nodes,
        Kind.PAUSE_NODE: nodes,
        Kind.STOP_NODE: nodes,
        Kind.KILL_REPLICA: _named(cluster, f"replica {region} "),
        ledger: [f"ledger {region}"],
    }


def _masters(cluster: Cluster, region: str) -> dict[Kind, list[str]]:
    """Return the faults of the master and of the links to it; behind Sentinels they are failovers."""
    master = [f"master {region}"]
    if region in cluster.plan.sentinels:
        failovers = (Kind.FAILOVER, Kind.FREEZE_MASTER, Kind.LOSSY_FAILOVER)
        return {**dict.fromkeys(failovers, master), Kind.KILL_SENTINEL: _named(cluster, f"sentinel {region}")}
    plain = (
        Kind.KILL_MASTER,
        Kind.PAUSE_MASTER,
        Kind.WIPE_MASTER,
        Kind.OLD_MASTER,
        Kind.FULL_DISK,
        Kind.WIPE_WITHOUT_LEDGER,
    )
    links = [f"link {region} {near}" for owner, near in cluster.relays if owner == region]
    feeds = [f"feed {region} {near}" for owner, near in cluster.feeds if owner == region]
    return {**dict.fromkeys(plain, master), Kind.CUT_LINK: links, Kind.SLOW_LINK: links, Kind.CUT_FEED: feeds}
