"""What happens when: a seed gives the same faults at the same times to the same parts, every time. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The faults. Each heals by itself after a bounded time."""

    KILL_MASTER = "master killed"
    PAUSE_MASTER = "master paused"
    WIPE_MASTER = "master wiped"
    OLD_MASTER = "master gone back in time"
    WIPE_BEHIND_LEDGER = "master wiped without a ledger"
    FULL_DISK = "master's disk full"
    FAILOVER = "failover: master killed"
    FREEZE = "failover: master frozen"
    LOSSY_FAILOVER = "failover: master killed, spares behind"
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
    STOP_NODE = "node stopped kindly"


SECONDS: Mapping[Kind, tuple[float, float]] = {
    Kind.KILL_MASTER: (0.5, 3.0),
    Kind.PAUSE_MASTER: (1.0, 5.0),
    Kind.WIPE_MASTER: (0.5, 2.0),
    Kind.OLD_MASTER: (1.5, 3.0),
    Kind.WIPE_BEHIND_LEDGER: (2.0, 4.0),
    Kind.FULL_DISK: (1.0, 4.0),
    Kind.FAILOVER: (3.0, 6.0),
    Kind.FREEZE: (3.5, 6.0),
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
"""How long each lasts, from and to."""
GAP_S = (2.5, 5.0)
"""Peace in a region between two of its faults."""
MEMORY = frozenset(
    {
        Kind.WIPE_MASTER,
        Kind.OLD_MASTER,
        Kind.WIPE_BEHIND_LEDGER,
        Kind.FAILOVER,
        Kind.FREEZE,
        Kind.LOSSY_FAILOVER,
    }
)
"""After these a master may have forgotten what only it knew: holds, and confirms that were told ``pending``."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: ``at`` and ``seconds`` are seconds, ``at`` from the beginning; ``target`` is the part's name."""

    at: float
    kind: Kind
    region: str
    target: str
    seconds: float


def schedule(
    seed: int, seconds: float, regions: Sequence[str], targets: Mapping[tuple[Kind, str], Sequence[str]]
) -> list[Fault]:
    """Plan the faults of a run; each region has its own, one after the other, so that regions' faults overlap.

    ``targets`` are the parts by (kind, region); a kind without a part in a region does not happen there. All kinds are
    dealt out in turn, so that even a short run has seen each.
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
        lasts = min(rng.uniform(*SECONDS[kind]), max(1.0, seconds - at))
        faults.append(Fault(round(at, 2), kind, region, rng.choice(targets[kind, region]), round(lasts, 2)))
        free_at[region] = at + lasts + rng.uniform(*GAP_S)
