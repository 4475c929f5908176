"""One WebSocket and its engine.io session, without a task, a queue or a request of their own.

Reading: ``frames.FrameReader`` turns bytes into frames, each frame is charged to the session's ``Budget``, and the
session processes the packets one after the other. While too much waits, for the session or for the client to read,
nothing is read. Writing: a frame is written at once, in the order of the calls, straight to the kernel while nothing
waits in the asyncio transport, else to the transport. Nothing here limits how much the server writes: callers ask
``unsent`` first.

The session is the framework's ``AsyncSocket``. This package adds five attributes to it: ``tt_connection`` (this
object), ``tt_budget``, ``tt_address`` (the client's, for ``admission``), ``tt_connect_by`` (the deadline of
CONNECT) and ``tt_ping`` (the timer of the next ping). There they end with the session.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import socket as sockets
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from realtime import limits
from realtime.transport.admission import ConnectionSlot
from realtime.transport.frames import (
    BINARY,
    CLOSE,
    OK,
    PING,
    POLICY_VIOLATION,
    PONG,
    PROTOCOL_ERROR,
    FrameError,
    FrameReader,
    frame_of,
)
from realtime.transport.guard import EIO_FROM_CLIENTS, EnginePacket, SocketIsClosedError, UnknownPacketError

if TYPE_CHECKING:
    from realtime.transport.driver import Upgrade

log = logging.getLogger(__name__)
CLOSE_S = 5.0
"""How long a client may take to close its end after our close frame; then the connection is aborted."""
PACKETS = 100
"""While more packets of one connection than these wait, nothing is read."""
TURN = 5
"""Packets of one connection that are processed in one iteration of the loop; more of one address take turns."""
_EVENT = "42"
"""How a packet with an event begins. It is charged where it is answered (``web.events``), to be refused with a code."""
_ENGINE_PONG = "3"


class WebSocketConnection(asyncio.Protocol):
    """A WebSocket whose connection belongs to this object alone. No compression: it costs 117 KiB a viewer."""

    __slots__ = (
        "_blocked",
        "_closing",
        "_descriptor",
        "_frames",
        "_reader",
        "_refusing",
        "_slot",
        "_unread",
        "_waiting",
        "_waiting_bytes",
        "_writable",
        "file",
        "session",
        "sid",
        "transport",
        "upgrade",
    )

    def __init__(self, session: Any, transport: asyncio.Transport, slot: ConnectionSlot | None) -> None:
        """``transport`` must have no other user any more. The caller sets this as its protocol."""
        self.session = session
        self.sid = ""
        """The Socket.IO session, once ``fanout`` knows it."""
        self.transport = transport
        self.file = -1
        """The descriptor for whole frames while nothing waits in the transport, else -1. ``fanout`` writes to it."""
        self.upgrade: Upgrade | None = None
        """While the session still is with long-polling."""
        self._descriptor = bounded_descriptor(transport)
        transport.set_write_buffer_limits(limits.VIEWER_UNSENT_BYTES, limits.VIEWER_UNSENT_BYTES * 3 // 4)
        self._slot = slot
        self._closing = False
        """Whether a close frame was sent: nothing is written behind it."""
        self._refusing = False
        """Whether the server ends the session: packets that were received, or still are, have no effect."""
        self._frames: Iterator[tuple[int, str | bytes]] | None = None
        """The rest of what has arrived, while ``PACKETS`` packets wait to be processed; it is parsed after them."""
        self._unread = b""
        """What has arrived behind that."""
        self._blocked = False
        """Whether the client leaves more than ``limits.VIEWER_UNSENT_BYTES`` unread."""
        self._writable: asyncio.Future[None] | None = None
        """Set when it has read them; only the task that processes packets waits for it."""
        self._waiting: list[str | bytes] | None = None
        """Packets not processed yet; None while no task processes any."""
        self._waiting_bytes = 0
        """Of these packets, about: characters of texts count as one."""
        self._reader = FrameReader(session.server.max_http_buffer_size)

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

    def pause_writing(self) -> None:
        """Read nothing more while the client leaves so much unread; asyncio calls this."""
        self._blocked = True
        self._pace()

    def resume_writing(self) -> None:
        """Go on; asyncio calls this."""
        self._blocked = False
        self._wake()
        self._pace()

    def _wake(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    def close(self, code: int = OK) -> None:
        """End the session from our side: send a close frame behind everything written; abort after ``CLOSE_S``.

        Packets that the client has sent and that were not processed yet are dropped.
        """
        self._refuse()
        if not self._closing:
            self._send_close(code.to_bytes(2, "big"))
            self.abort_later()

    def _refuse(self) -> None:
        """Drop what has arrived and what arrives from now on; it would stay in memory for up to ``CLOSE_S``."""
        self._refusing = True
        self._unread = b""
        if self._frames is not None:
            self._frames = iter(())

    def _send_close(self, payload: bytes) -> None:
        self.write(frame_of(payload, CLOSE))
        self.file, self._closing = -1, True

    def abort_later(self) -> None:
        """Abort the connection after ``CLOSE_S``, if the client has not closed it by then."""
        asyncio.get_running_loop().call_later(CLOSE_S, self.transport.abort)

    # --- reading --------------------------------------------------------------------------------------------------
    def data_received(self, data: bytes) -> None:
        """Parse bytes from the client; answer pings and close frames, and queue packets for the session."""
        if self._frames is not None:
            if not self._refusing:
                self._unread += data
            return
        self._frames = self._reader.feed(data)
        self._read_frames()

    def _read_frames(self) -> None:
        """Charge and sort the frames that have arrived, until ``PACKETS`` packets of them wait."""
        assert self._frames is not None, "bytes have arrived"
        budget, now = self.session.tt_budget, asyncio.get_running_loop().time()
        packets: list[str | bytes] = []
        try:
            for opcode, payload in self._frames:
                # What is over the budget has no effect. A pong has: without it the session would end.
                if isinstance(payload, str):
                    if payload.startswith(_EVENT) or budget.take(now) == 0 or payload == _ENGINE_PONG:
                        packets.append(payload)
                elif opcode == CLOSE:
                    self._answer_close(payload)
                elif budget.take(now) == 0:
                    if opcode == BINARY:
                        packets.append(payload)
                    elif opcode == PING:
                        self.write(frame_of(payload, PONG))
                if budget.abusive:
                    raise FrameError(POLICY_VIOLATION)
                if len(packets) >= PACKETS:
                    break  # the rest when these are processed
            else:
                self._frames = None
        except FrameError as error:
            self._frames = None
            if self._slot is not None:
                self._slot.count_waste(now)
            self._answer_close(error.code.to_bytes(2, "big"))
            # What came before a malformed frame is processed; of a client that sends too much, nothing is.
            if error.code == POLICY_VIOLATION:
                self._refuse()
        if packets and not self._refusing:
            self._queue(packets)

    def _read_unread(self) -> None:
        if self._frames is None and self._unread:
            unread, self._unread = self._unread, b""
            self.data_received(unread)

    def _answer_close(self, payload: bytes) -> None:
        """Send a close frame with this payload unless one was sent, and close the connection behind it."""
        if not self._closing:
            self._send_close(payload)
        self.transport.close()  # what waits is sent before; for no longer than ``CLOSE_S``
        self.abort_later()

    def _pace(self) -> None:
        """Read more from the client, or nothing while too much waits; call it when any of that has changed."""
        if self.transport.is_closing():
            return
        too_much = len(self._waiting or ()) > PACKETS or self._waiting_bytes > limits.VIEWER_UNSENT_BYTES
        if self._blocked or self._frames is not None or too_much:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def _queue(self, packets: list[str | bytes]) -> None:
        """Give packets to the upgrade that is under way, else to the task that processes them."""
        if self.upgrade is not None:
            self._process_upgrade(packets)
            return
        if self._waiting is None:
            self._waiting = []
            self.session.server.start_background_task(self._process_waiting)
        self._waiting += packets
        self._waiting_bytes += sum(map(len, packets))
        self._pace()

    def _process_upgrade(self, packets: list[str | bytes]) -> None:
        for number, packet in enumerate(packets):
            if self.upgrade is None:
                if not self._refusing:
                    self._queue(packets[number:])
                return
            self.upgrade.receive(packet)

    async def _process_waiting(self) -> None:
        while packets := self._waiting:
            self._waiting, self._waiting_bytes = [], 0
            for number, data in enumerate(packets):
                if number % TURN == TURN - 1:
                    await self._let_others_run()
                while self._blocked and not self._refusing:
                    self._writable = asyncio.get_running_loop().create_future()
                    await self._writable
                if self._refusing:
                    break
                await self._process(data)
            if not self._waiting and self._frames is not None and not self._refusing:
                self._read_frames()
                self._read_unread()
        self._waiting = None
        self._pace()

    async def _let_others_run(self) -> None:
        """Let other connections run, and the handlers that packets have started.

        Clients of one address that send many packets at once share what one such client is given.
        """
        if self._slot is not None:
            await self._slot.queue.wait(self.session.tt_address)
        else:
            await asyncio.sleep(0)

    async def _process(self, data: str | bytes) -> None:
        """Give a packet to the session; end the connection if the packet can't be decoded, or ends the session."""
        try:
            packet = EnginePacket(encoded_packet=data)
            if packet.packet_type not in EIO_FROM_CLIENTS:
                raise UnknownPacketError
            await self.session.receive(packet)
        except (UnknownPacketError, ValueError, RecursionError):  # the framework catches what event handlers raise
            self.close(PROTOCOL_ERROR)
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
        self.file, self._closing, self._blocked = -1, True, False
        self._wake()
        if self._slot is not None:
            self._slot.leave()
        if self.upgrade is not None:
            self.upgrade.end()
        if getattr(self.session, "tt_connection", None) is not self:
            return  # the session goes on by long-polling
        end = functools.partial(self.session.server.start_background_task, self._end_session)
        if self._slot is not None:
            self._slot.ending.add(self.session.tt_address, end)  # a crowd's of one address end one after the other
        else:
            end()

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
