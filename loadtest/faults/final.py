"""How things stand in the end: ledger, lock master and outbox of every region, read where they are kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import orjson

from loadtest.faults.place import Place
from loadtest.faults.workload import ShowSeats
from realtime import connect, keys
from realtime.ledger import Ledger
from realtime.locks.master import LockMaster
from realtime.model import hold_of


@dataclass(frozen=True, slots=True)
class Booking:
    """A booking in the ledger, by the hold it came from; ``seats`` are indices."""

    hold: str
    owner: str
    seats: tuple[int, ...]


@dataclass(slots=True)
class ShowState:
    """One show in the end. ``digits`` and ``taken`` (seat -> hold) are the master's; ``live`` its live holds."""

    seat_ids: tuple[str, ...]
    bookings: list[Booking]
    epoch: str
    version: int
    digits: str
    taken: dict[int, str]
    live: dict[str, str]


@dataclass(slots=True)
class Final:
    """The end of a run: shows by id; what is left in each region's outbox, and what was set aside.

    ``booked_again``: by show, whether the ledger refused each booking of seats that are sold (``rogue``).
    """

    shows: dict[str, ShowState]
    outbox: dict[str, int] = field(default_factory=dict)
    parked: dict[str, int] = field(default_factory=dict)
    booked_again: dict[str, list[bool]] = field(default_factory=dict)

    @property
    def quiet(self) -> bool:
        """Whether nothing is on its way any more."""
        return not any(self.outbox.values()) and not any(show.live for show in self.shows.values())


async def read(place: Place, shows: Iterable[ShowSeats]) -> Final:
    """Read everything; raises ``RegionUnavailable`` or ``LedgerUnavailable``."""
    final = Final({})
    async with place.masters() as masters:
        for region, master in masters.items():
            final.outbox[region] = await master.command("XLEN", keys.OUTBOX)
            final.parked[region] = await master.command("XLEN", keys.DEAD_LETTERS)
            ledger = place.ledger(region)
            try:
                for show in shows:
                    if show.region == region:
                        final.shows[show.id] = await _show(master, ledger, show)
            finally:
                await ledger.close()
    return final


async def _show(master: LockMaster, ledger: Ledger, show: ShowSeats) -> ShowState:
    meta, _seats, taken, holds = keys.show(show.id)[:4]
    bookings = [Booking(hold_of(each.id), each.owner, each.seats) for each in await ledger.booked(show.id)]
    epoch, version = await master.command("HMGET", meta, "epoch", "version")
    digits = await master.command("GET", _seats)
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
