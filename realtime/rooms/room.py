"""One room: all viewers of one show on this node, its map, and the pump that keeps them up to date.

Conflation: a lone change is sent at once; changes of the following tick are combined into one frame. So a viewer costs
at most one frame a tick, at any rate of sales. The tick adapts: it is at least as long as sending a frame takes, with
time left for everything else (``limits.TICK_PER_SENDING``). A viewer with too much unsent is *lagging*: it gets no
frames until its buffers are empty, then one with everything that it has missed.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from realtime import limits
from realtime.cancellation import cancel_all
from realtime.clock import now_ms
from realtime.errors import RegionUnavailable
from realtime.feeds.feed import Feed
from realtime.feeds.replica import Map
from realtime.model import SalesState, Show
from realtime.rooms.state import Frame, Outcome, RoomState
from realtime.sales_window import SalesWindow, window_of
from realtime.transport.fanout import Connection, Fanout, Packet, encode
from realtime.wire.maps import ChangeMessage, changed_payload

log = logging.getLogger(__name__)
CHUNK = 200
"""Viewers sent to in one turn of the loop, so that a large room does not block everything else."""
RETRY_S = 0.2
LOOK_AT_WINDOW_S = 60.0
"""How often the sales window is compared with the clock at least."""
AFTER_CHANGE_S = 0.01
"""The status is computed this long after the sales start or end: timers may be early."""
_TO_ASCII = bytes(48 + min(status, 3) for status in range(256))


@dataclass(slots=True)
class Viewer:
    """One viewer and the version that it has been sent."""

    connection: Connection
    epoch: str
    version: int
    lagging_since: float | None = None
    left: bool = False
    """Whether it has left, or has joined again: then there is a newer ``Viewer`` with its connection."""


class Room:
    """All viewers of one show on this node. Belongs to the loop that made it."""

    def __init__(self, show: Show, feed: Feed, fanout: Fanout, on_empty: Callable[[Room], None]) -> None:
        """``on_empty`` is called once nobody has watched, or waits to, for ``limits.FEED_LINGER_S``."""
        self.show = show
        self.feed = feed
        self.state: RoomState | None = None
        self.viewers: dict[str, Viewer] = {}
        self.gaps = 0
        self._sales = show.sales
        self._window = window_of(show)
        self._window_timer: asyncio.TimerHandle | None = None
        self._sent_status: dict[str, Any] = {}
        self._fanout = fanout
        self._on_empty = on_empty
        self._lagging: list[Viewer] = []
        self._sending_s = 0.0
        self._early: list[ChangeMessage] = []
        self._ready = asyncio.Event()
        self._syncing: asyncio.Task[None] | None = None
        self._sync_again = False
        self._pumping: asyncio.Task[None] | None = None
        self._linger: asyncio.TimerHandle | None = None
        self._awaited = 0
        """How many wait for the first map."""
        self.linger()
        self.resync()

    # --- viewers --------------------------------------------------------------------------------------------------
    async def ready(self, timeout_s: float) -> None:
        """Wait for the first map; the room stays open meanwhile. Raises ``TimeoutError``."""
        self._awaited += 1
        try:
            # Not ``wait_for``, whose task would end some turns of the loop before the caller goes on.
            async with asyncio.timeout(timeout_s):
                await self._ready.wait()
        finally:
            self._awaited -= 1

    def join(self, sid: str) -> RoomState:
        """Add a viewer at the current version, or move it there; return the state that its snapshot must show."""
        assert self.state is not None, "a room is ready before it is joined"
        before = self.viewers.get(sid)
        if before is not None:
            before.left = True
        connection = self._fanout.connection(sid) if before is None else before.connection
        self.viewers[sid] = Viewer(connection, self.state.epoch, self.state.version)
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        return self.state

    def linger(self) -> None:
        """Start (again) the time after which a room without viewers is closed."""
        if not self.viewers:
            if self._linger is not None:
                self._linger.cancel()
            loop = asyncio.get_running_loop()
            self._linger = loop.call_later(limits.FEED_LINGER_S, self._end_lingering)

    def _end_lingering(self) -> None:
        if self._awaited:
            self.linger()
        else:
            self._on_empty(self)

    def leave(self, sid: str) -> None:
        """Remove a viewer."""
        viewer = self.viewers.pop(sid, None)
        if viewer is not None:
            viewer.left = True
            self.linger()

    @property
    def lagging(self) -> int:
        """How many viewers are lagging."""
        return len(self._lagging)

    # --- status ---------------------------------------------------------------------------------------------------
    @property
    def status(self) -> str:
        """``stale`` when the region is unreachable, else ``live``, ``paused``, ``closed`` or ``not_started``.

        By this node's clock; the lock master decides by its own whether a hold is in time.
        """
        if not self.feed.live:
            return "stale"
        return self._window.status(self._sales, now_ms())

    def status_payload(self) -> dict[str, Any]:
        """Return ``status`` and a time (ms): since when the map may be out of date, or when the sales start."""
        status = self.status
        if status == "stale":
            return {"status": status, "since": self.feed.stale_since}
        return {"status": status, "sales_start": self._window.start} if status == "not_started" else {"status": status}

    def send_status(self) -> None:
        """Send the status to all viewers, if it differs from the one sent last, and again when the sales window ends.

        Call it after every change of the window.
        """
        self._cancel_window_timer()
        change = self._window.next_change(now_ms())
        if change is not None:
            # Not in one go: the clock may be set in the meantime, and a show may be months away.
            wait_s = min((change - now_ms()) / 1000 + AFTER_CHANGE_S, LOOK_AT_WINDOW_S)
            self._window_timer = asyncio.get_running_loop().call_later(wait_s, self.send_status)
        payload = self.status_payload()
        if payload == self._sent_status:
            return
        self._sent_status = payload
        packet = encode("show:status", {"show": self.show.id, **payload})
        for sid in self.viewers:
            self._fanout.send(sid, packet)

    def _cancel_window_timer(self) -> None:
        if self._window_timer is not None:
            self._window_timer.cancel()
            self._window_timer = None

    # --- the map --------------------------------------------------------------------------------------------------
    def on_change(self, change: ChangeMessage) -> None:
        """Apply a change; changes that arrive while the map is read are kept and applied to it."""
        if self.state is None or self._syncing is not None:
            # If there are too many to keep, the map is read once more.
            if len(self._early) < limits.ROOM_HISTORY_CHANGES:
                self._early.append(change)
            else:
                self._sync_again = True
            return
        self._apply(change)
        self._pump()

    def _apply(self, change: ChangeMessage) -> None:
        assert self.state is not None
        outcome = self.state.apply(change)
        if outcome is Outcome.GAP:
            self.gaps += 1
            self.resync()
        elif outcome is Outcome.APPLIED and change.sales is not None:
            self._sales = change.sales
            if change.sales_start is not None and change.sales_end is not None:
                self._window = SalesWindow(change.sales_start, change.sales_end)
            self.send_status()

    def check_digest(self, epoch: str, version: int, digest: int) -> None:
        """Compare the map with a digest of the master's; read it again if it differs or has missed a change.

        The digest was published after all changes up to its version, so those are here or lost.
        """
        state = self.state
        if state is None or self._syncing is not None:
            return
        if epoch == state.epoch and version < state.version:
            return
        if (epoch, version) == (state.epoch, state.version):
            if zlib.crc32(state.statuses.translate(_TO_ASCII)) == digest:
                return
            log.warning(
                "room of %s: the map differs from the master's at the same version; reading it again", self.show.id
            )
        self.gaps += 1
        self.resync()

    def resync(self) -> None:
        """Read the map (again) from the feed's server, then send viewers the difference."""
        if self._syncing is None:
            self._early.clear()
            self._syncing = asyncio.get_running_loop().create_task(self._sync())
        else:
            self._sync_again = True

    async def _read(self) -> Map | None:
        try:
            await self.feed.subscribe(self.show.id)
            found = await self.feed.read_map(self.show.id)
        except RegionUnavailable:
            return None
        except Exception:
            # When a connection is closed during a read, redis-py lets errors of asyncio and uvloop through
            # (AttributeError, RuntimeError). A room whose reading task ended would never change again.
            log.exception("room of %s: reading the map failed; trying again", self.show.id)
            return None
        if found is not None and self.state is not None and len(found[3]) != len(self.state.statuses):
            log.error("room of %s: refused a map of %d seats, which is not of this show", self.show.id, len(found[3]))
            return None
        return found

    async def _sync(self) -> None:
        while True:
            self._sync_again = False
            found = await self._read()
            if found is None:
                # The region is unreachable, or its master is being reconciled: it will have the map again.
                await asyncio.sleep(RETRY_S)
            elif self._sync_again:
                self._early.clear()
            else:
                break
        self._syncing = None
        epoch, version, sales, statuses, window = found
        self._sales, self._window = SalesState(sales), window or self._window
        if self.state is None:
            self.state = RoomState(epoch, version, statuses)
        else:
            self.state.reset(epoch, version, statuses)
        self.send_status()
        early, self._early = self._early, []
        for change in early:
            if self._syncing is None:
                self._apply(change)
        self._ready.set()
        self._pump()

    # --- the pump -------------------------------------------------------------------------------------------------
    def _pump(self) -> None:
        if self._pumping is None and self.state is not None and self.state.dirty:
            self._pumping = asyncio.get_running_loop().create_task(self._run_pump())

    async def _run_pump(self) -> None:
        """Send a frame a tick for as long as something is unsent or a viewer is lagging."""
        assert self.state is not None
        loop = asyncio.get_running_loop()
        try:
            while True:
                begun = loop.time()
                frame = self.state.take_frame()
                if frame is not None:
                    await self._send(frame, begun)
                    self._sending_s = loop.time() - begun
                await asyncio.sleep(max(begun + self._tick_s() - loop.time(), 0))
                self._catch_up(loop.time())
                if not self.state.dirty and not self._lagging:
                    return
        finally:
            self._pumping = None

    def _tick_s(self) -> float:
        tick = max(limits.TICK_MIN_MS / 1000, limits.TICK_PER_SENDING * self._sending_s)
        return min(tick, limits.TICK_MAX_MS / 1000)

    async def _send(self, frame: Frame, now: float) -> None:
        payload = changed_payload(self.show.id, frame.epoch, frame.from_version, frame.version, frame.seats)
        if frame.previous_epoch is not None:
            payload["previous_epoch"] = frame.previous_epoch
        packet = encode("seats:changed", payload)
        viewers = tuple(self.viewers.values())
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
                self.leave(sid)
            else:
                self._lagging.append(viewer)

    def _send_missed(self, viewer: Viewer) -> None:
        """Send one viewer the changes since its version or, if those are not known, the whole map."""
        state = self.state
        assert state is not None
        changes = state.since(viewer.epoch, viewer.version)
        payload: dict[str, Any]
        if changes is not None:
            payload = changed_payload(self.show.id, state.epoch, viewer.version, state.version, changes)
        else:
            payload = {
                "show": self.show.id,
                "epoch": state.epoch,
                "version": state.version,
                "seats": state.snapshot(),
            }
        self._fanout.send(viewer.connection.sid, encode("seats:changed", payload))
        viewer.epoch, viewer.version = state.epoch, state.version

    async def close(self) -> None:
        """Stop, without a word to viewers. The subscription stays: a new room of the show may use it already."""
        if self._linger is not None:
            self._linger.cancel()
        self._cancel_window_timer()
        await cancel_all(*(task for task in (self._syncing, self._pumping) if task is not None))


def _needs(viewer: Viewer, frame: Frame) -> bool:
    # A viewer that joined after the frame was taken has all of it, except for a correction at its own version.
    corrects = frame.from_version == frame.version == viewer.version
    return viewer.version < frame.version or viewer.epoch != frame.epoch or corrects
