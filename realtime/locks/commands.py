"""OpsAccess' commands: they travel the record path, so that the ledger knows of them before a master does.

``outbox -> keeper -> ledger -> master -> reply``; the reply comes back on a list of the owning master.
"""

from __future__ import annotations

import uuid
from typing import Any

import orjson
from redis.exceptions import RedisError

from realtime import connect, keys, limits
from realtime.errors import CODES, RegionUnavailable, TicketError
from realtime.locks.master import LockMaster


async def run_command(master: LockMaster, name: str, body: dict[str, Any]) -> dict[str, Any]:
    """Have the region's keeper carry out a command; return its result.

    Names and bodies stand in ``realtime/keeper/commands.py``. Raises the ``TicketError`` that the keeper answered, or
    ``RegionUnavailable`` when no answer came within ``limits.COMMAND_TIMEOUT_S``: it may still be carried out then.
    """
    command_id = uuid.uuid4().hex
    entry = ("kind", "command", "id", command_id, "name", name, "body", orjson.dumps(body))
    await master.command("XADD", keys.OUTBOX, "*", *entry)
    answer = orjson.loads(await _reply(master, command_id))
    if answer["ok"]:
        result: dict[str, Any] = answer["result"]
        return result
    error = answer["error"]
    details = {k: v for k, v in error.items() if k not in ("code", "message", "retryable")}
    raise CODES.get(error["code"], TicketError)(error["message"], **details)


async def _reply(master: LockMaster, command_id: str) -> bytes:
    # A connection of its own: a blocking read must not hold up the pipelines of buyers.
    redis = await master.own_connection(limits.COMMAND_TIMEOUT_S + 5)
    try:
        popped = await redis.execute_command(  # type: ignore[no-untyped-call]
            "BLPOP", keys.reply(command_id), limits.COMMAND_TIMEOUT_S
        )
    except (RedisError, OSError):
        raise RegionUnavailable(region=master.region) from None
    finally:
        await connect.close(redis)
    if popped is None:
        raise RegionUnavailable("The region's keeper did not answer; the command may still be carried out.")
    blob: bytes = popped[1]
    return blob
