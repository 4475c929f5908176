"""The box office: everything a buyer can do with seats, over Socket.IO or HTTP, for shows of any region.

It translates seat ids to indices, calls the owning master, and waits a few seconds for the ledger after a confirm. It
never decides whether a hold or booking succeeds: every answer comes from the owning master or its ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from realtime import limits, wire
from realtime.errors import (
    BadRequest,
    BookingNotFound,
    BookingRejected,
    HoldNotFound,
    SeatNotFound,
    SeatsTaken,
    ShowNotFound,
    TicketError,
)
from realtime.feeds.directory import Directory, SeatIds
from realtime.locks.seats import SeatLocks
from realtime.model import Hold, HoldState, Show, booking_of, hold_of, is_booking_id, is_hold_id, region_of, show_of
from realtime.web.identity import Identities
from realtime.web.payments import PaymentService


class BoxOffice:
    """All requests of a buyer. Each method returns the payload of its answer (without ``ok``)."""

    def __init__(
        self,
        directory: Directory,
        locks: Mapping[str, SeatLocks],
        identities: Identities,
        payments: PaymentService,
    ) -> None:
        """``locks`` maps every region to its seat locks."""
        self._directory = directory
        self._locks = locks
        self._identities = identities
        self._payments = payments
        self.sales = {region: {"holds": 0, "conflicts": 0, "bookings": 0} for region in locks}
        """Counts since the node started, by the region that owns the seats: holds granted, holds refused because seats
        were taken, bookings acknowledged."""
        self._waiting: dict[str, list[asyncio.Future[HoldState]]] = {}

    # --- requests of a buyer --------------------------------------------------------------------------------------
    async def hold(self, owner: str, ask: wire.HoldSeats) -> dict[str, Any]:
        """Hold all of ``ask.seats`` or none."""
        if len(set(ask.seats)) != len(ask.seats):
            raise BadRequest("The same seat is listed twice.")
        show = self._directory.show(ask.show)
        known = await self._directory.seat_ids(show)
        indices = _indices(known, ask.seats)
        hold_id = self._identities.hold_id(show.id, owner, ask.request_id)
        try:
            hold, now = await self._locks[show.region].hold(hold_id, owner, indices)
        except TicketError as error:
            self.sales[show.region]["conflicts"] += isinstance(error, SeatsTaken)
            raise _with_seat_ids(error, known) from None
        self.sales[show.region]["holds"] += 1
        return _hold_payload(hold, known, now)

    async def extend(self, owner: str, hold_id: str) -> dict[str, Any]:
        """Set the deadline of a hold to a full hold time from now."""
        _show, known = await self._show_of(hold_id)
        hold, now = await self._locks_of(hold_id).extend(hold_id, owner)
        return _hold_payload(hold, known, now)

    async def release(self, owner: str, ask: wire.ReleaseSeats) -> dict[str, Any]:
        """Release some seats of a hold, or all; the answer contains ``hold`` when some remain."""
        _show, known = await self._show_of(ask.hold)
        some = None if ask.seats is None else _indices(known, ask.seats)
        try:
            hold = await self._locks_of(ask.hold).release(ask.hold, owner, some)
        except TicketError as error:
            raise _with_seat_ids(error, known) from None
        return {"hold": _hold_body(hold, known)} if hold.state is HoldState.HELD else {}

    async def get(self, owner: str, hold_id: str) -> dict[str, Any]:
        """Return the current state of a hold, to its owner only."""
        _show, known = await self._show_of(hold_id)
        hold, now = await self._locks_of(hold_id).get(hold_id)
        # Not ``not_your_hold``: others must not learn that the hold exists.
        if hold.owner != owner:
            raise HoldNotFound()
        return _hold_payload(hold, known, now)

    async def confirm(self, owner: str, ask: wire.ConfirmHold) -> dict[str, Any]:
        """Book a paid hold. The state is ``booked`` once the ledger has it, ``pending`` after ``CONFIRM_WAIT_S``."""
        show, known = await self._show_of(ask.hold)
        some = None if ask.seats is None else _indices(known, ask.seats)
        await self._payments.verify(ask.hold, ask.payment)
        settled: asyncio.Future[HoldState] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(ask.hold, [])
        waiting.append(settled)
        try:
            try:
                hold = await self._locks_of(ask.hold).confirm(ask.hold, owner, ask.payment, some)
            except TicketError as error:
                raise _with_seat_ids(error, known) from None
            state = hold.state
            if state is HoldState.CONFIRMING:
                state = await self._wait_for_ledger(ask.hold, settled)
        finally:
            waiting.remove(settled)
            if not waiting:
                self._waiting.pop(ask.hold, None)
        if state is HoldState.REJECTED:
            raise BookingRejected()
        self.sales[show.region]["bookings"] += state is HoldState.BOOKED
        return {"booking": _booking_body(hold, known, state)}

    async def booking(self, owner: str, booking_id: str) -> dict[str, Any]:
        """Return a booking (also one that the ledger has not recorded yet), to its owner only."""
        if not is_booking_id(booking_id):
            raise BookingNotFound()
        hold_id = hold_of(booking_id)
        try:
            _show, known = await self._show_of(hold_id)
            hold, _now = await self._locks_of(hold_id).get(hold_id)
        except (HoldNotFound, ShowNotFound):
            raise BookingNotFound() from None
        if hold.owner != owner or hold.state not in (HoldState.CONFIRMING, HoldState.BOOKED):
            raise BookingNotFound()
        return {"booking": _booking_body(hold, known, hold.state)}

    async def settled_booking(self, hold_id: str) -> dict[str, Any] | None:
        """Return the ``booking:settled`` payload for a booking that the ledger has just accepted, None if unknown."""
        try:
            _show, known = await self._show_of(hold_id)
            hold, _now = await self._locks_of(hold_id).get(hold_id)
        except TicketError:
            return None
        return {"booking": _booking_body(hold, known, hold.state)}

    async def require_hold(self, hold_id: str) -> None:
        """Raise ``HoldNotFound`` unless the hold exists; checked before the demo payment service takes a payment."""
        await self._show_of(hold_id)
        await self._locks_of(hold_id).get(hold_id)

    # --- notices from the keepers ---------------------------------------------------------------------------------
    def settled(self, hold_id: str, state: HoldState) -> None:
        """Wake the confirms that wait on this node for the ledger's decision about a hold."""
        for waiter in self._waiting.get(hold_id, ()):
            if not waiter.done():
                waiter.set_result(state)

    async def _wait_for_ledger(self, hold_id: str, settled: asyncio.Future[HoldState]) -> HoldState:
        try:
            return await asyncio.wait_for(settled, limits.CONFIRM_WAIT_S)
        except TimeoutError:
            # The notice may have been lost with a feed, so the master is asked once.
            try:
                return (await self._locks_of(hold_id).get(hold_id))[0].state
            except TicketError:
                return HoldState.CONFIRMING

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


def _indices(known: SeatIds, seats: Sequence[str]) -> list[int]:
    unknown = [seat for seat in seats if seat not in known.index]
    if unknown:
        raise SeatNotFound(seats=unknown)
    return [known.index[seat] for seat in seats]


def _seat_ids(known: SeatIds, indices: Sequence[int]) -> list[str]:
    return [known.ids[index] for index in indices]


def _with_seat_ids(error: TicketError, known: SeatIds) -> TicketError:
    """Replace the seat indices in an error of the lock master by seat ids."""
    if "seats" in error.details:
        error.details["seats"] = _seat_ids(known, error.details["seats"])
    return error


def _hold_body(hold: Hold, known: SeatIds) -> dict[str, Any]:
    return {
        "id": hold.id,
        "show": hold.show,
        "seats": _seat_ids(known, hold.seats),
        "expires_at": hold.expires_at,
        "state": hold.state.value,
        "extensions_left": limits.MAX_EXTENSIONS - hold.extensions,
    }


def _hold_payload(hold: Hold, known: SeatIds, now: int) -> dict[str, Any]:
    return {"hold": _hold_body(hold, known), "server_time": now}


def _booking_body(hold: Hold, known: SeatIds, state: HoldState) -> dict[str, Any]:
    return {
        "id": booking_of(hold.id),
        "hold": hold.id,
        "show": hold.show,
        "seats": _seat_ids(known, hold.seats),
        "state": "booked" if state is HoldState.BOOKED else "pending",
    }
