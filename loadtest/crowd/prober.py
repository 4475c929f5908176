"""Measures staleness: holds one seat every now and then, and records when each viewer has received that change.

Staleness is counted from the moment when the owning region's master made the change. The master's answer contains that
moment, on the master's clock. If it lies between request and answer on this machine's clock, the clocks agree well
enough and the moment is used as it is. Otherwise the moment of the *request* is used: staleness is then an upper bound
that includes the whole write. Request, answer and arrivals are always read from one clock, because each process has a
prober and viewers of its own.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from loadtest.crowd.context import WorkerContext
from loadtest.crowd.map_store import MapState, Probe
from loadtest.crowd.person import Person
from loadtest.crowd.plan import ShowPlan
from loadtest.crowd.viewers import Viewer

LATE_S = 10.0
"""A viewer that has not received a change after this long is counted as missed, and with this staleness."""
KEEP_S = 0.5
"""How long a probe holds its seat."""
CLOCK_TOLERANCE_S = 0.002
"""The master's clock is read in whole milliseconds."""


class Prober:
    """Probes the shows of a process in turn, one every ``plan.probe_s``."""

    def __init__(self, context: WorkerContext, viewers: list[Viewer], person: Person) -> None:
        """``person`` makes the holds, on seats that are free on the viewers' maps."""
        self._context = context
        self._viewers = viewers
        self._person = person
        self._waiting: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Probe until the run ends or this is cancelled."""
        shows = self._context.plan.shows
        turn = 0
        while not self._context.ending:
            begun = self._context.loop.time()
            show = shows[turn % len(shows)]
            turn += 1
            newest = self._context.maps.newest.get(show.id)
            if newest is not None:
                await self._probe(show, newest)
            # Randomised, so that probes don't coincide with whatever else happens once a second.
            interval = self._context.plan.probe_s * self._context.rng.uniform(0.75, 1.25)
            await asyncio.sleep(max(0.05, begun + interval - self._context.loop.time()))

    async def close(self) -> None:
        """Stop waiting for viewers that are late; probes of the last ``LATE_S`` are not judged."""
        for task in self._waiting:
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)

    async def _probe(self, show: ShowPlan, newest: MapState) -> None:
        seat = self._free_seat(newest)
        if seat is None:
            self._context.bin.counts["no seat to probe"] += 1
            return
        ids = await self._person.seat_ids(show)
        if not await self._person.ensure_connected():
            return
        probe = Probe(show.id, seat, time.monotonic())
        self._context.maps.expect(probe)
        answer = await self._person.request("seats:hold", {"show": show.id, "seats": [ids[seat]]}, new=True)
        answered = time.monotonic()
        if answer is None or not answer["ok"]:
            self._context.maps.forget(probe)
            return
        self._set_time(probe, answer, answered)
        task = self._context.loop.create_task(self._count_late(probe))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)
        await asyncio.sleep(KEEP_S)
        await self._person.release(answer["hold"]["id"])

    def _free_seat(self, state: MapState) -> int | None:
        start = self._context.rng.randrange(len(state.statuses))
        seat = state.statuses.find(0, start)
        seat = seat if seat >= 0 else state.statuses.find(0)
        return seat if seat >= 0 else None

    def _set_time(self, probe: Probe, answer: dict[str, Any], answered: float) -> None:
        """Determine when the change was made, and count the viewers that received it before the answer came."""
        made = answer["server_time"] / 1000 - (time.time() - time.monotonic())
        if probe.asked_at - CLOCK_TOLERANCE_S <= made <= answered + CLOCK_TOLERANCE_S:
            probe.since = max(probe.asked_at, made)
            self._context.bin.counts["probes by the master's clock"] += 1
        else:
            probe.since = probe.asked_at
            self._context.bin.counts["probes by the request"] += 1
        for arrived in probe.waiting:
            self._context.bin.times["staleness"].add(max(0.0, arrived - probe.since) * 1000)

    async def _count_late(self, probe: Probe) -> None:
        """After ``LATE_S``, count the viewers that should have received the change and did not."""
        assert probe.since is not None
        await asyncio.sleep(LATE_S)
        self._context.maps.forget(probe)
        for viewer in self._viewers:
            state = viewer.state
            if (
                viewer.show.id != probe.show
                or not viewer.measured
                or not viewer.is_watching
                or viewer.since > probe.since
                or state is None
            ):
                continue
            if probe.version is None or (state.epoch == probe.epoch and state.version < probe.version):
                self._context.bin.counts["missed"] += 1
                self._context.bin.times["staleness"].add(LATE_S * 1000)
