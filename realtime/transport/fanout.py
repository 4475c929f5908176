"""Fan-out: one event, encoded once, to many viewers.

A python-socketio ``emit`` costs a task, a queue and an encoding for every viewer. ``DirectFanout`` writes one shared,
finished frame to each viewer: straight to the kernel while nothing waits in its transport. A viewer that polls, or has
not finished its upgrade, gets it through the queue of its engine.io session.

Guarantee: what is sent to one viewer arrives in the order of the calls, and behind every packet that the framework
sent to it before. At the end of an upgrade the WebSocket gets what is left in the queue before anything else; a frame
bypasses the transport only while the transport is empty. So a change never overtakes the snapshot that it follows.

Not guaranteed: delivery (a viewer may leave), and back-pressure from ``send``; use ``offer``, or ask ``unsent`` first.
A viewer that reads nothing costs at most ``limits.VIEWER_KERNEL_BYTES`` in the kernel, and in this process
``limits.VIEWER_UNSENT_BYTES`` and one packet more.

``plain_fanout.PlainFanout`` does the same by ``emit``, where ``guard`` has found a part missing.
"""

from __future__ import annotations

import asyncio
import os
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

import orjson
import socketio

from realtime import limits
from realtime.transport.budget import Budget
from realtime.transport.frames import frame_of
from realtime.transport.guard import EIO_MESSAGE, EnginePacket
from realtime.transport.session_manager import NAMESPACE
from realtime.transport.websocket_connection import WebSocketConnection


@dataclass(slots=True)
class Packet:
    """One event in all the forms in which it is sent."""

    event: str
    payload: dict[str, Any]
    text: bytes
    frame: bytes
    """The WebSocket frame."""
    _queued: Any = field(default=None, repr=False)

    def queued(self) -> Any:
        """Return the engine.io packet for a session's queue: made once, and only if a viewer has such a queue."""
        if self._queued is None:
            self._queued = EnginePacket(EIO_MESSAGE, self.text.decode())
        return self._queued


def encode(event: str, payload: dict[str, Any]) -> Packet:
    """Encode an event once for all viewers."""
    text = b"2" + orjson.dumps([event, payload])
    return Packet(event, payload, text, frame_of(b"4" + text))


class QueuedConnection:
    """A viewer without a ``WebSocketConnection``: it began by long-polling, or fan-out is by ``emit``."""

    __slots__ = ("sid",)
    file = -1
    """As ``WebSocketConnection.file``: nothing can be written past the queue."""

    def __init__(self, sid: str) -> None:
        """``sid`` is the Socket.IO session."""
        self.sid = sid


Connection: TypeAlias = QueuedConnection | WebSocketConnection


class Fanout(ABC):
    """Sends packets to viewers by Socket.IO session id."""

    def __init__(self, sio: socketio.AsyncServer) -> None:
        """``frames`` and ``bytes`` count what was sent to all viewers."""
        self._sio = sio
        self._ending: set[asyncio.Task[None]] = set()
        self.frames = 0
        self.bytes = 0

    @abstractmethod
    def connection(self, sid: str) -> Connection:
        """Return what ``offer`` takes for a viewer; valid as long as the viewer is connected."""

    @abstractmethod
    def offer(self, connection: Connection, packet: Packet) -> bool:
        """Send a packet to a viewer unless too much is unsent (False); returns at once."""

    @abstractmethod
    def send(self, sid: str, packet: Packet) -> None:
        """Send a packet to one viewer, however much is unsent; returns at once. Ignores a viewer that has left."""

    @abstractmethod
    def unsent(self, sid: str) -> int:
        """Return roughly how many bytes wait for a viewer in this process; 0 for one that has left."""

    @abstractmethod
    def is_connected(self, sid: str) -> bool:
        """Tell whether a client has connected and has not begun to leave."""

    @abstractmethod
    def budget(self, sid: str) -> Budget:
        """Return what a client's connection may send; the caller charges its events, the transport all the rest."""

    @abstractmethod
    def abort(self, sid: str) -> None:
        """End a viewer's connection at once, whatever is unsent; its ``disconnect`` event follows."""

    @abstractmethod
    def finish(self, sid: str) -> None:
        """Close a viewer's connection behind what was sent to it, in a way that makes official clients reconnect.

        (After a Socket.IO DISCONNECT packet they would not.)
        """

    async def close(self) -> None:
        """Wait for connections that are being ended."""
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _end(self, ending: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(ending)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


class DirectFanout(Fanout):
    """Writes shared frames. The server must have our session manager and our driver."""

    def connection(self, sid: str) -> Connection:
        """Return the viewer's WebSocket; a ``QueuedConnection`` if it has none of ours."""
        connection = self._connection(sid)
        if connection is None:
            return QueuedConnection(sid)
        connection.sid = sid
        return connection

    def offer(self, connection: Connection, packet: Packet) -> bool:
        """Send a packet to a viewer unless too much is unsent (False); returns at once. This is the hot path."""
        file = connection.file
        if file >= 0:  # nothing waits in the transport: as ``WebSocketConnection.write``, without a call
            frame = packet.frame
            self.frames += 1
            self.bytes += len(frame)
            try:
                written = os.write(file, frame)
            except OSError:
                written = 0
            if written < len(frame):
                cast("WebSocketConnection", connection).write_rest(frame, written)
            return True
        if self.unsent(connection.sid) > limits.VIEWER_UNSENT_BYTES:
            return False
        self.send(connection.sid, packet)
        return True

    def send(self, sid: str, packet: Packet) -> None:
        """Send a packet to one viewer, however much is unsent; returns at once. Ignores a viewer that has left."""
        self.frames += 1
        self.bytes += len(packet.frame)
        session = self._session(sid)
        if session is None or session.closed:
            return
        connection = self._connection(sid)
        if connection is not None:
            connection.write(packet.frame)
        else:
            session.queue.put_nowait(packet.queued())

    def unsent(self, sid: str) -> int:
        """Return roughly how many bytes wait for a viewer in this process; what the kernel accepted does not count."""
        connection = self._connection(sid)
        if connection is not None:
            return connection.unsent()
        session = self._session(sid)
        return 0 if session is None else int(session.queue.bytes)

    def is_connected(self, sid: str) -> bool:
        """Tell whether a client has connected and has not begun to leave."""
        return bool(self._sio.manager.is_connected(sid, NAMESPACE))

    def budget(self, sid: str) -> Budget:
        """Return what a client's connection may send; the caller charges its events, the transport all the rest."""
        session = self._session(sid)
        return session.tt_budget if session is not None else Budget(asyncio.get_running_loop().time())

    def abort(self, sid: str) -> None:
        """End a viewer's connection at once, whatever is unsent; its ``disconnect`` event follows."""
        session, connection = self._session(sid), self._connection(sid)
        if connection is not None:
            connection.transport.abort()
        elif session is not None:
            self._end(session.close(wait=False, abort=True))

    def finish(self, sid: str) -> None:
        """Close a viewer's connection behind what was sent to it, in a way that makes official clients reconnect."""
        session = self._session(sid)
        if session is None or session.closed:
            return
        if session.upgraded:
            session.queue.put_nowait(None)
        else:
            self._end(session.close(wait=False))

    async def close(self) -> None:
        """Abort all connections, and wait for those that are being ended; no post waits any more for its client."""
        for session in self._sio.eio.sockets.values():
            if (connection := getattr(session, "tt_connection", None)) is not None:
                connection.transport.abort()
            else:
                session.queue.give_up()
        await super().close()

    def _session(self, sid: str) -> Any:
        """Return the engine.io session of a client; None when it has left."""
        return self._sio.eio.sockets.get(self._sio.manager.eio_sid_from_sid(sid, NAMESPACE))

    def _connection(self, sid: str) -> WebSocketConnection | None:
        """Return the WebSocket of a client; None while it has none."""
        return getattr(self._session(sid), "tt_connection", None)
