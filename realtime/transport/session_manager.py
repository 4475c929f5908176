"""Who is connected to this node: what the framework asks its client manager.

The framework's own keeps a room of one for each client and looks through all rooms whenever a client leaves, and it
keeps those who are just coming or going in lists: where ten thousand watch, one who leaves costs milliseconds, and a
crowd that leaves keeps the node from everything else for minutes. Here coming and going cost the same however many
stay. There are no rooms and there is one namespace: what many are told goes through ``fanout``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import socketio

NAMESPACE = "/"


class SessionManager(socketio.AsyncManager):  # type: ignore[misc]
    """Socket.IO sessions and the engine.io sessions that they live in."""

    def __init__(self) -> None:
        """Nobody is connected yet."""
        super().__init__()
        # Never filled; what is emitted to a namespace that is not in here goes to nobody.
        self.rooms: dict[str, dict[str, Any]] = {NAMESPACE: {}}
        self._carriers: dict[str, str] = {}
        self._sids: dict[str, str] = {}
        self._coming: set[str] = set()
        self._going: set[str] = set()

    def get_participants(self, namespace: str, room: str | None) -> Iterator[tuple[str, str]]:
        """Yield (session, its engine.io session) of one client; of all for None."""
        if room is None:
            yield from tuple(self._carriers.items())
        elif room in self._carriers:
            yield room, self._carriers[room]

    async def pre_connect(self, eio_sid: str, namespace: str) -> str | None:
        """Let a client in on trial; return its new session, None if it has one already."""
        if eio_sid in self._sids:
            return None
        sid = str(self.server.eio.generate_id())
        self._carriers[sid] = eio_sid
        self._sids[eio_sid] = sid
        self._coming.add(sid)
        return sid

    async def connect(self, sid: str, namespace: str) -> str:
        """Let a client in for good."""
        self._coming.discard(sid)
        return sid

    def is_connected(self, sid: str | None, namespace: str) -> bool:
        """Tell whether a client is in for good and has not begun to leave."""
        return sid in self._carriers and sid not in self._coming and sid not in self._going

    def sid_from_eio_sid(self, eio_sid: str, namespace: str) -> str | None:
        """Return the session that lives in an engine.io session."""
        return self._sids.get(eio_sid)

    def eio_sid_from_sid(self, sid: str, namespace: str) -> str | None:
        """Return the engine.io session that a session lives in."""
        return self._carriers.get(sid)

    def pre_disconnect(self, sid: str, namespace: str) -> str | None:
        """Note that a client leaves; return its engine.io session."""
        self._going.add(sid)
        return self._carriers.get(sid)

    async def disconnect(self, sid: str, namespace: str, **_more: Any) -> None:
        """Forget a client."""
        eio_sid = self._carriers.pop(sid, None)
        if eio_sid is not None:
            self._sids.pop(eio_sid, None)
        self._coming.discard(sid)
        self._going.discard(sid)
        self.callbacks.pop(sid, None)

    async def enter_room(self, sid: str, namespace: str, room: str, eio_sid: str | None = None) -> None:
        """Refuse: rooms are ``rooms.Rooms``."""
        raise NotImplementedError("the framework's rooms are not used here")
