"""Plans the faults of a run. The same seed gives the same faults, times and targets. No I/O."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The kinds of faults. Each is healed by the injector after a bounded time."""

    KILL_MASTER = "master killed"
    PAUSE_MASTER = "master paused"
    WIPE_MASTER = "master wiped"
    OLD_MASTER = "master restarted with old data"
    WIPE_WITHOUT_LEDGER = "master wiped, ledger unavailable"
    FULL_DISK = "master's disk full"
    FAILOVER = "failover: master killed"
    FREEZE_MASTER = "failover: master frozen"
    LOSSY_FAILOVER = "failover: master killed, spares lagging"
    KILL_SENTINEL = "sentinel killed"
    KILL_REPLICA = "replica killed"
    CUT_FEED = "link of a replica cut"
    CUT_LINK = "link to a master cut"
    SLOW_LINK = "link to a master slow"
    LOCK_LEDGER = "ledger locked"
    CUT_LEDGER = "link to a ledger cut"
    KILL_KEEPER = "keeper killed"
    PAUSE_KEEPER = "keeper paused"
    KILL_NODE = "node killed"
    PAUSE_NODE = "node paused"
    STOP_NODE = "node stopped gracefully"
    KILL_WORKER = "worker killed"
    KILL_MAILBOX = "mail server killed"
    KILL_BANK = "bank killed"
    HALF_OPEN_LINK = "link to a master half-open"
    ONE_WAY_LINK = "link to a master one-way"
    HALF_OPEN_FEED = "link of a replica half-open"
    HALF_OPEN_LEDGER = "link to a ledger half-open"
    STUTTER = "processes stopped and continued"
    FLUSH_FUNCTIONS = "functions flushed"
    EVICT_SEATS = "seats of a show deleted"
    FULL_MEMORY = "master's memory full"
    LOSE_REGION = "region gone"
    STEP_CLOCK = "master's clock stepped"
    PARTITION = "partition: master, keeper, node cut off"
    LEDGER_SET_BACK = "ledger set back"
    STOP_AT_POINT = "keeper stopped at a named point"

    @property
    def option(self) -> str:
        """Its name on the command line."""
        return self.name.lower().replace("_", "-")


OPTIONAL = frozenset(
    {
        Kind.HALF_OPEN_FEED,
        Kind.FLUSH_FUNCTIONS,
        Kind.EVICT_SEATS,
        Kind.FULL_MEMORY,
        Kind.LOSE_REGION,
        Kind.STEP_CLOCK,
        Kind.LEDGER_SET_BACK,
        Kind.STOP_AT_POINT,
    }
)
"""Kinds that happen only if they are asked for by name."""

SECONDS: Mapping[Kind, tuple[float, float]] = {
    Kind.KILL_MASTER: (0.5, 3.0),
    Kind.PAUSE_MASTER: (1.0, 5.0),
    Kind.WIPE_MASTER: (0.5, 2.0),
    Kind.OLD_MASTER: (1.5, 3.0),
    Kind.WIPE_WITHOUT_LEDGER: (2.0, 4.0),
    Kind.FULL_DISK: (1.0, 4.0),
    Kind.FAILOVER: (3.0, 6.0),
    Kind.FREEZE_MASTER: (3.5, 6.0),
    Kind.LOSSY_FAILOVER: (3.0, 6.0),
    Kind.KILL_SENTINEL: (1.0, 4.0),
    Kind.KILL_REPLICA: (1.0, 4.0),
    Kind.CUT_FEED: (1.0, 5.0),
    Kind.CUT_LINK: (1.0, 5.0),
    Kind.SLOW_LINK: (2.0, 5.0),
    Kind.LOCK_LEDGER: (2.0, 8.0),
    Kind.CUT_LEDGER: (2.0, 8.0),
    Kind.KILL_KEEPER: (1.0, 5.0),
    Kind.PAUSE_KEEPER: (1.0, 6.0),
    Kind.KILL_NODE: (1.0, 4.0),
    Kind.PAUSE_NODE: (1.0, 5.0),
    Kind.STOP_NODE: (0.5, 2.0),
    Kind.KILL_WORKER: (1.0, 5.0),
    Kind.KILL_MAILBOX: (1.0, 5.0),
    Kind.KILL_BANK: (1.0, 5.0),
    Kind.HALF_OPEN_LINK: (2.0, 6.0),
    Kind.ONE_WAY_LINK: (2.0, 6.0),
    Kind.HALF_OPEN_FEED: (2.0, 6.0),
    Kind.HALF_OPEN_LEDGER: (2.0, 8.0),
    Kind.STUTTER: (4.0, 8.0),
    Kind.FLUSH_FUNCTIONS: (1.0, 3.0),
    Kind.EVICT_SEATS: (1.0, 3.0),
    Kind.FULL_MEMORY: (2.0, 5.0),
    Kind.LOSE_REGION: (9.0, 12.0),
    Kind.STEP_CLOCK: (2.0, 4.0),
    Kind.PARTITION: (5.0, 10.0),
    Kind.LEDGER_SET_BACK: (40.0, 50.0),
    Kind.STOP_AT_POINT: (6.0, 10.0),
}
"""Duration of each kind (s), from and to."""
GAP_S = (2.5, 5.0)
"""Pause between two faults of a region (s), from and to."""
OVERLAP = 0.4
"""Share of the faults that begin while another of their region lasts."""
TOUCHES: Mapping[Kind, frozenset[str]] = {
    Kind.KILL_SENTINEL: frozenset({"sentinel"}),
    Kind.KILL_REPLICA: frozenset({"replica"}),
    Kind.CUT_FEED: frozenset({"feed"}),
    Kind.HALF_OPEN_FEED: frozenset({"feed"}),
    Kind.CUT_LINK: frozenset({"link"}),
    Kind.SLOW_LINK: frozenset({"link"}),
    Kind.HALF_OPEN_LINK: frozenset({"link"}),
    Kind.ONE_WAY_LINK: frozenset({"link"}),
    Kind.LOCK_LEDGER: frozenset({"ledger"}),
    Kind.CUT_LEDGER: frozenset({"ledger"}),
    Kind.HALF_OPEN_LEDGER: frozenset({"ledger"}),
    Kind.KILL_KEEPER: frozenset({"keeper"}),
    Kind.PAUSE_KEEPER: frozenset({"keeper"}),
    Kind.KILL_NODE: frozenset({"node"}),
    Kind.PAUSE_NODE: frozenset({"node"}),
    Kind.STOP_NODE: frozenset({"node"}),
    Kind.KILL_WORKER: frozenset({"worker"}),
    Kind.KILL_MAILBOX: frozenset({"mailbox"}),
    Kind.KILL_BANK: frozenset({"bank"}),
    Kind.STUTTER: frozenset({"keeper", "node"}),
    Kind.OLD_MASTER: frozenset({"master", "keeper"}),
    Kind.WIPE_WITHOUT_LEDGER: frozenset({"master", "ledger"}),
    Kind.LEDGER_SET_BACK: frozenset({"master", "ledger", "keeper", "worker"}),
    Kind.STOP_AT_POINT: frozenset({"master", "ledger", "keeper"}),
    Kind.LOSE_REGION: frozenset({"master", "keeper", "node", "replica", "sentinel", "worker"}),
    Kind.PARTITION: frozenset({"master", "keeper", "node"}),
}
"""Parts that a fault touches; the master by default. Two faults at a time never touch the same part."""
LOSES_DATA = frozenset(
    {
        Kind.WIPE_MASTER,
        Kind.OLD_MASTER,
        Kind.WIPE_WITHOUT_LEDGER,
        Kind.FAILOVER,
        Kind.FREEZE_MASTER,
        Kind.LOSSY_FAILOVER,
        Kind.STEP_CLOCK,
        Kind.PARTITION,
    }
)
"""Faults after which a master may have lost what only it had: holds, and confirms that were answered ``pending``."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: ``at`` (s from the beginning), ``seconds`` (duration); ``target`` is the name of the part."""

    at: float
    kind: Kind
    region: str
    target: str
    seconds: float


def schedule(
    seed: int,
    seconds: float,
    regions: Sequence[str],
    targets: Mapping[tuple[Kind, str], Sequence[str]],
    kinds: Collection[Kind] = frozenset(Kind) - OPTIONAL,
) -> list[Fault]:
    """Return the faults of a run, in the order of time. Those of different regions overlap; within a region two at most
    last at a time, and they touch different parts.

    ``targets`` are the parts by (kind, region); a kind without a part in a region does not happen there. Kinds are
    drawn from a shuffled bag of ``kinds``. Those that did not happen yet come first, and of these the ones that the
    fewest regions can have. So a minute has each kind if it has time for so many faults, as nearly every seed leaves.
    """
    rng = random.Random(seed)
    every = [kind for kind in Kind if kind in kinds and any(targets.get((kind, region)) for region in regions)]
    hit = [region for region in regions if any(targets.get((kind, region)) for kind in every)]
    free_at = {region: rng.uniform(1.0, 3.0) for region in hit}
    places = {kind: sum(bool(targets.get((kind, region))) for region in regions) for kind in every}
    last: dict[str, Fault] = {}
    bag: list[Kind] = []
    faults: list[Fault] = []
    while free_at:
        region = min(free_at, key=lambda name: free_at[name])
        at = free_at[region]
        if at >= seconds:
            break
        if not any(targets.get((kind, region)) for kind in bag):
            bag += rng.sample(every, len(every))
        possible = [kind for kind in bag if targets.get((kind, region)) and not _collides(kind, last.get(region), at)]
        if not possible:
            free_at[region] += GAP_S[0]
            continue
        kind = _next_kind(possible, faults, places)
        bag.remove(kind)
        duration = min(rng.uniform(*SECONDS[kind]), max(1.0, seconds - at))
        fault = Fault(round(at, 2), kind, region, rng.choice(targets[kind, region]), round(duration, 2))
        faults.append(fault)
        before = last.get(region)
        before_ends = 0.0 if before is None else before.at + before.seconds
        if rng.random() < OVERLAP and before_ends < at:
            free_at[region] = at + rng.uniform(0.2, 0.8) * duration
        else:
            free_at[region] = max(at + duration, before_ends) + rng.uniform(*GAP_S)
        if at + duration > before_ends:
            last[region] = fault
    return faults


def _next_kind(possible: Sequence[Kind], faults: Sequence[Fault], places: Mapping[Kind, int]) -> Kind:
    """Return a kind that has not happened yet, of these one of the fewest regions; the first if all have happened."""
    happened = {fault.kind for fault in faults}
    missing = [kind for kind in possible if kind not in happened]
    return min(missing, key=lambda kind: places[kind]) if missing else possible[0]


def _collides(kind: Kind, other: Fault | None, at: float) -> bool:
    """Return whether a fault may not begin at ``at``, because another touches one of its parts until then or later."""
    if other is None or other.at + other.seconds + GAP_S[0] < at:
        return False
    return bool(parts_of(kind) & parts_of(other.kind))


def parts_of(kind: Kind) -> frozenset[str]:
    """Return the parts that a kind of fault touches."""
    return TOUCHES.get(kind, frozenset({"master"}))
