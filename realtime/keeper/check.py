"""Compares the ledger, the lock master and the outbox of a running region, and repairs the master from the ledger.

A running region changes while it is read. So the master's data of a show and the outbox are read in one transaction,
the ledger after them (it is never behind the master), and a difference counts only if several looks in a row see it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from realtime import connect, keys
from realtime.errors import RegionUnavailable
from realtime.keeper.declare import Declarations
from realtime.keeper.reconcile import Reconciler
from realtime.keeper.shows import Shows
from realtime.ledger import Ledger
from realtime.ledger.rows import Booked
from realtime.locks.master import LockMaster
from realtime.locks.seats import Record, SeatLocks, decode_record
from realtime.model import HoldState, Show, booking_of, hold_of
from realtime.topology import Region

LOOKS = 4
LOOK_AGAIN_S = 0.5
OVERDUE_MS = 5_000
"""A hold this long past its deadline is overdue: no keeper sweeps it."""
TIMEOUT_S = 10.0
_FREE, _HELD, _SOLD, _BLOCKED = b"0123"
_LIVE = (HoldState.HELD, HoldState.CONFIRMING)


class Kind(StrEnum):
    """The kinds of differences; ``_TEXTS`` has their messages."""

    SOLD_TWICE = "sold_twice"
    NOT_IN_LEDGER = "not_in_ledger"
    NOT_ON_MASTER = "not_on_master"
    HELD_BY_NOBODY = "held_by_nobody"
    HOLD_WITHOUT_SEATS = "hold_without_seats"
    OVERDUE = "overdue"
    STUCK = "stuck"
    BLOCKED = "blocked"
    SALES = "sales"
    DAMAGED = "damaged"
    MISSING_SHOW = "missing_show"
    UNKNOWN_SHOW = "unknown_show"

    @property
    def repairable(self) -> bool:
        """Whether ``--repair`` can repair it."""
        return self not in (Kind.SOLD_TWICE, Kind.NOT_IN_LEDGER, Kind.STUCK, Kind.UNKNOWN_SHOW)


_TEXTS = {
    Kind.SOLD_TWICE: "{seats}: sold twice, to {hold} and to {other}",
    Kind.NOT_IN_LEDGER: "{seats}: sold to {hold} on the master, but not in the ledger, and not in the outbox",
    Kind.NOT_ON_MASTER: "{seats}: sold to {hold} in the ledger, but not on the master, and not in the outbox",
    Kind.HELD_BY_NOBODY: "{seats}: taken on the master by {hold}, which is not a live hold with this seat",
    Kind.HOLD_WITHOUT_SEATS: "{seats}: part of {hold}, but not held by it in the seat map",
    Kind.OVERDUE: "{seats}: {hold} is past its deadline and its seats are not freed; is a keeper running?",
    Kind.STUCK: "{seats}: {hold} is being booked, but it is not in the outbox, so the ledger will never record it",
    Kind.BLOCKED: "{seats}: blocked on the {other} only",
    Kind.SALES: "sales are {other} in the ledger, but not on the master",
    Kind.DAMAGED: "the seat map on the master has the wrong size",
    Kind.MISSING_SHOW: "in the ledger, but not on the master",
    Kind.UNKNOWN_SHOW: "on the master, but not in the ledger",
}


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """One difference of a show; ``_TEXTS`` shows what ``hold`` and ``other`` mean for each kind."""

    show: str
    kind: Kind
    seats: tuple[int, ...] = ()
    hold: str = ""
    other: str = ""

    def words(self, seat_ids: Sequence[str]) -> str:
        """Return the message, with the ids of the seats."""
        seats = ", ".join(seat_ids)
        return f"{self.show}: {_TEXTS[self.kind].format(seats=seats, hold=self.hold or 'nobody', other=self.other)}"


@dataclass(frozen=True, slots=True)
class OnMaster:
    """The master's side of a show at one moment; ``waiting`` are the holds in the outbox, ``now`` its clock (ms)."""

    sales: str
    seats: bytes
    taken: dict[int, str]
    holds: dict[str, Record]
    waiting: frozenset[str]
    now: int


@dataclass(slots=True)
class Report:
    """What was compared and what differs; ``dead_letters`` describes each entry of the dead-letter stream."""

    shows: int = 0
    bookings: int = 0
    holds: int = 0
    outbox: int = 0
    dead_letters: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)


# --- comparing, no I/O ------------------------------------------------------------------------------------------------
def compare(show: Show, master: OnMaster, bookings: Sequence[Booked], blocked: Iterable[int]) -> list[Difference]:
    """Return all differences of a show."""
    if len(master.seats) != show.seat_count:
        return [Difference(show.id, Kind.DAMAGED)]
    found = [*_sold(show.id, master, bookings), *_held(show.id, master, {b.id for b in bookings})]
    in_ledger = set(blocked) - {seat for booking in bookings for seat in booking.seats}
    on_master = {seat for seat, digit in enumerate(master.seats) if digit == _BLOCKED}
    for seats, place in ((in_ledger - on_master, "ledger"), (on_master - in_ledger, "master")):
        if seats:
            found.append(Difference(show.id, Kind.BLOCKED, tuple(sorted(seats)), other=place))
    if master.sales != show.sales.value:
        found.append(Difference(show.id, Kind.SALES, other=show.sales.value))
    return found


def _sold(show: str, master: OnMaster, bookings: Sequence[Booked]) -> list[Difference]:
    found: list[Difference] = []
    buyer: dict[int, str] = {}
    for booking in bookings:
        hold = hold_of(booking.id)
        for seat in booking.seats:
            if buyer.setdefault(seat, hold) != hold:
                found.append(Difference(show, Kind.SOLD_TWICE, (seat,), hold, buyer[seat]))
    on_map = _sold_on_map(master)
    claims = defaultdict(set, {hold: set(seats) for hold, seats in on_map.items()})
    for hold, record in master.holds.items():
        if record.state is HoldState.BOOKED:
            claims[hold].update(record.seats)  # the buyer has received `booked`, whatever the map says
    for hold, seats in claims.items():
        rivals = sorted(seat for seat in seats if buyer.get(seat, hold) != hold)
        found += [Difference(show, Kind.SOLD_TWICE, (seat,), hold, buyer[seat]) for seat in rivals]
        alone = tuple(sorted(seats - buyer.keys()))
        if alone and hold not in master.waiting:
            found.append(Difference(show, Kind.NOT_IN_LEDGER, alone, hold))
    for booking in bookings:
        hold = hold_of(booking.id)
        settled = hold not in master.holds or master.holds[hold].state is HoldState.BOOKED
        lacking = tuple(s for s in booking.seats if not settled or (s not in on_map.get(hold, ()) and buyer[s] == hold))
        if lacking and hold not in master.waiting:
            found.append(Difference(show, Kind.NOT_ON_MASTER, lacking, hold))
    return found


def _sold_on_map(master: OnMaster) -> dict[str, set[int]]:
    found: dict[str, set[int]] = defaultdict(set)
    for seat, digit in enumerate(master.seats):
        if digit == _SOLD:
            found[master.taken.get(seat, "")].add(seat)
    return found


def _held(show: str, master: OnMaster, booked: set[str]) -> list[Difference]:
    found: list[Difference] = []
    for seat, digit in enumerate(master.seats):
        holder = master.taken.get(seat, "")
        record = master.holds.get(holder)
        theirs = record is not None and record.state in _LIVE and seat in record.seats
        if (digit == _HELD and not theirs) or (digit in (_FREE, _BLOCKED) and holder):
            found.append(Difference(show, Kind.HELD_BY_NOBODY, (seat,), holder))
    for hold, record in master.holds.items():
        if record.state not in _LIVE or hold in master.waiting or booking_of(hold) in booked:
            continue
        lost = tuple(s for s in record.seats if master.taken.get(s) != hold or master.seats[s] != _HELD)
        if lost:
            found.append(Difference(show, Kind.HOLD_WITHOUT_SEATS, lost, hold))
        if record.state is HoldState.CONFIRMING:
            found.append(Difference(show, Kind.STUCK, record.seats, hold))
        elif record.expires_at + OVERDUE_MS < master.now:
            found.append(Difference(show, Kind.OVERDUE, record.seats, hold))
    return found


# --- reading and repairing --------------------------------------------------------------------------------------------
class Checker:
    """Checks one region; ``close`` it after use. Methods raise ``RegionUnavailable`` or ``LedgerUnavailable``."""

    def __init__(self, region: Region, password: str = "") -> None:
        """Open no connection yet."""
        self._region = region
        self._password = password
        self._ledger = Ledger(region.ledger)
        self._shows = Shows(self._ledger)

    async def close(self) -> None:
        """Close the connections."""
        await self._ledger.close()

    async def check(self) -> Report:
        """Compare all shows. A difference that a later look no longer sees was a change in progress."""
        try:
            async with connect.to_master(self._region.master, self._password, timeout_s=TIMEOUT_S) as redis:
                return await self._check(redis)
        except (RedisError, OSError):
            raise RegionUnavailable(region=self._region.name) from None

    async def _check(self, redis: Redis) -> Report:
        report = Report(outbox=await redis.xlen(keys.OUTBOX))
        dead_letters: Any = await redis.xrange(keys.DEAD_LETTERS)
        for entry_id, entry in dead_letters:
            fields = connect.text_fields(entry)
            what = fields.get("hold") or fields.get("name") or "an entry"
            report.dead_letters.append(f"{entry_id.decode()}: {fields.get('kind')} of {what}: {fields.get('reason')}")
        shows = {show.id: show for show in await self._ledger.shows()}
        found: dict[str, set[Difference]] = {}
        for show in shows.values():
            found[show.id] = set(await self._look(redis, show, report))
        suspects = {show: differences for show, differences in found.items() if differences}
        for _ in range(LOOKS - 1):
            if suspects:
                await asyncio.sleep(LOOK_AGAIN_S)
            again = {show: suspects[show] & set(await self._look(redis, shows[show])) for show in suspects}
            suspects = {show: differences for show, differences in again.items() if differences}
        report.differences = sorted(difference for some in suspects.values() for difference in some)
        # The master is read first, because the ledger gets a new show before the master does.
        declared: Any = await redis.hkeys(keys.SHOWS)
        unknown = {name.decode() for name in declared} - {show.id for show in await self._ledger.shows()}
        report.differences += [Difference(show_id, Kind.UNKNOWN_SHOW) for show_id in sorted(unknown)]
        return report

    async def _look(self, redis: Redis, show: Show, count: Report | None = None) -> list[Difference]:
        master = await _read(redis, show.id)
        now = await self._ledger.show(show.id) or show
        bookings = await self._ledger.booked(show.id)
        if master is None:
            return [Difference(show.id, Kind.MISSING_SHOW)]
        if count is not None:
            count.shows += 1
            count.bookings += len(bookings)
            count.holds += sum(record.state in _LIVE for record in master.holds.values())
        return compare(now, master, bookings, await self._ledger.blocked(show.id))

    async def seat_ids(self, difference: Difference) -> list[str]:
        """Return the ids of the seats of a difference."""
        if not difference.seats:
            return []
        show = await self._shows.show(difference.show)
        layout = await self._shows.layout(show.layout)
        return [layout.seats[index].id for index in difference.seats]

    async def repair(self, differences: Iterable[Difference]) -> None:
        """Repair on the master what the ledger proves; the other differences are left for an operator."""
        link = LockMaster(self._region, self._password, timeout_s=TIMEOUT_S)
        try:
            locks = SeatLocks(link)
            await link.load_functions()
            reconciler = Reconciler(self._region.name, self._ledger, link, locks)
            declare = Declarations(link, locks)
            repairable = [d for d in differences if d.kind.repairable]
            await locks.expire([d.hold for d in repairable if d.kind is Kind.OVERDUE])
            for show_id in sorted({d.show for d in repairable if d.kind is not Kind.OVERDUE}):
                show = await self._ledger.show(show_id)
                assert show is not None, "shows are never removed"
                blob = await self._ledger.layout(show.layout)
                assert blob is not None, "layouts are never removed"
                await declare.layout(show.layout, blob)
                await reconciler.rebuild_show(show)
                await declare.announce(show=show_id)
        finally:
            await link.close()


async def _read(redis: Redis, show: str) -> OnMaster | None:
    meta, seats, taken, holds = keys.show(show)[:4]
    pipeline = redis.pipeline(transaction=True)
    pipeline.hget(meta, "sales")
    pipeline.get(seats)
    pipeline.hgetall(taken)
    pipeline.hgetall(holds)
    pipeline.xrange(keys.OUTBOX)
    pipeline.time()
    sales, text, takers, records, entries, time = await pipeline.execute()
    if sales is None or text is None:
        return None
    return OnMaster(
        sales=sales.decode(),
        seats=text,
        taken={int(seat): hold.decode() for seat, hold in takers.items()},
        holds={hold.decode(): decode_record(record) for hold, record in records.items()},
        waiting=frozenset(f[b"hold"].decode() for _id, f in entries if f.get(b"kind") == b"booking" and b"hold" in f),
        now=connect.time_ms(time),
    )
