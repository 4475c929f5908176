"""The WebSocket driver for engine.io: turns an accepted handshake into a ``WebSocketConnection``.

aiohttp keeps a request, a parser and two tasks for as long as a WebSocket lives; engine.io adds a writer task, a ping
task and a queue. There are none of these here. Three kinds of WebSocket arrive:

1. a handshake that the ``acceptor`` has read: the connection never was aiohttp's;
2. a handshake that aiohttp has read, on a connection that it had before: the connection is taken over from aiohttp;
3. the upgrade of a session that began by long-polling: taken over as well, and given to the session at its end.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from realtime import limits
from realtime.transport.admission import BoundedByAddress, ConnectionSlot
from realtime.transport.frames import BINARY, OK, PROTOCOL_ERROR, frame_of
from realtime.transport.guard import EIO_CLOSE, EIO_NOOP, EIO_PING, AsyncSocket, EnginePacket
from realtime.transport.handshake import Handshake, is_strict
from realtime.transport.http_connection import hand_over
from realtime.transport.packet_queue import PacketQueue
from realtime.transport.websocket_connection import WebSocketConnection

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""Appended to a client's key before it is hashed (RFC 6455, section 1.3)."""
_PROBE, _PROBE_ANSWER, _UPGRADE = "2probe", b"3probe", "5"
"""The packets of an upgrade."""


class DirectQueue:
    """Replaces a session's queue: a packet that is put in is written at once, so nothing ever waits here."""

    __slots__ = ("_connection",)

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

    def get_nowait(self) -> Any:
        """Raise ``QueueEmpty``; a poll that was waiting when the session upgraded looks for more packets here."""
        raise asyncio.QueueEmpty

    def task_done(self) -> None:
        """Do nothing; that poll calls it for the packet that it got from the queue before."""

    async def join(self) -> None:
        """Return at once."""


def _framed(packet: Any) -> bytes:
    """Return the WebSocket frame of an engine.io packet."""
    data = packet.encode()
    return frame_of(data, BINARY) if isinstance(data, bytes) else frame_of(data.encode())


def install(engine: Any, polling: BoundedByAddress[str]) -> None:
    """Give an engine.io server this driver. Call it only when ``guard.missing_parts`` is empty.

    ``polling`` has the sessions of long-polling; one that has upgraded is removed from it.
    """
    # A copy: the framework's dictionary serves every other server in the process.
    engine._async = {**engine._async, "websocket": driver_class(engine._async["websocket"], polling)}
    engine.create_queue = PacketQueue
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


def driver_class(framework_driver: Any, polling: BoundedByAddress[str]) -> type:
    """Return our driver, derived from the framework's. A function, because this module must load without that class."""

    class Driver(framework_driver):  # type: ignore[misc]
        """Made by engine.io for each WebSocket; ``handler`` is the method of the session that would serve it."""

        handler: Any
        server: Any

        async def __call__(self, environ: dict[str, Any]) -> web.StreamResponse:
            request = environ["aiohttp.request"]
            session = self.handler.__self__
            if isinstance(request, Handshake):
                request.accepted = True
                _begin(session, request.transport, request.headers, request.slot, polling)
            elif session.upgrading:
                return web.Response(status=400)  # another WebSocket of the same session is upgrading
            elif not is_strict(request):
                return await self._refuse(request)
            else:
                _take_over(request, session, polling)
            return web.Response()  # aiohttp has no connection to send it on

        async def _refuse(self, request: web.Request) -> web.StreamResponse:
            session = self.handler.__self__
            if not session.connected:
                # The framework has registered the session already and would keep it until its ping times out.
                await session.close(wait=False, abort=True)
                self.server.sockets.pop(session.sid, None)
            return web.Response(status=400, text="The handshake is invalid.\n")

    return Driver


def _take_over(request: web.Request, session: Any, polling: BoundedByAddress[str]) -> None:
    """Make aiohttp believe that the connection of a request is lost, and go on with its transport."""
    protocol: Any = request.protocol
    transport = protocol.transport
    # Behind the handshake aiohttp keeps what has arrived, unparsed.
    received, protocol._message_tail = protocol._message_tail, b""
    connection = _begin(session, transport, request.headers, hand_over(protocol), polling)
    if received:
        connection.data_received(received)


def _begin(
    session: Any,
    transport: asyncio.Transport,
    headers: Mapping[str, str],
    slot: ConnectionSlot | None,
    polling: BoundedByAddress[str],
) -> WebSocketConnection:
    """Answer the handshake, and give the connection to the session.

    A session that begins with it gets what the framework has queued already. One that began by long-polling gets it
    when its client has ended the upgrade.
    """
    accept = base64.b64encode(hashlib.sha1(headers["Sec-WebSocket-Key"].encode() + _GUID).digest())
    first = (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    connection = WebSocketConnection(session, transport, slot)
    transport.set_protocol(connection)
    if session.connected:  # by long-polling; one that begins with a WebSocket is not connected yet
        connection.write(first)
        Upgrade(connection, polling).begin()
    else:
        while not session.queue.empty():
            first += _framed(session.queue.get_nowait())
        connection.write(first)
        attach(connection)
    return connection


def attach(connection: WebSocketConnection) -> None:
    """Make a WebSocket the only connection of its session: write what the framework has queued, and what follows."""
    session = connection.session
    queued, session.queue = session.queue, DirectQueue(connection)
    session.tt_connection = connection
    session.connected = session.upgraded = True
    session.upgrading = False
    while not queued.empty():
        session.queue.put_nowait(queued.get_nowait())
    queued.put_nowait(EnginePacket(EIO_NOOP))  # ends a poll that still waits for the former queue


class Upgrade:
    """The upgrade of a session from long-polling: the client sends a probe, gets it back, and sends UPGRADE.

    Until then the session stays with long-polling; if anything else comes, or nothing for ``limits.CONNECT_S``, only
    the WebSocket is closed.
    """

    __slots__ = ("_connection", "_polling", "_probed", "_timer")

    def __init__(self, connection: WebSocketConnection, polling: BoundedByAddress[str]) -> None:
        """``connection`` is a WebSocket whose handshake was answered; ``polling`` has the session until the end."""
        self._connection = connection
        self._polling = polling
        self._probed = False
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(limits.CONNECT_S, self._give_up, OK)

    def begin(self) -> None:
        """Receive the connection's packets instead of the session."""
        self._connection.session.upgrading = True
        self._connection.upgrade = self

    def receive(self, packet: str | bytes) -> None:
        """Take the next step, or close the WebSocket."""
        connection = self._connection
        session = connection.session
        if session.closed or packet != (_UPGRADE if self._probed else _PROBE):
            self._give_up(PROTOCOL_ERROR)
        elif not self._probed:
            self._probed = True
            connection.write(frame_of(_PROBE_ANSWER))
            session.queue.put_nowait(EnginePacket(EIO_NOOP))  # ends the poll that is waiting
        else:
            self.end()
            self._polling.discard(session.sid, session.tt_address)
            attach(connection)

    def _give_up(self, code: int) -> None:
        self.end()
        self._connection.close(code)

    def end(self) -> None:
        """Stop: the session has the connection, or goes on by long-polling."""
        self._timer.cancel()
        self._connection.upgrade = None
        self._connection.session.upgrading = False
