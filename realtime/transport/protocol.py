"""What the Engine.IO and Socket.IO protocols ask of a server and the frameworks don't do (``tests/compliance``).

A server must close the connection on a packet that it can't read, on a first packet that is not CONNECT, when no
CONNECT comes, and when a client polls or posts twice at a time. ``WebSocketConnection`` and ``driver`` do their part
for the Engine.IO packets of a WebSocket. Here are the requests of long-polling, and the Socket.IO packets of both
transports. As on a WebSocket, nothing is read from a client that does not read: while more than
``limits.VIEWER_UNSENT_BYTES`` wait for its polls, its post waits, for ``limits.VIEWER_STUCK_S`` at most.
"""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import socketio
from aiohttp import web

from realtime import limits
from realtime.transport.admission import Admission, BoundedByAddress
from realtime.transport.budget import Budget
from realtime.transport.client_address import ENVIRON_KEY, ClientAddresses
from realtime.transport.guard import (
    EIO_CLOSE,
    EIO_FROM_CLIENTS,
    EIO_NOOP,
    EIO_PING,
    EIO_PONG,
    SIO_CONNECT,
    SIO_CONNECT_ERROR,
    SIO_EVENT,
    EnginePacket,
    UnknownPacketError,
)
from realtime.transport.handshake import asks_for_upgrade, query_of
from realtime.transport.packet_queue import PacketQueue
from realtime.transport.packets import IgnoredPacketError
from realtime.transport.session_manager import NAMESPACE

_INVALID_NAMESPACE = '{"message":"Invalid namespace"}'
_SEPARATOR = "\x1e"
"""Between the packets of a long-polling body."""
_EVENT = _SEPARATOR.encode() + b"42"
"""How a packet with an event begins, behind another one."""
_PACKETS = 16
"""Packets in one body; the framework accepts no more."""


def install(sio: socketio.AsyncServer, addresses: ClientAddresses, admission: Admission) -> None:
    """Make a server strict. Call it only when ``guard.missing_parts`` is empty, before the server serves.

    ``admission`` bounds the sessions without CONNECT, and those by long-polling.
    """
    _Sessions(sio, admission)
    _Requests(sio.eio, addresses, admission.polling)


def _namespace(packet: str) -> str:
    """Return the namespace of an encoded CONNECT packet."""
    return packet[1:].partition(",")[0].partition("?")[0]


class _Sessions:
    """Checks the Socket.IO packets of one server's sessions.

    It stands between engine.io and Socket.IO: it takes the place of Socket.IO's handlers of engine.io's events, and
    calls them when nothing is wrong. The attributes ``tt_*`` of a session are listed in ``websocket_connection``.
    """

    def __init__(self, sio: socketio.AsyncServer, admission: Admission) -> None:
        self._engine = sio.eio
        self._manager = sio.manager
        self._waste = admission.waste
        self._unconnected = admission.unconnected
        self._unconnected.end = self._end_soon
        self._polling = admission.polling
        self._polling.end = self._end_soon
        self._queue = admission.queue
        self._answering: set[asyncio.Task[None]] = set()
        """Events that are being answered; the loop keeps no strong reference to a task."""
        self._on_connect = sio.eio.handlers["connect"]
        self._on_message = sio.eio.handlers["message"]
        self._on_disconnect = sio.eio.handlers["disconnect"]
        sio.eio.on("connect", self._connect)
        sio.eio.on("message", self._message)
        sio.eio.on("disconnect", self._disconnect)

    async def _connect(self, eio_sid: str, environ: dict[str, Any]) -> Any:
        loop = asyncio.get_running_loop()
        session = self._engine.sockets[eio_sid]
        session.tt_budget = Budget(loop.time())
        session.tt_address = environ[ENVIRON_KEY]
        self._unconnected.add(eio_sid, session.tt_address, loop.time())
        session.tt_connect_by = loop.call_later(limits.CONNECT_S, self._check_connected, eio_sid)
        # The framework keeps what it is given as long as the session lives, and this would keep the request.
        return await self._on_connect(eio_sid, {ENVIRON_KEY: session.tt_address})

    async def _disconnect(self, eio_sid: str, reason: str) -> None:
        if (session := self._engine.sockets.get(eio_sid)) is not None:
            if self._unconnected.discard(eio_sid, session.tt_address):  # it has never sent CONNECT
                self._waste.count(session.tt_address, asyncio.get_running_loop().time())
            session.tt_connect_by.cancel()
            if (ping := getattr(session, "tt_ping", None)) is not None:
                ping.cancel()  # it refers to the session, for as long as a client may be silent
            if not session.upgraded:
                session.queue.give_up()
        await self._on_disconnect(eio_sid, reason)
        if session is not None and not session.upgraded:
            # Only a poll that waits already can fetch what is queued. The framework would keep it for a ping time-out.
            self._engine.sockets.pop(eio_sid, None)
            self._polling.discard(eio_sid, session.tt_address)

    def _check_connected(self, eio_sid: str) -> None:
        """End a session whose time for CONNECT is over; a crowd's of one address end one after the other."""
        if (session := self._session(eio_sid)) is not None:
            work = functools.partial(self._engine.start_background_task, self._end, eio_sid)
            self._queue.add(session.tt_address, work)

    def _end_soon(self, eio_sid: str) -> None:
        """End a session for a newer one of its address (``BoundedByAddress``), and count it as wasted."""
        if (session := self._engine.sockets.get(eio_sid)) is not None:
            self._waste.count(session.tt_address, asyncio.get_running_loop().time())
            self._engine.start_background_task(self._end, eio_sid)

    def _session(self, eio_sid: str) -> Any:
        """Return a session that has not begun to end, else None."""
        session = self._engine.sockets.get(eio_sid)
        return None if session is None or session.closing or session.closed else session

    async def _message(self, eio_sid: str, data: Any) -> None:
        session = self._session(eio_sid)
        if session is None:
            return  # an earlier packet of the same request, or of the same bytes, has ended the session
        connects = isinstance(data, str) and data.startswith(str(SIO_CONNECT))
        if not connects and self._manager.sid_from_eio_sid(eio_sid, NAMESPACE) is None:
            await self._end(eio_sid)
            return
        if connects and data.startswith("0/") and (namespace := _namespace(data)) != NAMESPACE:
            # The framework's own answer has no object with a message, which official clients look for.
            await self._engine.send(eio_sid, f"{SIO_CONNECT_ERROR}{namespace},{_INVALID_NAMESPACE}")
            return
        if isinstance(data, str) and data.startswith(str(SIO_EVENT)):
            await self._begin_event(session, eio_sid, data)
            return
        await self._pass_on(eio_sid, data)
        if not connects:
            return
        if self._session(eio_sid) is None:
            # The session ended while its connect handler ran. The framework has called no disconnect handler, because
            # it did not count the client as connected yet.
            await self._on_disconnect(eio_sid, self._engine.reason.TRANSPORT_CLOSE)
        elif self._manager.sid_from_eio_sid(eio_sid, NAMESPACE) is not None:
            self._unconnected.discard(eio_sid, session.tt_address)
            session.tt_connect_by.cancel()
            if not session.upgraded:
                self._polling.add(eio_sid, session.tt_address, asyncio.get_running_loop().time())

    async def _pass_on(self, eio_sid: str, data: Any) -> None:
        """Give a packet to Socket.IO; end the session if the packet breaks the protocol."""
        try:
            await self._on_message(eio_sid, data)
        except IgnoredPacketError:
            pass
        except UnknownPacketError:
            await self._end(eio_sid)

    async def _begin_event(self, session: Any, eio_sid: str, data: str) -> None:
        """Answer an event in a task of its own, when it is its address's turn.

        Wait while too many of this connection are being answered.
        """
        budget: Budget = session.tt_budget
        await budget.delay()
        await self._queue.take_turn(session.tt_address)
        await budget.begin_event()

        async def answer() -> None:
            try:
                await self._pass_on(eio_sid, data)
            finally:
                budget.end_event()

        task = asyncio.get_running_loop().create_task(answer())
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _end(self, eio_sid: str) -> None:
        """Close a session behind everything that was sent to it, without waiting for the client."""
        session = self._engine.sockets.get(eio_sid)
        if session is None or session.closed:
            return
        if session.upgraded:
            session.queue.put_nowait(None)  # closes the WebSocket, which ends the session
        else:
            await session.close(wait=False)


class _Requests:
    """Checks the HTTP requests of one server's sessions: long-polling, and what becomes a WebSocket."""

    def __init__(self, engine: Any, addresses: ClientAddresses, polling: BoundedByAddress[str]) -> None:
        self._engine = engine
        self._addresses = addresses
        self._polling = polling
        self._handle_request = engine.handle_request
        self._translate_request = engine._async["translate_request"]
        self._polls: set[str] = set()
        """The sessions with a poll that was not answered yet ..."""
        self._posts: set[str] = set()
        """... and those with such a post."""
        engine.handle_request = self._handle
        engine._async = {**engine._async, "translate_request": self._translate}

    async def _handle(self, request: Any) -> Any:
        query = query_of(request.query_string)
        if query.get("transport") == ["websocket"] and not asks_for_upgrade(request.headers):
            # The framework would poll a session for it, and fail.
            return web.Response(status=400)
        sid = query.get("sid", [""])[0]
        session = self._engine.sockets.get(sid)
        handle = {"GET": self._poll, "POST": self._post}.get(request.method)
        if session is None or handle is None or (request.method == "GET" and _begins_upgrade(request.headers)):
            return await self._handle_request(request)
        return await handle(request, sid, session)

    async def _poll(self, request: Any, sid: str, session: Any) -> Any:
        self._polling.renew(sid, session.tt_address, asyncio.get_running_loop().time())
        if not _affords(session, b""):
            await session.close(wait=False)
        if sid in self._polls and not session.upgrading and not session.upgraded:
            await session.close(wait=False)  # the first poll gets CLOSE, this one status 400
            return await self._handle_request(request)
        self._polls.add(sid)
        try:
            return await self._handle_request(request)
        finally:
            self._polls.discard(sid)

    async def _post(self, request: Any, sid: str, session: Any) -> Any:
        if sid in self._posts and not session.upgraded:
            await session.close(wait=False)
            return await self._handle_request(request)
        self._posts.add(sid)
        try:
            return await self._handle_request(request)
        except UnboundLocalError:
            # The framework's own error: it has set no answer if the session ended while its packets were read.
            return web.Response(status=400, text="Invalid session")
        finally:
            self._posts.discard(sid)

    def _translate(self, request: Any) -> dict[str, Any]:
        environ: dict[str, Any] = self._translate_request(request)
        environ[ENVIRON_KEY] = self._addresses.of(request.remote, request.headers)
        query = query_of(request.query_string)
        if "transport" not in query:
            environ["QUERY_STRING"] += "&transport=none"  # the framework would assume long-polling
        if request.method == "POST":
            sid = query.get("sid", [""])[0]
            if sid in self._engine.sockets and self._engine.sockets[sid].closed:
                del self._engine.sockets[sid]  # the framework answers with status 500 while it is there
            environ["wsgi.input"] = _Body(self._engine, sid, request.content, request.content_length)
            # ``_Body`` bounds the body. The framework would end the session of one that is announced as longer, and
            # then wait forever for its queue.
            environ["CONTENT_LENGTH"] = "0"
        return environ


class _Body:
    """The body of a long-polling request, as the framework reads it; one that is not valid ends its session."""

    def __init__(self, engine: Any, sid: str, content: Any, announced: int | None) -> None:
        self._engine = engine
        self._sid = sid
        self._content = content
        self._announced = announced or 0

    async def read(self, _length: int) -> bytes:
        """Return the whole body, once the client has fetched what waits for it.

        Raises ``UnknownPacketError``, which the framework answers with status 400.
        """
        most = self._engine.max_http_buffer_size
        body = b""
        session = self._engine.sockets[self._sid]
        queue: PacketQueue = session.queue  # not that of a WebSocket to which the session may upgrade meanwhile
        fits = self._announced <= most and await queue.drained()
        try:
            while fits and not self._content.at_eof():
                body += await self._content.read(most + 1 - len(body))
                fits = len(body) <= most
        except ConnectionError:
            fits = False  # the client is gone, and its library gives the session up
        types = _packet_types(body) if fits else frozenset()
        # A ping that the client has not fetched can't be answered: such a client never polls.
        if not _affords(session, body) or (EIO_PONG in types and queue.has(EIO_PING)):
            types = frozenset()
        if types and types <= EIO_FROM_CLIENTS:
            if EIO_CLOSE in types:
                session.queue.put_nowait(EnginePacket(EIO_NOOP))  # ends a poll that is waiting
            return bytes(body)
        # Before the framework does it, which would wait until the client has fetched all that is queued.
        await session.close(wait=False)
        raise UnknownPacketError


def _begins_upgrade(headers: Any) -> bool:
    """Tell whether the framework takes a GET request for a WebSocket handshake; else it is a poll."""
    return asks_for_upgrade(headers) and ",".join(headers.getall("Upgrade", ())).lower() == "websocket"


def _affords(session: Any, body: bytes) -> bool:
    """Charge each packet of a body that is no event, and one token at least; return whether the session goes on."""
    budget: Budget = session.tt_budget
    now = asyncio.get_running_loop().time()
    events = body.count(_EVENT) + body.startswith(_EVENT[1:])
    for _ in range(max(1, 1 + body.count(_SEPARATOR.encode()) - events)):
        budget.take(now)
    return not budget.abusive


def _packet_types(body: bytes) -> frozenset[int]:
    """Return the types of the packets in a body; nothing if one can't be decoded, or there are too many."""
    try:
        parts = body.decode().split(_SEPARATOR)
        if len(parts) > _PACKETS or not all(part[:1].isascii() for part in parts):
            return frozenset()  # the framework takes the digits of any script
        return frozenset(EnginePacket(encoded_packet=part).packet_type for part in parts)
    except ValueError:
        return frozenset()
