"""Sends actions of staff to the audit log in a region's ledger, through the region's outbox."""

from __future__ import annotations

import uuid

from realtime.clock import now_ms
from realtime.locks.entries import append_entry
from realtime.locks.master import LockMaster
from realtime.staff import Principal


async def append_audit(
    master: LockMaster,
    principal: Principal,
    action: str,
    subject: str,
    *,
    address: str = "",
    detail: str = "",
    status: int = 0,
) -> None:
    """Append an entry; a keeper records it. Raises ``RegionUnavailable``, or ``Overloaded`` if the outbox is full."""
    fields: dict[str, str | int] = {
        "kind": "audit",
        "id": uuid.uuid4().hex,
        "at": now_ms(),
        "who": principal.name,
        "role": principal.role.value,
        "token": principal.token,
        "address": address,
        "action": action,
        "subject": subject,
        "detail": detail,
        "status": status,
    }
    await append_entry(master, fields)
