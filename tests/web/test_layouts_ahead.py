"""A node codes large layouts before anybody asks for them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from unittest.mock import patch

from realtime.cancellation import cancel_all
from realtime.errors import RegionUnavailable
from realtime.model import Layout, Show
from realtime.web import layouts_api
from realtime.web.layouts_api import AHEAD_SEATS, LayoutsApi
from realtime.wire.layouts import encode_layout
from tests.cluster import grid, until
from tests.read_path import SHOW


class Shows:
    """What a directory knows; records which layouts are read."""

    def __init__(self, shows: list[Show], blobs: dict[str, bytes]) -> None:
        self._shows = shows
        self._blobs = blobs
        self.read: list[str] = []

    def shows(self) -> list[Show]:
        return self._shows

    async def layout_blob(self, layout_id: str) -> bytes:
        self.read.append(layout_id)
        if layout_id not in self._blobs:
            raise RegionUnavailable(region="west")
        return self._blobs[layout_id]


def show_of(layout: Layout, year: int) -> Show:
    return replace(SHOW, layout=layout.id, seat_count=len(layout.seats), starts_at=f"{year}-01-01T18:30:00+05:30")


async def test_large_layouts_are_coded_ahead_those_of_the_next_shows_first() -> None:
    away, soon, over, damaged = (grid(20, AHEAD_SEATS // 20 + n) for n in range(4))
    small = grid()
    shows = [
        show_of(over, 2020),
        show_of(away, 2032),
        show_of(soon, 2031),
        show_of(damaged, 2030),
        show_of(small, 2030),
    ]
    known = {layout.id: encode_layout(layout) for layout in (soon, over, small)} | {damaged.id: b"{}"}
    directory = Shows(shows, known)
    api = LayoutsApi(directory)  # type: ignore[arg-type]

    async def asked_again() -> bool:
        return directory.read.count(away.id) > 1

    with patch.object(layouts_api, "LOOK_S", 0.01):
        running = asyncio.create_task(api.run())
        await until(asked_again)
    assert directory.read[:4] == [damaged.id, soon.id, away.id, over.id]
    for layout in (soon, over):
        assert (await api.prepare(layout.id)).content["identity"].startswith(b"TTL1")
    assert set(directory.read[4:]) == {away.id}
    await cancel_all(running)
    await api.close()
