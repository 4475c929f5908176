"""All rooms of a node: who watches which show, and what viewers are sent. Listens to the feeds; decides nothing.

Order, as one viewer sees it: the answer to its ``show:watch``, then changes. A change never overtakes the snapshot that
it follows; within an epoch, versions only rise. (The caller sends what ``watch`` returns as the event's acknowledgement
without awaiting anything else first, so it is sent before the next frame.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from realtime import limits
from realtime.clock import now_ms
from realtime.errors import RateLimited, RegionUnavailable, TicketError, TooManyWatches
from realtime.feeds.feed import Feed
from realtime.feeds.listener import Listener
from realtime.model import Show
from realtime.rooms.room import Room
from realtime.sales_window import window_of
from realtime.transport.fanout import Fanout
from realtime.wire.maps import ChangeMessage, seat_lists
from realtime.wire.requests import Since


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
    async def watch(self, sid: str, show: Show, since: Since | None, *, deflate: bool = False) -> dict[str, Any]:
        """Add a viewer to the room of a show; return the payload of the acknowledgement.

        With ``deflate`` a large map is compressed.

        Raises ``TooManyWatches``, ``RateLimited`` when it does not read what it was sent, ``RegionUnavailable`` when
        there is no map, or ``TicketError`` when it has left.
        """
        self._check(sid, show)
        room = await self._open(show)
        # Again: it may have left while the room was opened, or watched other shows. No await from here on: the viewer
        # gets a snapshot of this moment and every change after it.
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
        if missed is None and deflate and len(state.statuses) >= limits.DEFLATED_SEATS:
            return {**answer, "deflated": state.deflated()}
        if missed is None:
            return {**answer, "seats": state.snapshot()}
        assert since is not None
        return {**answer, "changes": {"from": since.version, **seat_lists(missed)}}

    def _check(self, sid: str, show: Show) -> None:
        if not self.fanout.is_connected(sid):
            raise TicketError("This connection has ended.")
        watched = self._watched.get(sid, ())
        if show.id not in watched and len(watched) >= limits.MAX_WATCHES_PER_CONNECTION:
            raise TooManyWatches()
        if self.fanout.unsent(sid) > limits.VIEWER_UNSENT_BYTES:
            raise RateLimited(retry_after_ms=limits.TICK_MAX_MS)

    def unwatch(self, sid: str, show_id: str) -> None:
        """Remove a viewer from a room, if it is in it."""
        watched = self._watched.get(sid, set())
        watched.discard(show_id)
        if not watched:
            self._watched.pop(sid, None)
        room = self._rooms.get(show_id)
        if room is not None:
            room.leave(sid)

    def drop(self, sid: str) -> None:
        """Remove a viewer from all rooms: it has left."""
        for show_id in tuple(self._watched.get(sid, ())):
            self.unwatch(sid, show_id)

    async def snapshot(self, show: Show) -> tuple[str, int, str, str]:
        """Return epoch, version, status and packed seats for HTTP; raises ``RegionUnavailable`` without a map."""
        room = await self._open(show)
        assert room.state is not None
        return room.state.epoch, room.state.version, room.status, room.state.snapshot()

    def status(self, show: Show) -> str:
        """Return a show's status for lists: ``live``, ``stale``, ``paused``, ``closed`` or ``not_started``."""
        room = self._rooms.get(show.id)
        if room is not None and (room.state is not None or room.unreadable):
            return room.status
        if not self._feeds[show.region].live:
            return "stale"
        return window_of(show).status(show.sales, now_ms())

    def stats(self) -> dict[str, int]:
        """Return counts for the metrics."""
        rooms = self._rooms.values()
        return {
            "rooms": len(rooms),
            "viewers": sum(len(room.viewers) for room in rooms),
            "lagging": sum(room.lagging for room in rooms),
            "unreadable_maps": sum(bool(room.unreadable) for room in rooms),
            "gaps": sum(room.gaps for room in rooms),
            "frames": self.fanout.frames,
            "bytes": self.fanout.bytes,
        }

    def viewers_of(self, region: str) -> dict[str, int]:
        """Return the number of viewers of each show of a region that somebody watches."""
        rooms = self._rooms.values()
        return {room.show.id: len(room.viewers) for room in rooms if room.show.region == region and room.viewers}

    # --- rooms ----------------------------------------------------------------------------------------------------
    async def _open(self, show: Show) -> Room:
        room = self._rooms.get(show.id)
        if room is None:
            room = self._rooms[show.id] = Room(show, self._feeds[show.region], self.fanout, self._empty)
        if room.state is None:
            try:
                await room.ready(limits.RELAY_TIMEOUT_S)
            except TimeoutError:
                raise RegionUnavailable(region=show.region) from None
            if self._rooms.get(show.id) is not room:
                raise RegionUnavailable(region=show.region)  # the node is stopping
        room.linger()
        return room

    def _empty(self, room: Room) -> None:
        """Close a room that has had no viewers for ``limits.FEED_LINGER_S``."""
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
        """Close all rooms and the fan-out."""
        rooms = list(self._rooms.values())
        self._rooms.clear()
        await asyncio.gather(*map(self._close, rooms), *self._closing, return_exceptions=True)
        await self.fanout.close()

    # --- from the feeds -------------------------------------------------------------------------------------------
    def _of(self, feed: Feed) -> list[Room]:
        return [room for room in self._rooms.values() if room.feed is feed]

    def on_connected(self, feed: Feed) -> None:
        """Read every map of the region again; viewers are sent the difference."""
        for room in self._of(feed):
            room.resync()

    def on_change(self, feed: Feed, show: str, change: ChangeMessage) -> None:
        """Pass a change on to its room."""
        room = self._rooms.get(show)
        if room is not None:
            room.on_change(change)

    def on_heartbeat(self, feed: Feed, heartbeat: dict[str, Any]) -> None:
        """Compare our maps with the master's digests."""
        for show, (epoch, version, digest) in heartbeat.get("digests", {}).items():
            room = self._rooms.get(show)
            if room is not None:
                room.check_digest(epoch, version, digest)
        for show in heartbeat.get("damaged", ()):
            room = self._rooms.get(show)
            if room is not None:
                room.map_is_damaged()

    def on_state(self, feed: Feed) -> None:
        """Send viewers the new status: the region is unreachable, or reachable again."""
        for room in self._of(feed):
            room.send_status()
