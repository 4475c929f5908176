"""The record path: outbox -> ledger -> settle (or reject) -> jobs -> acknowledged. Recovery is the same path.

Each step is idempotent and comes after the one before it has succeeded, so a crash anywhere means that the entry is
read again and every step is repeated harmlessly. ``settle`` tells the buyer; it never comes before the commit.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from itertools import groupby
from typing import Any

from redis.exceptions import NoScriptError, RedisError, ResponseError

from realtime import connect
from realtime.errors import RegionUnavailable
from realtime.keeper.commands import Commands
from realtime.keeper.jobs import Jobs
from realtime.keeper.outbox import Entry, Outbox
from realtime.keeper.shows import Shows
from realtime.ledger import Ledger, LedgerUnavailable, NewBooking, Recorded, StaleFencingToken
from realtime.ledger.store import Result
from realtime.locks.seats import Sale, SeatLocks
from realtime.model import booking_of, hold_of, show_of

log = logging.getLogger(__name__)
TRANSIENT = (LedgerUnavailable, StaleFencingToken, RegionUnavailable, RedisError, OSError)
"""What will pass, or be put right by a reconciliation; the entry stays where it is."""
MAX_ATTEMPTS = 5
"""An entry that the master refused this often is not worth another try."""


class Recorder:
    """Processes entries of one region's outbox."""

    def __init__(
        self, outbox: Outbox, ledger: Ledger, locks: SeatLocks, jobs: Jobs, shows: Shows, commands: Commands
    ) -> None:
        """All of the same region."""
        self._outbox = outbox
        self._ledger = ledger
        self._locks = locks
        self._jobs = jobs
        self._shows = shows
        self._commands = commands
        self._attempts: dict[bytes, int] = {}
        self._fencing_token = ""

    async def process(self, entries: Sequence[Entry], fencing_token: str) -> None:
        """Process entries that this process of the master delivered, and acknowledge them.

        Raises one of ``TRANSIENT`` when that must be tried again later.
        """
        self._fencing_token = fencing_token
        bookings = [entry for entry in entries if entry.kind == "booking"]
        refused: list[ResponseError | None] = []
        try:
            await self._record(bookings)
        except Exception as error:
            if _will_pass(error):
                raise
            # One of them can't be processed: find out which, and let the others pass.
            log.exception("a batch of %d bookings failed; trying one by one", len(bookings))
            refused += [await self._alone(entry, self._record) for entry in bookings]
        for entry in entries:
            if entry.kind == "command":
                refused.append(await self._alone(entry, self._command))
            elif entry.kind == "refund":
                refused.append(await self._alone(entry, self._refund))
            elif entry.kind != "booking":
                await self._outbox.park(entry, "unknown kind")
        for each in refused:
            if each is not None:
                raise each

    async def _alone(self, entry: Entry, step: Callable[[Sequence[Entry]], Awaitable[None]]) -> ResponseError | None:
        """Process one entry, or set it aside; return the master's refusal if it is to be tried again."""
        try:
            await step([entry])
        except Exception as error:
            if _will_pass(error):
                raise
            if isinstance(error, ResponseError) and self._try_again(entry):
                return error
            log.exception("outbox entry %s is set aside", entry.id.decode())
            await self._outbox.park(entry, f"{type(error).__name__}: {error}")
        self._attempts.pop(entry.id, None)
        return None

    def _try_again(self, entry: Entry) -> bool:
        self._attempts[entry.id] = self._attempts.get(entry.id, 0) + 1
        return self._attempts[entry.id] < MAX_ATTEMPTS

    # --- bookings -------------------------------------------------------------------------------------------------
    async def _record(self, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        bookings = [await self._booking(entry) for entry in entries]
        results = await self._ledger.record(bookings, self._fencing_token)
        outcomes = list(zip(entries, bookings, results, strict=True))
        kept = [(entry, booking) for entry, booking, result in outcomes if result.recorded is not Recorded.REFUSED]
        for show_id, group in groupby(sorted(kept, key=lambda pair: pair[1].show_id), key=lambda pair: pair[1].show_id):
            await self._locks.settle(show_id, [_sale(booking) for _entry, booking in group])
        await self._jobs.booked([_job(booking) for _entry, booking in kept])
        for entry, booking, result in outcomes:
            if result.recorded is Recorded.REFUSED:
                await self._reject(entry, booking, result)
        await self._outbox.done(list(entries))

    async def _booking(self, entry: Entry) -> NewBooking:
        hold = entry.fields["hold"]
        show = await self._shows.show(show_of(hold))
        layout = await self._shows.layout(show.layout)
        seats = [(int(index), layout.seats[int(index)]) for index in entry.fields["seats"].split(",")]
        return NewBooking(
            id=booking_of(hold),
            show_id=show.id,
            owner=entry.fields["owner"],
            seats=tuple((seat.id, index) for index, seat in seats),
            payment=entry.fields["payment"],
            amount=sum(show.prices[seat.category] for _index, seat in seats),
            confirmed_at=int(entry.fields["at"]),
        )

    async def _reject(self, entry: Entry, booking: NewBooking, result: Result) -> None:
        hold = entry.fields["hold"]
        log.warning("the ledger refused %s: its seats are sold to %s", booking.id, sorted(set(result.sold.values())))
        await self._locks.reject(hold, booking.owner, {seat: hold_of(other) for seat, other in result.sold.items()})
        await self._jobs.refund([_refund(entry, "rejected")])

    # --- the others -----------------------------------------------------------------------------------------------
    async def _refund(self, entries: Sequence[Entry]) -> None:
        await self._jobs.refund([_refund(entry, entry.fields["reason"]) for entry in entries])
        await self._outbox.done(list(entries))

    async def _command(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            fields = entry.fields
            await self._commands.carry_out(fields["id"], fields["name"], fields["body"].encode())
        await self._outbox.done(list(entries))


def _will_pass(error: Exception) -> bool:
    if isinstance(error, ResponseError):
        # The master answered: that it can't now, or that it can't do this.
        return connect.not_now(error) or isinstance(error, NoScriptError)
    return isinstance(error, TRANSIENT)


def _sale(booking: NewBooking) -> Sale:
    return Sale(hold_of(booking.id), booking.owner, tuple(sorted(index for _seat, index in booking.seats)))


def _job(booking: NewBooking) -> dict[str, Any]:
    return {
        "booking": booking.id,
        "show": booking.show_id,
        "seats": [seat for seat, _index in booking.seats],
        "owner": booking.owner,
        "amount": booking.amount,
        "payment": booking.payment,
        "confirmed_at": booking.confirmed_at,
    }


def _refund(entry: Entry, reason: str) -> dict[str, Any]:
    fields = entry.fields
    return {"hold": fields["hold"], "owner": fields["owner"], "payment": fields["payment"], "reason": reason}
