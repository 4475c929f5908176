"""Fan-out by python-socketio's ``emit``, for frameworks that are not as ``guard`` expects. Public API only.

Order: packets that are sent here arrive in the order of the calls; packets that the framework sends itself (answers to
events) may come between them. ``unsent`` is always 0, so a viewer that does not read is only closed by the framework,
when it misses a pong.
"""

from __future__ import annotations

import asyncio
from collections import deque

import socketio

from realtime.transport.budget import Budget
from realtime.transport.fanout import Connection, Fanout, Packet, QueuedConnection


class PlainFanout(Fanout):
    """Emits one packet after the other."""

    def __init__(self, sio: socketio.AsyncServer) -> None:
        """``sio`` is an unmodified server."""
        super().__init__(sio)
        self._backlog: deque[tuple[str, Packet]] = deque()
        self._emitting: asyncio.Task[None] | None = None

    def connection(self, sid: str) -> Connection:
        """Return a ``QueuedConnection``."""
        return QueuedConnection(sid)

    def offer(self, connection: Connection, packet: Packet) -> bool:
        """Send a packet; nothing is known about what is unsent, so the answer is always True."""
        self.send(connection.sid, packet)
        return True

    def send(self, sid: str, packet: Packet) -> None:
        """Send a packet to one viewer; returns at once."""
        self.frames += 1
        self.bytes += len(packet.frame)
        self._backlog.append((sid, packet))
        if self._emitting is None or self._emitting.done():
            self._emitting = asyncio.get_running_loop().create_task(self._emit_backlog())

    async def _emit_backlog(self) -> None:
        while self._backlog:
            sid, packet = self._backlog.popleft()
            await self._sio.emit(packet.event, packet.payload, to=sid)

    def unsent(self, sid: str) -> int:
        """Return 0: the framework does not say."""
        return 0

    def is_connected(self, sid: str) -> bool:
        """Tell whether a client has connected and has not begun to leave."""
        try:
            self._sio.transport(sid)
        except KeyError:
            return False
        # Not documented, so it may be missing here. Without it a client that is just leaving counts as connected.
        check = getattr(self._sio.manager, "is_connected", None)
        return check is None or bool(check(sid, "/"))

    def budget(self, sid: str) -> Budget:
        """Return a new budget for a client's events; the caller keeps it. The framework counts nothing else."""
        return Budget(asyncio.get_running_loop().time())

    def abort(self, sid: str) -> None:
        """Disconnect a viewer; the framework has no faster way."""
        self._end(self._sio.disconnect(sid))

    def finish(self, sid: str) -> None:
        """Disconnect a viewer. Official clients don't reconnect by themselves after this."""
        self._end(self._finish(sid))

    async def _finish(self, sid: str) -> None:
        if self._emitting is not None:
            await asyncio.wait([self._emitting])
        await self._sio.disconnect(sid)

    async def close(self) -> None:
        """Wait for packets that are still to be emitted, and for connections that are being ended."""
        if self._emitting is not None:
            await asyncio.gather(self._emitting, return_exceptions=True)
        await super().close()
