"""The state of ledgers, lock masters and outboxes at the end of a run, read where it is stored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import orjson

from loadtest.faults.judge.payments import Money
from loadtest.faults.shows import ShowSeats
from loadtest.installation import Installation
from realtime import connect, keys
from realtime.ledger import Ledger
from realtime.locks.master import LockMaster
from realtime.model import hold_of


@dataclass(frozen=True, slots=True)
class Booking:
    """A booking in the ledger, with the hold that it was made from. ``seats`` are indices."""

    hold: str
    owner: str
    seats: tuple[int, ...]


@dataclass(slots=True)
class ShowState:
    """One show at the end: ``bookings`` are the ledger's, the rest is the master's.

    ``digits`` has a status digit for each seat, ``taken`` the hold of each taken seat, ``live`` the state of each hold
    that has not ended.
    """

    seat_ids: tuple[str, ...]
    bookings: list[Booking]
    epoch: str
    version: int
    digits: str
    taken: dict[int, str]
    live: dict[str, str]


@dataclass(slots=True)
class FinalState:
    """The end of a run: shows by id, and for each region how many outbox entries and dead letters are left.

    ``rebooking_refused`` has, by show, whether the ledger refused each attempt to book sold seats (``rogue_keeper``).
    """

    shows: dict[str, ShowState]
    outbox: dict[str, int] = field(default_factory=dict)
    dead_letters: dict[str, int] = field(default_factory=dict)
    rebooking_refused: dict[str, list[bool]] = field(default_factory=dict)
    money: Money | None = None
    """None where no bank was asked."""

    @property
    def settled(self) -> bool:
        """Whether every outbox is empty and no hold is live."""
        return not any(self.outbox.values()) and not any(show.live for show in self.shows.values())


async def read(installation: Installation, shows: Iterable[ShowSeats]) -> FinalState:
    """Read the state of all regions. Raises ``RegionUnavailable`` or ``LedgerUnavailable``."""
    final = FinalState({})
    async with installation.masters() as masters:
        for region, master in masters.items():
            final.outbox[region] = await master.command("XLEN", keys.OUTBOX)
            final.dead_letters[region] = await master.command("XLEN", keys.DEAD_LETTERS)
            ledger = installation.ledger(region)
            try:
                for show in shows:
                    if show.region == region:
                        final.shows[show.id] = await _read_show(master, ledger, show)
            finally:
                await ledger.close()
    return final


async def _read_show(master: LockMaster, ledger: Ledger, show: ShowSeats) -> ShowState:
    meta, seats, taken, holds = keys.show(show.id)[:4]
    bookings = [Booking(hold_of(each.id), each.owner, each.seats) for each in await ledger.booked(show.id)]
    epoch, version = await master.command("HMGET", meta, "epoch", "version")
    digits = await master.command("GET", seats)
    takers = connect.pairs(await master.command("HGETALL", taken))
    records = {hold: orjson.loads(record) for hold, record in connect.pairs(await master.command("HGETALL", holds))}
    return ShowState(
        show.seats,
        bookings,
        (epoch or b"").decode(),
        int(version or 0),
        (digits or b"").decode(),
        {int(seat): hold.decode() for seat, hold in takers},
        {hold.decode(): r["state"] for hold, r in records.items() if r["state"] in ("held", "confirming")},
    )
