"""Checks the keys of the job queues on a lock master, deletes those that can't be used, and has the jobs added again.

Everything in a queue can be made again from the tasks in the ledger. If a key is lost, at worst something that is done
already is tried again, which changes nothing.
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
        """Both arguments belong to the same region."""
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
