"""The shows of a run: a hall of numbered rows, declared in every region and known to every node."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import aiohttp

from loadtest.installation import Installation
from realtime.clock import now_ms
from realtime.errors import RegionUnavailable
from realtime.locks.commands import declare_layout, run_command
from realtime.locks.master import LockMaster
from realtime.model import Category, Layout, SalesState, Seat
from realtime.wire.layouts import encode_layout, make_layout

HOLD_S = 8
SHOWS_PER_REGION = 2
PROBE_SEATS = 400
SEATS_PER_ROW = 50
KNOWN_S = 30.0
"""Time for a node to learn of a show."""


@dataclass(frozen=True, slots=True)
class ShowSeats:
    """A show on sale, with its seats' ids in index order."""

    id: str
    region: str
    seats: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shows:
    """The shows that buyers use, and by region the one that only probes use."""

    on_sale: list[ShowSeats]
    for_probes: dict[str, ShowSeats]

    @property
    def all(self) -> list[ShowSeats]:
        """Both kinds."""
        return [*self.on_sale, *self.for_probes.values()]


def hall(seats: int) -> Layout:
    """Return a layout with rows of ``SEATS_PER_ROW``; a seat's id is ``row-number``, both from 1."""
    every = []
    for index in range(seats):
        row, number = divmod(index, SEATS_PER_ROW)
        every.append(Seat(f"{row + 1}-{number + 1}", "Stalls", str(row + 1), str(number + 1), "Gold", number, row))
    height = seats // SEATS_PER_ROW + 1
    return make_layout("Hall", SEATS_PER_ROW, height, (Category("Gold", "#d4a017"),), tuple(every))


async def declare(installation: Installation, seats: int, http: aiohttp.ClientSession) -> Shows:
    """Declare the shows of a run in every region; return when every node knows them."""
    shows = Shows([], {})
    run = f"{now_ms():x}"
    async with installation.masters() as masters:
        for region, master in masters.items():
            theatre = {"id": f"{region}-faults", "name": "Test hall (faults)", "city": "Nowhere"}
            await run_command(master, "theatre", theatre)
            for day in range(1, SHOWS_PER_REGION + 1):
                shows.on_sale.append(await _declare_show(master, region, f"{region}-{run}-{day}", hall(seats), day))
            shows.for_probes[region] = await _declare_show(
                master, region, f"{region}-{run}-probe", hall(PROBE_SEATS), SHOWS_PER_REGION + 1
            )
    for urls in installation.nodes.values():
        for url in urls:
            for each in shows.all:
                await _wait_until_known(http, f"{url}/api/v1/shows/{each.id}")
    return shows


async def close_sales(installation: Installation, shows: Shows) -> None:
    """Close the sales of all shows of a run."""
    async with installation.masters() as masters:
        for show in shows.all:
            await run_command(masters[show.region], "sales", {"show": show.id, "sales": SalesState.CLOSED.value})


async def _declare_show(master: LockMaster, region: str, show: str, layout: Layout, day: int) -> ShowSeats:
    await _declare_layout(master, layout)
    body = {
        "id": show,
        "title": show,
        "theatre": f"{region}-faults",
        "layout": layout.id,
        "prices": {"Gold": 450},
        "hold_s": HOLD_S,
        "starts_at": f"2030-01-0{day}T18:30:00+05:30",
    }
    await run_command(master, "show", body)
    return ShowSeats(show, region, tuple(seat.id for seat in layout.seats))


async def _declare_layout(master: LockMaster, layout: Layout) -> None:
    async with asyncio.timeout(KNOWN_S):
        while True:
            try:
                await declare_layout(master, layout.id, encode_layout(layout))
                return
            except RegionUnavailable:
                await asyncio.sleep(0.2)  # a new master behind Sentinels takes no writes before a spare follows it


async def _wait_until_known(http: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(KNOWN_S):
        while True:
            async with http.get(url) as response:
                if response.status == 200:
                    return
            await asyncio.sleep(0.05)
