"""The checkout: what comes of the payments of holds; ``orders`` are made before.

Once the gateway has confirmed a payment, it becomes a booking or a refund, whatever the buyer is answered: the lock
master sends it to the ledger in the same step in which it decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from realtime import limits
from realtime.contact import encode_contact
from realtime.errors import (
    BookingCancelled,
    BookingRejected,
    HoldEnded,
    HoldLost,
    HoldNotFound,
    NotYourHold,
    Overloaded,
    PaymentRefused,
    RegionUnavailable,
    SeatNotFound,
    SeatsTaken,
    TicketError,
)
from realtime.feeds.directory import Directory, SeatIds
from realtime.locks.deadlines import keep_for_retry, while_kept
from realtime.locks.entries import append_entry
from realtime.locks.equal_seats import free_equal_blocks
from realtime.locks.holds import PaymentProof
from realtime.locks.replies import new_reply_id, wait_until_recorded
from realtime.locks.seats import SeatLocks
from realtime.model import Hold, HoldState, Show, is_hold_id, region_of
from realtime.payments.errors import PaymentMismatch
from realtime.payments.report import PaymentReport, encode_report
from realtime.payments.service import (
    PaymentService,
    VerifiedPayment,
    WebhookEvent,
)
from realtime.payments.status import PaymentState
from realtime.web import bodies
from realtime.web.address_keys import AddressKeys
from realtime.web.orders import FREE, Orders, show_of_hold
from realtime.wire.layouts import decode_layout
from realtime.wire.requests import ConfirmHold

NOTHING_WANTED = (HoldLost, HoldNotFound, SeatNotFound)
"""The errors with which a confirm is refused before its payment is verified. The payment may still be genuine."""
NO_AMOUNT = -1
"""An amount that no payment has."""
RETURNED = (BookingCancelled, BookingRejected, HoldEnded, HoldLost, HoldNotFound, SeatNotFound)
"""The lock master's answers to a confirm after which the payment is returned."""


class Checkout:
    """Orders and confirms, for Socket.IO and HTTP alike. Each method returns the payload of its answer."""

    def __init__(
        self,
        directory: Directory,
        locks: Mapping[str, SeatLocks],
        payments: PaymentService,
        origins: Sequence[str],
        on_booked: Callable[[str], None],
        address_keys: AddressKeys,
    ) -> None:
        """Buyers may be sent back to ``origins`` only; ``on_booked`` counts a booking of a region."""
        self._directory = directory
        self._locks = locks
        self._payments = payments
        self._on_booked = on_booked
        self._waiting: dict[str, list[asyncio.Future[HoldState]]] = {}
        self.order = Orders(directory, locks, payments, origins, address_keys).order
        """Orders the payment of a hold."""

    # --- confirm --------------------------------------------------------------------------------------------------
    async def confirm(self, owner: str, ask: ConfirmHold) -> dict[str, Any]:
        """Book a paid hold. The state is ``booked`` once the ledger has it, ``pending`` after ``LEDGER_WAIT_S``.

        ``refund`` in the answer or in the error means that the ledger has recorded a refund of this payment. Raises a
        retryable error as long as the outcome of the payment is not known.
        """
        try:
            show, known, wanted = await self._wanted(ask)
        except NOTHING_WANTED as error:
            if refund := await self._unwanted_refund(ask):
                error.details["refund"] = refund
            raise
        amount = bodies.prices_of(show, known, wanted).total
        if amount == 0 and (await self._locks_of(ask.hold).get(ask.hold))[0].owner != owner:
            raise NotYourHold()  # nothing was paid, so an unknown hold, or another buyer's, is left as it is
        payment = await self._verified(ask, amount, bodies.seat_ids(known, wanted))
        settled: asyncio.Future[HoldState] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(ask.hold, [])
        waiting.append(settled)
        try:
            hold, refund = await self._book(show, known, owner, payment, ask.hold, wanted)
            state = hold.state
            if state is HoldState.CONFIRMING:
                state = await self._wait_for_ledger(ask.hold, settled)
        finally:
            waiting.remove(settled)
            if not waiting:
                self._waiting.pop(ask.hold, None)
        if state is HoldState.REJECTED:
            # The ledger has decided. Asked again, the lock master now answers accordingly, with the refund.
            hold, refund = await self._book(show, known, owner, payment, ask.hold, wanted)
            state = hold.state
        if state is HoldState.BOOKED:
            self._on_booked(show.region)
        answer = {"booking": bodies.booking_body(hold, known, state, wanted)}
        return answer if refund is None else {**answer, "refund": refund}

    async def _wanted(self, ask: ConfirmHold) -> tuple[Show, SeatIds, Sequence[int]]:
        """Return the show of a hold, and the seats to book: those that the client names, or all seats of the hold.

        Exactly these are paid for and booked, even if another request releases seats of the hold meanwhile.
        """
        show, known = await show_of_hold(self._directory, ask.hold)
        if ask.seats is not None:
            return show, known, bodies.seat_indices(known, ask.seats)
        wanted = (await self._locks_of(ask.hold).get(ask.hold))[0].seats
        if not wanted:
            raise HoldLost()
        return show, known, wanted

    async def _unwanted_refund(self, ask: ConfirmHold) -> dict[str, Any] | None:
        """Return the refund of a genuine payment for something that can't be booked; None if there is no refund."""
        if not is_hold_id(ask.hold) or region_of(ask.hold) not in self._locks:
            return None
        try:
            await self._verified(ask, NO_AMOUNT, ())
        except PaymentRefused as error:
            return error.details.get("refund")
        return None

    async def _verified(self, ask: ConfirmHold, amount: int, seats: Sequence[str]) -> PaymentProof:
        """Return the payment, confirmed and captured by the gateway. Raises ``PaymentRefused``, ``PaymentUnavailable``.

        While the gateway does not answer, the hold is kept. If a genuine payment is not for what is asked, it is
        reported in the same way as by a webhook, and the ledger makes a booking of what it pays for, or a refund.
        """
        contact = encode_contact(ask.contact)
        if amount == 0:
            return PaymentProof(f"{FREE}.{ask.hold}", 0, "", ask.request_id, contact, new_reply_id())
        try:
            verified = await while_kept(self._locks_of(ask.hold), ask.hold, self._captured(ask, amount, seats))
        except PaymentMismatch as error:
            event = WebhookEvent(f"confirm.{error.payment.payment}", error.payment)
            reply = await self.report(region_of(ask.hold), event)
            if refund := reply.get("refund"):
                error.details["refund"] = refund
            raise
        return PaymentProof(verified.payment, amount, verified.order, ask.request_id, contact, new_reply_id())

    async def _captured(self, ask: ConfirmHold, amount: int, seats: Sequence[str]) -> VerifiedPayment:
        verified = await self._payments.verify(ask.hold, ask.payment, amount, seats)
        if verified.state is PaymentState.AUTHORIZED:
            await self._payments.capture(verified.payment, amount)
        return verified

    async def report(self, region: str, event: WebhookEvent) -> dict[str, Any]:
        """Report what the gateway says to a region's keepers; return their reply after the ledger has recorded it.

        In the reply, ``ours`` is False if the payment does not belong to the region, and ``refund`` is the payment's
        refund, if it has one. Raises a retryable ``TicketError`` if the event must be reported again.
        """
        master, reply = self._locks[region].master, new_reply_id()
        report = encode_report(PaymentReport.of(event))
        await append_entry(master, {"kind": "webhook", "event": report, "reply": reply})
        found: dict[str, Any] = await wait_until_recorded(master, reply)
        return found

    async def _book(
        self,
        show: Show,
        known: SeatIds,
        owner: str,
        payment: PaymentProof,
        hold_id: str,
        wanted: Sequence[int],
    ) -> tuple[Hold, dict[str, Any] | None]:
        """Return the hold, and the payment's refund if the hold has another payment."""
        locks = self._locks_of(hold_id)
        try:
            try:
                hold, doubled = await locks.confirm(hold_id, owner, payment, wanted, None if show.equal_seats else ())
            except SeatsTaken:
                blocks = await self._equal_blocks(show, wanted)
                hold, doubled = await locks.confirm(hold_id, owner, payment, wanted, blocks)
        except RETURNED as error:
            if refund := await self._recorded_refund(locks, payment):
                error.details["refund"] = refund
            raise bodies.with_seat_ids(error, known) from None
        except Overloaded:
            if payment.amount:
                await keep_for_retry(locks, hold_id)
            raise
        except TicketError as error:
            raise bodies.with_seat_ids(error, known) from None
        return hold, await self._recorded_refund(locks, payment) if doubled else None

    async def _recorded_refund(self, locks: SeatLocks, payment: PaymentProof) -> dict[str, Any] | None:
        """Return the refund of a payment once the ledger has it; None if the payment has its booking instead."""
        refund: dict[str, Any] | None = (await wait_until_recorded(locks.master, payment.reply))["refund"]
        return refund

    async def _equal_blocks(self, show: Show, wanted: Sequence[int]) -> list[list[int]]:
        blob = await self._directory.layout_blob(show.layout)
        if blob is None:
            raise RegionUnavailable(region=show.region)  # its master has lost the layout; keepers restore it
        layout = await asyncio.to_thread(decode_layout, blob)
        return await free_equal_blocks(self._locks[show.region], show.id, layout, wanted)

    # --- notices from the keepers ---------------------------------------------------------------------------------
    def settled(self, hold_id: str, state: HoldState) -> None:
        """Resume the confirms that wait on this node for the ledger's decision about a hold."""
        for waiter in self._waiting.get(hold_id, ()):
            if not waiter.done():
                waiter.set_result(state)

    async def _wait_for_ledger(self, hold_id: str, settled: asyncio.Future[HoldState]) -> HoldState:
        try:
            return await asyncio.wait_for(settled, limits.LEDGER_WAIT_S)
        except TimeoutError:
            # The notice may have been lost with a feed, so the master is asked once in the end.
            try:
                return (await self._locks_of(hold_id).get(hold_id))[0].state
            except TicketError:
                return HoldState.CONFIRMING

    def _locks_of(self, hold_id: str) -> SeatLocks:
        return self._locks[region_of(hold_id)]
