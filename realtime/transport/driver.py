"""How engine.io talks over a WebSocket, made cheap. With ``fanout``, all that touches what the frameworks keep private.

aiohttp keeps a request, a parser and two tasks for as long as a WebSocket lives; engine.io adds a writer task, a ping
task and a queue. Here a session that begins as a WebSocket has none of them: once hands are shaken its connection is
taken over from aiohttp (``WebSocketConnection``). What is sent to it is written at once, in the order of the calls: to
the kernel while nothing waits in the transport, else to the transport. A session that began by long-polling stays with
the frameworks, also after its upgrade.

``install`` looks first whether the frameworks are built as expected, and changes nothing if they are not.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import inspect
import time
from collections.abc import Mapping
from typing import Any

import socketio
from aiohttp import web
from aiohttp.http_websocket import WS_KEY
from aiohttp.web_protocol import RequestHandler
from engineio import packet
from engineio.async_socket import AsyncSocket

from realtime.transport.acceptor import Handshake
from realtime.transport.websocket_connection import (
    BINARY,
    FrameSink,
    WebSocketConnection,
    file_of,
    frame_of,
    reads_frames,
)


class DirectQueue:
    """Stands where a session's queue was: what is put in is written at once."""

    __slots__ = ("_connection",)
    _unfinished_tasks = 0

    def __init__(self, connection: WebSocketConnection) -> None:
        """``connection`` is the session's."""
        self._connection = connection

    def put_nowait(self, what: packet.Packet | None) -> None:
        """Write a packet; None closes the WebSocket behind what has been written."""
        if what is None:
            self._connection.end()
            return
        self._connection.write(_framed(what))
        if what.packet_type == packet.CLOSE:
            self._connection.abort_later()

    async def put(self, what: packet.Packet | None) -> None:
        """As ``put_nowait``."""
        self.put_nowait(what)

    def qsize(self) -> int:
        """Nothing waits here."""
        return 0

    async def join(self) -> None:
        """Nothing waits here."""


def _framed(what: packet.Packet) -> bytes:
    data = what.encode()
    return frame_of(data, BINARY) if isinstance(data, bytes) else frame_of(data.encode())


def install(sio: socketio.AsyncServer) -> bool:
    """Put our WebSocket driver into the engine.io server; False if the frameworks are not built as expected."""
    if not _as_expected(sio):
        return False
    # A copy: the module's own dictionary serves every other server in the process.
    sio.eio._async = {**sio.eio._async, "websocket": _driver(sio.eio._async["websocket"])}
    plainly = sio.eio.start_background_task

    def start(target: Any, *args: Any, **kwargs: Any) -> Any:
        # A timer instead of a task that sleeps.
        if getattr(target, "__func__", None) is AsyncSocket._send_ping:
            session = target.__self__
            session.tt_ping = asyncio.get_running_loop().call_later(sio.eio.ping_interval, _ping, session)
            return session.tt_ping
        return plainly(target, *args, **kwargs)

    sio.eio.start_background_task = start
    return True


def _as_expected(sio: socketio.AsyncServer) -> bool:
    try:
        probe = AsyncSocket(sio.eio, "probe")
        made = sio.eio._async["websocket"](probe._websocket_handler, sio.eio)
        return all(
            (
                made.handler.__self__ is probe,
                made.server is sio.eio,
                callable(made.send) and callable(sio.manager.eio_sid_from_sid),
                isinstance(sio.eio.sockets, dict),
                isinstance(probe.queue, asyncio.Queue) and probe.queue._unfinished_tasks == 0,  # type: ignore[attr-defined]
                probe.upgraded is False and probe.connected is False and probe.closed is False,
                probe.closing is False and hasattr(probe, "last_ping"),
                inspect.iscoroutinefunction(AsyncSocket._send_ping) and inspect.iscoroutinefunction(probe.receive),
                list(inspect.signature(probe.close).parameters) == ["wait", "abort", "reason"],
                sio.eio.reason.TRANSPORT_CLOSE,
                made._sock is None,
                "_message_tail" in RequestHandler.__slots__,
                list(inspect.signature(RequestHandler.connection_lost).parameters) == ["self", "exc"],
                reads_frames(),
            )
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return False


def _ping(session: Any) -> None:
    session.tt_ping = None  # it holds the session
    if not session.closing and not session.closed:
        session.last_ping = time.time()
        session.queue.put_nowait(packet.Packet(packet.PING))


def _driver(base: Any) -> Any:
    sink = FrameSink()

    class Driver(base):  # type: ignore[misc]
        """Shakes hands, and takes the connection over; leaves one that began by long-polling to the framework."""

        async def __call__(self, environ: dict[str, Any]) -> web.StreamResponse:
            request = environ["aiohttp.request"]
            session = self.handler.__self__
            if isinstance(request, Handshake):
                request.taken = True
                _begin(session, request.transport, request.headers, sink)
                environ.clear()
                return web.Response()  # to nobody
            self._sock = web.WebSocketResponse(max_msg_size=self.server.max_http_buffer_size, compress=False)
            if session.connected or not self._sock.can_prepare(request).ok:
                if not session.connected:
                    # The framework would remember what has never begun until its ping is missed.
                    await session.close(wait=False, abort=True)
                    self.server.sockets.pop(session.sid, None)
                self.writing = False
                await self._sock.prepare(request)
                file_of(request.transport)
                self.environ = environ
                self.transport = request.transport
                session.tt_connection = self
                try:
                    await self.handler(self)
                finally:
                    session.tt_connection = None
                return self._sock
            _take_over(request, session, sink)
            # Nobody asks for it any more, and it holds the whole request.
            environ.clear()
            return web.Response()  # to nobody: aiohttp has lost its connection

        async def wait(self) -> str | bytes | None:
            # Where it raised, the error and the framework's task would hold each other until the collector comes.
            try:
                return await super().wait()  # type: ignore[no-any-return]
            except OSError:
                return None

        async def send(self, message: str | bytes) -> None:
            # The framework's writer takes a batch of packets out of the queue at once, and may be held up here between
            # two of them.
            self.writing = True
            try:
                await super().send(message)
            finally:
                self.writing = False

    return Driver


def _take_over(request: web.Request, session: Any, sink: FrameSink) -> None:
    protocol: Any = request.protocol
    transport = protocol.transport
    tail, protocol._message_tail = protocol._message_tail, b""
    protocol.transport = None  # or it would be closed
    protocol.connection_lost(None)
    connection = _begin(session, transport, request.headers, sink)
    if tail:
        connection.data_received(tail)


def _begin(
    session: Any, transport: asyncio.Transport, headers: Mapping[str, str], sink: FrameSink
) -> WebSocketConnection:
    """Shake hands, and let the connection be the session's."""
    accept = base64.b64encode(hashlib.sha1(headers["Sec-WebSocket-Key"].encode() + WS_KEY).digest())
    first = (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    while not session.queue.empty():
        first += _framed(session.queue.get_nowait())
    connection: WebSocketConnection = WebSocketConnection(session, transport, sink)
    session.tt_connection = connection
    transport.set_protocol(connection)
    session.queue = DirectQueue(connection)
    session.connected = session.upgraded = True
    connection.write(first)
    return connection
