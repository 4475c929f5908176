"""At the end of a run, compares each viewer's map with a fresh snapshot of the same version.

Comparing at equal versions makes it unnecessary to stop other sales meanwhile.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp
import orjson

from loadtest.crowd.map_store import MapState
from loadtest.crowd.plan import Plan, ShowPlan
from loadtest.crowd.viewers import Viewer
from realtime.wire.maps import unpack_seats

TIMEOUT_S = 25.0
"""How long the comparison waits until every viewer has had a version that a node answered."""
NODES_ASKED = 4
INTERVAL_S = 0.25


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A show's map as a node answers it over HTTP."""

    epoch: str
    version: int
    statuses: bytes


async def read_snapshot(http: aiohttp.ClientSession, url: str, show: ShowPlan) -> Snapshot | None:
    """Read a show's map from a node; None when there is no answer."""
    try:
        async with http.get(f"{url}/api/v1/shows/{show.id}/seats") as response:
            if response.status != 200:
                return None
            body = orjson.loads(await response.read())
    except (aiohttp.ClientError, OSError, TimeoutError):
        return None
    return Snapshot(body["epoch"], body["version"], bytes(unpack_seats(body["seats"], show.seats)))


class FinalMapCheck:
    """Compares until every viewer's map was found equal or wrong, or ``TIMEOUT_S`` has passed."""

    def __init__(self, plan: Plan, viewers: Sequence[Viewer], http: aiohttp.ClientSession) -> None:
        """The viewers must stay connected until ``run`` has ended."""
        self._plan = plan
        self._http = http
        self._unchecked: dict[str, set[Viewer]] = {}
        for viewer in viewers:
            self._unchecked.setdefault(viewer.show.id, set()).add(viewer)
        self._rounds = itertools.count()
        self.verified = 0
        self.failures: list[str] = []

    async def run(self) -> None:
        """Fill ``verified`` and ``failures``."""
        until = asyncio.get_running_loop().time() + TIMEOUT_S
        while any(self._unchecked.values()) and asyncio.get_running_loop().time() < until:
            await self._compare_round(next(self._rounds))
            if any(self._unchecked.values()):
                await asyncio.sleep(INTERVAL_S)
        for show, viewers in self._unchecked.items():
            lost = sum(not viewer.is_watching for viewer in viewers)
            if lost:
                self.failures.append(f"{show}: {lost} viewers had no connection at the end")
            if len(viewers) > lost:
                self.failures.append(f"{show}: {len(viewers) - lost} viewers did not reach the nodes' version")

    async def _compare_round(self, number: int) -> None:
        for show in self._plan.shows:
            if not self._unchecked.get(show.id):
                continue
            urls = [self._plan.urls[(number + n) % len(self._plan.urls)] for n in range(NODES_ASKED)]
            reads = [read_snapshot(self._http, url, show) for url in dict.fromkeys(urls)]
            known = [found for found in await asyncio.gather(*reads) if found is not None]
            for one, other in itertools.combinations(known, 2):
                same = (one.epoch, one.version) == (other.epoch, other.version)
                if same and one.statuses != other.statuses:
                    self.failures.append(f"{show.id}: two nodes answer different maps for version {one.version}")
            self._compare_viewers(show.id, known)

    def _compare_viewers(self, show: str, known: list[Snapshot]) -> None:
        expected = {(each.epoch, each.version): each.statuses for each in known}
        results: dict[MapState, bool] = {}
        bad = 0
        for viewer in tuple(self._unchecked[show]):
            state = viewer.state
            if state is None or not viewer.is_watching or (state.epoch, state.version) not in expected:
                continue
            if state not in results:
                results[state] = state.statuses == expected[state.epoch, state.version]
            self._unchecked[show].discard(viewer)
            self.verified += results[state]
            bad += not results[state]
        if bad:
            self.failures.append(f"{show}: the maps of {bad} viewers differ from the nodes' at the same version")
