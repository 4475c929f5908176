"""All clients of a run: buyers, operators, a viewer on every node, and the probes that measure outages."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from loadtest.faults.buyers import Buyer
from loadtest.faults.client import Client
from loadtest.faults.context import RunContext
from loadtest.faults.history import History
from loadtest.faults.judge.end_state import FinalState
from loadtest.faults.operators import Operator
from loadtest.faults.probe import Probe
from loadtest.faults.shows import ShowSeats
from loadtest.faults.viewers import Viewer
from loadtest.installation import Installation

SETTLE_S = 30.0
"""Time, after the last hold may have expired, for everything to settle. Taking longer is a violation."""
MAPS_S = 10.0
"""Time at the end for the viewers' maps to reach the masters' versions."""
READY_S = 30.0
PROGRESS_S = 5.0


class Participants:
    """Creates the clients and runs them."""

    def __init__(
        self, seed: int, buyers: int, installation: Installation, history: History, context: RunContext
    ) -> None:
        """``buyers`` is per region."""
        self._buyers = buyers
        self._installation = installation
        self._history = history
        self._context = context
        self._rng = random.Random(seed)
        self._clients: list[Client] = []
        self._viewers: list[Viewer] = []
        self._viewing: list[asyncio.Task[None]] = []

    def _client(self, name: str, nodes: list[str]) -> Client:
        client = Client(name, nodes, self._history, self._context.http, random.Random(self._rng.random()))
        self._clients.append(client)
        return client

    def _nodes_from(self, home: str) -> list[str]:
        """Return all nodes, those of ``home`` first, otherwise in random order."""
        near = list(self._installation.nodes[home])
        far = [url for region, urls in self._installation.nodes.items() if region != home for url in urls]
        return [*self._rng.sample(near, len(near)), *self._rng.sample(far, len(far))]

    def make_probes(self, shows: Mapping[str, ShowSeats], names: Mapping[str, str]) -> dict[tuple[str, str], Probe]:
        """Return a probe for each (node's region, show's region), and one for each (node's name, its region).

        ``names`` are the nodes' names in the cluster, by URL.
        """
        found: dict[tuple[str, str], Probe] = {}
        for near, urls in self._installation.nodes.items():
            for owner, show in shows.items():
                client = self._client(f"probe-{near}-{owner}", [urls[0]])
                found[near, owner] = Probe(client, show, self._context.http)
            for url in urls:
                client = self._client(f"probe-{names[url].replace(' ', '-')}", [url])
                found[names[url], near] = Probe(client, shows[near], self._context.http)
        return found

    async def run(self, faults: Coroutine[Any, Any, None], minutes: float) -> list[str]:
        """Run everybody for ``minutes`` and until ``faults`` is done; return the runner's own errors."""
        loop = asyncio.get_running_loop()
        await self._start_viewers()
        acting = [asyncio.create_task(buyer.run()) for buyer in self._make_buyers()]
        acting += [asyncio.create_task(operator.run()) for operator in self._make_operators()]
        injecting = asyncio.create_task(faults)
        try:
            began = loop.time()
            await asyncio.wait([injecting])
            await asyncio.sleep(max(0.0, began + minutes * 60 - loop.time()))
            self._context.closing.set()
            self._context.deadline = loop.time() + SETTLE_S
            await asyncio.wait(acting, timeout=SETTLE_S + 15)
        finally:
            for task in (*acting, injecting):
                task.cancel()
            ends = await asyncio.gather(*acting, injecting, return_exceptions=True)
        return [repr(end) for end in ends if isinstance(end, BaseException)]

    async def _start_viewers(self) -> None:
        """Start a viewer on every node; return when each has all maps."""
        shows = self._context.shows
        for region, urls in self._installation.nodes.items():
            for number, url in enumerate(urls):
                nodes = [url, *(each for each in self._nodes_from(region) if each != url)]
                client = self._client(f"viewer-{region}-{number + 1}", nodes)
                self._viewers.append(Viewer(client, shows, self._context))
        self._context.maps = self._viewers[0].maps
        self._viewing = [asyncio.create_task(viewer.run()) for viewer in self._viewers]
        await _until(lambda: all(known.epoch for viewer in self._viewers for known in viewer.maps.values()), READY_S)

    def _make_buyers(self) -> list[Buyer]:
        return [
            Buyer(
                self._client(f"{region}-{n}", self._nodes_from(region)),
                region,
                self._context,
                random.Random(self._rng.random()),
            )
            for n in range(self._buyers)
            for region in self._installation.nodes
        ]

    def _make_operators(self) -> list[Operator]:
        """Return an operator for each region, if the installation's operator key is known."""
        return [
            Operator(
                f"operator-{region}",
                self._nodes_from(region),
                [show for show in self._context.shows if show.region == region],
                self._history,
                self._context,
                random.Random(self._rng.random()),
            )
            for region in self._installation.nodes
            if self._context.operator_key
        ]

    async def report(self, say: Callable[[str], None], faults: Callable[[], str]) -> None:
        """Print progress every ``PROGRESS_S`` until cancelled; ``faults`` returns what to add about them."""
        began = asyncio.get_running_loop().time()
        while True:
            await asyncio.sleep(PROGRESS_S)
            counts = self._context.counts
            seconds = int(asyncio.get_running_loop().time() - began)
            errors = ", ".join(f"{code} {count}" for code, count in self._context.errors.most_common(4))
            say(
                f"{seconds // 60}:{seconds % 60:02}  {counts['holds']} holds, {counts['bookings']} bookings, "
                f"{counts['pending']} pending; {errors or 'no errors'}{faults()}"
            )

    async def wait_for_maps(self, state: FinalState) -> None:
        """Wait until every viewer's maps have the masters' versions, at most ``MAPS_S``."""
        with contextlib.suppress(TimeoutError):
            await _until(
                lambda: all(
                    (known.epoch, known.version) == (state.shows[show].epoch, state.shows[show].version)
                    for viewer in self._viewers
                    for show, known in viewer.maps.items()
                ),
                MAPS_S,
            )

    async def close(self) -> None:
        """Disconnect everybody."""
        for task in self._viewing:
            task.cancel()
        await asyncio.gather(*self._viewing, return_exceptions=True)
        await asyncio.gather(*(client.close() for client in self._clients))


async def _until(condition: Callable[[], bool], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the condition depends on many clients, not on one event
            await asyncio.sleep(0.1)
