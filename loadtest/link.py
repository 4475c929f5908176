"""A light Socket.IO client: a raw ``asyncio.Protocol`` over WebSocket, with no task and no queue of its own.

It speaks what a seat map needs of Engine.IO 4 and Socket.IO 5: connect, events, acks, pings. The official Python
client runs several tasks for each connection; this one has a few small objects beside its transport, so that ten
thousand fit into one process and one core. Text events only; the tests hold it against the real server.
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
Answered = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a node is: parsed once, shared by all who connect to it."""

    url: str
    host: str
    port: int
    tls: ssl.SSLContext | None
    head: bytes

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


class Link(asyncio.Protocol):
    """One connection to one node. Subclasses say what to do when ``joined``, ``heard`` and ``left``, on the loop.

    It is used once: connect anew with a new one.
    """

    def __init__(self, endpoint: Endpoint, token: str | None = None) -> None:
        """``token`` is an identity from an earlier connection's ``session``."""
        self.endpoint = endpoint
        self.token = token
        self.began = time.monotonic()
        self.is_joined = False
        self.is_over = False
        self.bytes = 0
        self._transport: asyncio.Transport | None = None
        self._reader: FrameReader | None = None
        self._head = b""
        self._key = b""
        self._asked = 0
        self._answers: dict[int, Answered] = {}

    # --- for subclasses -------------------------------------------------------------------------------------------
    def joined(self) -> None:
        """The server let us in: events may be asked from now on."""

    def heard(self, text: bytes, now: float) -> None:
        """An event came: the packet as it stands, JSON from byte 2; ``now`` is monotonic (s)."""

    def left(self, reason: str) -> None:
        """The connection is over; nothing comes after this. ``reason`` is empty when we closed it."""

    # --- what may be done ------------------------------------------------------------------------------------------
    async def connect(self) -> None:
        """Open the connection; returns once TCP (and TLS) stand. Raises ``OSError``."""
        loop = asyncio.get_running_loop()
        where = self.endpoint
        await loop.create_connection(lambda: self, where.host, where.port, ssl=where.tls)

    def ask(self, event: str, payload: dict[str, Any], answered: Answered) -> None:
        """Send an event; ``answered`` gets the answer, if one comes before the end."""
        self._asked += 1
        self._answers[self._asked] = answered
        self._send(b"42%d" % self._asked + orjson.dumps([event, payload]))

    def close(self) -> None:
        """End the connection in the words of its protocol."""
        if self._transport is not None and not self.is_over:
            if self.is_joined:
                self._send(b"41")
                self._transport.write(masked(CLOSE, b"\x03\xe8"))
            self._transport.close()
        self._over("")

    def abort(self, reason: str = "") -> None:
        """Drop the connection at once."""
        if self._transport is not None:
            self._transport.abort()
        self._over(reason)

    def pause(self) -> None:
        """Stop reading; what comes piles up at the sender."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._transport is not None and not self.is_over:
            self._transport.resume_reading()

    # --- the socket -----------------------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the WebSocket."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by class
        if self.is_over:
            self._transport.abort()
            return
        self._key = base64.b64encode(random.randbytes(16))
        self._transport.write(self.endpoint.head + b"Sec-WebSocket-Key: " + self._key + b"\r\n\r\n")

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        self.bytes += len(data)
        if self._reader is None:
            self._upgrade(data)
            return
        now = time.monotonic()
        try:
            for opcode, payload in self._reader.feed(data):
                self._message(opcode, payload, now)
        except (ProtocolError, ValueError, TypeError, LookupError) as error:
            self.abort(f"protocol: {error}"[:80])

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side is gone."""
        self._over("lost" if exc is not None else "closed")

    # --- inside ---------------------------------------------------------------------------------------------------
    def _over(self, reason: str) -> None:
        if not self.is_over:
            self.is_over = True
            self._answers.clear()
            self.left(reason)

    def _send(self, text: bytes) -> None:
        if self._transport is not None and not self.is_over:
            self._transport.write(masked(TEXT, text))

    def _upgrade(self, data: bytes) -> None:
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if not end:
            if len(self._head) > MAX_HEAD_BYTES:
                self.abort("protocol: an endless head")
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

    def _message(self, opcode: int, payload: bytes, now: float) -> None:
        if opcode == TEXT:
            self._packet(payload, now)
        elif opcode == PING and self._transport is not None:
            self._transport.write(masked(PONG, payload))
        elif opcode in (CLOSE, BINARY):
            self.abort("closed" if opcode == CLOSE else "protocol: a binary message")

    def _packet(self, text: bytes, now: float) -> None:
        kind = text[:2]
        if kind == b"42":
            self.heard(text, now)
        elif kind == b"43":
            body = text.index(b"[")
            answered = self._answers.pop(int(text[2:body]), None)
            if answered is not None:
                answered(orjson.loads(text[body:])[0])
        elif text == b"2":
            self._send(b"3")
        elif kind[:1] == b"0":
            auth = b"" if self.token is None else orjson.dumps({"token": self.token})
            self._send(b"40" + auth)
        elif kind == b"40":
            self.is_joined = True
            self.joined()
        elif kind == b"44":
            told = orjson.loads(text[2:])
            data = told.get("data") or {}
            self.abort(str(data.get("code") or told.get("message") or "refused")[:40])
        elif kind in (b"41", b"1"):
            self.abort("closed")
