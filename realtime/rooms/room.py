"""One room: all viewers of one show on this node, its map and its status. ``pump`` sends them the changes."""

from __future__ import annotations

import asyncio
import logging
import time
import zlib
from collections.abc import Callable
from typing import Any

from realtime import limits
from realtime.cancellation import cancel_all
from realtime.clock import now_ms
from realtime.errors import RegionUnavailable
from realtime.feeds.feed import Feed
from realtime.feeds.replica import Map, UnreadableMap
from realtime.logs import escaped
from realtime.model import Show
from realtime.rooms.pump import Pump, Viewer
from realtime.rooms.state import Outcome, RoomState
from realtime.sales_window import SalesWindow, window_of
from realtime.transport.fanout import Fanout, encode
from realtime.wire.maps import ChangeMessage

log = logging.getLogger(__name__)
RETRY_S = 0.2
UNREADABLE_RETRY_S = 5.0
"""The longest pause before a map that can't be read is tried again; the pause begins with ``RETRY_S`` and doubles."""
UNREAD_S = limits.SILENCE_MS / 1000
"""If a map could not be read again for this long, it counts as stale although the region is reachable."""
LOOK_AT_WINDOW_S = 60.0
"""The longest time between two comparisons of the sales window with the clock."""
AFTER_CHANGE_S = 0.01
"""The status is computed this long after the sales start or end: timers may be early."""
_TO_ASCII = bytes(48 + min(status, 3) for status in range(256))


class Room:
    """All viewers of one show on this node. Belongs to the loop that made it."""

    def __init__(self, show: Show, feed: Feed, fanout: Fanout, on_empty: Callable[[Room], None]) -> None:
        """``on_empty`` is called once nobody has watched, or waits to, for ``limits.FEED_LINGER_S``."""
        self.show = show
        self.feed = feed
        self.state: RoomState | None = None
        self.viewers: dict[str, Viewer] = {}
        self.gaps = 0
        self.unreadable = ""
        """Why the map could not be read the last time; "" if it could."""
        self._stale_since = 0
        """Since when (ms) the map can't be read, although the region can be reached; 0 while it can."""
        self._sales = show.sales
        self._window = window_of(show)
        self._window_timer: asyncio.TimerHandle | None = None
        self._sent_status: dict[str, Any] = {}
        self._fanout = fanout
        self._on_empty = on_empty
        self._early: list[ChangeMessage] = []
        self._ready = asyncio.Event()
        self._syncing: asyncio.Task[None] | None = None
        self._sync_again = False
        self._pump: Pump | None = None
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
            # Not ``wait_for``, whose task would end some iterations of the loop before the caller goes on.
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
        return 0 if self._pump is None else self._pump.lagging

    # --- status ---------------------------------------------------------------------------------------------------
    @property
    def status(self) -> str:
        """``stale`` when the region is unreachable or the map is damaged.

        Else ``live``, ``paused``, ``closed`` or ``not_started``.
        By this node's clock; the lock master decides by its own whether a hold is in time.
        """
        if self._stale_since or not self.feed.live:
            return "stale"
        return self._window.status(self._sales, now_ms())

    def status_payload(self) -> dict[str, Any]:
        """Return ``status`` and a time (ms): since when the map may be out of date, or when the sales start."""
        status = self.status
        if status == "stale":
            return {"status": status, "since": min(filter(None, (self._stale_since, self.feed.stale_since)), default=0)}
        return {"status": status, "sales_start": self._window.start} if status == "not_started" else {"status": status}

    def send_status(self) -> None:
        """Send the status to all viewers, if it differs from the one sent last, and again when the sales window ends.

        Call it after every change of the window.
        """
        self._cancel_window_timer()
        change = self._window.next_change(now_ms())
        if change is not None:
            # In several steps, because the clock may be set in the meantime and a show may be months away.
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
        self._send_changes()

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

    def map_is_damaged(self) -> None:
        """Read the map again, because a keeper can't read it; viewers have the status ``stale`` meanwhile."""
        if self._syncing is None:
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
        except UnreadableMap as error:
            self._note_unreadable(str(error))
            return None
        except Exception as error:
            # When a connection is closed during a read, redis-py lets errors of asyncio and uvloop through
            # (AttributeError, RuntimeError). A room whose reading task ended would never change again.
            self._note_unreadable(repr(error), error)
            return None
        if found is None:
            self._note_stale()
            return None
        if self.state is not None and len(found[3]) != len(self.state.statuses):
            self._note_unreadable(f"it has {len(found[3])} seats, so it is not of this show")
            return None
        self.unreadable, self._stale_since = "", 0
        return found

    def _note_unreadable(self, reason: str, unexpected: Exception | None = None) -> None:
        """Log why the map can't be read, once for each reason."""
        if reason != self.unreadable:
            log.error("room of %s: the map can't be read: %s", self.show.id, escaped(reason), exc_info=unexpected)
        self.unreadable = reason
        self._note_stale()

    def _note_stale(self, since: int = 0) -> None:
        """Tell viewers that the map is stale since a time (ms; 0: now).

        Unless nothing of it can be sold any more: it may be archived.
        """
        if not self._stale_since and self._window.status(self._sales, now_ms()) != "closed":
            self._stale_since = since or now_ms()
            self.send_status()

    async def _sync(self) -> None:
        pause_s, begun, begun_at = RETRY_S, now_ms(), time.monotonic()
        while True:
            self._sync_again = False
            found = await self._read()
            if found is None:
                # The region is unreachable, its master is being reconciled, or a keeper will rebuild the map: the room
                # will have it again. Or only reads fail: the feed is live then.
                if time.monotonic() - begun_at > UNREAD_S:
                    self._note_stale(begun)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, UNREADABLE_RETRY_S) if self.unreadable else RETRY_S
            elif self._sync_again:
                self._early.clear()
            else:
                break
        self._syncing = None
        epoch, version, sales, statuses, window = found
        if self.state is None:
            self.state = RoomState(epoch, version, statuses)
            self._pump = Pump(self.show.id, self.state, self.viewers, self._fanout, self.leave)
            is_newest = True
        else:
            is_newest = self.state.reset(epoch, version, statuses)
        if is_newest:
            self._sales, self._window = sales, window or self._window
        self.send_status()
        early, self._early = self._early, []
        for change in early:
            if self._syncing is None:
                self._apply(change)
        self._ready.set()
        self._send_changes()

    def _send_changes(self) -> None:
        if self._pump is not None:
            self._pump.send_unsent()

    async def close(self) -> None:
        """Stop without notifying viewers. The subscription stays, because a new room of the show may use it already."""
        if self._linger is not None:
            self._linger.cancel()
        self._cancel_window_timer()
        if self._syncing is not None:
            await cancel_all(self._syncing)
        if self._pump is not None:
            await self._pump.close()
