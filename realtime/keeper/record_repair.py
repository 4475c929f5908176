"""The command ``repair_record``: replaces an unreadable record by the one that the ledger has, or removes it.

The ledger is authoritative for theatres and shows; directories read the records on the lock master. A record that the
ledger does not have was not made by any command.
"""

from __future__ import annotations

from typing import Any

from realtime import keys
from realtime.errors import BadRequest, HoldConfirmed, NotFound
from realtime.keeper.archive import Archiver
from realtime.keeper.declare import Declarations
from realtime.ledger import Ledger
from realtime.locks.master import LockMaster
from realtime.model import Show
from realtime.wire.requests import RepairRecord, parse_json
from realtime.wire.shows import decode_own_show, decode_theatre, read_records


class RecordRepair:
    """Carries out the command for one region. It may be repeated."""

    def __init__(
        self, region: str, ledger: Ledger, master: LockMaster, archiver: Archiver, declare: Declarations
    ) -> None:
        """All arguments belong to ``region``."""
        self._region = region
        self._ledger = ledger
        self._master = master
        self._archiver = archiver
        self._declarations = declare

    async def repair(self, body: bytes, entry: bytes) -> dict[str, Any]:
        """Carry out the command; ``entry`` is its entry in the outbox.

        Raises ``NotFound``, ``BadRequest``, ``HoldConfirmed``, and what the ledger and the master raise.
        """
        ask = parse_json(RepairRecord, body)
        blob = await self._master.command("HGET", keys.THEATRES if ask.kind == "theatre" else keys.SHOWS, ask.id)
        if blob is None:
            raise NotFound("The lock master has no such record.")
        decode: Any = decode_theatre if ask.kind == "theatre" else decode_own_show(self._region)
        _found, reasons = read_records(decode, [(ask.id.encode(), blob)])
        if not reasons:
            raise BadRequest("This record can be read.")
        written = await (self._theatre(ask.id, entry) if ask.kind == "theatre" else self._show(ask.id, entry))
        return {"kind": ask.kind, "id": ask.id, "written": written}

    async def _theatre(self, theatre_id: str, entry: bytes) -> bool:
        theatre = await self._ledger.theatre(self._region, theatre_id)
        if theatre is not None:
            await self._declarations.declare_theatre(theatre, entry=entry)
        else:
            await self._declarations.remove_theatres([theatre_id], entry=entry)
        return theatre is not None

    async def _show(self, show_id: str, entry: bytes) -> bool:
        show: Show | None = None
        if not await self._ledger.is_archived(show_id):
            show = await self._ledger.show(show_id)
        if show is not None:
            await self._declarations.declare_terms(show, entry=entry)
        elif not await self._archiver.remove([show_id]):
            raise HoldConfirmed("Somebody holds seats of this show; try again when no hold is left.")
        return show is not None
