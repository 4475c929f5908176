"""What the Engine.IO and Socket.IO protocols ask of a server and the frameworks don't do (``tests/compliance``).

A server must close the connection on a packet that it can't read, on a first packet that is not CONNECT, when no
CONNECT comes, and when a client polls twice at a time. ``WebSocketConnection`` and ``driver`` do their part for the
Engine.IO packets of a WebSocket. Here are the requests of long-polling, and the Socket.IO packets of both transports.
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs

import socketio

from realtime import limits
from realtime.transport.client_address import ENVIRON_KEY, ClientAddresses
from realtime.transport.guard import (
    EIO_CLOSE,
    EIO_FROM_CLIENTS,
    EIO_NOOP,
    SIO_CONNECT,
    SIO_CONNECT_ERROR,
    EnginePacket,
    UnknownPacketError,
)
from realtime.transport.packets import IgnoredPacketError
from realtime.transport.session_manager import NAMESPACE

_INVALID_NAMESPACE = '{"message":"Invalid namespace"}'
_SEPARATOR = "\x1e"
"""Between the packets of a long-polling body."""
_PACKETS = 16
"""Packets in one body; the framework accepts no more."""


def install(sio: socketio.AsyncServer, addresses: ClientAddresses) -> None:
    """Make a server strict. Call it only when ``guard.missing_parts`` is empty, before the server serves."""
    _Sessions(sio)
    _Requests(sio.eio, addresses)


def _namespace(packet: str) -> str:
    """Return the namespace of an encoded CONNECT packet."""
    return packet[1:].partition(",")[0].partition("?")[0]


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
        if connects and data.startswith("0/") and (namespace := _namespace(data)) != NAMESPACE:
            # The framework's own answer has no object with a message, which official clients look for.
            await self._engine.send(eio_sid, f"{SIO_CONNECT_ERROR}{namespace},{_INVALID_NAMESPACE}")
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


class _Requests:
    """Checks the HTTP requests of one server's sessions: long-polling, and what becomes a WebSocket."""

    def __init__(self, engine: Any, addresses: ClientAddresses) -> None:
        self._engine = engine
        self._addresses = addresses
        self._handle_request = engine.handle_request
        self._translate_request = engine._async["translate_request"]
        self._polling: set[str] = set()
        engine.handle_request = self._handle
        engine._async = {**engine._async, "translate_request": self._translate}

    async def _handle(self, request: Any) -> Any:
        sid = parse_qs(request.query_string).get("sid", [""])[0]
        session = self._engine.sockets.get(sid)
        if session is None or request.method != "GET" or "Upgrade" in request.headers:
            return await self._handle_request(request)
        if sid in self._polling and not session.upgrading and not session.upgraded:
            await session.close(wait=False)  # the first poll gets CLOSE, this one status 400
            return await self._handle_request(request)
        self._polling.add(sid)
        try:
            return await self._handle_request(request)
        finally:
            self._polling.discard(sid)

    def _translate(self, request: Any) -> dict[str, Any]:
        environ: dict[str, Any] = self._translate_request(request)
        environ[ENVIRON_KEY] = self._addresses.of(request.remote, request.headers)
        query = parse_qs(request.query_string)
        if "transport" not in query:
            environ["QUERY_STRING"] += "&transport=none"  # the framework would assume long-polling
        if request.method == "POST":
            sid = query.get("sid", [""])[0]
            if sid in self._engine.sockets and self._engine.sockets[sid].closed:
                del self._engine.sockets[sid]  # the framework answers with status 500 while it is there
            environ["wsgi.input"] = _Body(self._engine, sid, request.content)
            # Of a longer body, the framework would end the session and then wait for ever for its queue.
            environ["CONTENT_LENGTH"] = "0"
        return environ


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
        session = self._engine.sockets.get(self._sid)
        types = _packet_types(body) if len(body) <= self._engine.max_http_buffer_size else frozenset()
        if types and types <= EIO_FROM_CLIENTS:
            if session is not None and EIO_CLOSE in types:
                session.queue.put_nowait(EnginePacket(EIO_NOOP))  # ends a poll that is waiting
            return bytes(body)
        if session is not None:
            # Before the framework does it, which would wait until the client has fetched all that is queued.
            await session.close(wait=False)
        raise UnknownPacketError


def _packet_types(body: bytes) -> frozenset[int]:
    """Return the types of the packets in a body; nothing if one can't be decoded, or there are too many."""
    try:
        parts = body.decode().split(_SEPARATOR)
        if len(parts) > _PACKETS:
            return frozenset()
        return frozenset(EnginePacket(encoded_packet=part).packet_type for part in parts)
    except ValueError:
        return frozenset()
