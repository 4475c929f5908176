"""Fan-out: one event, encoded once, to many viewers.

A python-socketio ``emit`` costs a task, a queue and an encoding for every viewer. Here a WebSocket viewer gets one
shared, finished frame, given straight to the kernel while nothing waits in its transport (``engine``). One that began
by long-polling gets it through its transport, or, while it polls, upgrades, or has packets on their way, through the
queue of its engine.io session, behind what is there.

Guarantee: what is sent to one viewer arrives in the order of the calls, behind every packet that the framework sent to
it before, because the direct way is only taken while nothing is queued, nothing is in the hands of the framework's
writer, and (for the kernel) nothing waits in the transport. So a change never overtakes the snapshot that it follows.
Not guaranteed: that it arrives (a viewer may go), nor back-pressure from ``send``: ask ``unsent`` before, or ``offer``.
What a viewer that reads nothing can cost: ``limits.VIEWER_KERNEL_BYTES`` in the kernel, and here
``limits.VIEWER_UNSENT_BYTES`` and one packet more.

Where the private parts are missing (another version of the framework), everything falls back to plain ``emit``. Then
``unsent`` knows nothing: a viewer that does not read is only cut off when the framework misses its pongs.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, cast

import orjson
import socketio
from engineio import packet as engineio_packet

from realtime import limits
from realtime.transport.driver import install
from realtime.transport.websocket_connection import WebSocketConnection, frame_of

log = logging.getLogger(__name__)
QUEUED_PACKET_BYTES = 4096
"""What a packet waiting in a queue is taken to weigh."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One event in all the forms in which it may leave."""

    event: str
    payload: dict[str, Any]
    queued: engineio_packet.Packet
    frame: bytes


def encode(event: str, payload: dict[str, Any]) -> Packet:
    """Encode an event once for all viewers."""
    text = b"2" + orjson.dumps([event, payload])
    return Packet(
        event,
        payload,
        engineio_packet.Packet(engineio_packet.MESSAGE, text.decode()),
        frame_of(b"4" + text),
    )


class QueuedConnection:
    """A viewer that has no ``WebSocketConnection``: it began by long-polling, or the fast path is off."""

    __slots__ = ("sid",)
    file = -1

    def __init__(self, sid: str) -> None:
        """``sid`` is the Socket.IO session."""
        self.sid = sid


class Fanout:
    """Sends packets to viewers by Socket.IO session id. Make it before the server serves."""

    def __init__(self, sio: socketio.AsyncServer) -> None:
        """Take the fast way if the framework is as expected."""
        self._sio = sio
        self.fast = install(sio)
        self._backlog: deque[tuple[str, Packet]] = deque()
        self._emitting: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self.frames = 0
        self.bytes = 0
        if not self.fast:
            log.warning("engine.io %s is not as expected: fan-out by plain emit", version("python-engineio"))

    def connection(self, sid: str) -> QueuedConnection | WebSocketConnection:
        """Return the line to a viewer, for ``offer``; good as long as the viewer is connected."""
        connection = self._connection(sid)
        if not isinstance(connection, WebSocketConnection):
            return QueuedConnection(sid)
        connection.sid = sid
        return connection

    def offer(self, connection: QueuedConnection | WebSocketConnection, packet: Packet) -> bool:
        """Send a packet to a viewer unless too much is unsent (False); returns at once. This is the hot path."""
        file = connection.file
        if file >= 0:
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
        """Send a packet to one viewer, however much is unsent; returns at once."""
        self.frames += 1
        self.bytes += len(packet.frame)
        if not self.fast:
            self._emit(sid, packet)
            return
        socket = self._socket(sid)
        if socket is None or socket.closed:
            return
        connection = self._connection(sid)
        if isinstance(connection, WebSocketConnection):
            connection.write(packet.frame)
        # Unfinished, not empty(): a packet that the writer is just taking counts. What it has taken, it is writing.
        elif connection is None or connection.writing or socket.queue._unfinished_tasks or not socket.upgraded:
            socket.queue.put_nowait(packet.queued)
        elif not connection.transport.is_closing():
            connection.transport.write(packet.frame)

    def unsent(self, sid: str) -> int:
        """Return how many bytes wait for a viewer, about; what the kernel has taken does not count."""
        connection = self._connection(sid)
        if isinstance(connection, WebSocketConnection):
            return connection.unsent()
        socket = self._socket(sid)
        if socket is None:
            return 0
        buffered = (
            connection.transport.get_write_buffer_size()
            if connection is not None and not connection.transport.is_closing()
            else 0
        )
        return int(buffered + socket.queue.qsize() * QUEUED_PACKET_BYTES)

    def abort(self, sid: str) -> None:
        """Cut a viewer off without waiting for it to read; its ``disconnect`` follows."""
        socket, connection = self._socket(sid), self._connection(sid)
        if connection is not None and socket.upgraded:
            connection.transport.abort()
            return
        self._end(self._sio.disconnect(sid) if socket is None else socket.close(wait=False, abort=True))

    def finish(self, sid: str) -> None:
        """Close a connection once what is queued for it is written. Clients come back by themselves, to any node.

        (After a farewell in their own protocol, ``disconnect``, they would not.)
        """
        socket = self._socket(sid)
        if socket is not None and socket.upgraded:
            socket.queue.put_nowait(None)
        else:
            self._end(self._sio.disconnect(sid) if socket is None else socket.close(wait=False))

    def _end(self, ending: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(ending)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Cut everybody off; wait for what plain emit still has to send, and for those who are going."""
        for socket in self._sio.eio.sockets.values() if self.fast else ():
            if (connection := getattr(socket, "tt_connection", None)) is not None:
                connection.transport.abort()
        waiting = [*self._closing, *([self._emitting] if self._emitting is not None else [])]
        await asyncio.gather(*waiting, return_exceptions=True)

    def _socket(self, sid: str) -> Any:
        """Return the session in engine.io; None when it is gone, or nobody may know it."""
        return self._sio.eio.sockets.get(self._sio.manager.eio_sid_from_sid(sid, "/")) if self.fast else None

    def _connection(self, sid: str) -> Any:
        """Return a ``WebSocketConnection``, the driver of an upgraded WebSocket, or None where there is neither."""
        return getattr(self._socket(sid), "tt_connection", None)

    def _emit(self, sid: str, packet: Packet) -> None:
        self._backlog.append((sid, packet))
        if self._emitting is None or self._emitting.done():
            self._emitting = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        while self._backlog:
            sid, packet = self._backlog.popleft()
            await self._sio.emit(packet.event, packet.payload, to=sid)
