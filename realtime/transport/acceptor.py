"""Where connections come in: one that asks for a WebSocket of Socket.IO at once is let in here, past aiohttp.

To aiohttp that is a request like any other, with a handler, a task, a router and a response, of which nothing is left
when the connection has been taken over (``engine``): a crowd that comes back spends a node's time on it. Here aiohttp's
parser reads the handshake and engine.io judges it (origin, version, transport). Whatever is not such a handshake, or is
refused, goes to aiohttp as it came.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
from typing import Any

import socketio
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpRequestParser

from realtime import limits

log = logging.getLogger(__name__)
PATH = b"GET /socket.io/?"
HEAD_BYTES = 8190
"""Of a line and of a header, as aiohttp has it."""


class Handshake:
    """What engine.io is given where it would get aiohttp's request: as much of one as it asks for."""

    __slots__ = ("headers", "path", "path_qs", "query_string", "taken", "transport", "version")
    method = "GET"
    content = None

    def __init__(self, transport: asyncio.Transport, message: Any) -> None:
        """``message`` is what aiohttp's parser made of it."""
        self.transport = transport
        self.version = message.version
        self.headers = message.headers
        self.path_qs = message.path
        self.path, _, self.query_string = message.path.partition("?")
        self.taken = False
        """Whether the connection is a ``WebSocketConnection`` now."""


class Acceptor:
    """Makes a ``PendingConnection`` for each connection. Give it to the listening socket in place of ``server``."""

    def __init__(self, sio: socketio.AsyncServer) -> None:
        """``sio`` must have our WebSocket driver (``engine.install``)."""
        self.eio = sio.eio
        self.server: web.Server | None = None
        """aiohttp's, for everything else."""
        self.pending: set[PendingConnection] = set()

    def __call__(self) -> PendingConnection:
        """Return the protocol of a new connection."""
        return PendingConnection(self)

    def read(self, transport: asyncio.Transport, data: bytes) -> Handshake | None:
        """Return the handshake that this is, all of it and nothing else; None for anything that aiohttp should see."""
        if not data.startswith(PATH) or not data.endswith(b"\r\n\r\n"):
            return None
        loop = asyncio.get_running_loop()
        try:
            parser = HttpRequestParser(
                BaseProtocol(loop), loop, HEAD_BYTES, max_line_size=HEAD_BYTES, max_field_size=HEAD_BYTES
            )
            messages, upgraded, tail = parser.feed_data(data)
        except Exception:
            return None  # aiohttp has an answer to it
        if len(messages) != 1 or not upgraded or tail:
            return None
        handshake = Handshake(transport, messages[0][0])
        if "sid=" in handshake.query_string:
            return None  # from long-polling
        headers = handshake.headers
        if headers.get("Upgrade", "").lower() != "websocket" or headers.get("Sec-WebSocket-Version") != "13":
            return None
        return handshake if _is_key(headers.get("Sec-WebSocket-Key", "")) else None

    def close(self) -> None:
        """Close connections on which nothing was asked."""
        for connection in tuple(self.pending):
            connection.close()


class PendingConnection(asyncio.Protocol):
    """A connection on which nothing was asked yet."""

    __slots__ = ("_acceptor", "_early", "_letting_in", "_timer", "_transport")

    def __init__(self, acceptor: Acceptor) -> None:
        """Made by the acceptor."""
        self._acceptor = acceptor
        self._transport: Any = None
        self._timer: asyncio.TimerHandle | None = None
        self._letting_in: asyncio.Task[None] | None = None
        self._early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for what is asked, for a while."""
        self._transport = transport
        self._timer = asyncio.get_running_loop().call_later(limits.FIRST_REQUEST_S, self.close)
        self._acceptor.pending.add(self)

    def data_received(self, data: bytes) -> None:
        """Let in who shakes hands; lead others to aiohttp."""
        if self._letting_in is not None:
            self._early += data  # of one turn of the loop
            return
        self._forget()
        handshake = self._acceptor.read(self._transport, data)
        if handshake is None:
            self._lead_on(data)
        else:
            self._letting_in = asyncio.get_running_loop().create_task(self._let_in(handshake, data))

    async def _let_in(self, handshake: Handshake, data: bytes) -> None:
        if self._transport.is_closing():
            return  # nobody would notice that the session is over
        try:
            await self._acceptor.eio.handle_request(handshake)
        except Exception:
            log.exception("a handshake failed")
            self._transport.abort()
            return
        if not handshake.taken:
            self._lead_on(data)
        if self._early:
            self._transport.get_protocol().data_received(self._early)

    def _lead_on(self, data: bytes) -> None:
        assert self._acceptor.server is not None, "aiohttp serves"
        handler = self._acceptor.server()
        self._transport.set_protocol(handler)
        handler.connection_made(self._transport)
        handler.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget who went without a word."""
        self._forget()

    def close(self) -> None:
        """Close the connection."""
        self._forget()
        self._transport.close()

    def _forget(self) -> None:
        self._acceptor.pending.discard(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


ACCEPTOR: web.AppKey[Acceptor] = web.AppKey("acceptor", Acceptor)


class Runner(web.AppRunner):
    """Serves an application whose connections come in by its ``Acceptor``, if it has one."""

    @property
    def server(self) -> Any:
        """What sites give their connections to."""
        server = super().server
        acceptor = self.app.get(ACCEPTOR)
        if acceptor is None or server is None:
            return server
        acceptor.server = server
        return acceptor


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (ValueError, binascii.Error):
        return False
