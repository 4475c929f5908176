"""The seat locks of one region: the verbs of buyers (from ``locks.holds``) and, in this file, those of keepers.

Keepers record what the ledger has, sweep, rebuild, and carry out what operators ask for.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from realtime import connect, keys, limits
from realtime.errors import RegionUnavailable, SeatsTaken
from realtime.locks.holds import KEEP, Holds, csv
from realtime.locks.master import LockMaster
from realtime.model import ID, SalesState, Show, is_hold_id, show_of
from realtime.sales_window import window_of
from realtime.topology import HoldLimits

log = logging.getLogger(__name__)
_LAST_MS = 2**53
"""The latest time that a score can represent exactly (ms)."""
_CHECK = "?"
"""Given in place of an epoch, this makes ``tt_block`` check the seats without changing anything."""


@dataclass(frozen=True, slots=True)
class Sale:
    """A booking of the ledger, as the master must have it."""

    hold: str
    owner: str
    seats: tuple[int, ...]
    payment: str = ""
    entry: bytes = b""
    """The entry of the outbox that is carried out, if there is one."""
    exchanges: int = 0
    """How often its seats were exchanged."""


Command = tuple[str, int, Sequence[bytes]]
"""Name of a command on the master, the place of its key in ``keys.show`` (from 1), its other arguments."""


@dataclass(frozen=True, slots=True)
class Expired:
    """How many holds a sweep has ended, and how many it has left because their shows are not rebuilt yet."""

    ended: int
    left: int


@dataclass(slots=True)
class Fence:
    """The number of the fencing token that a keeper writes with; None while it has none."""

    number: int | None = None


class SeatLocks(Holds):
    """All verbs on the seats of one region. Each raises ``RegionUnavailable`` if the master is silent for too long."""

    def __init__(
        self,
        master: LockMaster,
        bounds: HoldLimits = HoldLimits(),  # noqa: B008 - it is frozen
        *,
        fence: Fence | None = None,
    ) -> None:
        """All users in a process share one ``LockMaster``. ``bounds`` limit what one address or owner can hold.

        Keepers give a ``fence``: the functions below then write under its token only. They raise ``Fenced`` if another
        token has begun, and ``RegionUnavailable`` while the fence has no token.
        """
        super().__init__(master, bounds)
        self.fence = fence

    async def declare(
        self, show: Show, epoch: str, *, for_sale: bool = True, record: bytes = b"", entry: bytes = b""
    ) -> bool:
        """Create the state of a show and return True; if the show exists, set its terms of sale and return False.

        Without ``for_sale``, a new show sells nothing before it is rebuilt. ``record`` replaces the record that
        directories read. Nothing changes if ``show.revision`` is earlier than the one that the master has.
        """
        window = window_of(show)
        terms = (show.sales.value, show.hold_s * 1000, show.max_seats, int(for_sale), window.start, window.end)
        names = [*keys.fenced_show(show.id), keys.SHOWS]
        reply = await self._send(
            self._function("declare", names, entry), epoch, show.seat_count, *terms, show.revision, show.id, record
        )
        return bool(reply[1])

    async def suspend(self, show_id: str, nonce: str, *, diverged: bool = False) -> None:
        """Stop the sales of a show until it is rebuilt with this nonce (``locks.rebuild``).

        Does nothing for an unknown show. ``diverged``: another master has sold since this one's data was current.
        """
        await self._write("suspend", show_id, nonce, int(diverged))

    async def settle(self, show_id: str, sales: Sequence[Sale]) -> None:
        """Mark the seats of recorded bookings as sold, and notify their owners; idempotent.

        Sales whose entry is no longer in the outbox are skipped: another keeper has settled them.
        """
        args = [p for s in sales for p in (s.entry, s.hold, s.owner, csv(s.seats), s.payment)]
        await self._write("settle_entries", show_id, KEEP, *args)

    async def cancel(self, sale: Sale) -> None:
        """Free the seats of a booking that the ledger has cancelled, and notify its owner; idempotent."""
        await self._write("cancel", show_of(sale.hold), sale.hold, sale.owner, csv(sale.seats), sale.payment)

    async def reserve(self, sale: Sale, seats: Iterable[int]) -> None:
        """Reserve free seats for a booking that is about to move to them, all or none; its present seats stay too.

        They stay reserved until ``exchange`` or ``cancel``. Idempotent. Raises ``SeatsTaken`` (details ``seats``:
        indices), ``BookingCancelled``.
        """
        args = (KEEP, sale.hold, csv(sorted(set(seats))))
        await self._write("reserve", show_of(sale.hold), *args, entry=sale.entry)

    async def exchange(self, sale: Sale) -> None:
        """Give a booking the seats that it has in the ledger, and free its others in the same step; notify its owner.

        Idempotent; if a later exchange is known, nothing changes. With the booking's present seats it undoes
        ``reserve``.
        """
        args = (KEEP, sale.hold, csv(sale.seats), sale.exchanges)
        await self._write("exchange", show_of(sale.hold), *args, entry=sale.entry)

    async def reject(self, hold_id: str, owner: str, sold: Mapping[int, str], *, entry: bytes = b"") -> None:
        """End a hold that the ledger refused; ``sold`` maps seats to the holds whose bookings have them."""
        args = [part for seat, winner in sold.items() for part in (seat, winner)]
        await self._write("reject", show_of(hold_id), hold_id, owner, KEEP, *args, entry=entry)

    async def archive(self, show_id: str) -> None:
        """Remove a show from the master; raises ``HoldConfirmed`` while one of its holds is live. Idempotent."""
        await self._write("archive", show_id)

    async def raise_position(self, position: int) -> None:
        """Record the ledger's position; a position that is not higher than the recorded one changes nothing."""
        names = keys.fenced_show("any")
        names[10] = keys.POSITION
        self._checked(await self.master.call(*self._function("position", names), position))

    async def until_due(self) -> int | None:
        """Return the ms until the next deadline of a hold, 0 or less if it has passed; None if there are no holds."""
        now, first = await asyncio.gather(
            self.master.command("TIME"), self.master.command("ZRANGE", keys.DEADLINES, 0, 0, "WITHSCORES")
        )
        if not first:
            return None
        # RESP3 answers [[member, score]], RESP2 [member, score].
        deadline = float(first[0][1] if len(first) == 1 else first[1])
        # A person may have written an infinite deadline.
        return int(min(max(deadline, 0), _LAST_MS)) - connect.time_ms(now)

    async def take_figures(self, name: str) -> tuple[str, dict[str, int]]:
        """Return the batch of counts (``figures.lua``) to record, by field, and its name; "" if there is none.

        If no batch is waiting, the counts so far become a batch called ``name``.
        """
        reply = await self._write("take_figures", "any", name)
        fields = connect.text_fields(reply[1])
        batch = fields.pop("batch", "")
        if not batch and not fields:
            return "", {}
        if not ID.match(batch):
            log.warning("%s: dropped a batch of counts, which is damaged", self.master.region)
            await self.master.command("UNLINK", keys.FIGURES_BATCH)
            return "", {}
        return batch, {field: connect.count(value) for field, value in fields.items()}

    async def drop_figures(self, batch: str) -> None:
        """Delete a batch that was recorded. Idempotent."""
        await self._write("drop_figures", "any", batch)

    async def due(self, limit: int, skip: int = 0) -> list[str]:
        """Return the ids of holds past their deadline by the master's clock, oldest first, after the first ``skip``."""
        return await self._past(keys.DEADLINES, limit, skip)

    async def expire(self, hold_ids: Sequence[str]) -> Expired:
        """Free the seats of the holds that are past their deadline.

        In random order, so that keepers that sweep the same holds at the same time share the work.
        """
        batches = [
            (show_id, ids[start : start + limits.KEEPER_BATCH])
            for show_id, ids in _by_show(hold_ids)
            for start in range(0, len(ids), limits.KEEPER_BATCH)
        ]
        random.shuffle(batches)
        replies = await asyncio.gather(*(self._write("expire", show_id, KEEP, *ids) for show_id, ids in batches))
        # Libraries before version 19 don't return how many holds were left.
        return Expired(sum(reply[1] for reply in replies), sum(sum(reply[2:]) for reply in replies))

    async def forget(self, limit: int) -> int:
        """Delete the records of holds that ended some time ago; return how many were examined."""
        ids = await self._past(keys.ENDED, limit)
        for show_id, some in _by_show(ids):
            await self._write("forget", show_id, *some)
        return len(ids)

    async def block(self, show_id: str, seats: Iterable[int], *, entry: bytes = b"") -> bytes:
        """Take free seats off sale; return the show's epoch. Raises ``SeatsTaken`` (details ``seats``: indices).

        Up to ``limits.SEATS_PER_CALL`` seats are blocked all or none. If there are more, all are checked before the
        first is blocked; if a seat is taken after the check, those before it stay blocked, and the caller has to
        unblock them.
        """
        parts = _parts(seats)
        taken: list[int] = []
        epoch: tuple[bytes, ...] = ()
        for part in parts if len(parts) > 1 else ():
            try:
                reply = await self._write("block", show_id, KEEP, part, _CHECK, entry=entry)
                epoch = epoch or (reply[1],)
            except SeatsTaken as error:
                taken += error.details["seats"]
        if taken:
            raise SeatsTaken(seats=taken)
        blocked_in = b""
        for part in parts:
            blocked_in = (await self._write("block", show_id, KEEP, part, *epoch, entry=entry))[1]
        return blocked_in

    async def unblock(self, show_id: str, seats: Iterable[int], *, entry: bytes = b"") -> None:
        """Put blocked seats back on sale."""
        for part in _parts(seats):
            await self._write("unblock", show_id, part, entry=entry)

    async def set_sales(self, show_id: str, sales: SalesState, *, entry: bytes = b"") -> None:
        """Open, pause or close the sales of a show."""
        await self._write("sales", show_id, sales.value, entry=entry)

    async def write(self, commands: Sequence[tuple[str, str, Sequence[str | bytes]]], *, entry: bytes = b"") -> int:
        """Carry out commands on keys of the region, all in one step: name, key, other arguments (at most 1,000).

        Return the sum of those answers that are numbers.
        """
        names = keys.fenced_show("any")
        written = list(dict.fromkeys(key for _name, key, _values in commands))
        args: list[str | int | bytes] = []
        for name, key, values in commands:
            args += (name, len(names) + 1 + written.index(key), len(values), *values)
        reply = await self._send(self._function("write", [*names, *written], entry), *args)
        return int(reply[1])

    async def rebuild_part(self, show_id: str, nonce: str, commands: Iterable[Command]) -> None:
        """Change a show that was suspended with ``nonce``; see ``locks.rebuild``.

        Raises ``Fenced`` if the show was suspended or rebuilt again since.
        """
        args: list[str | int | bytes] = []
        for name, place, values in commands:
            args += (name, place, len(values), *values)
        await self._write("rebuild_part", show_id, nonce, *args)

    async def finish_rebuild(self, show_id: str, nonce: str, epoch: str, seats: bytes) -> None:
        """Write the map of a show that was suspended with ``nonce``, and put it on sale; raises ``Fenced``."""
        await self._write("finish_rebuild", show_id, nonce, epoch, seats)

    # --- calls ----------------------------------------------------------------------------------------------------
    async def _past(self, sorted_set: str, limit: int, skip: int = 0) -> list[str]:
        now = await self.master.time_ms()
        members = await self.master.command("ZRANGEBYSCORE", sorted_set, "-inf", now, "LIMIT", skip, limit)
        found = [member.decode(errors="replace") for member in members]
        # A person may have added other members. They would never be removed, and would be found in every sweep.
        foreign = [member for member, text in zip(members, found, strict=True) if not is_hold_id(text)]
        if foreign:
            log.warning("%s: deleted %d members of %s that are no holds", self.master.region, len(foreign), sorted_set)
            await self.master.command("ZREM", sorted_set, *foreign)
        return [text for text in found if is_hold_id(text)]

    async def _write(self, name: str, show_id: str, *args: str | int | bytes, entry: bytes = b"") -> list[Any]:
        """Call a function of keepers. ``entry`` is the entry of the outbox that the call carries out."""
        return await self._send(self._function(name, keys.fenced_show(show_id), entry), *args)

    async def _send(self, function: tuple[Any, ...], *args: str | int | bytes) -> list[Any]:
        self._batcher.flush()
        return self._checked(await self.master.call(*function, *args))

    def _function(self, name: str, names: list[str], entry: bytes = b"") -> tuple[Any, ...]:
        """Return the name, the KEYS and the first arguments of a call, which is fenced if there is a fence."""
        if self.fence is None:
            return f"tt_{name}", names
        if self.fence.number is None:
            raise RegionUnavailable(region=self.master.region)
        return f"tt_fenced_{name}", names, self.fence.number, entry


def _parts(seats: Iterable[int]) -> list[str]:
    """Divide seats, ascending, into lists that fit into one call."""
    ordered = sorted(set(seats))
    step = limits.SEATS_PER_CALL
    return [csv(ordered[start : start + step]) for start in range(0, len(ordered), step)]


def _by_show(hold_ids: Iterable[str]) -> Iterable[tuple[str, list[str]]]:
    for show_id, ids in groupby(sorted(hold_ids), key=show_of):
        yield show_id, list(ids)
