"""How many seats are free, as lists show it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from realtime import keys
from realtime.dev.cluster import Cluster
from realtime.web import availability
from realtime.web.availability import Availability
from tests.cluster import Client, grid, new_show, node_urls, until
from tests.read_path import SHOW, Node, known


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


async def test_a_show_whose_keys_are_damaged_hides_the_free_seats_of_no_other(
    own_node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody heals them here, as a keeper does within a second or two."""
    await until(known(own_node))
    shows = [replace(SHOW, id=f"west-{n:02}") for n in range(40)]
    for show in shows:
        await own_node.locks.declare(show, "e1")
    await own_node.locks.master.command("SET", keys.meta("west-05"), "damaged")
    monkeypatch.setattr(availability, "REFRESH_S", 0.0)  # the replica may lag
    counts = Availability({"west": own_node.feed})

    async def all_others() -> bool:
        return set(await counts.free(shows)) == {show.id for show in shows} - {"west-05"}

    await until(all_others, 10)
