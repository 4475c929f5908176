"""Viewers: each watches one show over one light connection, builds its map from what it receives, and reconnects.

A viewer has no task: everything is a callback of the connection or a timer. A gap in versions is filled by asking with
``since``, as docs/protocol.md says. A viewer whose connection ends connects to the next node after a random pause.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from loadtest.connection import Connection
from loadtest.crowd.context import CHANGED, JOIN_S, LEAVING, WorkerContext
from loadtest.crowd.map_store import MapState
from loadtest.crowd.plan import ShowPlan

RECONNECT_S = (0.5, 3.0)
"""Pause before a viewer reconnects, from and to; about that of the official client."""


class Viewer:
    """One person who looks at one show, over as many connections as necessary."""

    measured = True
    """Whether the staleness of this viewer's map says something about the servers."""

    def __init__(self, context: WorkerContext, number: int, show: ShowPlan) -> None:
        """``number`` identifies a viewer in the run and spreads viewers over nodes."""
        self.context = context
        self.show = show
        self.state: MapState | None = None
        self.since = 0.0
        """Monotonic time of the last answered ``show:watch``."""
        self.is_watching = False
        """Whether it has a map and receives changes."""
        self._turn = number
        self._filling_gap = False
        self._connection: _ViewerConnection | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._gone = False
        self._due: dict[Callable[[], None], float] = {}
        """Planned actions, with their times by the loop's clock."""

    # --- connecting and leaving -----------------------------------------------------------------------------------
    def connect(self) -> None:
        """Connect, and watch the show."""
        if self._gone or self.context.closing:
            return
        self._connection = _ViewerConnection(self)
        self.context.bin.counts["connects"] += 1
        self._deadline = self.context.loop.call_later(2 * JOIN_S, self._give_up, self._connection)
        self.context.open(self._connection)

    def leave(self) -> None:
        """Disconnect and don't return."""
        self._gone = True
        self._stop_timers()
        if self._connection is not None:
            self._connection.close()

    def reload(self) -> None:
        """Make a new connection and keep the map, as a page does that is reloaded."""
        if self._connection is not None and self.is_watching:
            self._stop_timers()
            self._connection.close()
            self.is_watching = self._filling_gap = False
            self.connect()

    def replace(self) -> None:
        """Leave, and connect as another person without a map."""
        self.context.bin.counts["leaves"] += 1
        self._due.clear()
        self.reload()
        self.state = None

    def stop_actions(self) -> None:
        """Stay connected, and start no refresh, reload or departure."""
        if self.is_watching:
            self._stop_timers()

    @property
    def connection(self) -> Connection | None:
        """The current connection."""
        return self._connection

    def _give_up(self, connection: Connection) -> None:
        if connection is self._connection and not self.is_watching:
            connection.abort("timeout")

    def _stop_timers(self) -> None:
        for timer in (self._timer, self._deadline):
            if timer is not None:
                timer.cancel()

    def on_closed(self, connection: Connection, reason: str) -> None:
        """A connection has ended: reconnect to the next node after a pause, unless this side closed it."""
        if connection is not self._connection or self._gone or not reason:
            return
        self.is_watching = self._filling_gap = False
        self._stop_timers()
        self.context.bin.counts["lost"] += 1
        self.context.count_error(reason)
        self._turn += 1
        self._timer = self.context.loop.call_later(self.context.rng.uniform(*RECONNECT_S), self.connect)

    # --- watching -------------------------------------------------------------------------------------------------
    def watch(self, name: str = "refresh") -> None:
        """Request the map, or what was missed. ``name`` is the figure that the duration is counted under."""
        connection, before, asked = self._connection, self.state, time.monotonic()
        if connection is None or connection.is_closed:
            return
        payload: dict[str, Any] = {"show": self.show.id}
        if before is not None:
            payload["since"] = {"epoch": before.epoch, "version": before.version}
        begun = connection.started_at if name == "join" else asked
        connection.request(
            "show:watch", payload, lambda answer: self._on_watched(connection, name, begun, before, answer)
        )

    def _on_watched(
        self, connection: Connection, name: str, begun: float, asked: MapState | None, answer: dict[str, Any]
    ) -> None:
        if connection is not self._connection:
            return
        self._filling_gap = False
        now = time.monotonic()
        if not answer["ok"]:
            self.context.count_error(answer["error"]["code"])
            wait_s = answer["error"].get("retry_after_ms", 500) / 1000
            self._timer = self.context.loop.call_later(wait_s + self.context.rng.random(), self.watch, name)
            return
        # Frames may have arrived since the request, but an answer with changes applies to the map that was sent.
        before = self.state
        after = self.context.maps.apply_watch(self.show.id, asked, answer)
        if before is not None and before.epoch == after.epoch and before.version > after.version:
            self.context.bin.counts["versions fell"] += 1
        self._set_state(after, self.context.maps.delivered(before, after) if self.is_watching else (), now)
        self.since = now
        self.is_watching = True
        self.context.bin.times[name].add((now - begun) * 1000)
        self.context.bin.counts["joins" if name == "join" else "refreshes"] += 1
        if name == "join":
            if self._deadline is not None:
                self._deadline.cancel()
            self._plan_next()

    def _plan_next(self) -> None:
        """Schedule the action that is due first. The others keep their times."""
        plan, rng, loop = self.context.plan, self.context.rng, self.context.loop
        actions = ((self._refresh, plan.refresh_s), (self.reload, plan.reload_s), (self.replace, plan.stay_s))
        for action, every in actions:
            if every and action not in self._due:
                self._due[action] = loop.time() + rng.uniform(0.5, 1.5) * every
        if self._due and not self.context.ending:
            action = min(self._due, key=self._due.__getitem__)
            self._timer = loop.call_at(self._due[action], self._act, action)

    def _act(self, action: Callable[[], None]) -> None:
        del self._due[action]
        action()

    def _refresh(self) -> None:
        self.watch()
        self._plan_next()

    def on_event(self, packet: bytes, now: float) -> None:
        """Apply a change to the map; count ``node:leaving``."""
        context = self.context
        if not packet.startswith(CHANGED):
            if packet.startswith(LEAVING):
                context.bin.counts["asked to leave"] += 1
            return
        state = self.state
        if state is None:
            return
        frame = context.maps.frame(packet, now)
        context.bin.counts["frames"] += 1
        after, probes = context.maps.apply_change(state, frame)
        if after is None:
            # One request fills the gap, however many frames arrive before its answer.
            if not self._filling_gap:
                self._filling_gap = True
                context.bin.counts["gaps"] += 1
                self.watch("gap")
            return
        if now > frame.first_at:
            context.bin.times["spread"].add((now - frame.first_at) * 1000)
        self._set_state(after, probes, now)

    def _set_state(self, after: MapState, probes: tuple[Any, ...], now: float) -> None:
        self.state = after
        for probe in probes if self.measured else ():
            if probe.since is None:
                probe.waiting.append(now)
            elif probe.since >= self.since:
                self.context.bin.times["staleness"].add(max(0.0, now - probe.since) * 1000)


class _ViewerConnection(Connection):
    """One connection of a viewer."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__(viewer.context.endpoint(viewer._turn))
        self._viewer = viewer
        self.on_event = viewer.on_event  # type: ignore[method-assign]  # saves a call for each frame

    def on_joined(self) -> None:
        self._viewer.watch("join")

    def on_closed(self, reason: str) -> None:
        self._viewer.context.bin.counts["bytes"] += self.bytes_received
        self._viewer.on_closed(self, reason)
