"""Queries to a region's ledger, answered by one of its keepers: nodes have no connection to the database.

``tt:queries`` or ``tt:queries:staff -> keeper -> ledger -> reply``. A query changes nothing; if it is not answered
in time, it is dropped.
"""

from __future__ import annotations

from typing import Any

import orjson

from realtime import keys, limits
from realtime.errors import Overloaded
from realtime.locks.master import LockMaster
from realtime.locks.replies import new_reply_id, wait_for_result

MAX_WAITING = 1_000
"""How many queries of buyers, and of staff, may wait in a region; further ones are refused as ``overloaded``."""


async def run_query(master: LockMaster, name: str, body: dict[str, Any], *, of_buyer: bool = False) -> Any:
    """Return the answer of a region's keeper; names and bodies are those of ``keeper.queries``.

    A buyer's query waits until those of staff are answered. Raises the ``TicketError`` that the keeper answered,
    ``Overloaded``, or ``RegionUnavailable`` when no answer came within ``limits.QUERY_TIMEOUT_S``.
    """
    query_id = new_reply_id()
    # There are many buyers, and anybody may be one. A gate must not wait for them.
    waiting = keys.QUERIES if of_buyer else keys.STAFF_QUERIES
    if int(await master.command("LLEN", waiting)) >= MAX_WAITING:
        raise Overloaded(region=master.region)
    await master.command("RPUSH", waiting, orjson.dumps({"id": query_id, "name": name, "body": body}))
    return await wait_for_result(master, query_id, limits.QUERY_TIMEOUT_S)
