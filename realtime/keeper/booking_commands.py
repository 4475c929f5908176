"""The commands about one booking: ``cancel`` and ``revoke_links``, by its owner or by an operator."""

from __future__ import annotations

import contextlib
from typing import Annotated, Any

import msgspec
import orjson
from msgspec import Meta

from realtime import keys, limits
from realtime.errors import BookingNotFound, CancelTooLate, ShowNotFound
from realtime.jobs import Jobs
from realtime.keeper.refunds import RefundDelivery
from realtime.keeper.show_commands import known_show
from realtime.ledger import Ledger
from realtime.ledger.rows import BookingRow, CancelledBy
from realtime.locks.seats import Sale, SeatLocks
from realtime.model import PLAIN_TEXT, hold_of
from realtime.sales_window import cancel_deadline
from realtime.wire.requests import LongId, parse_json
from realtime.wire.shows import Unreadable


class BookingBody(msgspec.Struct):
    """``owner`` is "" for an operator."""

    booking: LongId
    owner: Annotated[str, Meta(max_length=limits.MAX_ID_LENGTH, pattern=PLAIN_TEXT)] = ""


class BookingCommands:
    """Bookings of one region."""

    def __init__(self, ledger: Ledger, locks: SeatLocks, refunds: RefundDelivery, jobs: Jobs) -> None:
        """All arguments belong to the same region."""
        self._ledger = ledger
        self._locks = locks
        self._refunds = refunds
        self._jobs = jobs

    async def cancel(self, body: bytes, fencing_token: str | None) -> dict[str, Any]:
        """Cancel a booking and return its payment; a cancelled one stays as it is.

        ``fencing_token`` is the one under which the command was read (None: any). Raises ``BookingNotFound``,
        ``CancelTooLate`` (owners only), and what the ledger and the master raise.
        """
        ask = parse_json(BookingBody, body)
        booking = await self._booking(ask)
        now = await self._locks.master.time_ms()
        if ask.owner and booking.cancelled_at is None:
            await self._check_cancel_deadline(booking.show_id, now)
        by = CancelledBy.OWNER if ask.owner else CancelledBy.OPERATOR
        done = await self._ledger.cancel(booking.id, by, now, fencing_token)
        assert done is not None, "bookings are never deleted"
        if await self._is_sold(done.show_id):
            await self._locks.cancel(Sale(hold_of(done.booking), done.owner, done.seats, done.payment))
        else:  # an archived show has no master that would notify the owner
            notice = {"kind": "cancelled", "hold": hold_of(done.booking), "owner": done.owner}
            await self._locks.master.command("PUBLISH", keys.NOTICES, orjson.dumps(notice))
        await self._refunds.deliver(done.refund)
        await self._jobs.add(done.tasks)
        refund = {"payment": done.refund.payment, "amount": done.refund.amount, "state": done.refund.state.value}
        return {
            "booking": {
                "id": done.booking,
                "show": done.show_id,
                "state": "cancelled",
                "cancelled_at": done.at,
                "cancelled_by": done.by.value,
            },
            "refund": refund,
        }

    async def _is_sold(self, show_id: str) -> bool:
        """Return whether the master has a show, or will have it once it is rebuilt."""
        with contextlib.suppress(ShowNotFound, Unreadable):
            await known_show(self._ledger, show_id)
            return True
        return False

    async def _booking(self, ask: BookingBody) -> BookingRow:
        booking = await self._ledger.booking(ask.booking)
        if booking is None or ask.owner not in ("", booking.owner):
            raise BookingNotFound()
        return booking

    async def revoke_links(self, body: bytes, fencing_token: str | None) -> dict[str, Any]:
        """Make the links to a booking's ticket invalid. Raises ``BookingNotFound``, and what the ledger raises."""
        booking = await self._booking(parse_json(BookingBody, body))
        await self._ledger.revoke_links(booking.id, await self._locks.master.time_ms(), fencing_token)
        return {"booking": booking.id}

    async def _check_cancel_deadline(self, show_id: str, now: int) -> None:
        show = await self._ledger.show(show_id)
        assert show is not None, "shows are never deleted"
        if now > (until := cancel_deadline(show)):
            raise CancelTooLate(cancel_until=until)
