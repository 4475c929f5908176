"""Measures how long a region sells nothing after its lock master has started again, with its data and without.

A ledger of its own is filled with archived shows, shows on sale and half-sold stadiums. Then a keeper starts: the first
hold on the most urgent show is timed, and the moment at which all shows are on sale. The master's longest call is
measured too, meanwhile and while an operator blocks a stadium and checks the region: it serves nobody else during one.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Table, insert

from realtime import keys
from realtime.dev import valkey
from realtime.errors import TicketError
from realtime.keeper.check import Checker
from realtime.keeper.service import Keeper
from realtime.ledger import Ledger, schema
from realtime.locks.master import LockMaster
from realtime.locks.seats import SeatLocks
from realtime.model import Category, Layout, Seat, Show, Theatre
from realtime.payments.factory import PaymentConfig
from realtime.settings import Settings
from realtime.topology import Plain, Region, Topology
from realtime.wire.layouts import encode_layout, make_layout
from realtime.wire.shows import encode_show

HALL_SEATS = 200
PARTY = 4
"""Seats of a booking."""
WAIT_S = 300.0
ROWS_AT_ONCE = 5_000
"""Rows of one INSERT: a ledger gives PostgreSQL a few seconds for each command."""
_PRICES = {"Gold": 100}


@dataclass(frozen=True, slots=True)
class Installation:
    """How many shows there are: archived ones, halls on sale, and stadiums on sale of which half is sold."""

    archived: int = 5_000
    halls: int = 95
    stadiums: int = 5
    stadium_seats: int = 20_000


@dataclass(frozen=True, slots=True)
class Recovery:
    """Seconds since the start of the keeper."""

    first_hold_s: float
    all_on_sale_s: float
    longest_call_ms: float


@dataclass(frozen=True, slots=True)
class Measured:
    """``recoveries`` of a master that kept its data, and of one that lost it; the longest calls (ms) of operations."""

    recoveries: dict[str, Recovery]
    longest_calls_ms: dict[str, float]


async def measure_recovery(folder: Path, size: Installation, ledger_url: str) -> Measured:
    """Measure everything. The ledger must be new."""
    server = valkey.start(folder / "master")
    await server.wait_ready_async()
    region = Region("west", "West", Plain(server.url), {}, ledger_url)
    payments = PaymentConfig("signed", environ={"TICKINGTICKETS_SIGNED_SECRET": "s" * 32})
    settings = Settings(Topology({"west": region}), "a secret for the benchmark of recovery", payments=payments)
    try:
        first = await _fill(region.ledger, size)
        await _recover(settings, region, first)  # brings everything to the empty master
        found = {}
        for name, wiped in (("data kept", False), ("data lost", True)):
            server.stop()
            if wiped:
                shutil.rmtree(server.folder)
                server.folder.mkdir()
            server.restart()
            await server.wait_ready_async(WAIT_S)
            found[name] = await _recover(settings, region, first)
        return Measured(found, await _operate(region, size) if size.stadiums else {})
    finally:
        server.kill()


async def _recover(settings: Settings, region: Region, first: str) -> Recovery:
    master = LockMaster(region, reconciled_only=True)
    before = await _mark(region)
    await _watch_calls(region)
    begun = time.monotonic()
    keeper = Keeper(settings, "west", "k1")
    keeper.start()
    try:
        first_hold_s = await _first_hold(SeatLocks(master), first, begun)
        while time.monotonic() - begun < WAIT_S:
            if await _mark(region) not in (None, before):
                all_on_sale_s = time.monotonic() - begun
                return Recovery(first_hold_s, all_on_sale_s, await _longest_call_ms(region))
            await asyncio.sleep(0.01)
        raise TimeoutError(f"not all shows are on sale after {WAIT_S:g} s")
    finally:
        await keeper.stop()
        await master.close()


async def _first_hold(locks: SeatLocks, show: str, begun: float) -> float:
    hold = f"{show}.h{time.monotonic_ns():0>22}"
    while time.monotonic() - begun < WAIT_S:
        with contextlib.suppress(TicketError):
            await locks.hold(hold, "bench", [0])
            took = time.monotonic() - begun
            await locks.release(hold, "bench")
            return took
        await asyncio.sleep(0.01)
    raise TimeoutError(f"nothing was sold within {WAIT_S:g} s")


async def _operate(region: Region, size: Installation) -> dict[str, float]:
    """Return the longest call of each operation of an operator on the first stadium; no keeper runs meanwhile."""
    master = LockMaster(region, timeout_s=WAIT_S)
    locks, checker = SeatLocks(master), Checker(region)
    free = range(size.stadium_seats // 2, size.stadium_seats)
    found = {}
    try:
        for name, operate in (
            ("block", lambda: locks.block("west-stadium-0", free)),
            ("unblock", lambda: locks.unblock("west-stadium-0", free)),
            ("check", checker.compare_all),
        ):
            await _watch_calls(region)
            await operate()
            found[name] = await _longest_call_ms(region)
        return found
    finally:
        await checker.close()
        await master.close()


async def _mark(region: Region) -> bytes | None:
    found: bytes | None = await _ask(region, "GET", keys.REBUILT)
    return found


async def _watch_calls(region: Region) -> None:
    """Begin to note the master's longest calls."""
    await _ask(region, "CONFIG", "SET", "slowlog-log-slower-than", 500, "slowlog-max-len", 10_000)
    await _ask(region, "SLOWLOG", "RESET")


async def _longest_call_ms(region: Region) -> float:
    """Return how long the longest call since ``_watch_calls`` took; 0 if all were short."""
    calls = await _ask(region, "SLOWLOG", "GET", -1)
    return max((call[2] / 1000 for call in calls), default=0.0)


async def _ask(region: Region, *command: str | int) -> Any:
    master = LockMaster(region, timeout_s=5.0)
    try:
        return await master.command(*command)
    finally:
        await master.close()


# --- the ledger -------------------------------------------------------------------------------------------------------
async def _fill(url: str, size: Installation) -> str:
    """Fill a new ledger; return the id of the show that is the next to begin."""
    ledger = Ledger(url)
    await ledger.open()
    await ledger.save_theatre(Theatre("arena", "Arena", "Pune", "west"))
    hall, stadium = _layout(HALL_SEATS), _layout(size.stadium_seats)
    for layout in (hall, stadium):
        await ledger.save_layout(layout.id, encode_layout(layout))
    halls = [_show(f"west-hall-{n}", hall, n + 1) for n in range(size.halls)]
    stadiums = [_show(f"west-stadium-{n}", stadium, size.halls + n + 1) for n in range(size.stadiums)]
    for show in (*halls, *stadiums):
        await ledger.save_show(show)
    await _archive(ledger, hall, size.archived)
    for show in stadiums:
        await _sell(ledger, show, stadium)
    await ledger.close()
    return halls[0].id


def _layout(count: int) -> Layout:
    seats = tuple(
        Seat(f"{n // 100}-{n % 100}", "Hall", str(n // 100), str(n % 100), "Gold", n % 100 * 20.0, n // 100 * 20.0)
        for n in range(count)
    )
    return make_layout("Hall", 2000.0, 20.0 * (count // 100 + 1), (Category("Gold", "#c0a000"),), seats)


def _show(show_id: str, layout: Layout, hours: int) -> Show:
    starts_at = (datetime.now(UTC) + timedelta(hours=hours)).isoformat(timespec="seconds")
    seats = len(layout.seats)
    return Show(show_id, "A show", "arena", "Arena", "Pune", "west", layout.id, seats, starts_at, _PRICES)


async def _archive(ledger: Ledger, layout: Layout, count: int) -> None:
    shows = (_show(f"west-old-{n}", layout, -24 * 30) for n in range(count))
    more = {"sales": "closed", "over_at": 1, "archived_at": 1}
    rows = [
        {"id": s.id, "theatre_id": s.theatre, "layout_id": s.layout, "starts_at": s.starts_at, "body": encode_show(s)}
        for s in shows
    ]
    await _insert(ledger, schema.shows, [row | more for row in rows])


async def _sell(ledger: Ledger, show: Show, layout: Layout) -> None:
    bookings = list(_bookings(show, layout))
    more = {"show_id": show.id, "amount": 1, "confirmed_at": 1}
    rows = [
        {"id": booking, "owner": f"owner-{n}", "payment": f"paid {booking}", **more}
        for n, (booking, _seats) in enumerate(bookings)
    ]
    await _insert(ledger, schema.bookings, rows)
    seats = [
        {"show_id": show.id, "seat": layout.seats[seat].id, "seat_index": seat, "booking_id": booking}
        for booking, seats in bookings
        for seat in seats
    ]
    await _insert(ledger, schema.booked_seats, seats)


async def _insert(ledger: Ledger, table: Table, rows: list[dict[str, Any]]) -> None:
    async with ledger.transaction() as connection:
        for start in range(0, len(rows), ROWS_AT_ONCE):
            await connection.execute(insert(table), rows[start : start + ROWS_AT_ONCE])


def _bookings(show: Show, layout: Layout) -> Iterator[tuple[str, range]]:
    for n, start in enumerate(range(0, len(layout.seats) // 2, PARTY)):
        yield f"{show.id}.b{n:0>22}", range(start, start + PARTY)
