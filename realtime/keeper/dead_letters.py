"""Dead letters: entries of the outbox that no keeper could process, and what an operator can do with them."""

from __future__ import annotations

from typing import Any

import msgspec

from realtime import connect, keys
from realtime.clock import now_ms
from realtime.errors import BadRequest, NotFound
from realtime.locks.master import LockMaster
from realtime.wire.requests import Id, parse_json

_ADDED = ("entry_id", "reason")
"""Fields that only a dead letter has."""


class _Body(msgspec.Struct):
    id: Id


class DeadLetters:
    """Retries and refunds the dead letters of one region."""

    def __init__(self, master: LockMaster) -> None:
        """``master`` is the region's."""
        self._master = master

    async def retry(self, body: bytes) -> dict[str, Any]:
        """Put a dead letter back into the outbox; every step of its processing may be repeated."""
        entry_id, fields = await self._take(body)
        await self._move(entry_id, {name: value for name, value in fields.items() if name not in _ADDED})
        return {"id": entry_id, "kind": fields.get("kind", "")}

    async def refund(self, body: bytes) -> dict[str, Any]:
        """Refund the payment in a dead letter. If it has its booking or its refund already, it gets no second one."""
        entry_id, fields = await self._take(body)
        if not fields.get("payment") or not fields.get("hold"):
            raise BadRequest("This dead letter has no payment.")
        kept = ("hold", "owner", "payment", "amount", "order", "request", "contact")
        refund = {name: fields[name] for name in kept if fields.get(name)}
        await self._move(entry_id, {"kind": "refund", **refund, "at": str(now_ms()), "reason": "lost"})
        return {"id": entry_id, "payment": fields["payment"]}

    async def _take(self, body: bytes) -> tuple[str, dict[str, str]]:
        entry_id = parse_json(_Body, body).id
        if not all(part.isascii() and part.isdigit() and len(part) < 20 for part in entry_id.split("-", 1)):
            raise NotFound("There is no dead letter with this id.")
        found = await self._master.command("XRANGE", keys.DEAD_LETTERS, entry_id, entry_id)
        if not found:
            raise NotFound("There is no dead letter with this id.")
        return entry_id, connect.text_fields(found[0][1])

    async def _move(self, entry_id: str, fields: dict[str, str]) -> None:
        await self._master.small_write("XADD", keys.OUTBOX, "*", *connect.flat(fields))
        await self._master.command("XDEL", keys.DEAD_LETTERS, entry_id)
