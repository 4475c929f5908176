"""A node with a crowd of viewers is killed: all of them reconnect to other nodes at once and see the current map."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from loadtest.faults.client import Client as Person
from loadtest.faults.context import RunContext
from loadtest.faults.history import History
from loadtest.faults.shows import ShowSeats
from loadtest.faults.viewers import Viewer
from realtime.dev.cluster import Cluster
from tests.cluster import Client, grid, new_show, node_urls, running_cluster, until

VIEWERS = 150
AT_ONCE = 25


@pytest.fixture
def storm() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


async def test_the_viewers_of_a_killed_node_reconnect_to_the_other_nodes(storm: Cluster, tmp_path: Path) -> None:
    layout = grid()
    show = ShowSeats(await new_show(storm, "west", layout=layout), "west", tuple(s.id for s in layout.seats))
    dies, *others = node_urls(storm)
    history = History(tmp_path / "history.jsonl")
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        context = RunContext([show], 60, (0, 0), http)
        people = [
            Person(f"viewer-{n}", [dies, others[n % len(others)]], history, http, random.Random(n))
            for n in range(VIEWERS)
        ]
        viewers = [Viewer(person, [show], context) for person in people]
        watching = []
        for begun in range(0, VIEWERS, AT_ONCE):  # all at once could take a busy node longer than a client waits
            some = viewers[begun : begun + AT_ONCE]
            watching += [asyncio.create_task(viewer.run()) for viewer in some]

            async def joined(some: list[Viewer] = some) -> bool:
                return all(viewer.maps[show.id].epoch for viewer in some)

            await until(joined)
        buyer = await Client.connect(others[0])

        async def hold(seat: str) -> None:
            ask = {"show": show.id, "seats": [seat], "request_id": seat}
            assert (await buyer.call("seats:hold", ask))["ok"], "clients of the other nodes can still buy"

        async def all_see(*seats: str) -> None:
            held = {show.seats.index(seat) for seat in seats}

            async def seen() -> bool:
                return all(
                    {n for n, digit in enumerate(viewer.maps[show.id].digits) if digit == "1"} == held
                    for viewer in viewers
                )

            await until(seen)

        await hold("A-1")
        await all_see("A-1")
        assert Counter(person.node for person in people) == {dies: VIEWERS}
        storm.pause(f"node {dies.rpartition(':')[2]}").signal(signal.SIGKILL)
        # While they are away, and while they come.
        await hold("A-2")
        await hold("A-3")
        await all_see("A-1", "A-2", "A-3")
        await hold("A-4")
        await all_see("A-1", "A-2", "A-3", "A-4")
        assert Counter(person.node for person in people) == dict.fromkeys(others, VIEWERS // 2)
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        await asyncio.gather(*(person.close() for person in people), buyer.close())
    history.close()
