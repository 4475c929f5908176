"""How engine.io writes to a WebSocket, made cheap. With ``fanout``, all that touches what the framework keeps private.

The framework runs a writer task, a reading task, a ping task and a queue for every WebSocket. Here a session that
begins as a WebSocket has none of them: what is sent to it, by whomever, is written at once, in the order of the calls,
to the kernel while nothing waits in the transport, else to the transport. A session that began by long-polling keeps
the framework's queue and writer, also after its upgrade.

``install`` looks first whether the framework is built as expected, and changes nothing if it is not.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import socket as sockets
import time
from typing import Any

import socketio
from aiohttp import web
from engineio import exceptions, packet
from engineio.async_socket import AsyncSocket

from realtime import limits

log = logging.getLogger(__name__)
CLOSE_S = 5.0
"""How long a client that was told to go may take, before it is cut off."""


def frame_of(data: bytes, opcode: int = 0x81) -> bytes:
    """Return an unmasked, unfragmented WebSocket frame (RFC 6455, 5.2); ``opcode`` is with FIN, text by default."""
    size = len(data)
    if size < 126:
        return bytes((opcode, size)) + data
    if size < 1 << 16:
        return bytes((opcode, 126)) + size.to_bytes(2, "big") + data
    return bytes((opcode, 127)) + size.to_bytes(8, "big") + data


class Outlet:
    """Stands where a session's queue was: what is put in is written at once."""

    __slots__ = ("_way",)
    _unfinished_tasks = 0

    def __init__(self, way: Any) -> None:
        """``way`` is the session's WebSocket."""
        self._way = way

    def put_nowait(self, what: packet.Packet | None) -> None:
        """Write a packet; None closes the WebSocket behind what has been written."""
        if what is None:
            self._way.end()
            return
        data = what.encode()
        self._way.write(frame_of(data, 0x82) if isinstance(data, bytes) else frame_of(data.encode()))
        if what.packet_type == packet.CLOSE:
            asyncio.get_running_loop().call_later(CLOSE_S, self._way.transport.abort)

    async def put(self, what: packet.Packet | None) -> None:
        """As ``put_nowait``."""
        self.put_nowait(what)

    def qsize(self) -> int:
        """Nothing waits here."""
        return 0

    async def join(self) -> None:
        """Nothing waits here."""


def install(sio: socketio.AsyncServer) -> bool:
    """Put our WebSocket driver into the engine.io server; False if it is not built as expected."""
    if not _as_expected(sio):
        return False
    # A copy: the module's own dictionary serves every other server in the process.
    sio.eio._async = {**sio.eio._async, "websocket": _driver(sio.eio._async["websocket"])}
    plainly = sio.eio.start_background_task

    def start(target: Any, *args: Any, **kwargs: Any) -> Any:
        # A timer instead of a task that sleeps.
        if getattr(target, "__func__", None) is AsyncSocket._send_ping:
            return asyncio.get_running_loop().call_later(sio.eio.ping_interval, _ping, target.__self__)
        return plainly(target, *args, **kwargs)

    sio.eio.start_background_task = start
    return True


def _as_expected(sio: socketio.AsyncServer) -> bool:
    try:
        probe = AsyncSocket(sio.eio, "probe")
        made = sio.eio._async["websocket"](probe._websocket_handler, sio.eio)
        return all(
            (
                made.handler.__self__ is probe,
                made.server is sio.eio,
                callable(made.send) and callable(made.wait) and callable(sio.manager.eio_sid_from_sid),
                isinstance(sio.eio.sockets, dict),
                isinstance(probe.queue, asyncio.Queue) and probe.queue._unfinished_tasks == 0,  # type: ignore[attr-defined]
                probe.upgraded is False and probe.connected is False and probe.closed is False,
                probe.closing is False and hasattr(probe, "last_ping"),
                inspect.iscoroutinefunction(AsyncSocket._send_ping) and inspect.iscoroutinefunction(probe.receive),
                list(inspect.signature(probe.close).parameters) == ["wait", "abort", "reason"],
                sio.eio.reason.TRANSPORT_CLOSE,
                made._sock is None,
            )
        )
    except (AttributeError, KeyError, TypeError):
        return False


def _ping(session: Any) -> None:
    if not session.closing and not session.closed:
        session.last_ping = time.time()
        session.queue.put_nowait(packet.Packet(packet.PING))


def _file_of(transport: asyncio.Transport) -> int:
    """Bound what the kernel keeps for a connection; return its file descriptor, -1 if frames can't go there."""
    socket = transport.get_extra_info("socket")
    if socket is None or transport.get_extra_info("sslcontext") is not None:
        return -1
    file = int(socket.fileno())
    own = sockets.socket(fileno=file)
    try:
        own.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, limits.VIEWER_KERNEL_BYTES // 2)  # Linux doubles it
    finally:
        own.detach()
    return file


def _driver(base: Any) -> Any:
    class Driver(base):  # type: ignore[misc]
        """One WebSocket. No deflate: it costs 117 KiB a viewer."""

        async def __call__(self, environ: dict[str, Any]) -> web.WebSocketResponse:
            request = environ["aiohttp.request"]
            self._sock = web.WebSocketResponse(max_msg_size=self.server.max_http_buffer_size, compress=False)
            await self._sock.prepare(request)
            self.environ = environ
            self.transport = request.transport
            self.file = _file_of(request.transport)
            self.writing = False
            self.ending: asyncio.Task[None] | None = None
            session = self.handler.__self__
            session.tt_way = self
            if session.connected:
                await self.handler(self)
            else:
                await self._serve(session)
            return self._sock

        async def _serve(self, session: Any) -> None:
            """Be the session's handler, from its first word to its end."""
            early, session.queue = session.queue, Outlet(self)
            session.connected = session.upgraded = True
            while not early.empty():
                session.queue.put_nowait(early.get_nowait())
            try:
                while data := await self.wait():
                    await self._take(session, data)
            except (OSError, exceptions.SocketIsClosedError):
                pass
            finally:
                await session.close(wait=False, abort=True, reason=self.server.reason.TRANSPORT_CLOSE)
                if self.ending is not None:
                    await self.ending

        async def _take(self, session: Any, data: str | bytes) -> None:
            try:
                await session.receive(packet.Packet(encoded_packet=data))
            except (exceptions.UnknownPacketError, ValueError, IndexError) as error:
                log.debug("a packet that means nothing: %s", error)
            except exceptions.SocketIsClosedError:
                raise
            except Exception:
                log.exception("a packet could not be processed")

        def write(self, frame: bytes) -> None:
            """Write a finished frame behind all that was written before."""
            transport = self.transport
            if transport.is_closing():
                return
            written = 0
            # A transport that is open has its file, and all of this happens within one turn of the loop.
            if self.file >= 0 and not transport.get_write_buffer_size():
                try:
                    written = os.write(self.file, frame)
                except OSError:
                    written = 0  # full, or broken: the transport finds out
            if written < len(frame):
                transport.write(frame[written:] if written else frame)

        def end(self) -> None:
            """Close the WebSocket in its own protocol."""
            if self.ending is None:
                self.ending = asyncio.get_running_loop().create_task(self.close())

        async def send(self, message: str | bytes) -> None:
            # The framework's writer takes a batch of packets out of the queue at once, and may be held up here between
            # two of them.
            self.writing = True
            try:
                await super().send(message)
            finally:
                self.writing = False

    return Driver
