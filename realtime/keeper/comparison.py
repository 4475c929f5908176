"""Compares the shows that are on sale with the ledger, one after another, and rebuilds those that are damaged.

A key may be evicted, or an operator's script may change a seat, and without this comparison nobody would notice before
the next failure. Compared are a show's seats and holds, its terms of sale, its declaration, and its theatre and layout.
A look takes time on the master and in the ledger, so the keepers of a region share the work and pause after each look.

Shows change while they are compared, so a difference counts only if several looks in a row see it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace

import msgspec
from redis.exceptions import ResponseError

from realtime import connect, keys, limits
from realtime.cancellation import pause
from realtime.keeper.declare import Declared
from realtime.keeper.exchange import end_abandoned
from realtime.keeper.outbox import unfinished_entries
from realtime.keeper.rebuild import Rebuilder
from realtime.keeper.recorder import TRANSIENT
from realtime.ledger import Ledger
from realtime.ledger.database import parts
from realtime.ledger.declarations import shows_in, theatres_in
from realtime.ledger.truth import truths_in
from realtime.locks.answers import decode_record
from realtime.locks.damage import TIMES_AND_COUNTS, has_another_type, shown
from realtime.locks.holds import csv
from realtime.locks.master import LockMaster
from realtime.locks.rebuild import read_show
from realtime.locks.rebuild_plan import OnMaster, plan_rebuild
from realtime.locks.seats import SeatLocks
from realtime.model import HoldState, Show
from realtime.sales_window import window_of

log = logging.getLogger(__name__)
SEATS_PER_LOOK = 10_000
"""About how many seats the shows in one look have together; a bigger show is compared alone."""
SHOWS_PER_LOOK = 50
PAUSE = 50
"""The pause after a look, as a multiple of the time that it took."""
SHORTEST_PAUSE_MS = 2_000
LOOKS = 4
"""Looks in a row that must see a difference."""
LOOK_AGAIN_S = 1.5
"""The pause between these looks: together they outlast the take-over of a dead keeper's bookings by another one."""
UNRECORDED_MS = 60_000
"""A booking that is not in the ledger this long after the deadline of its hold may be lost from the outbox."""
MOST_DIGITS = 10
_DEADLINE = re.compile(rb'"expires_at":([0-9]+)')
LISTED = 5
"""How many differences of one show a log line names."""


@dataclass(frozen=True, slots=True)
class _Look:
    """What differs; ``unproved`` are holds that only the master has as booked, which no rebuild changes."""

    damages: frozenset[str]
    unproved: frozenset[str] = frozenset()
    undeclared: frozenset[str] = frozenset()
    """What must be declared again."""
    unrecorded: frozenset[str] = frozenset()
    """Holds that were paid for long ago, and are not in the ledger."""
    moving: frozenset[str] = frozenset()
    """Holds of bookings for which seats are reserved."""

    def __and__(self, other: _Look) -> _Look:
        pairs = zip(astuple(self), astuple(other), strict=True)
        return _Look(*(one & two for one, two in pairs))

    def __bool__(self) -> bool:
        return any(astuple(self))


class Comparison:
    """Compares the shows of one region."""

    def __init__(
        self, ledger: Ledger, master: LockMaster, locks: SeatLocks, rebuilder: Rebuilder, stopping: asyncio.Event
    ) -> None:
        """A comparison that is under way ends soon after ``stopping`` is set. All arguments belong to one region."""
        self._ledger = ledger
        self._master = master
        self._locks = locks
        self._declared = Declared(ledger, master, locks)
        self._rebuilder = rebuilder
        self._stopping = stopping
        self._reported: set[str] = set()
        """Unproved holds that were logged, so that each is logged once."""
        self._failed: dict[str, str] = {}
        """The error of each show (by id) that could not be compared, as it was logged."""
        self._looked_s = 0.0
        """How long the looks of this turn have taken."""

    async def turn(self, token: str) -> None:
        """Compare the next shows, unless it is too early; ``token`` is that of the present reconciliation.

        Raises ``RegionUnavailable``, ``LedgerUnavailable``, ``Fenced``.
        """
        if not await self._rebuilder.is_rebuilt(token):
            return
        if not await self._master.small_write("SET", keys.COMPARING, token, "NX", "PX", limits.COMPARING_MS):
            return
        self._looked_s = 0.0
        try:
            if shows := await self._next_shows():
                await self._compare(shows)
        finally:
            pause_ms = min(max(SHORTEST_PAUSE_MS, int(PAUSE * self._looked_s * 1000)), limits.COMPARING_MS)
            await self._master.command("PEXPIRE", keys.COMPARING, pause_ms)

    async def _next_shows(self) -> list[Show]:
        """Return the shows that follow the one that was compared last, in the order of their ids."""
        names = sorted(await self._ledger.active_show_ids())
        last = (await self._master.command("GET", keys.COMPARED) or b"").decode(errors="replace")
        after = (names[bisect_right(names, last) :] or names)[:SHOWS_PER_LOOK]
        shows = {show.id: show for show in await self._ledger.shows_of(after)}
        found: list[Show] = []
        for name in after:
            if show := shows.get(name):  # shows whose records can't be read are skipped
                if found and sum(each.seat_count for each in (*found, show)) > SEATS_PER_LOOK:
                    break
                found.append(show)
            last = name
        await self._master.small_write("SET", keys.COMPARED, last)
        return found

    async def _compare(self, shows: Sequence[Show]) -> None:
        suspects = await self._look(shows)
        for _ in range(LOOKS - 1):
            if not suspects or self._stopping.is_set():
                return
            await pause(LOOK_AGAIN_S, self._stopping)
            again = await self._look([show for show in shows if show.id in suspects])
            suspects = {show: both for show, look in again.items() if (both := suspects[show] & look)}
        active = set(await self._ledger.active_show_ids()) if suspects else set()
        # The shows are read again, because their terms may have changed since.
        for show in await self._ledger.shows_of([show for show in suspects if show in active]):
            await self._heal(show, suspects[show.id])

    async def _look(self, shows: Sequence[Show]) -> Mapping[str, _Look]:
        """Return what differs, by show. A show that can't be compared does not prevent the comparison of the others."""
        try:
            return await self._look_together(shows)
        except TRANSIENT:
            raise
        except Exception as error:
            if len(shows) > 1:
                return {name: look for show in shows for name, look in (await self._look([show])).items()}
            show = shows[0]
            if self._failed.get(show.id) != repr(error):
                log.exception("%s can't be compared with the ledger", show.id)
            self._failed[show.id] = repr(error)
            return {}

    async def _look_together(self, shows: Sequence[Show]) -> Mapping[str, _Look]:
        """Return what differs, by show. The ledger is read after the master, because it is never behind it."""
        begun = time.monotonic()
        unready = await self._rebuilder.unready([show.id for show in shows])
        masters: dict[str, _OnMaster] = {}
        found: dict[str, _Look] = {}
        for show in shows:
            if show.id not in unready:
                try:
                    masters[show.id] = await self._read(show)
                except (ResponseError, ValueError) as error:
                    found[show.id] = _Look(frozenset([f"it can't be read: {error}"]))
        # Their terms may have changed since they were read the first time.
        async with self._ledger.snapshot() as connection:
            known = {show.id: show for show in await shows_in(connection, list(masters))}
            truths = await truths_in(connection, list(known))
            theatres = {theatre.id: theatre for theatre in await theatres_in(connection, self._master.region)}
        for show_id, show in known.items():
            master = masters[show_id]
            if len(master.seats.seats) != master.seats.size:
                continue  # it is being archived
            # Paid holds are left out: a payment may come for a hold that the master never had, which is no damage.
            plan = await asyncio.to_thread(plan_rebuild, replace(truths[show_id], paid=[]), master.seats)
            damages = [*plan.damages(master.seats), *_damages_of_terms(show, master.meta), *master.damages]
            look = _Look(
                frozenset(damages),
                frozenset(plan.unproved) - self._reported,
                frozenset(await self._declared.missing(show, theatres.get(show.theatre))),
                frozenset(_unrecorded(master.seats)),
                frozenset(_moving(master.seats)),
            )
            if look:
                found[show_id] = look
        self._looked_s += time.monotonic() - begun
        return found

    async def _read(self, show: Show) -> _OnMaster:
        """Read all that the master has of a show; raises ``ResponseError`` or ``ValueError`` if it is unusable."""
        command = self._master.command
        seats, fields, has_no_log = await asyncio.gather(
            read_show(self._master, show),
            command("HGETALL", keys.meta(show.id)),
            has_another_type(self._master, keys.log(show.id), "stream"),
        )
        if has_no_log:
            raise ValueError("its log is no stream")
        meta = dict(connect.pairs(fields))
        ends = {hold: _DEADLINE.search(record) for hold, record in seats.holds.items() if b'"state":"held"' in record}
        held = {hold: float(end[1]) for hold, end in ends.items() if end is not None}
        deadlines: list[bytes | float | None] = []
        for some in parts(list(held)):
            deadlines += await command("ZMSCORE", keys.DEADLINES, *some)
        counts = [owner for owner, count in seats.owners.items() if not (count.isdigit() and len(count) < MOST_DIGITS)]
        late = [hold for hold, at in zip(held, deadlines, strict=True) if at is None or float(at) != held[hold]]
        unusable = [
            *(f"{hold.decode(errors='replace')} has no deadline, or another one" for hold in late),
            *(f"the count of {shown(owner)} is {shown(seats.owners[owner])}" for owner in counts),
        ]
        return _OnMaster(seats, meta, unusable)

    async def _heal(self, show: Show, seen: _Look) -> None:
        if seen.unproved:
            # The master has a booking that the ledger lacks: an operator decides what is true.
            log.error("%s: booked on the master, and not in the ledger: %s", show.id, _listed(seen.unproved))
            self._reported |= seen.unproved
        if seen.unrecorded:
            await self._record_anew(show, seen.unrecorded)
        if seen.moving and (ended := await end_abandoned(self._ledger, self._locks, show, seen.moving)):
            seats = f"seats that are reserved for {_listed(frozenset(ended))}"
            await self._rebuilder.count_damaged(f"{show.id}: {seats}", len(ended))
        if seen.undeclared:
            await self._declared.declare_again(show)
        if seen.damages:
            await self._rebuilder.rebuild_damaged(show)
        if what := seen.damages | seen.undeclared:
            await self._rebuilder.count_damaged(f"{show.id}: {_listed(what)}")

    async def _record_anew(self, show: Show, holds: frozenset[str]) -> None:
        """Append the bookings of paid holds to the outbox again, unless they are there or among the dead letters.

        Their first entries were lost because the outbox was deleted or overwritten. A repeated entry is harmless,
        because a payment is used once.
        """
        waiting = {fields.get("hold", "") async for fields in unfinished_entries(self._master)}
        for hold in sorted(holds - waiting):
            record = decode_record(await self._master.command("HGET", keys.holds(show.id), hold) or b"")
            if record.state is not HoldState.CONFIRMING:
                continue
            order = await self._ledger.order(record.order) if record.order else None
            entry = {
                "kind": "booking",
                "hold": hold,
                "owner": record.owner,
                "seats": csv(record.seats),
                "payment": record.payment,
                "at": str(await self._master.time_ms()),
                **({"order": record.order} if record.order else {}),
                **({"amount": str(order.amount)} if order is not None else {}),
            }
            log.error("%s: the paid hold %s was lost from the outbox; it is sent to the ledger again", show.id, hold)
            await self._locks.write([("XADD", keys.OUTBOX, ("*", *connect.flat(entry)))])
            await self._rebuilder.count_damaged(f"{show.id}: the entry of {hold} in the outbox")


def _unrecorded(master: OnMaster) -> list[str]:
    """Return the confirming holds whose deadline passed more than ``UNRECORDED_MS`` ago."""
    found: list[str] = []
    for hold, blob in master.holds.items():
        if b'"state":"confirming"' in blob:
            with contextlib.suppress(msgspec.MsgspecError):
                if decode_record(blob).expires_at + UNRECORDED_MS < master.now:
                    found.append(hold.decode(errors="replace"))
    return found


def _moving(master: OnMaster) -> list[str]:
    """Return the holds of bookings for which seats are reserved."""
    booked = (hold for hold, blob in master.holds.items() if b'"state":"booked"' in blob and b'"reserved":[' in blob)
    return [hold.decode(errors="replace") for hold in booked]


@dataclass(frozen=True, slots=True)
class _OnMaster:
    """What the master has of a show: its seats, its terms, and what else is damaged, for operators."""

    seats: OnMaster
    meta: dict[bytes, bytes]
    damages: list[str]


def _damages_of_terms(show: Show, meta: Mapping[bytes, bytes]) -> list[str]:
    """Return which fields of ``meta`` differ from the ledger, and which can't be used."""
    window = window_of(show)
    wanted = {
        "sales": show.sales.value,
        "size": show.seat_count,
        "hold_ms": show.hold_s * 1000,
        "max_seats": show.max_seats,
        "sales_start": window.start,
        "sales_end": window.end,
    }
    found = [
        f"its {name} is {shown(meta.get(name.encode()))}, not {value}"
        for name, value in wanted.items()
        if meta.get(name.encode()) != str(value).encode()
    ]
    for name in ("revision", "rebuilt_at"):
        value = meta.get(name.encode())
        if value is not None and not TIMES_AND_COUNTS.fullmatch(value):
            found.append(f"its {name} is {shown(value)}")
    epoch = meta.get(b"epoch", b"")
    if not epoch.isalnum() or len(epoch) > limits.MAX_ID_LENGTH:
        found.append(f"its epoch is {shown(epoch)}")
    return found


def _listed(texts: frozenset[str]) -> str:
    more = f" and {len(texts) - LISTED} more" if len(texts) > LISTED else ""
    return ", ".join(sorted(texts)[:LISTED]) + more
