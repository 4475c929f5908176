"""Looks after the keys of the job queues on a lock master: what can't be used is deleted, and the jobs are added again.

A queue has nothing that the tasks in the ledger don't have. So the loss of a key costs at most that what is done
already is tried once more, which changes nothing.
"""

from __future__ import annotations

import logging

from realtime import keys
from realtime.keeper.task_keeper import TaskKeeper
from realtime.ledger.rows import Queue
from realtime.locks.damage import delete_unusable_of_queues
from realtime.locks.master import LockMaster

log = logging.getLogger(__name__)


class QueueKeys:
    """The keys of one region's queues."""

    def __init__(self, master: LockMaster, task_keeper: TaskKeeper) -> None:
        """Both of the same region."""
        self._master = master
        self._task_keeper = task_keeper

    async def turn(self) -> None:
        """Delete keys that can't be used, and have the jobs added again. Raises ``RegionUnavailable``."""
        found = await delete_unusable_of_queues(self._master, tuple(Queue))
        if found:
            log.error(
                "%s: deleted on the lock master, because no queue can use it: %s",
                self._master.region,
                ", ".join(found.values()),
            )
            await self._master.small_write("INCRBY", keys.DAMAGED, len(found))
            self._task_keeper.all_due = True
