"""The WebSocket driver for engine.io: turns an accepted handshake into a ``WebSocketConnection``.

aiohttp keeps a request, a parser and two tasks for as long as a WebSocket lives; engine.io adds a writer task, a ping
task and a queue. A session that begins as a WebSocket has none of these here. Three kinds of WebSocket arrive:

1. a handshake that the ``acceptor`` has read: the connection never was aiohttp's;
2. a handshake that aiohttp has read (its bytes came in pieces, say): the connection is taken over from aiohttp;
3. the upgrade of a session that began by long-polling: it stays with the frameworks, their tasks and their queue.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from realtime.transport.acceptor import Handshake
from realtime.transport.client_address import ENVIRON_KEY
from realtime.transport.frames import BINARY, FrameSink, frame_of
from realtime.transport.guard import EIO_CLOSE, EIO_FROM_CLIENTS, EIO_PING, AsyncSocket, EnginePacket
from realtime.transport.websocket_connection import WebSocketConnection, bounded_descriptor

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""Appended to a client's key before it is hashed (RFC 6455, section 1.3)."""


class DirectQueue:
    """Replaces a session's queue: a packet that is put in is written at once, so nothing ever waits here."""

    __slots__ = ("_connection",)
    _unfinished_tasks = 0

    def __init__(self, connection: WebSocketConnection) -> None:
        """``connection`` is the session's."""
        self._connection = connection

    def put_nowait(self, packet: Any) -> None:
        """Write an engine.io packet; None closes the WebSocket behind everything written before."""
        if packet is None:
            self._connection.close()
            return
        self._connection.write(_framed(packet))
        if packet.packet_type == EIO_CLOSE:
            self._connection.abort_later()

    async def put(self, packet: Any) -> None:
        """Do as ``put_nowait``; the framework awaits it."""
        self.put_nowait(packet)

    def qsize(self) -> int:
        """Return 0."""
        return 0

    async def join(self) -> None:
        """Return at once."""


def _framed(packet: Any) -> bytes:
    data = packet.encode()
    return frame_of(data, BINARY) if isinstance(data, bytes) else frame_of(data.encode())


def install(engine: Any) -> None:
    """Give an engine.io server this driver. Call it only when ``guard.missing_parts`` is empty."""
    # A copy: the framework's dictionary serves every other server in the process.
    engine._async = {**engine._async, "websocket": driver_class(engine._async["websocket"])}
    start_task = engine.start_background_task

    def start(target: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(target, "__func__", None) is AsyncSocket._send_ping:
            return _start_ping_timer(target.__self__)
        return start_task(target, *args, **kwargs)

    engine.start_background_task = start


def _start_ping_timer(session: Any) -> asyncio.TimerHandle:
    """Send the next ping after the ping interval. The framework calls this at the start and for each pong.

    A timer costs less than the framework's task that sleeps. ``session.tt_ping`` is the only reference to it.
    """
    if (waiting := getattr(session, "tt_ping", None)) is not None:
        waiting.cancel()
    timer = asyncio.get_running_loop().call_later(session.server.ping_interval, _send_ping, session)
    session.tt_ping = timer
    return timer


def _send_ping(session: Any) -> None:
    session.tt_ping = None
    if not session.closing and not session.closed:
        session.last_ping = time.time()
        session.queue.put_nowait(EnginePacket(EIO_PING))
        loop = asyncio.get_running_loop()
        session.tt_ping = loop.call_later(session.server.ping_timeout, _end_silent, session)


def _end_silent(session: Any) -> None:
    """End a session whose client has not answered a ping in time; the framework would leave its WebSocket open."""
    session.tt_ping = None
    if not session.closing and not session.closed:
        session.server.start_background_task(_end_after_ping, session)


async def _end_after_ping(session: Any) -> None:
    await session.close(wait=False, abort=True, reason=session.server.reason.PING_TIMEOUT)
    if session.upgraded and session.queue is not None:
        session.queue.put_nowait(None)


def driver_class(framework_driver: Any) -> type:
    """Return our driver, derived from the framework's, which serves the upgraded connections."""
    sink = FrameSink()

    class Driver(framework_driver):  # type: ignore[misc]
        """Made by engine.io for each WebSocket. ``writing`` and ``transport`` are for ``fanout``, once upgraded."""

        handler: Any
        server: Any

        async def __call__(self, environ: dict[str, Any]) -> web.StreamResponse:
            request = environ["aiohttp.request"]
            session = self.handler.__self__
            if isinstance(request, Handshake):
                request.accepted = True
                _begin(session, request.transport, request.headers, sink)
            elif session.upgrading:
                return web.Response(status=400)  # another WebSocket of the same session is upgrading
            elif session.connected:
                return await self._serve_upgraded(request, environ)
            elif not web.WebSocketResponse().can_prepare(request).ok:
                return await self._refuse(request)
            else:
                _take_over(request, session, sink)
            # The framework keeps this dictionary for as long as the session lives, and the request with it.
            address = environ[ENVIRON_KEY]
            environ.clear()
            environ[ENVIRON_KEY] = address
            return web.Response()  # aiohttp has no connection to send it on

        def _response(self) -> web.WebSocketResponse:
            return web.WebSocketResponse(max_msg_size=self.server.max_http_buffer_size, compress=False)

        async def _refuse(self, request: web.Request) -> web.StreamResponse:
            session = self.handler.__self__
            # The framework has registered the session already and would keep it until its ping times out.
            await session.close(wait=False, abort=True)
            self.server.sockets.pop(session.sid, None)
            response = self._response()
            await response.prepare(request)  # raises the HTTP error that says what is wrong
            return response

        async def _serve_upgraded(self, request: web.Request, environ: dict[str, Any]) -> web.StreamResponse:
            session = self.handler.__self__
            self._sock = self._response()
            self.writing = False
            await self._sock.prepare(request)
            assert request.transport is not None, "the handshake was answered"
            bounded_descriptor(request.transport)
            self.environ = environ
            self.transport = request.transport
            session.tt_connection = self
            try:
                await self.handler(self)
            finally:
                session.tt_connection = None
            return self._sock

        async def wait(self) -> str | bytes | None:
            """Return the next packet; None makes the framework close the WebSocket and end the session.

            That is so at the client's end, after its close packet, and for a packet that can't be decoded. The
            framework's ``wait`` raises at the end: its task and the exception would refer to each other.
            """
            session = self.handler.__self__
            if session.closed:
                return None
            try:
                data: str | bytes = await super().wait()
                packet = EnginePacket(encoded_packet=data)
            except (OSError, ValueError):
                return None
            return data if packet.packet_type in EIO_FROM_CLIENTS or not session.upgraded else None

        async def send(self, message: str | bytes) -> None:
            # The framework's writer takes several packets out of the queue at once, and may wait here between two.
            self.writing = True
            try:
                await super().send(message)
            finally:
                self.writing = False

    return Driver


def _take_over(request: web.Request, session: Any, sink: FrameSink) -> None:
    """Make aiohttp believe that the connection of a request is lost, and go on with its transport."""
    protocol: Any = request.protocol
    transport = protocol.transport
    received, protocol._message_tail = protocol._message_tail, b""
    protocol.transport = None  # else connection_lost closes it
    protocol.connection_lost(None)
    connection = _begin(session, transport, request.headers, sink)
    if received:
        connection.data_received(received)


def _begin(
    session: Any, transport: asyncio.Transport, headers: Mapping[str, str], sink: FrameSink
) -> WebSocketConnection:
    """Answer the handshake, send what the framework has queued already, and give the connection to the session."""
    accept = base64.b64encode(hashlib.sha1(headers["Sec-WebSocket-Key"].encode() + _GUID).digest())
    first = (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    while not session.queue.empty():
        first += _framed(session.queue.get_nowait())
    connection = WebSocketConnection(session, transport, sink)
    session.tt_connection = connection
    transport.set_protocol(connection)
    session.queue = DirectQueue(connection)
    session.connected = session.upgraded = True
    connection.write(first)
    return connection
