"""Accepts connections: answers the WebSocket handshakes of Socket.IO itself, and gives every other request to aiohttp.

For aiohttp such a handshake is a request with a handler, a task, a router and a response, all thrown away when the
connection is taken over a moment later (``driver``). When a crowd reconnects, that is most of a node's work. Here
aiohttp's parser reads the handshake, and engine.io decides about it (origin, version, transport). Anything else, and
any handshake that engine.io refuses, is passed to aiohttp byte for byte.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from realtime import limits
from realtime.transport.guard import BaseProtocol, HttpRequestParser

log = logging.getLogger(__name__)
PATH = b"GET /socket.io/?"
HEAD_BYTES = 8190
"""The longest request line and the longest header; aiohttp's own default."""


class Handshake:
    """Takes the place of aiohttp's request in engine.io: the attributes that it reads, and no more."""

    __slots__ = ("accepted", "headers", "path", "path_qs", "query_string", "remote", "transport", "version")
    method = "GET"
    content = None

    def __init__(self, transport: asyncio.Transport, message: Any) -> None:
        """``message`` is what aiohttp's parser has read."""
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

    def __init__(self, engine: Any) -> None:
        """``engine`` is an engine.io server with our driver (``driver.install``)."""
        self.engine = engine
        self.http_server: web.Server | None = None
        """aiohttp's protocol factory, for everything else; set before the socket listens."""
        self.pending: set[PendingConnection] = set()

    def __call__(self) -> PendingConnection:
        """Return the protocol of a new connection."""
        return PendingConnection(self)

    def read(self, transport: asyncio.Transport, data: bytes) -> Handshake | None:
        """Return a handshake if ``data`` is one, complete and with nothing behind it; None if aiohttp should see it."""
        if not data.startswith(PATH) or not data.endswith(b"\r\n\r\n"):
            return None
        loop = asyncio.get_running_loop()
        try:
            parser = HttpRequestParser(
                BaseProtocol(loop), loop, HEAD_BYTES, max_line_size=HEAD_BYTES, max_field_size=HEAD_BYTES
            )
            messages, upgraded, rest = parser.feed_data(data)
        except Exception:
            return None  # aiohttp answers it with the right error
        if len(messages) != 1 or not upgraded or rest:
            return None
        handshake = Handshake(transport, messages[0][0])
        if "sid=" in handshake.query_string:
            return None  # an upgrade from long-polling
        headers = handshake.headers
        if headers.get("Upgrade", "").lower() != "websocket" or headers.get("Sec-WebSocket-Version") != "13":
            return None
        return handshake if _is_key(headers.get("Sec-WebSocket-Key", "")) else None

    def close(self) -> None:
        """Close the connections that have sent nothing yet."""
        for connection in tuple(self.pending):
            connection.close()


class PendingConnection(asyncio.Protocol):
    """A connection that has not sent its first request yet."""

    __slots__ = ("_acceptor", "_deciding", "_received", "_timer", "_transport")

    def __init__(self, acceptor: Acceptor) -> None:
        """Made by the acceptor."""
        self._acceptor = acceptor
        self._transport: Any = None
        self._timer: asyncio.TimerHandle | None = None
        self._deciding: asyncio.Task[None] | None = None
        self._received = b""
        """What came after the handshake, while engine.io decides about it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait ``limits.FIRST_REQUEST_S`` for the first bytes."""
        self._transport = transport
        self._timer = asyncio.get_running_loop().call_later(limits.FIRST_REQUEST_S, self.close)
        self._acceptor.pending.add(self)

    def data_received(self, data: bytes) -> None:
        """Ask engine.io about a handshake; give anything else to aiohttp."""
        if self._deciding is not None:
            self._received += data
            return
        self._end_waiting()
        handshake = self._acceptor.read(self._transport, data)
        if handshake is None:
            self._give_to_aiohttp(data)
        else:
            self._deciding = asyncio.get_running_loop().create_task(self._accept(handshake, data))

    async def _accept(self, handshake: Handshake, data: bytes) -> None:
        if self._transport.is_closing():
            return  # a session begun now would never learn that its connection is lost
        try:
            await self._acceptor.engine.handle_request(handshake)
        except Exception:
            log.exception("a handshake failed")
            self._transport.abort()
            return
        if not handshake.accepted:
            self._give_to_aiohttp(data)
        if self._received:
            self._transport.get_protocol().data_received(self._received)

    def _give_to_aiohttp(self, data: bytes) -> None:
        assert self._acceptor.http_server is not None, "aiohttp serves before the socket listens"
        handler = self._acceptor.http_server()
        self._transport.set_protocol(handler)
        handler.connection_made(self._transport)
        handler.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting for the first request."""
        self._end_waiting()

    def close(self) -> None:
        """Close the connection."""
        self._end_waiting()
        self._transport.close()

    def _end_waiting(self) -> None:
        self._acceptor.pending.discard(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def peer_of(transport: asyncio.BaseTransport) -> str | None:
    """Return the address at the other end of a connection; None if it has none."""
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) else None


def _is_key(key: str) -> bool:
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
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=shutdown_timeout)
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
        yield
    finally:
        if listening is not None:
            listening.close()
        await runner.cleanup()
