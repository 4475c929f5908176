"""The halls in which pages are measured: two of the sample data, and an arena that is declared here."""

from __future__ import annotations

import math

import aiohttp

from realtime.locks.commands import declare_layout, run_command
from realtime.locks.master import LockMaster
from realtime.model import Category, Layout, Seat
from realtime.wire.layouts import encode_layout, make_layout

REGION = "west"
SCREEN, STADIUM, ARENA = SIZES = 280, 60_000, 200_000


def arena(seats: int = ARENA) -> Layout:
    """Return an arena of blocks in a ring, whose rows are arcs of 40 seats."""
    blocks, in_row = 50, 40
    rows = math.ceil(seats / (blocks * in_row))
    made = tuple(
        Seat(
            f"{block + 1}-{row + 1}-{number + 1}",
            f"Block {block + 1}",
            str(row + 1),
            str(number + 1),
            "Lower" if row < rows // 2 else "Upper",
            *_on_ring(block, blocks, row, number, in_row, rows),
            accessible=row == 0 and number < 2,
        )
        for block in range(blocks)
        for row in range(rows)
        for number in range(in_row)
    )[:seats]
    categories = (Category("Lower", "#5b8fc7"), Category("Upper", "#8d84b8"))
    side = 2 * (_inner(blocks, in_row) + 30.0 * (rows + 2))
    return make_layout("Arena", side, side, categories, made)


def _inner(blocks: int, in_row: int) -> float:
    return blocks * (in_row + 3) * 24.0 / math.tau


def _on_ring(block: int, blocks: int, row: int, number: int, in_row: int, rows: int) -> tuple[float, float]:
    inner = _inner(blocks, in_row)
    middle = inner + 30.0 * (rows + 2)
    angle = (block + (number + 1.5) / (in_row + 3)) / blocks * math.tau
    radius = inner + 30.0 * row
    return round(middle + radius * math.sin(angle), 2), round(middle - radius * math.cos(angle), 2)


async def declare_shows(node: str, master: LockMaster) -> dict[int, str]:
    """Return a show for each size of hall; that of the arena is declared here."""
    layout = arena()
    await declare_layout(master, layout.id, encode_layout(layout))
    body = {
        "id": f"{REGION}-arena",
        "title": "Arena",
        "theatre": f"{REGION}-arena",
        "layout": layout.id,
        "prices": {"Lower": 900, "Upper": 450},
        "starts_at": "2030-01-01T18:30:00+05:30",
    }
    await run_command(master, "theatre", {"id": f"{REGION}-arena", "name": "Arena", "city": "Nowhere"})
    await run_command(master, "show", body)
    async with aiohttp.ClientSession(node) as session:
        while True:
            async with session.get("/api/v1/shows") as answer:
                known = {show["seat_count"]: str(show["id"]) for show in (await answer.json())["shows"]}
            if ARENA in known:
                return {seats: known[seats] for seats in SIZES}
