"""Halls for tests of the seat map: many sections, as in a stadium, but few seats, so that tests are fast."""

from __future__ import annotations

from dataclasses import replace

from playwright.async_api import Page

from realtime.dev.cluster import Cluster
from realtime.model import Category, Layout, Seat
from realtime.wire.layouts import make_layout
from tests.cluster import grid, new_show

PRICES = {"Gold": 900, "Silver": 400}


def stands(lines: int = 4, columns: int = 8, rows: int = 12, numbers: int = 14) -> Layout:
    """Stands in a grid, each ``rows`` by ``numbers``; ids are ``S<stand>-<row>-<number>``, the first line is Gold."""
    seats = tuple(
        Seat(
            f"S{line * columns + column + 1}-{chr(65 + row)}-{number}",
            f"Stand {line * columns + column + 1}",
            chr(65 + row),
            str(number),
            "Silver" if line else "Gold",
            (column * (numbers + 2) + number) * 10.0,
            (line * (rows + 2) + row) * 10.0,
            accessible=row == 0 and number == 1,
        )
        for line in range(lines)
        for column in range(columns)
        for row in range(rows)
        for number in range(1, numbers + 1)
    )
    categories = (Category("Gold", "#d4a017"), Category("Silver", "#7a8fa6"))
    width, height = columns * (numbers + 2) * 10, lines * (rows + 2) * 10
    return make_layout("Stands", width, height, categories, seats)


def boxes() -> Layout:
    """A grid whose printed names, such as "Box A, Chair 1", are not the ids, such as A-1."""
    plain = grid()
    seats = tuple(
        replace(seat, section="Balcony", row=f"Box {seat.row}", number=f"Chair {seat.number}") for seat in plain.seats
    )
    return make_layout("Boxes", plain.width, plain.height, plain.categories, seats)


async def stands_show(cluster: Cluster) -> str:
    """Declare a show in a hall of stands; return its id."""
    return await new_show(cluster, "west", layout=stands(), prices=PRICES)


async def distance(page: Page, one: str, other: str) -> float:
    """Return the distance of two seats on the screen, CSS pixels; a zoom changes it."""
    return float(
        await page.evaluate(
            """([one, other]) => {
                const map = document.querySelector('seat-map');
                const [a, b] = [map.pointOf(one), map.pointOf(other)];
                return Math.hypot(a.x - b.x, a.y - b.y);
            }""",
            [one, other],
        )
    )


async def painted(page: Page) -> None:
    """Wait until the map is painted completely."""
    await page.wait_for_function("() => document.querySelector('seat-map').painted")


async def color_of(page: Page, seat: str, aside: float = 0) -> tuple[int, int, int]:
    """Return red, green and blue at a seat as painted, ``aside`` pixels left of its middle."""
    await painted(page)
    found = await page.evaluate(
        """([seat, aside]) => {
            const map = document.querySelector('seat-map');
            const at = map.pointOf(seat);
            at.x -= aside;
            for (const canvas of [...map.shadowRoot.querySelectorAll('.stage canvas')].reverse()) {
                const box = canvas.getBoundingClientRect();
                if (at.x < box.left || at.x >= box.right || at.y < box.top || at.y >= box.bottom) continue;
                const k = canvas.width / box.width;
                const [x, y] = [(at.x - box.left) * k, (at.y - box.top) * k];
                const copy = new OffscreenCanvas(1, 1).getContext('2d');
                copy.drawImage(canvas, -Math.floor(x), -Math.floor(y));
                return [...copy.getImageData(0, 0, 1, 1).data].slice(0, 3);
            }
            return [-1, -1, -1];
        }""",
        [seat, aside],
    )
    return found[0], found[1], found[2]
