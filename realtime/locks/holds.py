"""What buyers do with holds: each verb is one function of the library on the owning master, one round trip.

Seats are indices into the show's layout; times are ms since the epoch by the master's clock. A refusal by a function is
raised as the class of ``realtime.errors`` that has its code.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from realtime import keys, limits
from realtime.errors import TooManyHolds
from realtime.locks.answers import check_reply, read_hold
from realtime.locks.deadlines import Deadlines
from realtime.locks.hold_batcher import HoldBatcher
from realtime.locks.master import LockMaster
from realtime.model import Hold, show_of
from realtime.topology import HoldLimits

KEEP = limits.ENDED_KEEP_MS
"""The argument ``keep`` of every function that may end a hold."""
TOO_MANY_ORDERS = (
    f"This hold was ordered for {limits.MAX_ORDERS_PER_HOLD} different choices of its seats and takes no more. "
    "Pay for one of them, or release the hold and select the seats again."
)
"""The message of ``TooManyHolds`` if a hold has too many orders."""
_FREE = ord("0")


@dataclass(frozen=True, slots=True)
class PaymentProof:
    """A payment that the gateway confirms. ``amount`` is paise; ``order`` is "" where the gateway has none.

    ``contact`` is ``encode_contact``, for the ledger. ``reply`` (see ``locks.replies``) is answered when the ledger has
    the refund of this payment, and with ``reply_if_booked`` also when it has the booking.
    """

    id: str
    amount: int
    order: str = ""
    request_id: str = ""
    contact: str = field(default="", repr=False)
    reply: str = ""
    reply_if_booked: bool = False


class Holds:
    """The verbs of buyers in one region. Each raises ``RegionUnavailable`` if the master is silent for 1 s."""

    def __init__(self, master: LockMaster, bounds: HoldLimits) -> None:
        """All users in a process share one ``LockMaster``. ``bounds`` limit what one address or owner can hold."""
        self.master = master
        self._batcher = HoldBatcher(master, bounds)
        self._deadlines = Deadlines()

    async def hold(self, hold_id: str, owner: str, seats: Iterable[int], address: str = "") -> tuple[Hold, int]:
        """Hold all of the seats, or none; return the hold and the master's time.

        A repeated call with the same ``hold_id`` and seats returns the hold that the first one made. ``address`` is a
        keyed hash of the client's network address; without one only the owner is limited. Raises ``SeatsTaken``
        (details ``seats``: indices), ``TooManyHolds``, ``AddressLimit``, ``SeatsResting``, ``SalesPaused``,
        ``SalesClosed``, ``SalesNotStarted`` (details ``sales_start``: ms), ``RequestReused``, ``HoldExpired``.
        """
        reply = await self._batcher.hold(show_of(hold_id), hold_id, owner, csv(sorted(set(seats))), address)
        reply = self._checked(reply)
        return read_hold(hold_id, reply), int(reply[2])

    async def extend(self, hold_id: str, owner: str, request_id: str = "") -> tuple[Hold, int]:
        """Set the deadline to a full hold time from now, once per ``request_id``. The ledger records the outcome.

        Raises ``ExtendLimit`` (details ``expires_at``), or ``SalesClosed`` after the end of the sales window.
        """
        reply = await self._call("tt_extend", show_of(hold_id), hold_id, owner, limits.MAX_EXTENSIONS, request_id)
        return read_hold(hold_id, reply), int(reply[2])

    async def release(self, hold_id: str, owner: str, seats: Iterable[int] | None = None, request_id: str = "") -> Hold:
        """Release some seats of a hold, or all; idempotent. With ``request_id`` the ledger records the outcome."""
        some = "" if seats is None else csv(sorted(set(seats)))
        return read_hold(
            hold_id, await self._call("tt_release", show_of(hold_id), hold_id, owner, some, KEEP, request_id)
        )

    async def order(
        self,
        hold_id: str,
        owner: str,
        order: str,
        seats: Iterable[int],
        amount: int,
        contact: str = "",
        reply: str = "",
        request_id: str = "",
    ) -> Hold:
        """Record that the gateway has an order of ``amount`` paise for some seats of a live hold; idempotent.

        The order goes to the ledger with ``contact`` (``encode_contact``), and keepers ask the gateway about it until
        its outcome is known. ``reply`` (see ``locks.replies``) is answered when the ledger has the order, and the
        outcome of its first ``request_id``. Raises ``TooManyHolds`` if the hold has ``limits.MAX_ORDERS_PER_HOLD``
        different orders already.
        """
        args = (hold_id, owner, order, csv(sorted(set(seats))), amount, limits.OUTBOX_LIMIT)
        more = (contact, reply, request_id)
        try:
            return read_hold(hold_id, await self._call("tt_order", show_of(hold_id), *args, *more))
        except TooManyHolds:
            raise TooManyHolds(TOO_MANY_ORDERS) from None

    async def prolong(self, hold_id: str, step_ms: int = limits.PROLONG_STEP_MS, back_ms: int = 0) -> int:
        """Keep a hold for ``step_ms`` from now; return by how many ms its deadline was moved.

        Used while the gateway's answer is unknown. All calls together add at most ``limits.PROLONG_MS``. With
        ``back_ms``, the deadline is moved back by so much instead.
        """
        args = (hold_id, step_ms, limits.PROLONG_MS, back_ms)
        reply = await self._call("tt_prolong", show_of(hold_id), *args)
        self._deadlines.note(read_hold(hold_id, reply), int(reply[2]))
        return int(reply[3])

    def left_s(self, hold_id: str) -> float:
        """Return how long a live hold still lasts (s), from the last answer of ``get`` or ``prolong``; 0 if unknown.

        It is too long by the time that the answer took to arrive, and wrong if the master has lost an extension since.
        """
        return self._deadlines.left_s(hold_id)

    async def confirm(
        self,
        hold_id: str,
        owner: str,
        payment: PaymentProof,
        seats: Iterable[int] | None = None,
        blocks: Sequence[Sequence[int]] | None = (),
    ) -> tuple[Hold, bool]:
        """Send a paid hold to the ledger; return it as ``confirming`` or ``booked``, and whether it was paid twice.

        The payment becomes this booking or a refund, whatever the answer. "Paid twice" means that the hold has another
        payment, and that this one will be returned. With ``seats``, exactly these are booked and the others are
        released, because a master that was restored may have lost an earlier release. A payment after the deadline
        takes the seats again if they are free, otherwise the first free block of ``blocks``; if there is none either,
        it raises ``BookingRejected``. With ``blocks=None`` it raises ``SeatsTaken`` instead and changes nothing, so
        that the caller can offer blocks.
        """
        some = "" if seats is None else csv(sorted(set(seats)))
        offered = "?" if blocks is None else "|".join(map(csv, blocks))
        args = (hold_id, owner, payment.id, limits.OUTBOX_LIMIT, KEEP, some)
        money = (payment.amount, payment.order, payment.request_id, offered, payment.contact)
        answer_to = (payment.reply, int(payment.reply_if_booked))
        reply = await self._call("tt_confirm", show_of(hold_id), *args, *money, *answer_to)
        return read_hold(hold_id, reply), reply[3] == b"doubled"

    async def get(self, hold_id: str) -> tuple[Hold, int]:
        """Return the current state of a hold, and the master's time. A lapsed hold is ``expired``, swept or not."""
        reply = await self._call("tt_get", show_of(hold_id), hold_id)
        hold, now = read_hold(hold_id, reply), int(reply[2])
        self._deadlines.note(hold, now)
        return hold, now

    # --- reading ------------------------------------------------------------------------------------------------------
    async def free_seats(self, show_id: str) -> set[int]:
        """Return the indices of the seats that are free now."""
        reply = await self._call("tt_map", show_id)
        return {seat for seat, digit in enumerate(reply[3]) if digit == _FREE}

    async def digest(self, show_id: str) -> tuple[str, int, int]:
        """Return epoch, version and the CRC-32 of the seat string, all as of the same moment."""
        reply = await self._call("tt_map", show_id)
        return reply[1].decode(), int(reply[2]), zlib.crc32(reply[3])

    # --- calls --------------------------------------------------------------------------------------------------------
    async def _call(self, function: str, show_id: str, *args: str | int | bytes) -> list[Any]:
        # Holds that were requested before this call are sent before it.
        self._batcher.flush()
        return self._checked(await self.master.call(function, keys.show(show_id), *args))

    def _checked(self, reply: list[Any]) -> list[Any]:
        return check_reply(reply, self.master.region)


def csv(seats: Iterable[int]) -> str:
    """Return seats in the form that functions take: comma-separated."""
    return ",".join(map(str, seats))
