"""One WebSocket and its engine.io session, without a task, a queue or a request of their own.

Reading: aiohttp's parser turns bytes into messages, and the session processes them one after the other. Writing: a
frame is written at once, in the order of the calls, straight to the kernel while nothing waits in the asyncio
transport, else to the transport. Nothing here limits how much may wait there: callers ask ``unsent`` first.

The session is the framework's ``AsyncSocket``. This package adds two attributes to it: ``tt_connection`` (this object,
or the driver of an upgraded WebSocket) and ``tt_ping`` (the timer of the next ping). There they end with the session.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket as sockets
from typing import Any

from aiohttp import WSCloseCode, WSMsgType

from realtime import limits
from realtime.transport.frames import CLOSE, PONG, FrameSink, frame_of
from realtime.transport.guard import EIO_FROM_CLIENTS, EnginePacket, SocketIsClosedError, UnknownPacketError

log = logging.getLogger(__name__)
CLOSE_S = 5.0
"""How long a client may take to close its end after our close frame; then the connection is aborted."""
PACKETS = 100
"""Packets of one connection that are processed in one turn of the loop. While more than these wait, nothing is read."""


class WebSocketConnection(asyncio.Protocol):
    """A WebSocket whose connection belongs to this object alone. No compression: it costs 117 KiB a viewer."""

    __slots__ = (
        "_closing",
        "_descriptor",
        "_reader",
        "_refusing",
        "_sink",
        "_waiting",
        "file",
        "session",
        "sid",
        "transport",
    )

    def __init__(self, session: Any, transport: asyncio.Transport, sink: FrameSink) -> None:
        """``transport`` must have no other user any more. The caller sets this as its protocol."""
        self.session = session
        self.sid = ""
        """The Socket.IO session, once ``fanout`` knows it."""
        self.transport = transport
        self.file = -1
        """The descriptor for whole frames while nothing waits in the transport, else -1. ``fanout`` writes to it."""
        self._descriptor = bounded_descriptor(transport)
        self._closing = False
        """Whether a close frame was sent: nothing is written behind it."""
        self._refusing = False
        """Whether the server ends the session: packets that were received, or still are, have no effect."""
        self._sink = sink
        self._waiting: list[str | bytes] | None = None
        """Packets not processed yet; None while no task processes any."""
        self._reader = sink.reader(session.server.max_http_buffer_size)

    # --- writing --------------------------------------------------------------------------------------------------
    def write(self, frame: bytes) -> None:
        """Write a finished frame behind everything written before; does nothing once the connection is closing."""
        if self.file < 0:
            if self._closing or self.transport.is_closing():
                return
            if self._descriptor < 0 or self.transport.get_write_buffer_size():
                self.transport.write(frame)
                return
            self.file = self._descriptor
        try:
            written = os.write(self.file, frame)
        except OSError:
            written = 0  # full, or broken: then the transport finds out and calls connection_lost
        if written < len(frame):
            self.write_rest(frame, written)

    def write_rest(self, frame: bytes, written: int) -> None:
        """Give the transport what the kernel did not accept of a frame; later frames follow it there."""
        self.file = -1
        self.transport.write(frame[written:] if written else frame)

    def unsent(self) -> int:
        """Return how many bytes wait in the transport; what the kernel has accepted does not count."""
        return 0 if self.file >= 0 or self.transport.is_closing() else int(self.transport.get_write_buffer_size())

    def close(self, code: int = WSCloseCode.OK) -> None:
        """End the session from our side: send a close frame behind everything written; abort after ``CLOSE_S``.

        Packets that the client has sent and that were not processed yet are dropped.
        """
        self._refusing = True
        if not self._closing:
            self._send_close(code)
            self.abort_later()

    def _send_close(self, code: int) -> None:
        self.write(frame_of(code.to_bytes(2, "big"), CLOSE))
        self.file, self._closing = -1, True

    def abort_later(self) -> None:
        """Abort the connection after ``CLOSE_S``, if the client has not closed it by then."""
        asyncio.get_running_loop().call_later(CLOSE_S, self.transport.abort)

    # --- reading --------------------------------------------------------------------------------------------------
    def data_received(self, data: bytes) -> None:
        """Parse bytes from the client; answer pings and close frames, and queue packets for the session."""
        failed, _rest = self._reader.feed_data(data)
        messages, self._sink.messages = self._sink.messages, []
        packets = []
        for message in messages:
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                packets.append(message.data)
            elif message.type == WSMsgType.PING:
                self.write(frame_of(message.data, PONG))
            elif message.type == WSMsgType.CLOSE:
                self._answer_close(WSCloseCode.OK)
        if failed:
            self._answer_close(getattr(self._sink.error, "code", WSCloseCode.PROTOCOL_ERROR))
        if packets and not self._refusing:
            self._queue(packets)

    def _answer_close(self, code: int) -> None:
        if not self._closing:
            self._send_close(code)
        self.transport.close()

    def _queue(self, packets: list[str | bytes]) -> None:
        if self._waiting is None:
            self._waiting = []
            self.session.server.start_background_task(self._process_waiting)
        self._waiting += packets
        if len(self._waiting) > PACKETS and not self.transport.is_closing():
            self.transport.pause_reading()

    async def _process_waiting(self) -> None:
        while packets := self._waiting:
            self._waiting = []
            for number, data in enumerate(packets):
                if number % PACKETS == PACKETS - 1:
                    await asyncio.sleep(0)  # other connections, and the handlers that these packets started, run first
                if not self._refusing:
                    await self._process(data)
        self._waiting = None
        if not self.transport.is_closing():
            self.transport.resume_reading()

    async def _process(self, data: str | bytes) -> None:
        """Give a packet to the session; end the connection if the packet can't be decoded, or ends the session."""
        try:
            packet = EnginePacket(encoded_packet=data)
            if packet.packet_type not in EIO_FROM_CLIENTS:
                raise UnknownPacketError
            await self.session.receive(packet)
        except (UnknownPacketError, ValueError):  # the decoder's; the framework catches what event handlers raise
            self.close(WSCloseCode.PROTOCOL_ERROR)
        except SocketIsClosedError:
            self.close()
        except Exception:
            log.exception("a packet could not be processed")
        if self.session.closed:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the session.

        asyncio and uvloop call this before they close the descriptor. So ``file`` is reset while the number is still
        ours: no frame can go to another connection that is given the same number.
        """
        self.file, self._closing = -1, True
        self.session.server.start_background_task(self._end_session)

    async def _end_session(self) -> None:
        session = self.session
        await session.close(wait=False, abort=True, reason=session.server.reason.TRANSPORT_CLOSE)
        session.server.sockets.pop(session.sid, None)
        # Session, queue, connection and timer refer to each other. Cut the cycle, or all of them stay in memory until
        # the garbage collector reaches its oldest generation, which it hardly ever does on a node (``web.app``).
        if (timer := getattr(session, "tt_ping", None)) is not None:
            timer.cancel()
        session.queue = session.tt_connection = None


def bounded_descriptor(transport: asyncio.Transport) -> int:
    """Bound the kernel's send buffer of a connection to ``limits.VIEWER_KERNEL_BYTES``.

    Returns the descriptor that frames may be written to; -1 where that is impossible (TLS, or no socket).
    """
    socket = transport.get_extra_info("socket")
    if socket is None or transport.get_extra_info("sslcontext") is not None:
        return -1
    descriptor = int(socket.fileno())
    # uvloop's own socket object has no setsockopt. With family, type and protocol given, Python makes no system call.
    own = sockets.socket(socket.family, socket.type, socket.proto, descriptor)
    try:
        own.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, limits.VIEWER_KERNEL_BYTES // 2)  # Linux doubles it
    finally:
        own.detach()
    return descriptor
