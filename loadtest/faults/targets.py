"""Which parts of a cluster each kind of fault can hit."""

from __future__ import annotations

from loadtest.faults import namespace, partition
from loadtest.faults.schedule import Kind
from loadtest.faults.servers import faketime_library
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
    remote = (Kind.CUT_LEDGER, Kind.HALF_OPEN_LEDGER)
    ledger = remote if region in cluster.plan.ledgers else (Kind.LOCK_LEDGER, Kind.LEDGER_SET_BACK)
    return {
        Kind.KILL_KEEPER: keepers,
        Kind.PAUSE_KEEPER: keepers,
        Kind.STOP_AT_POINT: keepers,
        Kind.KILL_NODE: nodes,
        Kind.PAUSE_NODE: nodes,
        Kind.STOP_NODE: nodes,
        Kind.KILL_WORKER: _named(cluster, f"worker {region}"),
        # All regions share these, so one of them schedules their faults.
        Kind.KILL_MAILBOX: ["mailbox"] if region == cluster.plan.regions[0] else [],
        Kind.KILL_BANK: ["bank"] if region == cluster.plan.regions[0] else [],
        Kind.KILL_REPLICA: _named(cluster, f"replica {region} "),
        Kind.STUTTER: [f"keepers and nodes {region}"],
        Kind.LOSE_REGION: [f"region {region}"],
        **{kind: [f"ledger {region}"] for kind in ledger},
    }


def _masters(cluster: Cluster, region: str) -> dict[Kind, list[str]]:
    """Return the faults of the master and of the links to it; behind Sentinels they are failovers."""
    master = [f"master {region}"]
    if region in cluster.plan.sentinels:
        failovers = (Kind.FAILOVER, Kind.FREEZE_MASTER, Kind.LOSSY_FAILOVER)
        return {
            **dict.fromkeys(failovers, master),
            Kind.KILL_SENTINEL: _named(cluster, f"sentinel {region}"),
            Kind.PARTITION: partition.targets(cluster.plan, region, _named(cluster, f"keeper {region}"))
            if namespace.available()
            else [],
        }
    plain = (
        Kind.KILL_MASTER,
        Kind.PAUSE_MASTER,
        Kind.WIPE_MASTER,
        Kind.OLD_MASTER,
        Kind.FULL_DISK,
        Kind.WIPE_WITHOUT_LEDGER,
        Kind.FLUSH_FUNCTIONS,
        Kind.EVICT_SEATS,
        Kind.FULL_MEMORY,
        *((Kind.STEP_CLOCK,) if faketime_library() is not None else ()),
    )
    links = [f"link {region} {near}" for owner, near in cluster.relays if owner == region]
    feeds = [f"feed {region} {near}" for owner, near in cluster.feeds if owner == region]
    to_master = (Kind.CUT_LINK, Kind.SLOW_LINK, Kind.HALF_OPEN_LINK, Kind.ONE_WAY_LINK)
    of_replica = (Kind.CUT_FEED, Kind.HALF_OPEN_FEED)
    return {**dict.fromkeys(plain, master), **dict.fromkeys(to_master, links), **dict.fromkeys(of_replica, feeds)}
