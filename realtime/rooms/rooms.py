"""All rooms of a node: who watches what, and what they are sent. Listens to the feeds; never decides anything.

Order, as one viewer sees it: its ``show:watch`` is answered first, then changes; a change never overtakes the snapshot
it follows; versions only rise within an epoch. (The caller returns what ``watch`` returns as the event's ack without
awaiting anything in between, so the ack is queued before the next frame.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from realtime import limits, wire
from realtime.clock import now_ms
from realtime.errors import RateLimited, RegionUnavailable, TicketError, TooManyWatches
from realtime.feeds.feed import Feed
from realtime.feeds.listener import Listener
from realtime.model import SalesState, Show
from realtime.rooms.room import Room
from realtime.transport.fanout import Fanout
from realtime.wire import ChangeMessage, Since


class Rooms(Listener):
    """The rooms of one node."""

    def __init__(self, fanout: Fanout, feeds: Mapping[str, Feed]) -> None:
        """``feeds`` by region; call before they are started."""
        self.fanout = fanout
        self._feeds = feeds
        self._rooms: dict[str, Room] = {}
        self._watched: dict[str, set[str]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        for feed in feeds.values():
            feed.listeners.append(self)

    # --- viewers --------------------------------------------------------------------------------------------------
    async def watch(self, sid: str, show: Show, since: Since | None) -> dict[str, Any]:
        """Let a viewer into the room of a show; return the payload of the ack.

        Raises ``TooManyWatches``, ``RateLimited`` when it does not read what it was sent, or ``RegionUnavailable`` when
        no map can be had.
        """
        self._check(sid, show)
        room = await self._open(show)
        # No await from here on: whoever is let in is told everything after this moment, and only that. Others of its
        # events may have been served meanwhile, or it may have left.
        self._check(sid, show)
        state = room.join(sid)
        self._watched.setdefault(sid, set()).add(show.id)
        answer: dict[str, Any] = {
            "show": show.id,
            "epoch": state.epoch,
            "version": state.version,
            **room.status_payload(),
            "layout": {"id": show.layout, "url": f"/api/v1/layouts/{show.layout}"},
            "server_time": now_ms(),
        }
        missed = state.since(since.epoch, since.version) if since is not None else None
        if missed is None:
            return {**answer, "seats": state.snapshot()}
        assert since is not None
        return {**answer, "changes": {"from": since.version, **wire.seat_lists(missed)}}

    def _check(self, sid: str, show: Show) -> None:
        if not self.fanout.is_connected(sid):
            raise TicketError("This connection is gone.")
        watched = self._watched.get(sid, ())
        if show.id not in watched and len(watched) >= limits.MAX_WATCHES_PER_CONNECTION:
            raise TooManyWatches()
        if self.fanout.unsent(sid) > limits.VIEWER_UNSENT_BYTES:
            raise RateLimited(retry_after_ms=limits.TICK_MAX_MS)

    def unwatch(self, sid: str, show_id: str) -> None:
        """Let a viewer out of a room; no matter if it was not in."""
        watched = self._watched.get(sid, set())
        watched.discard(show_id)
        if not watched:
            self._watched.pop(sid, None)
        room = self._rooms.get(show_id)
        if room is not None:
            room.leave(sid)

    def drop(self, sid: str) -> None:
        """Let a viewer that is gone out of all rooms."""
        for show_id in tuple(self._watched.get(sid, ())):
            self.unwatch(sid, show_id)

    async def snapshot(self, show: Show) -> tuple[str, int, str, str]:
        """Return epoch, version, status and packed seats as viewers have them; for HTTP. Raises as ``watch`` does."""
        room = await self._open(show)
        assert room.state is not None
        return room.state.epoch, room.state.version, room.status, room.state.snapshot()

    def status(self, show: Show) -> str:
        """Return what is said of a show in lists: ``live``, ``stale``, ``paused`` or ``closed``."""
        room = self._rooms.get(show.id)
        if room is not None and room.state is not None:
            return room.status
        if not self._feeds[show.region].live:
            return "stale"
        return "live" if show.sales is SalesState.OPEN else show.sales.value

    def stats(self) -> dict[str, int]:
        """Return counts for the metrics."""
        rooms = self._rooms.values()
        return {
            "rooms": len(rooms),
            "viewers": sum(len(room.viewers) for room in rooms),
            "lagging": sum(room.lagging for room in rooms),
            "gaps": sum(room.gaps for room in rooms),
            "frames": self.fanout.frames,
            "bytes": self.fanout.bytes,
        }

    # --- rooms ----------------------------------------------------------------------------------------------------
    async def _open(self, show: Show) -> Room:
        room = self._rooms.get(show.id)
        if room is None:
            room = self._rooms[show.id] = Room(show, self._feeds[show.region], self.fanout, self._empty)
        if room.state is None:
            try:
                await asyncio.wait_for(room.ready(), limits.RELAY_TIMEOUT_S)
            except TimeoutError:
                raise RegionUnavailable(region=show.region) from None
            if self._rooms.get(show.id) is not room:
                raise RegionUnavailable(region=show.region)  # closed while we waited
        room.linger()
        return room

    def _empty(self, room: Room) -> None:
        """A room has been without viewers for a while: let its feed go."""
        if self._rooms.get(room.show.id) is room:
            del self._rooms[room.show.id]
        task = asyncio.get_running_loop().create_task(self._close(room))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close(self, room: Room) -> None:
        await room.close()
        if room.show.id not in self._rooms:
            await room.feed.unsubscribe(room.show.id)

    async def close(self) -> None:
        """Close all rooms."""
        rooms = list(self._rooms.values())
        self._rooms.clear()
        await asyncio.gather(*map(self._close, rooms), *self._closing, return_exceptions=True)
        await self.fanout.close()

    # --- what feeds say -------------------------------------------------------------------------------------------
    def _of(self, feed: Feed) -> list[Room]:
        return [room for room in self._rooms.values() if room.feed is feed]

    def on_connected(self, feed: Feed) -> None:
        """Another server, or the same again: every map is read afresh, viewers are sent the difference."""
        for room in self._of(feed):
            room.resync()

    def on_change(self, feed: Feed, show: str, change: ChangeMessage) -> None:
        """Pass a change on to its room."""
        room = self._rooms.get(show)
        if room is not None:
            room.on_change(change)

    def on_heartbeat(self, feed: Feed, heartbeat: dict[str, Any]) -> None:
        """Hold the digests against our maps."""
        for show, (epoch, version, digest) in heartbeat.get("digests", {}).items():
            room = self._rooms.get(show)
            if room is not None:
                room.check(epoch, version, digest)

    def on_state(self, feed: Feed) -> None:
        """Tell viewers that the region is out of reach, or back."""
        for room in self._of(feed):
            room.tell_status()
