"""A WebSocket and its session without a task, a queue or a request: aiohttp's parser in, finished frames out.

What is sent is written at once, in the order of the calls: to the kernel while nothing waits in the transport, else to
the transport.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket as sockets
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web_ws
from aiohttp.http_websocket import WebSocketReader
from engineio import exceptions, packet

from realtime import limits

log = logging.getLogger(__name__)
CLOSE_S = 5.0
"""How long a client that was told to go may take, before it is cut off."""
PACKETS = 100
"""Packets of one WebSocket that are taken in one turn of the loop; with more than these waiting, no more are read."""
TEXT, BINARY = 0x81, 0x82
_CLOSE, _PONG = 0x88, 0x8A
_Queue: Any = getattr(web_ws, "WebSocketDataQueue", object)
"""What the parser hands its messages to; where that is another thing, ``reads_frames`` will tell."""


def frame_of(data: bytes, opcode: int = TEXT) -> bytes:
    """Return an unmasked, unfragmented WebSocket frame (RFC 6455, 5.2); ``opcode`` is with FIN, text by default."""
    size = len(data)
    if size < 126:
        return bytes((opcode, size)) + data
    if size < 1 << 16:
        return bytes((opcode, 126)) + size.to_bytes(2, "big") + data
    return bytes((opcode, 127)) + size.to_bytes(8, "big") + data


class FrameSink(_Queue):  # type: ignore[misc]
    """Where aiohttp's parser puts the messages of one reading; all connections of a server share it."""

    def __init__(self) -> None:
        """Nobody waits for it, so it needs no loop."""
        super().__init__(None, 1, loop=None)
        self.messages: list[Any] = []
        self.error: BaseException | None = None

    def feed_data(self, data: Any, size: int) -> None:
        """Take a message."""
        self.messages.append(data)

    def set_exception(self, exc: BaseException, *_cause: BaseException) -> None:
        """Take note of what the parser could not read."""
        self.error = exc


class WebSocketConnection(asyncio.Protocol):
    """One WebSocket and its session: reads packets, writes finished frames. No deflate: it costs 117 KiB a viewer."""

    __slots__ = ("_direct", "_ended", "_reader", "_sink", "_todo", "file", "session", "sid", "transport")

    def __init__(self, session: Any, transport: asyncio.Transport, sink: FrameSink) -> None:
        """``transport`` is taken over: it must not be anybody else's any more."""
        self.session = session
        self.sid = ""
        """The Socket.IO session, once it is known."""
        self.transport = transport
        self.file = -1
        """Where a whole frame may be written now, past the transport; -1 while something waits in there."""
        self._direct = file_of(transport)
        self._ended = False
        self._sink = sink
        self._todo: list[str | bytes] | None = None
        self._reader = WebSocketReader(sink, session.server.max_http_buffer_size, compress=False, decode_text=True)

    # --- out ------------------------------------------------------------------------------------------------------
    def write(self, frame: bytes) -> None:
        """Write a finished frame behind all that was written before."""
        if self.file < 0:
            if self._ended or self.transport.is_closing():
                return
            if self._direct < 0 or self.transport.get_write_buffer_size():
                self.transport.write(frame)
                return
            self.file = self._direct
        try:
            written = os.write(self.file, frame)
        except OSError:
            written = 0  # full, or broken: the transport finds out
        if written < len(frame):
            self.write_rest(frame, written)

    def write_rest(self, frame: bytes, written: int) -> None:
        """Leave to the transport what the kernel did not take."""
        self.file = -1
        self.transport.write(frame[written:] if written else frame)

    def unsent(self) -> int:
        """Return how many bytes wait in the transport."""
        return 0 if self.file >= 0 or self.transport.is_closing() else int(self.transport.get_write_buffer_size())

    def end(self, code: int = WSCloseCode.OK) -> None:
        """Close the WebSocket in its own protocol, behind what has been written; nothing is written any more."""
        if self._ended:
            return
        self.write(frame_of(code.to_bytes(2, "big"), _CLOSE))
        self.file, self._ended = -1, True
        self.abort_later()

    def abort_later(self) -> None:
        """Cut the client off unless it goes by itself."""
        asyncio.get_running_loop().call_later(CLOSE_S, self.transport.abort)

    # --- in -------------------------------------------------------------------------------------------------------
    def data_received(self, data: bytes) -> None:
        """Take what came."""
        failed, _tail = self._reader.feed_data(data)
        messages, self._sink.messages = self._sink.messages, []
        packets = []
        for message in messages:
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                packets.append(message.data)
            elif message.type == WSMsgType.PING:
                self.write(frame_of(message.data, _PONG))
            elif message.type == WSMsgType.CLOSE:
                self.end()
                self.transport.close()
        if failed:
            self.end(getattr(self._sink.error, "code", WSCloseCode.PROTOCOL_ERROR))
            self.transport.close()
        if not packets:
            return
        if self._todo is None:
            self._todo = []
            self.session.server.start_background_task(self._take_all)
        self._todo += packets
        if len(self._todo) > PACKETS and not self.transport.is_closing():
            self.transport.pause_reading()

    async def _take_all(self) -> None:
        while packets := self._todo:
            self._todo = []
            for number, data in enumerate(packets):
                if number % PACKETS == PACKETS - 1:
                    await asyncio.sleep(0)  # what these have begun goes on first
                await self._take(data)
        self._todo = None
        if not self.transport.is_closing():
            self.transport.resume_reading()

    async def _take(self, data: str | bytes) -> None:
        """Process a packet; one that means nothing is passed over."""
        try:
            await self.session.receive(packet.Packet(encoded_packet=data))
        except (exceptions.UnknownPacketError, ValueError):
            pass  # what handlers raise does not get here
        except exceptions.SocketIsClosedError:
            self.transport.close()
        except Exception:
            log.exception("a packet could not be processed")

    def connection_lost(self, exc: Exception | None) -> None:
        """End the session. The transport calls this before it closes its file, so nothing is written to another's."""
        self.file, self._ended = -1, True
        self.session.server.start_background_task(self._gone)

    async def _gone(self) -> None:
        session = self.session
        await session.close(wait=False, abort=True, reason=session.server.reason.TRANSPORT_CLOSE)
        session.server.sockets.pop(session.sid, None)
        # Nothing may be left of it: a cycle, or a timer, would keep it until the collector comes, which is seldom.
        if (timer := getattr(session, "tt_ping", None)) is not None:
            timer.cancel()
        session.queue = session.tt_connection = None


def file_of(transport: asyncio.Transport) -> int:
    """Bound what the kernel keeps for a connection; return its file descriptor, -1 if frames can't go there."""
    socket = transport.get_extra_info("socket")
    if socket is None or transport.get_extra_info("sslcontext") is not None:
        return -1
    file = int(socket.fileno())
    # Told what it is, it asks the kernel nothing.
    own = sockets.socket(socket.family, socket.type, socket.proto, file)
    try:
        own.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, limits.VIEWER_KERNEL_BYTES // 2)  # Linux doubles it
    finally:
        own.detach()
    return file


def reads_frames() -> bool:
    """Tell whether aiohttp's parser is as expected."""
    sink = FrameSink()
    WebSocketReader(sink, 1024, compress=False, decode_text=True).feed_data(b"\x81\x82\0\0\0\0hi")
    return [message.data for message in sink.messages] == ["hi"]
