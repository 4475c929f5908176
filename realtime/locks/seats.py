"""The seat locks of one region: each verb is one function of the library on the owning master, one round trip.

Holds on a show that are asked for in the same turn of the loop are decided by one call, one after the other: in a rush
that costs the master a third, and viewers one change.

Seats are indices into the show's layout; times are ms since the epoch by the master's clock. What a function refuses
comes back as the class of ``realtime.errors`` with the same code.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import msgspec
import orjson

from realtime import keys, limits
from realtime.errors import CODES, BadRequest, ExtendLimit, RegionUnavailable, TicketError
from realtime.locks.master import LockMaster
from realtime.model import Hold, HoldState, SalesState, Show, show_of

KEEP = limits.ENDED_KEEP_MS
HOLDS_A_CALL = 50
"""Holds that are decided in one call: a master does nothing else meanwhile, for a millisecond or so."""


@dataclass(frozen=True, slots=True)
class Sale:
    """A booking that stands in the ledger, as the master must have it."""

    hold: str
    owner: str
    seats: tuple[int, ...]


class Record(msgspec.Struct):
    """A hold as the master remembers it (a field of ``keys.holds``)."""

    owner: str
    seats: tuple[int, ...]
    state: HoldState
    expires_at: int
    extensions: int = 0


decode_record = msgspec.json.Decoder(Record, strict=False).decode


@dataclass(slots=True, eq=False)
class _Asked:
    """A hold that is asked for with others."""

    args: tuple[str, str, str]
    answer: asyncio.Future[list[Any]]

    def refuse(self, error: BaseException) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


def _hand_out(answered: asyncio.Future[list[Any]], some: Sequence[_Asked]) -> None:
    """Give each who asked its part of the answer, or what went wrong with it."""
    error = answered.exception()
    if error is not None:
        for asked in some:
            asked.refuse(error)
        return
    reply = answered.result()
    each = reply[1] if reply[0] == b"ok" else [reply] * len(some)
    for asked, part in zip(some, each, strict=True):
        if not asked.answer.done():
            asked.answer.set_result(part)


class SeatLocks:
    """All verbs on the seats of one region. Raises ``RegionUnavailable`` within 1 s when the master is out of reach."""

    def __init__(self, master: LockMaster) -> None:
        """Share one ``LockMaster`` between all users in a process."""
        self.master = master
        self._asked: dict[str, list[_Asked]] = {}

    # --- what buyers do, through a node ---------------------------------------------------------------------------
    async def hold(self, hold_id: str, owner: str, seats: Iterable[int]) -> tuple[Hold, int]:
        """Hold all seats or none; return the hold and the master's time.

        The same ``hold_id`` with the same seats returns the hold that it already made. Raises ``SeatsTaken`` (details
        ``seats``: indices), ``TooManyHolds``, ``SalesPaused``, ``SalesClosed``, ``RequestReused``, ``HoldExpired``.
        """
        loop = asyncio.get_running_loop()
        asked = _Asked((hold_id, owner, _csv(sorted(set(seats)))), loop.create_future())
        if not self._asked:
            loop.call_soon(self._send_holds)
        self._asked.setdefault(show_of(hold_id), []).append(asked)
        reply = self._checked(await asked.answer)
        return _hold(hold_id, reply), int(reply[2])

    def _send_holds(self) -> None:
        """Send what was asked in this turn of the loop: the holds on a show together."""
        shows, self._asked = self._asked, {}
        for show, all_asked in shows.items():
            wanted = [asked for asked in all_asked if not asked.answer.done()]
            for start in range(0, len(wanted), HOLDS_A_CALL):
                self._send_some(show, wanted[start : start + HOLDS_A_CALL])

    def _send_some(self, show: str, some: Sequence[_Asked]) -> None:
        args = [part for asked in some for part in asked.args]
        try:
            call = self.master.post("tt_holds", keys.show(show), _MAX_HOLDS, KEEP, *args)
        except TicketError as error:
            for asked in some:
                asked.refuse(error)
            return
        call.add_done_callback(lambda answered: _hand_out(answered, some))

    async def extend(self, hold_id: str, owner: str) -> tuple[Hold, int]:
        """Give a hold its full time again; raises ``ExtendLimit`` (details ``expires_at``) after the last time."""
        reply = await self._call("tt_extend", show_of(hold_id), hold_id, owner, limits.MAX_EXTENSIONS)
        return _hold(hold_id, reply), int(reply[2])

    async def release(self, hold_id: str, owner: str, seats: Iterable[int] | None = None) -> Hold:
        """Give back some seats of a hold, or all; idempotent."""
        some = "" if seats is None else _csv(sorted(set(seats)))
        return _hold(hold_id, await self._call("tt_release", show_of(hold_id), hold_id, owner, some, KEEP))

    async def confirm(self, hold_id: str, owner: str, payment: str, seats: Iterable[int] | None = None) -> Hold:
        """Send a paid hold on its way to the ledger; return it as ``confirming`` or, asked again later, ``booked``.

        With ``seats`` exactly these are booked, and what else the hold has is given back: a master that was restored
        may have forgotten a release. A late payment takes the seats again when they are free; else
        ``BookingRejected``, and a refund is on its way.
        """
        some = "" if seats is None else _csv(sorted(set(seats)))
        args = (hold_id, owner, payment, limits.OUTBOX_LIMIT, KEEP, some)
        return _hold(hold_id, await self._call("tt_confirm", show_of(hold_id), *args))

    async def get(self, hold_id: str) -> tuple[Hold, int]:
        """Return a hold as it stands and the master's time; a lapsed one is ``expired``, swept or not."""
        reply = await self._call("tt_get", show_of(hold_id), hold_id)
        return _hold(hold_id, reply), int(reply[2])

    # --- what keepers do ------------------------------------------------------------------------------------------
    async def declare(self, show: Show, epoch: str, *, for_sale: bool = True) -> bool:
        """Make the state of a show if there is none (True); where there is one, set its terms of sale (False).

        What is made without ``for_sale`` sells nothing before ``rebuild``.
        """
        terms = (show.sales.value, show.hold_s * 1000, show.max_seats, int(for_sale))
        reply = await self._call("tt_declare", show.id, epoch, show.seat_count, *terms)
        return bool(reply[1])

    async def settle(self, show_id: str, sales: Sequence[Sale]) -> None:
        """Make bookings of the ledger sold on the map and tell their owners; idempotent."""
        args = [part for sale in sales for part in (sale.hold, sale.owner, _csv(sale.seats))]
        await self._call("tt_settle", show_id, KEEP, *args)

    async def reject(self, hold_id: str, owner: str, sold: Mapping[int, str]) -> None:
        """End a hold that the ledger refused; ``sold`` maps seats to the holds that the ledger gives them to."""
        args = [part for seat, winner in sold.items() for part in (seat, winner)]
        await self._call("tt_reject", show_of(hold_id), hold_id, owner, KEEP, *args)

    async def due(self, limit: int) -> list[str]:
        """Return the ids of holds past their deadline by the master's clock, oldest first."""
        return await self._past(keys.DEADLINES, limit)

    async def expire(self, hold_ids: Sequence[str]) -> int:
        """Free the seats of those that are past their deadline; return how many were."""
        count = 0
        for show_id, ids in _by_show(hold_ids):
            count += int((await self._call("tt_expire", show_id, KEEP, *ids))[1])
        return count

    async def forget(self, limit: int) -> int:
        """Drop the records of holds that ended long ago; return how many were looked at."""
        ids = await self._past(keys.ENDED, limit)
        for show_id, some in _by_show(ids):
            await self._call("tt_forget", show_id, *some)
        return len(ids)

    async def block(self, show_id: str, seats: Iterable[int]) -> None:
        """Take free seats off sale, all or none; raises ``SeatsTaken``."""
        await self._call("tt_block", show_id, KEEP, _csv(sorted(set(seats))))

    async def unblock(self, show_id: str, seats: Iterable[int]) -> None:
        """Put blocked seats back on sale."""
        await self._call("tt_unblock", show_id, _csv(sorted(set(seats))))

    async def set_sales(self, show_id: str, sales: SalesState) -> None:
        """Open, pause or close the sales of a show."""
        await self._call("tt_sales", show_id, sales.value)

    async def rebuild(
        self, show_id: str, epoch: str, sold: Sequence[Sale], blocked: Iterable[int], *, diverged: bool = False
    ) -> list[tuple[str, str]]:
        """Put a declared show right from the ledger under a new epoch; return the (hold, owner) that were lost.

        ``diverged``: another master has sold since this one's memory is of, so no hold stays.
        """
        truth = {"sold": [(s.hold, s.owner, s.seats) for s in sold], "blocked": sorted(blocked), "diverged": diverged}
        lost = (await self._call("tt_rebuild", show_id, epoch, KEEP, orjson.dumps(truth)))[1]
        return [(lost[n].decode(), lost[n + 1].decode()) for n in range(0, len(lost), 2)]

    async def digest(self, show_id: str) -> tuple[str, int, int]:
        """Return epoch, version and the CRC-32 of the seat string, all of one moment."""
        reply = await self._call("tt_map", show_id)
        return reply[1].decode(), int(reply[2]), zlib.crc32(reply[3])

    # --- calls ----------------------------------------------------------------------------------------------------
    async def _past(self, sorted_set: str, limit: int) -> list[str]:
        now = await self.master.time_ms()
        return [
            member.decode()
            for member in await self.master.command("ZRANGEBYSCORE", sorted_set, "-inf", now, "LIMIT", 0, limit)
        ]

    async def _call(self, function: str, show_id: str, *args: str | int | bytes) -> list[Any]:
        # Holds that were asked for before this go before it.
        self._send_holds()
        return self._checked(await self.master.call(function, keys.show(show_id), *args))

    def _checked(self, reply: list[Any]) -> list[Any]:
        code = reply[0].decode()
        if code == "ok":
            return reply
        if code == "show_not_found":
            # Who asks knows of the show, so this is a master that lost its memory and is being put right.
            raise RegionUnavailable(region=self.master.region)
        detail = reply[1].decode() if len(reply) > 1 else ""
        raise _refusal(code, detail)


_MAX_HOLDS = limits.MAX_HOLDS_PER_OWNER


def _refusal(code: str, detail: str) -> Exception:
    kind = CODES[code]
    if kind is BadRequest:
        return BadRequest(f"A hold on this show takes 1 to {detail} seats.")
    if kind is ExtendLimit:
        return ExtendLimit(expires_at=int(detail))
    if detail:
        return kind(seats=[int(seat) for seat in detail.split(",")])
    return kind()


def _hold(hold_id: str, reply: list[Any]) -> Hold:
    record = decode_record(reply[1])
    state = record.state
    if state is HoldState.HELD and record.expires_at <= int(reply[2]):
        state = HoldState.EXPIRED
    return Hold(hold_id, record.owner, record.seats, state, record.expires_at, record.extensions)


def _csv(seats: Iterable[int]) -> str:
    return ",".join(map(str, seats))


def _by_show(hold_ids: Iterable[str]) -> Iterable[tuple[str, list[str]]]:
    for show_id, ids in groupby(sorted(hold_ids), key=show_of):
        yield show_id, list(ids)
