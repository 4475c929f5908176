"""What the record path and the background work of a keeper have in common."""

from __future__ import annotations

from dataclasses import dataclass

from realtime.keeper.outbox import Outbox
from realtime.keeper.settlement import Settlement
from realtime.keeper.task_keeper import TaskKeeper
from realtime.ledger import Ledger
from realtime.ledger.shows import Shows
from realtime.locks.incidents import Incidents
from realtime.locks.master import LockMaster
from realtime.locks.seats import SeatLocks


@dataclass(frozen=True, slots=True)
class SharedParts:
    """Parts of one region. Both sides write to the master under the fence of ``locks``."""

    ledger: Ledger
    master: LockMaster
    locks: SeatLocks
    shows: Shows
    outbox: Outbox
    settlement: Settlement
    task_keeper: TaskKeeper
    incidents: Incidents
