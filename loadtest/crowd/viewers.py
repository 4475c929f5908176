"""Viewers: each watches one show over one light connection, keeps its map only from what it is sent, comes back.

No task a viewer: everything is a callback of the connection or a timer. A gap in versions is asked for again with
``since``, as docs/protocol.md says; a viewer that is cut off returns after a moment, to the next node.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any

from loadtest.crowd.board import Board, MapState
from loadtest.crowd.figures import Bin
from loadtest.crowd.plan import Plan, ShowPlan
from loadtest.link import Endpoint, Link

CHANGED = b'42["seats:changed"'
SESSION = b'42["session"'
SHOW_STATUS = b'42["show:status"'
LEAVING = b'42["node:leaving"'
JOIN_S = 30.0
"""A viewer that has no map after this long gives up and comes again."""
BACK_S = (0.5, 3.0)
"""A viewer that was cut off comes back after about this long: the official client does so too."""


class Stage:
    """What all people of one process share: the plan, the nodes, the maps, and what is being measured now."""

    def __init__(self, plan: Plan, endpoints: list[Endpoint], board: Board) -> None:
        """Must be made on the loop."""
        self.plan = plan
        self.board = board
        self.rng = random.Random(plan.seed * 1_000 + plan.number)
        self.now = Bin()
        self.closing = False
        """No connection is opened any more."""
        self.ending = False
        """Nothing new is begun any more: nobody buys, polls, refreshes or leaves."""
        self.loop = asyncio.get_running_loop()
        self._endpoints = endpoints
        self._next_connect = 0.0
        self._connecting: set[asyncio.Task[None]] = set()

    def endpoint(self, number: int) -> Endpoint:
        """Return the node that is somebody's turn."""
        return self._endpoints[number % len(self._endpoints)]

    def error(self, code: str) -> None:
        """Count a refusal or a failure."""
        self.now.errors[code] += 1

    def open(self, link: Link) -> None:
        """Connect, not faster than the plan allows; a failure is told to the link's ``left``."""
        task = self.loop.create_task(self._open(link))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _open(self, link: Link) -> None:
        now = self.loop.time()
        at = self._next_connect = max(now, self._next_connect + self.plan.processes / self.plan.connects_per_s)
        if at > now + 0.002:
            await asyncio.sleep(at - now)
        if self.closing:
            return
        link.began = time.monotonic()
        try:
            async with asyncio.timeout(JOIN_S):
                await link.connect()
        except (OSError, TimeoutError) as error:
            link.abort("timeout" if isinstance(error, TimeoutError) else f"connect: {error.strerror or error}"[:60])

    async def close(self) -> None:
        """End what is being opened."""
        self.closing = True
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)


class Viewer:
    """One person who looks at one show, over as many connections as it takes."""

    measured = True
    """Whether the age of this viewer's map says something of the servers."""

    def __init__(self, stage: Stage, number: int, show: ShowPlan) -> None:
        """``number`` tells the viewers of a run apart and spreads them over nodes."""
        self.stage = stage
        self.show = show
        self.state: MapState | None = None
        self.since = 0.0
        """Monotonic time of the last answered ``show:watch``."""
        self._turn = number
        self._mending = False
        self._link: _ViewerLink | None = None
        self._watching = False
        self._timer: asyncio.TimerHandle | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._gone = False
        self._due: dict[Callable[[], None], float] = {}
        """When it will do what, by the loop's clock."""

    # --- coming and going ------------------------------------------------------------------------------------------
    def come(self) -> None:
        """Connect, and watch."""
        if self._gone or self.stage.closing:
            return
        self._link = _ViewerLink(self)
        self.stage.now.counts["connects"] += 1
        self._deadline = self.stage.loop.call_later(2 * JOIN_S, self._give_up, self._link)
        self.stage.open(self._link)

    def go(self) -> None:
        """Leave for good."""
        self._gone = True
        self._stop_timers()
        if self._link is not None:
            self._link.close()

    def reload(self) -> None:
        """Press reload: a new connection, the map is kept."""
        if self._link is not None and self.is_watching:
            self._stop_timers()
            self._link.close()
            self._watching = self._mending = False
            self.come()

    def renew(self) -> None:
        """Leave, and let somebody else come in one's place."""
        self.stage.now.counts["leaves"] += 1
        self._due.clear()
        self.reload()
        self.state = None

    def calm(self) -> None:
        """Stay, and begin nothing new."""
        if self.is_watching:
            self._stop_timers()

    @property
    def is_watching(self) -> bool:
        """Whether it has a map and is being told of changes."""
        return self._watching

    @property
    def link(self) -> Link | None:
        """The connection that it has now."""
        return self._link

    def _give_up(self, link: Link) -> None:
        if link is self._link and not self._watching:
            link.abort("timeout")

    def _stop_timers(self) -> None:
        for timer in (self._timer, self._deadline):
            if timer is not None:
                timer.cancel()

    def left(self, link: Link, reason: str) -> None:
        """A connection is over."""
        if link is not self._link or self._gone or not reason:
            return
        self._watching = self._mending = False
        self._stop_timers()
        self.stage.now.counts["lost"] += 1
        self.stage.error(reason)
        self._turn += 1
        self._timer = self.stage.loop.call_later(self.stage.rng.uniform(*BACK_S), self.come)

    # --- watching --------------------------------------------------------------------------------------------------
    def watch(self, name: str = "refresh") -> None:
        """Ask for the map, or for what was missed; ``name`` is what the time that it takes is counted as."""
        link, before, asked = self._link, self.state, time.monotonic()
        if link is None or link.is_over:
            return
        ask: dict[str, Any] = {"show": self.show.id}
        if before is not None:
            ask["since"] = {"epoch": before.epoch, "version": before.version}
        begun = link.began if name == "join" else asked
        link.ask("show:watch", ask, lambda answer: self._watched(link, name, begun, before, answer))

    def _watched(self, link: Link, name: str, begun: float, asked: MapState | None, answer: dict[str, Any]) -> None:
        if link is not self._link:
            return
        self._mending = False
        now = time.monotonic()
        if not answer["ok"]:
            self.stage.error(answer["error"]["code"])
            wait_s = answer["error"].get("retry_after_ms", 500) / 1000
            self._timer = self.stage.loop.call_later(wait_s + self.stage.rng.random(), self.watch, name)
            return
        # Frames may have come between the question and the answer: an answer with changes starts from what was asked.
        before = self.state
        after = self.stage.board.watched(self.show.id, asked, answer)
        if before is not None and before.epoch == after.epoch and before.version > after.version:
            self.stage.now.counts["versions fell"] += 1
        self._take(before, after, self.stage.board.crossed(before, after) if self._watching else (), now)
        self.since = now
        self._watching = True
        self.stage.now.times[name].add((now - begun) * 1000)
        self.stage.now.counts["joins" if name == "join" else "refreshes"] += 1
        if name == "join":
            if self._deadline is not None:
                self._deadline.cancel()
            self._plan_next()

    def _plan_next(self) -> None:
        """Do next what is due first. What is planned stays planned, whatever is done before it."""
        plan, rng, loop = self.stage.plan, self.stage.rng, self.stage.loop
        for act, every in ((self._refresh, plan.refresh_s), (self.reload, plan.reload_s), (self.renew, plan.stay_s)):
            if every and act not in self._due:
                self._due[act] = loop.time() + rng.uniform(0.5, 1.5) * every
        if self._due and not self.stage.ending:
            act = min(self._due, key=self._due.__getitem__)
            self._timer = loop.call_at(self._due[act], self._act, act)

    def _act(self, act: Callable[[], None]) -> None:
        del self._due[act]
        act()

    def _refresh(self) -> None:
        self.watch()
        self._plan_next()

    def heard(self, text: bytes, now: float) -> None:
        """Take an event."""
        if not text.startswith(CHANGED):
            if text.startswith(LEAVING):
                self.stage.now.counts["told to leave"] += 1
            return
        state = self.state
        if state is None:
            return
        stage = self.stage
        frame = stage.board.frame(text, now)
        stage.now.counts["frames"] += 1
        after, probes = stage.board.changed(state, frame)
        if after is None:
            # One question is enough, however many frames come before its answer.
            if not self._mending:
                self._mending = True
                stage.now.counts["gaps"] += 1
                self.watch("gap")
            return
        if now > frame.first_at:
            stage.now.times["spread"].add((now - frame.first_at) * 1000)
        self._take(state, after, probes, now)

    def _take(self, before: MapState | None, after: MapState, probes: tuple[Any, ...], now: float) -> None:
        self.state = after
        for probe in probes if self.measured else ():
            if probe.since is None:
                probe.waiting.append(now)
            elif probe.since >= self.since:
                self.stage.now.times["staleness"].add(max(0.0, now - probe.since) * 1000)


class _ViewerLink(Link):
    """One connection of a viewer."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__(viewer.stage.endpoint(viewer._turn))
        self._viewer = viewer
        self.heard = viewer.heard  # type: ignore[method-assign]  # one call less for each frame

    def joined(self) -> None:
        self._viewer.watch("join")

    def left(self, reason: str) -> None:
        self._viewer.stage.now.counts["bytes"] += self.bytes
        self._viewer.left(self, reason)


def arrivals(count: int, over_s: float, curve: str, rng: random.Random) -> list[float]:
    """Return when so many people come (s from the beginning, in order): ``even``, or ``rush`` (half in a fifth)."""
    if curve == "rush":
        # An exponential flow, cut at the end.
        times = sorted(min(rng.expovariate(3.5), 1.0) * over_s for _ in range(count))
    else:
        times = sorted(rng.random() * over_s for _ in range(count))
    return times
