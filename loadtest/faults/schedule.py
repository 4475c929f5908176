"""Plans the faults of a run. The same seed gives the same faults, times and targets. No I/O."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
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
}
"""Duration of each kind (s), from and to."""
GAP_S = (2.5, 5.0)
"""Pause between two faults of a region (s), from and to."""
LOSES_DATA = frozenset(
    {
        Kind.WIPE_MASTER,
        Kind.OLD_MASTER,
        Kind.WIPE_WITHOUT_LEDGER,
        Kind.FAILOVER,
        Kind.FREEZE_MASTER,
        Kind.LOSSY_FAILOVER,
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
    seed: int, seconds: float, regions: Sequence[str], targets: Mapping[tuple[Kind, str], Sequence[str]]
) -> list[Fault]:
    """Return the faults of a run. Within a region they follow one another; those of different regions overlap.

    ``targets`` are the parts by (kind, region); a kind without a part in a region does not happen there. Kinds are
    drawn from a shuffled bag, so that even a short run has each of them.
    """
    rng = random.Random(seed)
    free_at = {region: rng.uniform(1.0, 3.0) for region in regions}
    bag: list[Kind] = []
    faults: list[Fault] = []
    while True:
        region = min(free_at, key=lambda name: free_at[name])
        at = free_at[region]
        if at >= seconds:
            return faults
        possible = [kind for kind in bag if targets.get((kind, region))]
        if not possible:
            bag += rng.sample(list(Kind), len(Kind))
            continue
        kind = possible[0]
        bag.remove(kind)
        duration = min(rng.uniform(*SECONDS[kind]), max(1.0, seconds - at))
        faults.append(Fault(round(at, 2), kind, region, rng.choice(targets[kind, region]), round(duration, 2)))
        free_at[region] = at + duration + rng.uniform(*GAP_S)
