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
"""Questions of buyers that may wait in a region; more are refused as ``overloaded``. Staff may ask as many again."""


async def run_query(master: LockMaster, name: str, body: dict[str, Any], *, of_buyer: bool = False) -> Any:
    """Return the answer of a region's keeper; names and bodies are those of ``keeper.queries``.

    A buyer's question waits until those of staff are answered. Raises the ``TicketError`` that the keeper answered,
    ``Overloaded``, or ``RegionUnavailable`` when no answer came within ``limits.QUERY_TIMEOUT_S``.
    """
    query_id = new_reply_id()
    if int(await master.command("LLEN", keys.QUERIES)) >= (MAX_WAITING if of_buyer else 2 * MAX_WAITING):
        raise Overloaded(region=master.region)
    question = orjson.dumps({"id": query_id, "name": name, "body": body})
    # Keepers take from the left. Buyers are many, and anybody may be one: a gate must not wait for them.
    await master.command("RPUSH" if of_buyer else "LPUSH", keys.QUERIES, question)
    return await wait_for_result(master, query_id, limits.QUERY_TIMEOUT_S)
