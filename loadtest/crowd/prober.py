"""Probes: one seat held and let go again, now and then, to see when every viewer has the change.

Staleness is counted from the moment when the owning region's master made the change. Its answer says when that was, on
its own clock. If that lies between our question and our answer, both on this machine's clock, the clocks agree well
enough and the moment is taken as it is; if not, the moment of the *question* is taken: staleness is then an upper
bound, with the whole write in it. Question, answer and arrivals are always read from one clock: each process has a
prober and viewers of its own.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from loadtest.crowd.board import MapState, Probe
from loadtest.crowd.person import Person
from loadtest.crowd.plan import ShowPlan
from loadtest.crowd.viewers import Stage, Viewer

LATE_S = 10.0
"""A viewer that has not got a change after this long counts as missed, and as this stale."""
KEEP_S = 0.5
AGREE_S = 0.002
"""The master's clock is read in whole milliseconds."""


class Prober:
    """Probes the shows of a process one after the other, once every ``plan.probe_s``."""

    def __init__(self, stage: Stage, viewers: list[Viewer], person: Person) -> None:
        """``person`` does the holding; it looks at what the viewers see."""
        self._stage = stage
        self._viewers = viewers
        self._person = person
        self._late: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Probe until the run ends or this is cancelled."""
        shows = self._stage.plan.shows
        turn = 0
        while not self._stage.ending:
            begun = self._stage.loop.time()
            show = shows[turn % len(shows)]
            turn += 1
            newest = self._stage.board.newest.get(show.id)
            if newest is not None:
                await self._probe(show, newest)
            # Not in step with anything else that happens once a second.
            rest = self._stage.plan.probe_s * self._stage.rng.uniform(0.75, 1.25)
            await asyncio.sleep(max(0.05, begun + rest - self._stage.loop.time()))

    async def close(self) -> None:
        """Stop waiting for those who are late."""
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)

    async def _probe(self, show: ShowPlan, newest: MapState) -> None:
        seat = self._free(newest)
        if seat is None:
            self._stage.now.counts["no seat to probe"] += 1
            return
        ids = await self._person.seat_ids(show)
        if not await self._person.ready():
            return
        probe = Probe(show.id, seat, time.monotonic())
        self._stage.board.expect(probe)
        answer = await self._person.ask("seats:hold", {"show": show.id, "seats": [ids[seat]]}, new=True)
        answered = time.monotonic()
        if answer is None or not answer["ok"]:
            self._stage.board.forget(probe)
            return
        self._time(probe, answer, answered)
        task = self._stage.loop.create_task(self._wait(probe))
        self._late.add(task)
        task.add_done_callback(self._late.discard)
        await asyncio.sleep(KEEP_S)
        await self._person.let_go(answer["hold"]["id"])

    def _free(self, state: MapState) -> int | None:
        start = self._stage.rng.randrange(len(state.statuses))
        seat = state.statuses.find(0, start)
        seat = seat if seat >= 0 else state.statuses.find(0)
        return seat if seat >= 0 else None

    def _time(self, probe: Probe, answer: dict[str, Any], answered: float) -> None:
        """Work out when the change was made, and count those who had it before we knew."""
        made = answer["server_time"] / 1000 - (time.time() - time.monotonic())
        if probe.asked_at - AGREE_S <= made <= answered + AGREE_S:
            probe.since = max(probe.asked_at, made)
            self._stage.now.counts["probes by the master's clock"] += 1
        else:
            probe.since = probe.asked_at
            self._stage.now.counts["probes from the question"] += 1
        for arrived in probe.waiting:
            self._stage.now.times["staleness"].add(max(0.0, arrived - probe.since) * 1000)

    async def _wait(self, probe: Probe) -> None:
        assert probe.since is not None
        await asyncio.sleep(LATE_S)
        self._stage.board.forget(probe)
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
                self._stage.now.counts["missed"] += 1
                self._stage.now.times["staleness"].add(LATE_S * 1000)
