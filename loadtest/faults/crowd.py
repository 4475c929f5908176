"""Everybody: buyers, a viewer on every node, and the probes that feel the faults."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from loadtest.clients import Client
from loadtest.faults import final
from loadtest.faults.history import History
from loadtest.faults.place import Place
from loadtest.faults.probe import Probe
from loadtest.faults.workload import Buyer, ShowSeats, Viewer, World

SETTLE_S = 30.0
"""After the last hold may have lapsed: time for everything to come to rest. Longer is a violation."""
MAPS_S = 10.0
READY_S = 30.0
PROGRESS_S = 5.0


class Crowd:
    """All the clients of a run."""

    def __init__(self, seed: int, buyers: int, place: Place, history: History, world: World) -> None:
        """``buyers`` is per region."""
        self._buyers = buyers
        self._place = place
        self._history = history
        self._world = world
        self._rng = random.Random(seed)
        self._clients: list[Client] = []
        self._viewers: list[Viewer] = []
        self._viewing: list[asyncio.Task[None]] = []

    def _client(self, name: str, nodes: list[str]) -> Client:
        client = Client(name, nodes, self._history, self._world.http, random.Random(self._rng.random()))
        self._clients.append(client)
        return client

    def _nodes_from(self, home: str) -> list[str]:
        """All nodes, those of ``home`` first, in an order of this client's own."""
        near = list(self._place.nodes[home])
        far = [url for region, urls in self._place.nodes.items() if region != home for url in urls]
        return [*self._rng.sample(near, len(near)), *self._rng.sample(far, len(far))]

    def probes(self, shows: Mapping[str, ShowSeats], parts: Mapping[str, str]) -> dict[tuple[str, str], Probe]:
        """One for each pair of a node's region and a show's region, and one for each node by the name of its part."""
        found: dict[tuple[str, str], Probe] = {}
        for near, urls in self._place.nodes.items():
            for owner, show in shows.items():
                client = self._client(f"probe-{near}-{owner}", [urls[0]])
                found[near, owner] = Probe(client, show, self._world.http)
            for url in urls:
                client = self._client(f"probe-{parts[url].replace(' ', '-')}", [url])
                found[parts[url], near] = Probe(client, shows[near], self._world.http)
        return found

    async def live(self, meanwhile: Coroutine[Any, Any, None], minutes: float) -> list[str]:
        """Let everybody do what they do, for so long and until ``meanwhile`` is over; return what went wrong in us."""
        loop = asyncio.get_running_loop()
        world = self._world
        await self._watch()
        buying = [asyncio.create_task(buyer.run()) for buyer in self._make_buyers()]
        happening = asyncio.create_task(meanwhile)
        try:
            began = loop.time()
            await asyncio.wait([happening])
            await asyncio.sleep(max(0.0, began + minutes * 60 - loop.time()))
            world.closing.set()
            world.deadline = loop.time() + SETTLE_S
            await asyncio.wait(buying, timeout=SETTLE_S + 15)
        finally:
            for task in (*buying, happening):
                task.cancel()
            ends = await asyncio.gather(*buying, happening, return_exceptions=True)
        return [repr(end) for end in ends if isinstance(end, BaseException)]

    async def _watch(self) -> None:
        world = self._world
        for region, urls in self._place.nodes.items():
            for number, url in enumerate(urls):
                nodes = [url, *(each for each in self._nodes_from(region) if each != url)]
                self._viewers.append(Viewer(self._client(f"viewer-{region}-{number + 1}", nodes), world.shows, world))
        world.maps = self._viewers[0].maps
        self._viewing = [asyncio.create_task(viewer.run()) for viewer in self._viewers]
        await _until(lambda: all(known.epoch for viewer in self._viewers for known in viewer.maps.values()), READY_S)

    def _make_buyers(self) -> list[Buyer]:
        return [
            Buyer(
                self._client(f"{region}-{n}", self._nodes_from(region)),
                region,
                self._world,
                random.Random(self._rng.random()),
            )
            for n in range(self._buyers)
            for region in self._place.nodes
        ]

    async def report(self, say: Callable[[str], None], now: Callable[[], str]) -> None:
        """Say how it goes, every now and then, until cancelled; ``now`` adds what else there is to say."""
        began = asyncio.get_running_loop().time()
        while True:
            await asyncio.sleep(PROGRESS_S)
            counts = self._world.counts
            seconds = int(asyncio.get_running_loop().time() - began)
            errors = ", ".join(f"{code} {count}" for code, count in self._world.errors.most_common(4))
            say(
                f"{seconds // 60}:{seconds % 60:02}  {counts['holds']} holds, {counts['bookings']} bookings, "
                f"{counts['pending']} pending; {errors or 'no errors'}{now()}"
            )

    async def maps_agree(self, state: final.Final) -> None:
        """Give viewers a moment to see the end."""
        with contextlib.suppress(TimeoutError):
            await _until(
                lambda: all(
                    (known.epoch, known.version) == (state.shows[show].epoch, state.shows[show].version)
                    for viewer in self._viewers
                    for show, known in viewer.maps.items()
                ),
                MAPS_S,
            )

    async def leave(self) -> None:
        """Let everybody go."""
        for task in self._viewing:
            task.cancel()
        await asyncio.gather(*self._viewing, return_exceptions=True)
        await asyncio.gather(*(client.close() for client in self._clients))


async def _until(condition: Callable[[], bool], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - many clients, no one event
            await asyncio.sleep(0.1)
