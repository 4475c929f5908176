"""Sends buyers' queries and commands to keepers: few at a time per region, and addresses take turns.

Anybody may have as many identities as they like. Without these limits, the queries of one machine could make gates,
operators and all other buyers wait for the keepers, and use up the node's connections that wait for answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from realtime import keys, limits
from realtime.errors import BookingNotFound
from realtime.locks.answers import decode_record
from realtime.locks.commands import run_command
from realtime.locks.master import LockMaster
from realtime.locks.queries import run_query
from realtime.model import HoldState, hold_of, show_of
from realtime.web.address_keys import AddressKeys
from realtime.web.address_pace import AddressPace
from realtime.web.fair_turns import FairTurns
from realtime.web.gather import ask_all, master_of_booking

WAIT_S = limits.QUERY_TIMEOUT_S
"""How long a request may wait for its turn; the answer may take as long again."""


class Buyers:
    """Queries and commands of buyers. All methods raise ``Overloaded`` if too many of an address are waiting."""

    def __init__(self, masters: Mapping[str, LockMaster], address_keys: AddressKeys) -> None:
        """``masters`` maps every region to its lock master."""
        self._masters = masters
        self._address_keys = address_keys
        self._pace = AddressPace(limits.ADDRESS_COMMANDS_BURST, limits.ADDRESS_COMMANDS_PER_S)
        self._queries = {region: FairTurns(limits.BUYERS_QUERIES) for region in masters}
        self._commands = {region: FairTurns(limits.BUYERS_COMMANDS) for region in masters}
        self.searches = {region: FairTurns(1) for region in masters}
        """For requests that search every show of a region."""

    async def ask(self, master: LockMaster, name: str, body: dict[str, Any], address: str) -> Any:
        """Return the answer of a region's keeper; raises what ``run_query`` raises."""
        async with self._queries[master.region].turn(address, WAIT_S):
            return await run_query(master, name, body, of_buyer=True)

    async def booking(self, booking: str, address: str) -> dict[str, Any] | None:
        """Return a booking from the ledger, or None. Raises ``BookingNotFound`` if the id names no region."""
        found: dict[str, Any] | None = await self.ask(
            master_of_booking(self._masters, booking), "booking", {"booking": booking}, address
        )
        return found

    async def ask_all(self, name: str, body: dict[str, Any], address: str) -> tuple[dict[str, Any], list[str]]:
        """Ask all regions; see ``gather.ask_all``."""

        async def ask(master: LockMaster, name: str, body: dict[str, Any]) -> Any:
            return await self.ask(master, name, body, address)

        return await ask_all(self._masters, name, body, ask)

    async def command(self, name: str, booking: str, request_id: str, owner: str, address: str) -> dict[str, Any]:
        """Have a region's keeper carry out a command about a booking of an owner; raises what ``run_command`` raises.

        A command goes through the outbox and the ledger, like bookings. So a command about a booking that does not
        exist, or belongs to another owner, is not sent: raises ``BookingNotFound``. Raises ``AddressRateLimited`` for
        an address that asks too often.
        """
        self._pace.take(self._address_keys.of(address))
        master = master_of_booking(self._masters, booking)
        if not await self._has(owner, booking, master):
            found = await self.booking(booking, address)
            if found is None or found["owner"] != owner:
                raise BookingNotFound()
        async with self._commands[master.region].turn(address, WAIT_S):
            return await run_command(master, name, {"booking": booking, "owner": owner}, request_id, owner)

    async def _has(self, owner: str, booking: str, master: LockMaster) -> bool:
        """Return whether the lock master has a booking of an owner; it may have it before the ledger does."""
        hold = hold_of(booking)
        blob = await master.command("HGET", keys.holds(show_of(hold)), hold)
        try:
            record = decode_record(blob or b"")
        except msgspec.MsgspecError:
            return False  # there is no record, or a damaged one
        booked = record.state in (HoldState.CONFIRMING, HoldState.BOOKED) or record.cancelled
        return booked and record.owner == owner
