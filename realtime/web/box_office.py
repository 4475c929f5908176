"""The box office: everything a buyer can do with seats, over Socket.IO or HTTP, for shows of any region.

It translates seat ids to indices, calls the owning master, and waits a few seconds for the ledger after a confirm. It
never decides whether a hold or booking succeeds: every answer comes from the owning master or its ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from realtime import limits
from realtime.errors import (
    BadRequest,
    BookingNotFound,
    HoldNotFound,
    SeatsTaken,
    ShowNotFound,
    TicketError,
)
from realtime.feeds.directory import Directory, SeatIds
from realtime.locks.seats import SeatLocks
from realtime.model import HoldState, Show, hold_of, is_booking_id, is_hold_id, region_of, show_of
from realtime.web import bodies
from realtime.web.address_keys import AddressKeys
from realtime.web.address_pace import AddressPace
from realtime.web.challenge import Pressure
from realtime.web.identity import Identities
from realtime.wire.requests import ExtendHold, HoldSeats, ReleaseSeats

BOOKED = (HoldState.CONFIRMING, HoldState.BOOKED, HoldState.CANCELLED)
"""The states of a hold that has become a booking."""


class BoxOffice:
    """All requests of a buyer. Each method returns the payload of its answer (without ``ok``)."""

    def __init__(
        self,
        directory: Directory,
        locks: Mapping[str, SeatLocks],
        identities: Identities,
        address_keys: AddressKeys,
        pressure: Pressure | None = None,
    ) -> None:
        """``locks`` maps every region to its seat locks. Without ``pressure``, nobody has to solve a challenge."""
        self._directory = directory
        self._locks = locks
        self._identities = identities
        self._address_keys = address_keys
        self._pressure = pressure
        # An address can hold few seats at a time, but it could take and release them again and again. Each hold leaves
        # a record on the master for minutes, and an outcome in the ledger for a week, which goes through the outbox
        # ahead of others' bookings.
        self._pace = AddressPace(limits.ADDRESS_HOLDS_BURST, limits.ADDRESS_HOLDS_PER_S)
        self.sales = {region: {"holds": 0, "conflicts": 0, "bookings": 0} for region in locks}
        """Counts since the node started, by the region that owns the seats: holds granted, holds refused because seats
        were taken, bookings acknowledged."""

    # --- requests of a buyer --------------------------------------------------------------------------------------
    async def hold(self, owner: str, ask: HoldSeats, address: str, kiosk: str = "") -> dict[str, Any]:
        """Hold all of ``ask.seats`` or none, for a client at a network address; ``kiosk`` is its id if it is a kiosk.

        Raises ``AddressRateLimited`` if the address asks for too many holds.
        """
        if len(set(ask.seats)) != len(ask.seats):
            raise BadRequest("The same seat is listed twice.")
        show = self._directory.show(ask.show)
        known = await self._directory.seat_ids(show)
        indices = bodies.seat_indices(known, ask.seats)
        hold_id = self._identities.hold_id(show.id, owner, ask.request_id)
        name, locks = self._address_keys.of_client(address, kiosk), self._locks[show.region]
        self._pace.take(name)
        if self._pressure is not None:
            await self._pressure.check_hold(locks.master, show.id, owner, hold_id, name, ask.challenge)
        try:
            hold, now = await locks.hold(hold_id, owner, indices, name)
        except TicketError as error:
            self.sales[show.region]["conflicts"] += isinstance(error, SeatsTaken)
            raise bodies.with_seat_ids(error, known) from None
        self.sales[show.region]["holds"] += 1
        return {"hold": bodies.hold_body(hold, show, known), "server_time": now}

    async def extend(self, owner: str, ask: ExtendHold) -> dict[str, Any]:
        """Set the deadline of a hold to a full hold time from now."""
        show, known = await self._show_of(ask.hold)
        hold, now = await self._locks_of(ask.hold).extend(ask.hold, owner, ask.request_id)
        return {"hold": bodies.hold_body(hold, show, known), "server_time": now}

    async def release(self, owner: str, ask: ReleaseSeats) -> dict[str, Any]:
        """Release some seats of a hold, or all; the answer contains ``hold`` when some remain."""
        show, known = await self._show_of(ask.hold)
        some = None if ask.seats is None else bodies.seat_indices(known, ask.seats)
        try:
            hold = await self._locks_of(ask.hold).release(ask.hold, owner, some, ask.request_id)
        except TicketError as error:
            raise bodies.with_seat_ids(error, known) from None
        return {"hold": bodies.hold_body(hold, show, known)} if hold.state is HoldState.HELD else {}

    async def get(self, owner: str, hold_id: str) -> dict[str, Any]:
        """Return the current state of a hold, to its owner only."""
        show, known = await self._show_of(hold_id)
        hold, now = await self._locks_of(hold_id).get(hold_id)
        # Answered like a hold that does not exist; ``not_your_hold`` is only for requests that would change it.
        if hold.owner != owner:
            raise HoldNotFound()
        return {"hold": bodies.hold_body(hold, show, known), "server_time": now}

    async def booking(self, owner: str, booking_id: str) -> dict[str, Any]:
        """Return a booking, even if it is not recorded yet or is cancelled, to its owner only."""
        if not is_booking_id(booking_id):
            raise BookingNotFound()
        hold_id = hold_of(booking_id)
        try:
            _show, known = await self._show_of(hold_id)
            hold, _now = await self._locks_of(hold_id).get(hold_id)
        except (HoldNotFound, ShowNotFound):
            raise BookingNotFound() from None
        if hold.owner != owner or hold.state not in BOOKED:
            raise BookingNotFound()
        return {"booking": bodies.booking_body(hold, known, hold.state)}

    def count_booking(self, region: str) -> None:
        """Count a booking that its buyer was answered."""
        self.sales[region]["bookings"] += 1

    # --- routing --------------------------------------------------------------------------------------------------
    async def _show_of(self, hold_id: str) -> tuple[Show, SeatIds]:
        if not is_hold_id(hold_id):
            raise HoldNotFound()
        try:
            show = self._directory.show(show_of(hold_id))
        except ShowNotFound:
            raise HoldNotFound() from None
        return show, await self._directory.seat_ids(show)

    def _locks_of(self, hold_id: str) -> SeatLocks:
        return self._locks[region_of(hold_id)]
