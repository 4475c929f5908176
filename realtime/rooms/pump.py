"""Sends the viewers of one room the changes that they don't have yet, at most one frame per tick.

Conflation: a lone change is sent at once; changes of the following tick are combined into one frame. So a viewer costs
at most one frame a tick, at any rate of sales. The tick adapts: it is at least as long as sending a frame takes, with
time left for everything else (``limits.TICK_PER_SENDING``). A viewer with too much unsent is *lagging*: it gets no
frames until its buffers are empty, then one with everything that it has missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from realtime import limits
from realtime.cancellation import cancel_all
from realtime.rooms.state import Frame, RoomState
from realtime.transport.fanout import Connection, Fanout, Packet, encode
from realtime.wire.maps import changed_payload

CHUNK = 200
"""Viewers sent to in one iteration of the loop, so that a large room does not block everything else."""


@dataclass(slots=True)
class Viewer:
    """One viewer and the version that it has been sent."""

    connection: Connection
    epoch: str
    version: int
    lagging_since: float | None = None
    left: bool = False
    """Whether it has left, or has joined again: then there is a newer ``Viewer`` with its connection."""


class Pump:
    """Sends the changes of one map to its viewers while there are any. Belongs to the loop that made it."""

    def __init__(
        self,
        show: str,
        state: RoomState,
        viewers: Mapping[str, Viewer],
        fanout: Fanout,
        on_stuck: Callable[[str], None],
    ) -> None:
        """``viewers`` are read at every frame; ``on_stuck`` is called with the sid of one that has been cut off."""
        self._show = show
        self._state = state
        self._viewers = viewers
        self._fanout = fanout
        self._on_stuck = on_stuck
        self._lagging: list[Viewer] = []
        self._sending_s = 0.0
        self._task: asyncio.Task[None] | None = None

    @property
    def lagging(self) -> int:
        """How many viewers are lagging."""
        return len(self._lagging)

    def send_unsent(self) -> None:
        """Begin to send the changes that are unsent, unless that is under way."""
        if self._task is None and self._state.dirty:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        """Send one frame per tick as long as something is unsent or a viewer is lagging."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                begun = loop.time()
                frame = self._state.take_frame()
                if frame is not None:
                    await self._send(frame, begun)
                    self._sending_s = loop.time() - begun
                await asyncio.sleep(max(begun + self._tick_s() - loop.time(), 0))
                self._catch_up(loop.time())
                if not self._state.dirty and not self._lagging:
                    return
        finally:
            self._task = None

    def _tick_s(self) -> float:
        tick = max(limits.TICK_MIN_MS / 1000, limits.TICK_PER_SENDING * self._sending_s)
        return min(tick, limits.TICK_MAX_MS / 1000)

    async def _send(self, frame: Frame, now: float) -> None:
        payload = changed_payload(self._show, frame.epoch, frame.from_version, frame.version, frame.seats)
        if frame.previous_epoch is not None:
            payload["previous_epoch"] = frame.previous_epoch
        packet = encode("seats:changed", payload)
        viewers = tuple(self._viewers.values())
        for start in range(0, len(viewers), CHUNK):
            if start:
                await asyncio.sleep(0)
            for viewer in viewers[start : start + CHUNK]:
                if viewer.lagging_since is None and not viewer.left and _needs(viewer, frame):
                    self._offer(viewer, frame, packet, now)

    def _offer(self, viewer: Viewer, frame: Frame, packet: Packet, now: float) -> None:
        if viewer.epoch != frame.epoch and viewer.epoch != frame.previous_epoch:
            # It joined in an epoch that began and ended between two frames.
            self._send_missed(viewer)
        elif self._fanout.offer(viewer.connection, packet):
            viewer.epoch, viewer.version = frame.epoch, frame.version
        else:
            viewer.lagging_since = now
            self._lagging.append(viewer)

    def _catch_up(self, now: float) -> None:
        lagging, self._lagging = self._lagging, []
        for viewer in lagging:
            sid = viewer.connection.sid
            if viewer.left:
                continue
            if self._fanout.unsent(sid) == 0:
                self._send_missed(viewer)
                viewer.lagging_since = None
            elif viewer.lagging_since is not None and now - viewer.lagging_since > limits.VIEWER_STUCK_S:
                self._fanout.abort(sid)
                self._on_stuck(sid)
            else:
                self._lagging.append(viewer)

    def _send_missed(self, viewer: Viewer) -> None:
        """Send one viewer the changes since its version or, if those are not known, the whole map."""
        state = self._state
        changes = state.since(viewer.epoch, viewer.version)
        payload: dict[str, Any]
        if changes is not None:
            payload = changed_payload(self._show, state.epoch, viewer.version, state.version, changes)
        else:
            payload = {
                "show": self._show,
                "epoch": state.epoch,
                "version": state.version,
                "seats": state.snapshot(),
            }
        self._fanout.send(viewer.connection.sid, encode("seats:changed", payload))
        viewer.epoch, viewer.version = state.epoch, state.version

    async def close(self) -> None:
        """Stop at once."""
        if self._task is not None:
            await cancel_all(self._task)


def _needs(viewer: Viewer, frame: Frame) -> bool:
    # A viewer that joined after the frame was taken has all of it, except for a correction at its own version.
    corrects = frame.from_version == frame.version == viewer.version
    return viewer.version < frame.version or viewer.epoch != frame.epoch or corrects
