"""Accepts connections: answers the WebSocket handshakes of Socket.IO itself, and gives every other request to aiohttp.

For aiohttp such a handshake is a request with a handler, a task, a router and a response, all thrown away when the
connection is taken over a moment later (``driver``). When a crowd reconnects, that is most of a node's work. Here
aiohttp's parser reads the handshake, and engine.io decides about it (origin, version, transport). Anything else, and
any handshake that engine.io refuses, is passed to aiohttp byte for byte, once its head is complete.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import logging
import os
import re
import socket as sockets
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from realtime import limits
from realtime.transport.admission import Admission, Closable, Ticket
from realtime.transport.client_address import ClientAddresses
from realtime.transport.guard import BaseProtocol, HttpRequestParser
from realtime.transport.http_connection import HttpConnection

log = logging.getLogger(__name__)
PATH = b"GET /socket.io/?"
HEAD_BYTES = 8190
"""The longest request line and the longest header; aiohttp's own default."""


_END_OF_HEAD = b"\r\n\r\n"
ONCE = ("Host", "Upgrade", "Sec-WebSocket-Version", "Sec-WebSocket-Key")
"""Headers that a handshake must have exactly once."""
_REQUEST_LINE = re.compile(rb"[A-Z]{1,20} [^ \x00-\x1f\x7f]+ HTTP/1\.[01]\r")
_BEGINNING = re.compile(rb"[A-Z]{1,20}( |$)")


class Handshake:
    """Takes the place of aiohttp's request in engine.io: the attributes that it reads, and no more."""

    __slots__ = ("accepted", "headers", "path", "path_qs", "query_string", "remote", "ticket", "transport", "version")
    method = "GET"
    content = None

    def __init__(self, transport: asyncio.Transport, message: Any) -> None:
        """``message`` is what aiohttp's parser has read."""
        self.ticket: Ticket | None = None
        self.transport = transport
        self.remote = peer_of(transport)
        self.version = message.version
        self.headers = message.headers
        self.path_qs = message.path
        self.path, _, self.query_string = message.path.partition("?")
        self.accepted = False
        """Whether the driver has made a ``WebSocketConnection`` of it."""


class Acceptor:
    """The protocol factory of the listening socket: makes a ``PendingConnection`` of each new connection."""

    def __init__(self, engine: Any, addresses: ClientAddresses, admission: Admission) -> None:
        """``engine`` is an engine.io server with our driver (``driver.install``)."""
        self.engine = engine
        self.addresses = addresses
        self.admission = admission
        self.http_server: web.Server | None = None
        """aiohttp's protocol factory, for everything else; set before the socket listens."""
        self.pending: set[PendingConnection] = set()

    def __call__(self) -> PendingConnection:
        """Return the protocol of a new connection."""
        return PendingConnection(self)

    def read(self, transport: asyncio.Transport, head: bytes) -> Handshake | None:
        """Return a handshake if a request's head is one of those that begin a session; None if aiohttp should see it.

        Strictly so: HTTP/1.1, GET, no body, each of the headers once, no ``sid``. aiohttp or engine.io refuse others.
        """
        if not head.startswith(PATH):
            return None
        loop = asyncio.get_running_loop()
        try:
            parser = HttpRequestParser(
                BaseProtocol(loop), loop, HEAD_BYTES, max_line_size=HEAD_BYTES, max_field_size=HEAD_BYTES
            )
            messages, upgraded, rest = parser.feed_data(head)
        except Exception:
            return None  # aiohttp answers it with the right error
        if len(messages) != 1 or not upgraded or rest:
            return None
        message = messages[0][0]
        headers = message.headers
        once = all(len(headers.getall(name, ())) == 1 for name in ONCE)
        if not once or tuple(message.version) != (1, 1) or "Transfer-Encoding" in headers:
            return None
        if headers.get("Content-Length", "0") != "0":
            return None
        handshake = Handshake(transport, message)
        if "sid" in parse_qs(handshake.query_string, keep_blank_values=True):
            return None  # an upgrade from long-polling
        if headers["Upgrade"].lower() != "websocket" or headers["Sec-WebSocket-Version"] != "13":
            return None
        return handshake if is_key(headers["Sec-WebSocket-Key"]) else None

    def close(self) -> None:
        """Close the connections that have sent nothing yet."""
        for connection in tuple(self.pending):
            connection.close()


class PendingConnection(asyncio.Protocol, Closable):
    """A connection whose first request's head has not arrived completely."""

    __slots__ = ("_acceptor", "_decided", "_deciding", "_received", "_ticket", "_timer", "_transport")

    def __init__(self, acceptor: Acceptor) -> None:
        """Made by the acceptor."""
        self._acceptor = acceptor
        self._transport: Any = None
        self._ticket: Ticket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._decided = False
        """Whether the head is complete: what follows is for another protocol."""
        self._deciding: asyncio.Task[None] | None = None
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait ``limits.FIRST_REQUEST_S`` for the first bytes, unless there are too many connections already."""
        self._transport = transport
        peer, acceptor = peer_of(transport), self._acceptor
        self._ticket = acceptor.admission.admit(acceptor.addresses.of(peer, {}), acceptor.addresses.is_proxy(peer))
        if self._ticket is None:
            self._decided = True
            self._transport.abort()
            return
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(limits.FIRST_REQUEST_S, self.close)
        acceptor.pending.add(self)
        if not self._ticket.is_proxy:
            acceptor.admission.pending.add(self, self._ticket.address, loop.time())

    def data_received(self, data: bytes) -> None:
        """Ask engine.io about a handshake; give anything else to aiohttp once its head is complete."""
        first = not self._received
        self._received += data
        if self._decided:
            if len(self._received) > limits.HEAD_BYTES:
                self._transport.pause_reading()
            return
        end = self._received.find(_END_OF_HEAD, max(0, len(self._received) - len(data) - 3))
        if end < 0 and len(self._received) <= limits.HEAD_BYTES and _may_be_head(self._received):
            if first and self._timer is not None:
                self._timer.cancel()
                self._timer = asyncio.get_running_loop().call_later(limits.HEAD_S, self.close)
            return
        self._end_waiting()
        self._decided = True
        head = bytes(self._received[: end + 4]) if end >= 0 else b""
        handshake = self._acceptor.read(self._transport, head)
        if handshake is None:
            self._give_to_aiohttp()
        else:
            del self._received[: end + 4]
            handshake.ticket = self._ticket
            self._deciding = asyncio.get_running_loop().create_task(self._accept(handshake, head))

    async def _accept(self, handshake: Handshake, head: bytes) -> None:
        if self._transport.is_closing():
            return  # a session begun now would never learn that its connection is lost
        try:
            await self._acceptor.engine.handle_request(handshake)
        except Exception:
            log.exception("a handshake failed")
            self._transport.abort()
            return
        if not handshake.accepted:
            self._received[:0] = head
            self._give_to_aiohttp()
            return
        self._ticket = None
        if not self._transport.is_closing():
            self._transport.resume_reading()
        if self._received:
            self._transport.get_protocol().data_received(bytes(self._received))

    def _give_to_aiohttp(self) -> None:
        ticket, self._ticket = self._ticket, None
        if self._transport.is_closing() or ticket is None:
            return
        http_server = self._acceptor.http_server
        assert http_server is not None, "aiohttp serves before the socket listens"
        handler = HttpConnection(http_server, self._acceptor.admission, ticket)
        self._transport.set_protocol(handler)
        handler.connection_made(self._transport)
        self._transport.resume_reading()
        handler.data_received(bytes(self._received))

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting for the first request."""
        self._end_waiting()
        if self._ticket is not None:
            self._ticket.leave()

    def close(self) -> None:
        """Close the connection."""
        self._end_waiting()
        self._transport.close()

    def expire(self) -> None:
        """Close at once."""
        self._end_waiting()
        self._transport.abort()

    def _end_waiting(self) -> None:
        acceptor = self._acceptor
        acceptor.pending.discard(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            if self._ticket is not None:
                acceptor.admission.pending.discard(self, self._ticket.address)


def _may_be_head(received: bytearray) -> bool:
    """Tell whether the bytes may become a request's head; if not, aiohttp refuses them at once."""
    line, ended, _rest = received.partition(b"\n")
    if ended:
        return _REQUEST_LINE.fullmatch(line) is not None and b"\n\n" not in received
    return _BEGINNING.match(received) is not None


def peer_of(transport: asyncio.BaseTransport) -> str | None:
    """Return the address at the other end of a connection; None if it has none."""
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) else None


def _bound_receive_buffer(listening: int) -> None:
    """Bound what the kernel receives for each connection of a listening socket before it is read: Linux takes 6 MB."""
    with sockets.socket(fileno=os.dup(listening)) as own:  # uvloop's own socket object has no setsockopt
        own.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, limits.KERNEL_RECEIVE_BYTES // 2)  # Linux doubles it


def is_key(key: str) -> bool:
    """Tell whether a client's key is one as RFC 6455 describes it: 16 bytes in base64."""
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (ValueError, binascii.Error):
        return False


ACCEPTOR: web.AppKey[Acceptor] = web.AppKey("acceptor", Acceptor)
"""Where an application keeps the acceptor that ``serving`` uses; without one, aiohttp accepts everything."""


class ListenError(Exception):
    """The address can't be listened on; says which and why."""


@contextlib.asynccontextmanager
async def serving(
    app: web.Application, host: str, port: int, *, backlog: int = 128, shutdown_timeout: float = 60.0
) -> AsyncIterator[None]:
    """Serve an application on an address while the context is open; raises ``ListenError``.

    At the end no new connection is accepted, then the application is shut down as aiohttp's runners do it.
    """
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=shutdown_timeout, keepalive_timeout=limits.IDLE_S, lingering_time=5.0
    )
    await runner.setup()
    assert runner.server is not None, "the runner is set up"
    acceptor = app.get(ACCEPTOR)
    if acceptor is not None:
        acceptor.http_server = runner.server
    listening: asyncio.Server | None = None
    try:
        loop = asyncio.get_running_loop()
        try:
            listening = await loop.create_server(acceptor or runner.server, host, port, backlog=backlog)
        except OSError as error:
            raise ListenError(f"can't listen on {host}:{port}: {error.strerror}") from None
        for each in listening.sockets:
            _bound_receive_buffer(each.fileno())
        yield
    finally:
        if listening is not None:
            listening.close()
        await runner.cleanup()
