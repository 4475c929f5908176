"""Ends sessions that break the Engine.IO or Socket.IO protocol, where the frameworks log an error and go on.

The protocols ask a server to close the connection on a packet that it can't read, on a first packet that is not
CONNECT, and when no CONNECT comes. ``WebSocketConnection`` and ``driver`` do so for the Engine.IO packets of a
WebSocket. Here are the bodies of long-polling requests, and the Socket.IO packets of both transports.
"""

from __future__ import annotations

import asyncio
from typing import Any

import socketio

from realtime import limits
from realtime.transport.guard import (
    EIO_CLOSE,
    EIO_MESSAGE,
    EIO_PONG,
    EIO_UPGRADE,
    SIO_CONNECT,
    EnginePacket,
    UnknownPacketError,
)
from realtime.transport.packets import IgnoredPacketError
from realtime.transport.session_manager import NAMESPACE

_SEPARATOR = "\x1e"
"""Between the packets of a long-polling body."""
_PACKETS = 16
"""Packets in one body; the framework accepts no more."""
_FROM_CLIENTS = frozenset((EIO_CLOSE, EIO_PONG, EIO_MESSAGE, EIO_UPGRADE))


def install(sio: socketio.AsyncServer) -> None:
    """Make a server strict. Call it only when ``guard.missing_parts`` is empty, before the server serves."""
    _Sessions(sio)
    engine = sio.eio
    translate = engine._async["translate_request"]

    def with_checked_body(request: Any) -> dict[str, Any]:
        environ: dict[str, Any] = translate(request)
        if environ["REQUEST_METHOD"] == "POST":
            sid = request.query.get("sid", "")
            if sid in engine.sockets and engine.sockets[sid].closed:
                del engine.sockets[sid]  # the framework answers with status 500 while it is there
            environ["wsgi.input"] = _Body(engine, sid, request.content)
            environ["CONTENT_LENGTH"] = "0"  # the framework waits for ever for the queue of a session with a longer one
        return environ

    engine._async = {**engine._async, "translate_request": with_checked_body}


class _Sessions:
    """Checks the Socket.IO packets of one server's sessions."""

    def __init__(self, sio: socketio.AsyncServer) -> None:
        self._engine = sio.eio
        self._manager = sio.manager
        self._on_connect = sio.eio.handlers["connect"]
        self._on_message = sio.eio.handlers["message"]
        sio.eio.on("connect", self._connect)
        sio.eio.on("message", self._message)

    async def _connect(self, eio_sid: str, environ: dict[str, Any]) -> Any:
        asyncio.get_running_loop().call_later(limits.CONNECT_S, self._check_connected, eio_sid)
        return await self._on_connect(eio_sid, environ)

    def _check_connected(self, eio_sid: str) -> None:
        if self._manager.sid_from_eio_sid(eio_sid, NAMESPACE) is None and eio_sid in self._engine.sockets:
            self._engine.start_background_task(self._end, eio_sid)

    async def _message(self, eio_sid: str, data: Any) -> None:
        connects = isinstance(data, str) and data.startswith(str(SIO_CONNECT))
        if not connects and self._manager.sid_from_eio_sid(eio_sid, NAMESPACE) is None:
            await self._end(eio_sid)
            return
        try:
            await self._on_message(eio_sid, data)
        except IgnoredPacketError:
            pass
        except UnknownPacketError:
            await self._end(eio_sid)

    async def _end(self, eio_sid: str) -> None:
        """Close a session behind everything that was sent to it, without waiting for the client."""
        session = self._engine.sockets.get(eio_sid)
        if session is None or session.closed:
            return
        if session.upgraded:
            session.queue.put_nowait(None)  # closes the WebSocket, which ends the session
        else:
            await session.close(wait=False)


class _Body:
    """The body of a long-polling request, as the framework reads it; one that is not valid ends its session."""

    def __init__(self, engine: Any, sid: str, content: Any) -> None:
        self._engine = engine
        self._sid = sid
        self._content = content

    async def read(self, _length: int) -> bytes:
        """Return the whole body; raises ``UnknownPacketError``, which the framework answers with status 400."""
        body = await self._content.read(self._engine.max_http_buffer_size + 1)
        while not self._content.at_eof() and len(body) <= self._engine.max_http_buffer_size:
            body += await self._content.read(self._engine.max_http_buffer_size + 1 - len(body))
        if len(body) <= self._engine.max_http_buffer_size and _is_valid(body):
            return bytes(body)
        session = self._engine.sockets.get(self._sid)
        if session is not None:
            # Before the framework does it, which would wait until the client has fetched all that is queued.
            await session.close(wait=False)
        raise UnknownPacketError


def _is_valid(body: bytes) -> bool:
    try:
        parts = body.decode().split(_SEPARATOR)
        return len(parts) <= _PACKETS and all(
            EnginePacket(encoded_packet=part).packet_type in _FROM_CLIENTS for part in parts
        )
    except ValueError:
        return False
