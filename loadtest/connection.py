"""A light Socket.IO client: a raw ``asyncio.Protocol`` over WebSocket, without a task or a queue of its own.

It implements the part of Engine.IO 4 and Socket.IO 5 that a seat map needs: connect, events, acknowledgements, pings,
all as text. The official Python client runs several tasks for each connection. This one has a few small objects and
its transport, so that ten thousand connections fit into one process on one core. The tests compare its answers with
those of the official client.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import random
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import orjson

from loadtest.websocket import BINARY, CLOSE, PING, PONG, TEXT, FrameReader, ProtocolError, masked

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
MAX_HEAD_BYTES = 16 * 1024
OnAnswer = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Address of a node, parsed once and shared by all connections to it."""

    url: str
    host: str
    port: int
    tls: ssl.SSLContext | None
    head: bytes
    """The request head of the handshake, without the key."""

    @classmethod
    def of(cls, url: str) -> Endpoint:
        """Return the endpoint of a node's http(s) URL."""
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        path = parts.path.rstrip("/") + "/socket.io/?EIO=4&transport=websocket"
        head = f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        head += "Sec-WebSocket-Version: 13\r\nUser-Agent: tickingtickets-loadtest\r\n"
        context = ssl.create_default_context() if secure else None
        return cls(url.rstrip("/"), parts.hostname or "", port, context, head.encode())


class Connection(asyncio.Protocol):
    """One connection to one node. Subclasses override ``on_joined``, ``on_event`` and ``on_closed``.

    The three are called on the event loop. A connection is used once: make a new one to connect again.
    """

    def __init__(self, endpoint: Endpoint, token: str | None = None) -> None:
        """``token`` is an identity from an earlier connection's ``session`` event."""
        self.endpoint = endpoint
        self.token = token
        self.started_at = time.monotonic()
        self.is_joined = False
        self.is_closed = False
        self.bytes_received = 0
        self._transport: asyncio.Transport | None = None
        self._reader: FrameReader | None = None
        self._head = b""
        self._key = b""
        self._requests = 0
        self._answers: dict[int, OnAnswer] = {}

    # --- to be overridden -----------------------------------------------------------------------------------------
    def on_joined(self) -> None:
        """The server has accepted the connection: requests can be sent from now on."""

    def on_event(self, packet: bytes, now: float) -> None:
        """An event arrived. ``packet`` is JSON from byte 2 on; ``now`` is monotonic (s)."""

    def on_closed(self, reason: str) -> None:
        """The connection has ended and no other callback follows. ``reason`` is empty if this side closed it."""

    # --- operations -----------------------------------------------------------------------------------------------
    async def connect(self, source: str = "") -> None:
        """Open the connection, from an address of this machine if one is given.

        Returns after the TCP (and TLS) handshake; raises ``OSError``.
        """
        loop = asyncio.get_running_loop()
        to = self.endpoint
        local = (source, 0) if source else None
        await loop.create_connection(lambda: self, to.host, to.port, ssl=to.tls, local_addr=local)

    def request(self, event: str, payload: dict[str, Any], on_answer: OnAnswer) -> None:
        """Send an event. ``on_answer`` is called with the answer, and never if the connection ends before it."""
        self._requests += 1
        self._answers[self._requests] = on_answer
        self._send(b"42%d" % self._requests + orjson.dumps([event, payload]))

    def close(self) -> None:
        """Disconnect by the protocol: a Socket.IO DISCONNECT, a WebSocket close frame, then the end of TCP."""
        if self._transport is not None and not self.is_closed:
            if self.is_joined:
                self._send(b"41")
                self._transport.write(masked(CLOSE, b"\x03\xe8"))
            self._transport.close()
        self._end("")

    def abort(self, reason: str = "") -> None:
        """Drop the connection at once, without a message to the server."""
        if self._transport is not None:
            self._transport.abort()
        self._end(reason)

    def pause(self) -> None:
        """Stop reading, so that data accumulates on the server's side."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Continue reading after ``pause``."""
        if self._transport is not None and not self.is_closed:
            self._transport.resume_reading()

    # --- asyncio.Protocol -----------------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the WebSocket handshake."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports don't derive from it
        if self.is_closed:
            self._transport.abort()
            return
        self._key = base64.b64encode(random.randbytes(16))
        self._transport.write(self.endpoint.head + b"Sec-WebSocket-Key: " + self._key + b"\r\n\r\n")

    def data_received(self, data: bytes) -> None:
        """Read frames and handle their packets."""
        self.bytes_received += len(data)
        if self._reader is None:
            self._upgrade(data)
            return
        now = time.monotonic()
        try:
            for opcode, payload in self._reader.feed(data):
                self._on_message(opcode, payload, now)
        except (ProtocolError, ValueError, TypeError, LookupError) as error:
            self.abort(f"protocol: {error}"[:80])

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the end of the connection."""
        self._end("lost" if exc is not None else "closed")

    # --- internals ------------------------------------------------------------------------------------------------
    def _end(self, reason: str) -> None:
        if not self.is_closed:
            self.is_closed = True
            self._answers.clear()
            self.on_closed(reason)

    def _send(self, text: bytes) -> None:
        if self._transport is not None and not self.is_closed:
            self._transport.write(masked(TEXT, text))

    def _upgrade(self, data: bytes) -> None:
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if not end:
            if len(self._head) > MAX_HEAD_BYTES:
                self.abort("protocol: response head too large")
            return
        status = head.split(b"\r\n", 1)[0].split(b" ")
        accept = base64.b64encode(hashlib.sha1(self._key + _GUID).digest())
        if len(status) < 2 or status[1] != b"101" or accept not in head:
            code = status[1].decode("ascii", "replace") if len(status) > 1 else "?"
            self.abort(f"http {code}"[:40])
            return
        self._head = b""
        self._reader = FrameReader()
        if rest:
            self.data_received(rest)

    def _on_message(self, opcode: int, payload: bytes, now: float) -> None:
        if opcode == TEXT:
            self._on_packet(payload, now)
        elif opcode == PING and self._transport is not None:
            self._transport.write(masked(PONG, payload))
        elif opcode in (CLOSE, BINARY):
            self.abort("closed" if opcode == CLOSE else "protocol: a binary message")

    def _on_packet(self, text: bytes, now: float) -> None:
        """Handle one Engine.IO packet: its first digit is the packet type, the second the Socket.IO type."""
        kind = text[:2]
        if kind == b"42":  # event
            self.on_event(text, now)
        elif kind == b"43":  # acknowledgement
            body = text.index(b"[")
            on_answer = self._answers.pop(int(text[2:body]), None)
            if on_answer is not None:
                on_answer(orjson.loads(text[body:])[0])
        elif text == b"2":  # ping
            self._send(b"3")
        elif kind[:1] == b"0":  # Engine.IO open
            auth = b"" if self.token is None else orjson.dumps({"token": self.token})
            self._send(b"40" + auth)
        elif kind == b"40":  # connected
            self.is_joined = True
            self.on_joined()
        elif kind == b"44":  # connection refused
            refusal = orjson.loads(text[2:])
            data = refusal.get("data") or {}
            self.abort(str(data.get("code") or refusal.get("message") or "refused")[:40])
        elif kind in (b"41", b"1"):  # disconnect, Engine.IO close
            self.abort("closed")
