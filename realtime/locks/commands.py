"""Commands of operators, gates and buyers. They take the record path: an empty master can be rebuilt from the ledger.

``outbox -> keeper -> ledger -> master -> reply``; the reply is an element of a list on the owning master. A block, and
the new seats of an exchange, are on the master before they are in the ledger (``keeper.commands``).
"""

from __future__ import annotations

from typing import Any

import orjson

from realtime import keys, limits
from realtime.errors import RegionUnavailable
from realtime.locks.entries import append_entry
from realtime.locks.master import LockMaster
from realtime.locks.replies import new_reply_id, read_reply, wait_for_reply

OPERATORS = "ops"
"""The owner of operators' commands."""


async def run_command(
    master: LockMaster, name: str, body: dict[str, Any], request_id: str = "", owner: str = OPERATORS
) -> dict[str, Any]:
    """Have the region's keeper carry out a command; return its result.

    Names and bodies are those of ``keeper.commands``. With ``request_id``, a repeated command of the same owner gets
    the first answer; a different command with this id is refused as ``RequestReused``. Raises the ``TicketError`` that
    the keeper answered. Raises ``Overloaded`` if the outbox is full: then the command is not carried out. Raises
    ``RegionUnavailable`` if no answer came within ``limits.COMMAND_TIMEOUT_S``, or ``Overloaded`` if too many callers
    wait for answers: in both cases the command may still be carried out.
    """
    command_id = new_reply_id()
    entry: dict[str, str | int | bytes] = {
        "kind": "command",
        "id": command_id,
        "name": name,
        "body": orjson.dumps(body),
        **({"request": request_id, "owner": owner} if request_id else {}),
    }
    await append_entry(master, entry, of_buyer=owner != OPERATORS)
    reply = await wait_for_reply(master, command_id, limits.COMMAND_TIMEOUT_S)
    if reply is None:
        raise RegionUnavailable("The region's keeper did not answer; the command may still be carried out.")
    result: dict[str, Any] = read_reply(reply)
    return result


async def declare_layout(master: LockMaster, layout_id: str, blob: bytes, request_id: str = "") -> dict[str, Any]:
    """Have the region's keeper store a layout; return what it answers. It is too big for an entry of the outbox.

    ``blob`` is what ``wire.layouts.encode_layout`` returns. Declaring a layout again has no effect, since its id is its
    hash. Raises what ``run_command`` raises.
    """
    await master.command("SET", keys.layout(layout_id), blob)
    return await run_command(master, "layout", {"id": layout_id}, request_id)
