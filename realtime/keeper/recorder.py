"""The record path: outbox -> ledger -> settle (or reject) -> jobs -> acknowledged. Recovery is the same path.

Each step is idempotent and begins after the one before it has succeeded. A keeper that dies between two steps leaves
the entry in the outbox. Another keeper reads it and repeats the steps, which is harmless. ``settle`` notifies the
buyer, so it never comes before the commit. A commit is complete only when the master knows the ledger's new position
(``keeper.position``).
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from redis.exceptions import NoScriptError, RedisError, ResponseError

from realtime import connect, keys
from realtime.errors import RegionUnavailable, TicketError
from realtime.jobs import Jobs
from realtime.keeper.commands import Commands
from realtime.keeper.entries import (
    audit_of,
    given_contact,
    new_booking,
    new_order,
    new_outcome,
    new_refund,
    outcome_of,
    outcome_of_order,
    outcome_of_refund,
    refund_body,
)
from realtime.keeper.outbox import Entry, Outbox
from realtime.keeper.points import reach
from realtime.keeper.refunds import RefundDelivery
from realtime.keeper.settlement import Settlement
from realtime.keeper.side_by_side import side_by_side
from realtime.ledger import (
    Ledger,
    LedgerBehind,
    LedgerUnavailable,
    NewBooking,
    Recorded,
    StaleFencingToken,
    WrongRegion,
)
from realtime.ledger.rows import NewRefund, RefundReason, Result
from realtime.ledger.shows import Shows
from realtime.locks.answers import Fenced, ShowNotReady, decode_record
from realtime.locks.commands import OPERATORS
from realtime.locks.replies import refusal, result, send_reply
from realtime.locks.seats import Sale, SeatLocks
from realtime.model import HoldState, hold_of
from realtime.payments.report import decode_report

log = logging.getLogger(__name__)
TRANSIENT = (
    LedgerUnavailable,
    LedgerBehind,
    StaleFencingToken,
    Fenced,
    WrongRegion,
    RegionUnavailable,
    RedisError,
    OSError,
)
"""Faults that pass by themselves or with a reconciliation; the entry stays in the outbox."""
WEBHOOKS_AT_ONCE = 4
"""Webhooks that are processed at the same time. Each takes several round trips, and a batch may have many."""
MAX_ATTEMPTS = 5
"""An entry becomes a dead letter when the master's function has failed this many times on it."""


class Recorder:
    """Processes the entries of one region's outbox."""

    def __init__(
        self,
        outbox: Outbox,
        ledger: Ledger,
        locks: SeatLocks,
        jobs: Jobs,
        shows: Shows,
        commands: Commands,
        settlement: Settlement,
        refunds: RefundDelivery,
    ) -> None:
        """All arguments belong to the same region."""
        self._outbox = outbox
        self._ledger = ledger
        self._locks = locks
        self._jobs = jobs
        self._shows = shows
        self._commands = commands
        self._settlement = settlement
        self._refunds = refunds
        self._attempts: dict[bytes, int] = {}
        """How often the master's function has failed on an entry, by the entry's id."""
        self._fencing_token = ""
        self._waiting: list[Entry] = []
        """Entries of shows that are not rebuilt yet: they stay in the outbox while the others are processed."""
        self._steps: dict[str, Callable[[Entry], Awaitable[None]]] = {
            "booking": lambda entry: self._record([entry]),
            "command": self._command,
            "refund": self._refund,
            "order": lambda entry: self._order([entry]),
            "webhook": self._webhook,
            "outcome": self._outcome,
            "audit": self._audit,
        }

    async def process(self, entries: Sequence[Entry], fencing_token: str) -> None:
        """Process entries that were read under a fencing token, and acknowledge them.

        Raises one of ``TRANSIENT`` if they must be processed again later.
        """
        self._fencing_token = fencing_token
        self._waiting = []
        refused: list[ResponseError | None] = []
        # Orders first: a booking settles its order.
        for kind, record in (("order", self._order), ("booking", self._record)):
            refused += await self._together([entry for entry in entries if entry.kind == kind], record)
        refused += await self._side_by_side([entry for entry in entries if entry.kind == "webhook"])
        refused += [await self._alone(entry) for entry in entries if entry.kind not in ("order", "booking", "webhook")]
        self._outbox.wait_with(self._waiting)
        for each in refused:
            if each is not None:
                raise each

    async def _together(
        self, entries: list[Entry], record: Callable[[Sequence[Entry]], Awaitable[None]]
    ) -> list[ResponseError | None]:
        """Process entries of one kind in one transaction; return what ``_alone`` returns for each."""
        try:
            await record(entries)
            await self._acknowledge(entries)
            return []
        except Exception as error:
            if _will_pass(error):
                raise
            # At least one of them can't be processed: find out which, and record the others.
            log.exception("a batch of %d entries failed; processing one by one", len(entries))
            return [await self._alone(entry) for entry in entries]

    async def _side_by_side(self, webhooks: Sequence[Entry]) -> list[ResponseError | None]:
        """Process webhooks, those about the same hold in order; return what ``_alone`` returns for each."""
        about: dict[str, list[Entry]] = defaultdict(list)
        for entry in webhooks:
            about[_subject(entry)].append(entry)
        refused: list[ResponseError | None] = []

        async def process(entry: Entry) -> None:
            refused.append(await self._alone(entry))

        await side_by_side(about.values(), process, WEBHOOKS_AT_ONCE)
        return refused

    async def _acknowledge(self, entries: Sequence[Entry]) -> None:
        await self._outbox.acknowledge([entry for entry in entries if entry not in self._waiting])

    async def _alone(self, entry: Entry) -> ResponseError | None:
        """Process one entry, or make it a dead letter; return the master's refusal if it is to be tried again."""
        step = self._steps.get(entry.kind)
        if step is None:
            await self._outbox.move_to_dead_letters(entry, "unknown kind")
            return None
        try:
            await step(entry)
            await self._acknowledge([entry])
        except ShowNotReady:
            self._waiting.append(entry)
            return None
        except Exception as error:
            if _will_pass(error):
                raise
            if isinstance(error, ResponseError) and self._has_attempts_left(entry):
                return error
            log.exception("outbox entry %s becomes a dead letter", entry.id.decode())
            await self._outbox.move_to_dead_letters(entry, f"{type(error).__name__}: {error}")
        self._attempts.pop(entry.id, None)
        return None

    def _has_attempts_left(self, entry: Entry) -> bool:
        self._attempts[entry.id] = self._attempts.get(entry.id, 0) + 1
        return self._attempts[entry.id] < MAX_ATTEMPTS

    # --- bookings -------------------------------------------------------------------------------------------------
    async def _record(self, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        bookings = [await new_booking(entry, self._shows) for entry in entries]
        results = await self._ledger.record(bookings, self._fencing_token)
        reach("record_committed")
        outcomes = list(zip(entries, bookings, results, strict=True))
        of_show: dict[str, list[tuple[NewBooking, Entry]]] = defaultdict(list)
        for entry, booking, ended in outcomes:
            if ended.recorded in (Recorded.NEW, Recorded.ALREADY):
                of_show[booking.show_id].append((booking, entry))
        await asyncio.gather(*(self._settle(show_id, some) for show_id, some in of_show.items()))
        reach("record_settled")
        await self._jobs.add([task for result in results for task in result.tasks])
        for entry, booking, ended in outcomes:
            if ended.recorded is Recorded.REFUSED:
                await self._reject(entry, booking, ended)
            if ended.refund is not None:
                await self._refunds.deliver(ended.refund)
        await self._ledger.save_commands(
            [outcome_of(booking, ended) for _, booking, ended in outcomes if booking.request_id]
        )
        replies = (self._reply(entry, {"refund": refund_body(ended.refund)}) for entry, _booking, ended in outcomes)
        await asyncio.gather(*replies)

    async def _settle(self, show_id: str, recorded: Sequence[tuple[NewBooking, Entry]]) -> None:
        """Mark recorded bookings of one show on the master."""
        try:
            await self._locks.settle(show_id, [_sale(booking, entry) for booking, entry in recorded])
        except ShowNotReady:
            await self._wait_for(show_id, [entry for _booking, entry in recorded])

    async def _wait_for(self, show_id: str, entries: Sequence[Entry]) -> None:
        """Leave entries of a show that is not rebuilt yet for later; an archived show is on no master any more."""
        if not await self._ledger.is_archived(show_id):
            self._waiting += entries

    async def _reject(self, entry: Entry, booking: NewBooking, result: Result) -> None:
        """Free the seats of a booking that the ledger has refused."""
        why = f"its seats are sold to {sorted(set(result.sold.values()))}" if result.sold else "its payment was used"
        log.warning("the ledger refused %s: %s", booking.id, why)
        winners = {seat: hold_of(other) for seat, other in result.sold.items()}
        try:
            await self._locks.reject(hold_of(booking.id), booking.owner, winners)
        except ShowNotReady:
            await self._wait_for(booking.show_id, [entry])

    # --- money ----------------------------------------------------------------------------------------------------
    async def _refund(self, entry: Entry) -> None:
        asked = new_refund(entry)
        refund = await self._ledger.promise_refund(asked, self._fencing_token)
        if refund is not None:
            await self._refunds.deliver(refund)
            if asked.request_id:
                await self._ledger.save_commands([outcome_of_refund(asked, refund)])
            if asked.reason is RefundReason.LOST:
                await self._end_dead_letter(asked)
        await self._reply(entry, {"refund": refund_body(refund)})

    async def _end_dead_letter(self, refunded: NewRefund) -> None:
        """Free the seats of a hold whose booking is a dead letter, and whose payment an operator has returned."""
        blob = await self._locks.master.command("HGET", keys.holds(refunded.show_id), refunded.hold)
        try:
            hold = decode_record(blob or b"")
        except msgspec.MsgspecError:
            return  # there is no record, or a damaged one, without which the show is rebuilt
        if (hold.state, hold.payment) == (HoldState.CONFIRMING, refunded.payment):
            await self._locks.reject(refunded.hold, hold.owner, {})

    async def _order(self, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        given = [contact for entry in entries if (contact := given_contact(entry)) is not None]
        await self._ledger.save_orders([new_order(entry) for entry in entries], given)
        await self._ledger.save_commands([outcome_of_order(entry) for entry in entries if entry.fields.get("request")])
        await asyncio.gather(*(self._reply(entry, {}) for entry in entries))

    async def _webhook(self, entry: Entry) -> None:
        report = decode_report(entry.fields["event"])
        reply = entry.fields.get("reply", "")
        try:
            ours = await self._settlement.on_report(report, reply)
        except TicketError as error:
            if not (reply and error.retryable) or isinstance(error, RegionUnavailable):
                raise
            # The gateway sends it again.
            log.warning("webhook %s: %s", report.event, error)
            await send_reply(self._locks.master, reply, refusal(error))
            return
        if ours is not None:
            await self._ledger.tell_reached()
            await self._reply(entry, {"ours": ours})

    async def _reply(self, entry: Entry, value: dict[str, Any]) -> None:
        if reply := entry.fields.get("reply"):
            await send_reply(self._locks.master, reply, result(value))

    async def _outcome(self, entry: Entry) -> None:
        await self._ledger.save_commands([new_outcome(entry)])

    async def _audit(self, entry: Entry) -> None:
        await self._ledger.add_audit(audit_of(entry))

    # --- commands -------------------------------------------------------------------------------------------------
    async def _command(self, entry: Entry) -> None:
        if await self._outbox.has_earlier_command(entry):
            self._waiting.append(entry)
            return
        fields = entry.fields
        await self._commands.carry_out(
            fields["id"],
            fields["name"],
            fields["body"].encode(),
            fields.get("request", ""),
            self._fencing_token,
            fields.get("owner", OPERATORS),
            entry.id,
        )


def _subject(webhook: Entry) -> str:
    """Return what a webhook is about: webhooks with the same subject are processed in order."""
    try:
        report = decode_report(webhook.fields.get("event", ""))
    except (msgspec.MsgspecError, ValueError):
        return ""  # becomes a dead letter
    return report.hold or report.payment


def _will_pass(error: Exception) -> bool:
    if isinstance(error, ResponseError):
        # The master has answered with an error: true if it can't do this now, false if it never can.
        return connect.not_now(error) or connect.not_permitted(error) or isinstance(error, NoScriptError)
    return isinstance(error, TRANSIENT)


def _sale(booking: NewBooking, entry: Entry) -> Sale:
    seats = tuple(sorted(index for _seat, index in booking.seats))
    return Sale(hold_of(booking.id), booking.owner, seats, booking.payment, entry.id)
