"""Appends entries to a region's outbox that are not the result of a function on a hold.

While the ledger is unavailable, no entry leaves the outbox, and the master's memory is limited. So once the outbox has
``limits.OUTBOX_LIMIT`` entries, further ones are refused before anything is written. The functions ``tt_order`` and
``tt_confirm`` compare the same limit.
"""

from __future__ import annotations

from collections.abc import Mapping

from realtime import connect, keys, limits
from realtime.errors import Overloaded
from realtime.locks.master import LockMaster


async def append_entry(master: LockMaster, fields: Mapping[str, str | int | bytes], *, of_buyer: bool = False) -> None:
    """Append an entry; raise ``Overloaded`` if too many are waiting, or ``RegionUnavailable``.

    Entries that are appended at the same moment may together exceed the limit.
    """
    limit = limits.OUTBOX_LIMIT if of_buyer else limits.OUTBOX_STAFF_LIMIT
    if int(await master.command("XLEN", keys.OUTBOX)) >= limit:
        raise Overloaded("Too much waits for the records of this region. Try again in a minute.", region=master.region)
    await master.command("XADD", keys.OUTBOX, "*", *connect.flat(fields))
