"""The end of a run: is each viewer's map the authority's? Compared at the same version, so others may go on selling."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp
import orjson

from loadtest.crowd.board import MapState
from loadtest.crowd.plan import Plan, ShowPlan
from loadtest.crowd.viewers import Viewer
from realtime import wire

SETTLE_S = 25.0
"""So long viewers have to come to a version that the authority shows."""
NODES_ASKED = 4
AGAIN_S = 0.25


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A show's map as a node answers it over HTTP."""

    epoch: str
    version: int
    statuses: bytes


async def snapshot(http: aiohttp.ClientSession, url: str, show: ShowPlan) -> Snapshot | None:
    """Read a show's map from a node; None when there is no answer."""
    try:
        async with http.get(f"{url}/api/v1/shows/{show.id}/seats") as response:
            if response.status != 200:
                return None
            body = orjson.loads(await response.read())
    except (aiohttp.ClientError, OSError, TimeoutError):
        return None
    return Snapshot(body["epoch"], body["version"], bytes(wire.unpack_seats(body["seats"], show.seats)))


class Settling:
    """Compares until every viewer was seen right, one was seen wrong, or it takes too long."""

    def __init__(self, plan: Plan, viewers: Sequence[Viewer], http: aiohttp.ClientSession) -> None:
        """The viewers stay connected until ``run`` has ended."""
        self._plan = plan
        self._http = http
        self._left: dict[str, set[Viewer]] = {}
        for viewer in viewers:
            self._left.setdefault(viewer.show.id, set()).add(viewer)
        self._rounds = itertools.count()
        self.right = 0
        self.wrong: list[str] = []

    async def run(self) -> None:
        """Fill ``right`` and ``wrong``."""
        until = asyncio.get_running_loop().time() + SETTLE_S
        while any(self._left.values()) and asyncio.get_running_loop().time() < until:
            await self._round(next(self._rounds))
            if any(self._left.values()):
                await asyncio.sleep(AGAIN_S)
        for show, viewers in self._left.items():
            lost = sum(not viewer.is_watching for viewer in viewers)
            if lost:
                self.wrong.append(f"{show}: {lost} viewers had no connection in the end")
            if len(viewers) > lost:
                self.wrong.append(f"{show}: {len(viewers) - lost} viewers did not come to the authority's version")

    async def _round(self, number: int) -> None:
        for show in self._plan.shows:
            if not self._left.get(show.id):
                continue
            urls = [self._plan.urls[(number + n) % len(self._plan.urls)] for n in range(NODES_ASKED)]
            asked = [snapshot(self._http, url, show) for url in dict.fromkeys(urls)]
            known = [found for found in await asyncio.gather(*asked) if found is not None]
            for one, other in itertools.combinations(known, 2):
                same = (one.epoch, one.version) == (other.epoch, other.version)
                if same and one.statuses != other.statuses:
                    self.wrong.append(f"{show.id}: two nodes answer different maps for version {one.version}")
            self._compare(show.id, known)

    def _compare(self, show: str, known: list[Snapshot]) -> None:
        truth = {(each.epoch, each.version): each.statuses for each in known}
        verdicts: dict[MapState, bool] = {}
        bad = 0
        for viewer in tuple(self._left[show]):
            state = viewer.state
            if state is None or not viewer.is_watching or (state.epoch, state.version) not in truth:
                continue
            if state not in verdicts:
                verdicts[state] = state.statuses == truth[state.epoch, state.version]
            self._left[show].discard(viewer)
            self.right += verdicts[state]
            bad += not verdicts[state]
        if bad:
            self.wrong.append(f"{show}: the maps of {bad} viewers are not the authority's at the same version")
