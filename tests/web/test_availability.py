"""How many seats are free, as lists show it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from realtime.dev.cluster import Cluster
from tests.cluster import Client, grid, new_show, node_urls, until


async def test_lists_say_how_many_seats_are_free_soon_after_a_change(cluster: Cluster) -> None:
    show = await new_show(cluster, "west")
    seats = len(grid().seats)
    node = node_urls(cluster)[0]
    async with aiohttp.ClientSession() as session:

        async def get(path: str) -> Any:
            async with session.get(f"{node}/api/v1/{path}") as answer:
                return await answer.json()

        def says(free: int) -> Callable[[], Awaitable[bool]]:
            async def check() -> bool:
                return bool((await get("availability"))["free"].get(show) == free)

            return check

        await until(says(seats))
        buyer = await Client.connect(node_urls(cluster)[1])
        first = grid().seats[0].id
        assert (await buyer.call("seats:hold", {"show": show, "seats": [first], "request_id": "1"}))["ok"]
        await until(says(seats - 1))
        listed = {each["id"]: each for each in (await get("shows"))["shows"]}
        assert listed[show]["free"] == seats - 1
        await buyer.close()
