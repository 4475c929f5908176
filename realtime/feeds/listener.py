"""What a feed delivers to the rest of the node, and how a published message becomes a call."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import orjson

from realtime import keys
from realtime.transport.limited_log import LimitedLog
from realtime.wire.maps import ChangeMessage, decode_change

if TYPE_CHECKING:
    from realtime.feeds.feed import Feed

limited_log = LimitedLog(logging.getLogger(__name__))
FIXED_CHANNELS = frozenset((keys.NOTICES, keys.DIRECTORY, keys.HEARTBEAT))
"""The channels that every feed subscribes to; all others carry the changes of one show each."""


class Listener:
    """Base of what listens to feeds. All methods are called on the loop and must not block."""

    def on_connected(self, feed: Feed) -> None:
        """The feed has (re)connected, or may have missed messages: everything read from it may be out of date."""

    def on_change(self, feed: Feed, show: str, change: ChangeMessage) -> None:
        """The seats or the sales state of a subscribed show have changed."""

    def on_heartbeat(self, feed: Feed, heartbeat: dict[str, Any]) -> None:
        """A keeper of the region has published a heartbeat, with digests of shows."""

    def on_directory(self, feed: Feed, declaration: dict[str, Any]) -> None:
        """A theatre, layout or show was declared."""

    def on_notice(self, feed: Feed, notice: dict[str, Any]) -> None:
        """A hold has expired, or a booking was recorded or rejected."""

    def on_state(self, feed: Feed) -> None:
        """``feed.live`` has changed."""


class Dispatcher:
    """Decodes the messages of one feed and calls its listeners."""

    def __init__(self, feed: Feed, listeners: list[Listener]) -> None:
        """``listeners`` may grow until the feed is started."""
        self._feed = feed
        self._listeners = listeners

    def message(self, channel: str, data: bytes) -> None:
        """Deliver a published message. One that can't be decoded, or makes a listener raise, is logged and skipped."""
        try:
            self._deliver(channel, data)
        except Exception as error:  # whatever is in a message, the feed goes on
            limited_log.warning(f"feed of {self._feed.region}: skipped a message", channel, repr(error))

    def _deliver(self, channel: str, data: bytes) -> None:
        if channel not in FIXED_CHANNELS:
            change = decode_change(data)
            for listener in self._listeners:
                listener.on_change(self._feed, keys.changes_show(channel), change)
            return
        content = orjson.loads(data)
        if not isinstance(content, dict):
            raise TypeError("not an object")
        if channel == keys.HEARTBEAT:
            self._feed.heartbeat_arrived(content)
        for listener in self._listeners:
            if channel == keys.HEARTBEAT:
                listener.on_heartbeat(self._feed, content)
            elif channel == keys.DIRECTORY:
                listener.on_directory(self._feed, content)
            else:
                listener.on_notice(self._feed, content)

    def connected(self) -> None:
        """Make all listeners read again."""
        for listener in self._listeners:
            listener.on_connected(self._feed)

    def state(self) -> None:
        """Announce that ``feed.live`` has changed."""
        for listener in self._listeners:
            listener.on_state(self._feed)
