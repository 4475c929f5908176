"""Questions to a region's ledger, answered by one of its keepers: nodes have no connection to the database.

``tt:queries -> keeper -> ledger -> reply``. A question changes nothing; one that nobody answers in time is lost.
"""

from __future__ import annotations

from typing import Any

import orjson

from realtime import keys, limits
from realtime.errors import Overloaded
from realtime.locks.master import LockMaster
from realtime.locks.replies import new_reply_id, wait_for_result

MAX_WAITING = 1_000
"""Questions that may wait in a region; more are refused as ``overloaded``."""


async def run_query(master: LockMaster, name: str, body: dict[str, Any]) -> Any:
    """Return the answer of a region's keeper; names and bodies are those of ``keeper.queries``.

    Raises the ``TicketError`` that the keeper answered, ``Overloaded``, or ``RegionUnavailable`` when no answer came
    within ``limits.QUERY_TIMEOUT_S``.
    """
    query_id = new_reply_id()
    if int(await master.command("LLEN", keys.QUERIES)) >= MAX_WAITING:
        raise Overloaded(region=master.region)
    question = orjson.dumps({"id": query_id, "name": name, "body": body})
    await master.command("RPUSH", keys.QUERIES, question)
    return await wait_for_result(master, query_id, limits.QUERY_TIMEOUT_S)
