"""Operators' commands: they travel the record path, so that the ledger has them and an empty master can be rebuilt.

``outbox -> keeper -> ledger -> master -> reply``; the reply is an element of a list on the owning master.
"""

from __future__ import annotations

import uuid
from typing import Any

import orjson
from redis.exceptions import RedisError

from realtime import connect, keys, limits
from realtime.errors import CODES, RegionUnavailable, TicketError
from realtime.locks.master import LockMaster

REPLY_SLACK_S = 5.0
"""The connection that waits for a reply outlives the wait by this."""


async def run_command(master: LockMaster, name: str, body: dict[str, Any], request_id: str = "") -> dict[str, Any]:
    """Have the region's keeper carry out a command; return its result.

    Names and bodies are those of ``keeper.commands``. With ``request_id`` a repeated command gets the answer of the
    first. Raises the ``TicketError`` that the keeper answered, or ``RegionUnavailable`` when no answer came within
    ``limits.COMMAND_TIMEOUT_S``: it may still be carried out then.
    """
    command_id = uuid.uuid4().hex
    entry: list[str | bytes] = ["kind", "command", "id", command_id, "name", name, "body", orjson.dumps(body)]
    if request_id:
        entry += ["request", request_id]
    await master.command("XADD", keys.OUTBOX, "*", *entry)
    reply = await wait_for_reply(master, command_id, limits.COMMAND_TIMEOUT_S)
    if reply is None:
        raise RegionUnavailable("The region's keeper did not answer; the command may still be carried out.")
    result: dict[str, Any] = read_reply(reply)
    return result


def read_reply(reply: bytes) -> Any:
    """Return the result in a keeper's reply, or raise the ``TicketError`` in it."""
    answer = orjson.loads(reply)
    if answer["ok"]:
        return answer["result"]
    error = answer["error"]
    details = {k: v for k, v in error.items() if k not in ("code", "message", "retryable")}
    raise CODES.get(error["code"], TicketError)(error["message"], **details)


async def wait_for_reply(master: LockMaster, reply_id: str, timeout_s: float) -> bytes | None:
    """Return a keeper's reply, None if there is none within the time; raises ``RegionUnavailable``."""
    # A connection of its own: a blocking read on a shared one would delay the pipelines of buyers.
    redis = await master.own_connection(timeout_s + REPLY_SLACK_S)
    try:
        popped = await redis.execute_command("BLPOP", keys.reply(reply_id), timeout_s)  # type: ignore[no-untyped-call]
    except (RedisError, OSError):
        raise RegionUnavailable(region=master.region) from None
    finally:
        await connect.close(redis)
    return None if popped is None else bytes(popped[1])
