"""Replies of keepers to nodes: to commands, to queries, and to entries of an outbox that the ledger has recorded.

A request carries a reply id that its sender has generated. The keeper pushes its reply to the list ``keys.reply(id)``
on the region's master, as its only element. A reply is ``{"ok": true, "result": ...}`` or ``{"ok": false, "error":
{...}}``.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import orjson
from redis.exceptions import RedisError

from realtime import keys, limits
from realtime.errors import CODES, Overloaded, RegionUnavailable, TicketError
from realtime.locks.master import LockMaster

KEPT_S = 60
"""A reply that nobody reads is deleted after this."""
SLACK_S = 5.0
"""The time-out of the connection that waits for a reply is longer than the wait by this."""


def new_reply_id() -> str:
    """Return an id that no other reply has."""
    return uuid.uuid4().hex


def result(value: Any) -> bytes:
    """Encode a reply that is a result."""
    return orjson.dumps({"ok": True, "result": value})


def refusal(error: TicketError) -> bytes:
    """Encode a reply that is an error."""
    return orjson.dumps({"ok": False, "error": error.payload()})


async def send_reply(master: LockMaster, reply_id: str, reply: bytes) -> None:
    """Send an encoded reply; raises ``RegionUnavailable``."""
    await asyncio.gather(
        master.small_write("RPUSH", keys.reply(reply_id), reply),
        master.command("EXPIRE", keys.reply(reply_id), KEPT_S),
    )


def read_reply(reply: bytes) -> Any:
    """Return the result in a keeper's reply, or raise the ``TicketError`` in it."""
    answer = orjson.loads(reply)
    if answer["ok"]:
        return answer["result"]
    error = answer["error"]
    details = {k: v for k, v in error.items() if k not in ("code", "message", "retryable")}
    raise CODES.get(error["code"], TicketError)(error["message"], **details)


async def wait_for_reply(master: LockMaster, reply_id: str, timeout_s: float) -> bytes | None:
    """Return a keeper's reply, None if none comes within ``timeout_s``.

    Raises ``RegionUnavailable``, or ``Overloaded`` if ``limits.REPLY_WAITS`` others wait already.
    """
    if master.reply_waits >= limits.REPLY_WAITS:
        raise Overloaded(region=master.region)
    master.reply_waits += 1
    try:
        return await _wait(master, reply_id, timeout_s)
    finally:
        master.reply_waits -= 1


async def _wait(master: LockMaster, reply_id: str, timeout_s: float) -> bytes | None:
    # A connection of its own: a blocking read on a shared one would delay the pipelines of buyers.
    try:
        async with master.own_connection(timeout_s + SLACK_S) as redis:
            popped = await redis.execute_command("BLPOP", keys.reply(reply_id), timeout_s)  # type: ignore[no-untyped-call]
    except (RedisError, OSError):
        raise RegionUnavailable(region=master.region) from None
    return None if popped is None else bytes(popped[1])


async def wait_for_result(master: LockMaster, reply_id: str, timeout_s: float) -> Any:
    """Return the result in a keeper's reply.

    Raises the ``TicketError`` in it, ``RegionUnavailable`` if none comes within ``timeout_s``, or ``Overloaded``.
    """
    reply = await wait_for_reply(master, reply_id, timeout_s)
    if reply is None:
        raise RegionUnavailable(region=master.region)
    return read_reply(reply)


async def wait_until_recorded(master: LockMaster, reply_id: str) -> Any:
    """Return the reply that a keeper sends once the ledger has an entry of the outbox.

    Raises the ``TicketError`` in the reply. Raises ``RegionUnavailable`` if no reply comes within
    ``limits.LEDGER_WAIT_S``, or ``Overloaded``: then it is not known whether the ledger will get the entry.
    """
    return await wait_for_result(master, reply_id, limits.LEDGER_WAIT_S)
