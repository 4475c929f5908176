"""Accepts connections: answers the WebSocket handshakes of Socket.IO itself, and gives every other request to aiohttp.

For aiohttp such a handshake is a request with a handler, a task, a router and a response, all thrown away when the
connection is taken over a moment later (``driver``). When a crowd reconnects, that is most of a node's work. Here
aiohttp's parser reads the handshake, and engine.io decides about it (origin, version, transport). Anything else, and
any handshake that engine.io refuses, is passed to aiohttp byte for byte, once its head is complete.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from realtime import limits
from realtime.transport.admission import Admission, Closable, ConnectionSlot
from realtime.transport.client_address import ClientAddresses
from realtime.transport.framework_logs import http_log
from realtime.transport.guard import BaseProtocol, HttpRequestParser
from realtime.transport.handshake import Handshake, is_strict
from realtime.transport.http_connection import HttpConnection
from realtime.transport.listening_socket import ListeningSocket
from realtime.transport.refusal import MakeRefusal

log = logging.getLogger(__name__)
_PATH = b"GET /socket.io/?"
"""How the head of a WebSocket handshake of Socket.IO begins."""
_LINE_BYTES = 8190
"""The longest request line and the longest header that aiohttp accepts; its own default."""
_END_OF_HEAD = b"\r\n\r\n"
_REQUEST_LINE = re.compile(rb"[A-Z]{1,20} [^ \x00-\x1f\x7f]+ HTTP/1\.[01]\r")
"""A whole request line, before its newline."""
_METHOD = re.compile(rb"[A-Z]{1,20}( |$)")
"""Matches the beginning of a request line, however little of it has arrived."""


class Acceptor:
    """Makes a ``PendingConnection`` of each new connection."""

    def __init__(
        self, engine: Any, addresses: ClientAddresses, admission: Admission, make_refusal: MakeRefusal
    ) -> None:
        """``engine`` is an engine.io server with our driver (``driver.install``)."""
        self.engine = engine
        self.addresses = addresses
        self.admission = admission
        self.make_refusal = make_refusal
        self.http_server: web.Server | None = None
        """aiohttp's protocol factory, for everything else; set before the socket listens."""
        self.pending: set[PendingConnection] = set()
        self._listening: list[ListeningSocket] = []

    def listen(self, bound: int, backlog: int) -> ListeningSocket:
        """Accept connections on a bound socket, given its descriptor; raises ``OSError``."""
        make_protocol = functools.partial(PendingConnection, self)
        listening = ListeningSocket(bound, backlog, make_protocol, self.addresses, self.admission)
        self._listening.append(listening)
        return listening

    def handshake_in(self, transport: asyncio.Transport, head: bytes) -> Handshake | None:
        """Return the handshake if a request's head is one that begins a session; None if aiohttp should see it.

        Without ``sid``: the upgrade of a session that began by long-polling comes through aiohttp. ``is_strict`` says
        what else is asked; aiohttp or engine.io refuse other requests with the right error.
        """
        if not head.startswith(_PATH):
            return None
        loop = asyncio.get_running_loop()
        try:
            parser = HttpRequestParser(
                BaseProtocol(loop), loop, _LINE_BYTES, max_line_size=_LINE_BYTES, max_field_size=_LINE_BYTES
            )
            messages, upgraded, rest = parser.feed_data(head)
        except Exception:
            return None  # aiohttp answers it with the right error
        if len(messages) != 1 or not upgraded or rest:
            return None
        handshake = Handshake(transport, messages[0][0])
        begins = "sid" not in parse_qs(handshake.query_string, keep_blank_values=True)
        return handshake if begins and is_strict(handshake) else None

    def close(self) -> None:
        """Close the connections that have sent no request yet."""
        for listening in self._listening:
            listening.close_silent()
        for connection in tuple(self.pending):
            connection.close()


class PendingConnection(asyncio.Protocol, Closable):
    """A connection on which the head of the first request has not arrived completely, or is being examined."""

    __slots__ = ("_acceptor", "_decided", "_deciding", "_received", "_slot", "_timer", "_transport")

    def __init__(self, acceptor: Acceptor, slot: ConnectionSlot) -> None:
        """Made by the acceptor; ``slot`` is the connection's."""
        self._acceptor = acceptor
        self._transport: Any = None
        self._slot: ConnectionSlot | None = slot
        self._timer: asyncio.TimerHandle | None = None
        self._decided = False
        """Whether the head is complete, or can't become valid. Then this protocol reads nothing more."""
        self._deciding: asyncio.Task[None] | None = None
        """While engine.io decides about a handshake."""
        self._received = bytearray()
        """What the next protocol will be given."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait ``limits.HEAD_S`` for the head, of which a part has arrived."""
        assert self._slot is not None, "nobody else has had it yet"
        self._transport, acceptor = transport, self._acceptor
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(limits.HEAD_S, self.close)
        acceptor.pending.add(self)
        if not self._slot.is_proxy:
            acceptor.admission.pending.add(self, self._slot.address, loop.time())

    def data_received(self, data: bytes) -> None:
        """Ask engine.io about a handshake; give anything else to aiohttp once its head is complete."""
        self._received += data
        if self._decided:  # kept for the next protocol
            if len(self._received) > limits.HEAD_BYTES:
                self._transport.pause_reading()
            return
        # The end may have begun with up to three bytes of what was here before.
        end = self._received.find(_END_OF_HEAD, max(0, len(self._received) - len(data) - 3))
        if end < 0 and len(self._received) <= limits.HEAD_BYTES and _may_be_head(self._received):
            return
        self._end_waiting()
        self._decided = True
        # One that is too long is refused by ``HttpConnection``, also if it has come in one piece.
        head = bytes(self._received[: end + 4]) if 0 <= end <= limits.HEAD_BYTES - 4 else b""
        handshake = self._acceptor.handshake_in(self._transport, head)
        if handshake is None:
            self._give_to_aiohttp()
        else:
            del self._received[: end + 4]
            handshake.slot = self._slot
            self._deciding = asyncio.get_running_loop().create_task(self._accept(handshake, head))

    async def _accept(self, handshake: Handshake, head: bytes) -> None:
        """Have engine.io decide: either ``driver`` has made a WebSocket of the connection then, or aiohttp gets it."""
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
        self._slot = None  # the WebSocket has it, which is the transport's protocol now
        if not self._transport.is_closing():
            self._transport.resume_reading()
        if self._received:  # frames that arrived right after the handshake
            self._transport.get_protocol().data_received(bytes(self._received))

    def _give_to_aiohttp(self) -> None:
        slot, self._slot = self._slot, None
        if self._transport.is_closing() or slot is None:
            return
        acceptor = self._acceptor
        assert acceptor.http_server is not None, "aiohttp serves before the socket listens"
        handler = HttpConnection(acceptor.http_server, acceptor.admission, slot, acceptor.make_refusal)
        self._transport.set_protocol(handler)
        handler.connection_made(self._transport)
        self._transport.resume_reading()
        handler.data_received(bytes(self._received))

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting for the first request."""
        self._end_waiting()
        if self._slot is not None:
            if not self._decided:
                self._slot.count_waste(asyncio.get_running_loop().time())
            self._slot.leave()

    def close(self) -> None:
        """Close the connection, on which nothing was written."""
        self._end_waiting()
        self._transport.close()

    def expire(self) -> None:
        """Close at once; ``connection_lost`` counts it as wasted."""
        self._end_waiting()
        self._transport.abort()

    def _end_waiting(self) -> None:
        acceptor = self._acceptor
        acceptor.pending.discard(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            if self._slot is not None:
                acceptor.admission.pending.discard(self, self._slot.address)


def _may_be_head(received: bytearray) -> bool:
    """Return whether the bytes may become a request's head; if not, aiohttp refuses them at once."""
    line, ended, _rest = received.partition(b"\n")
    if ended:
        return _REQUEST_LINE.fullmatch(line) is not None and b"\n\n" not in received
    return _METHOD.match(received) is not None


ACCEPTOR: web.AppKey[Acceptor] = web.AppKey("acceptor", Acceptor)
"""Where an application keeps the acceptor that ``serving`` uses; without one, aiohttp accepts everything."""


class ListenError(Exception):
    """The address can't be listened on; the message says which and why."""


@contextlib.asynccontextmanager
async def serving(
    app: web.Application, host: str, port: int, *, backlog: int = 128, shutdown_timeout: float = 60.0
) -> AsyncIterator[None]:
    """Serve an application on an address while the context is open; raises ``ListenError``.

    Bodies of requests are not decompressed: no client needs that, and aiohttp logs a traceback for an invalid one. At
    the end no new connection is accepted, then the application is shut down as aiohttp's runners do it.
    """
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=http_log(),
        shutdown_timeout=shutdown_timeout,
        keepalive_timeout=limits.IDLE_S,
        lingering_time=5.0,
        auto_decompress=False,
    )
    await runner.setup()
    assert runner.server is not None, "the runner is set up"
    acceptor = app.get(ACCEPTOR)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(runner.cleanup)
        loop, aiohttp_accepts = asyncio.get_running_loop(), acceptor is None
        try:
            # With an acceptor this only binds the sockets; the acceptor listens on copies of them.
            server = await loop.create_server(runner.server, host, port, backlog=backlog, start_serving=aiohttp_accepts)
            stack.callback(server.close)
            if acceptor is not None:
                acceptor.http_server = runner.server
                for each in server.sockets:
                    stack.push_async_callback(acceptor.listen(each.fileno(), backlog).close)
        except OSError as error:
            raise ListenError(f"can't listen on {host}:{port}: {error.strerror}") from None
        yield
