"""How connections are accepted: handshakes past aiohttp, everything else by it, and silent clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
import socketio
from aiohttp import ClientSession
from aiohttp.test_utils import make_mocked_request

from realtime import limits
from realtime.dev import valkey
from realtime.transport.acceptor import ACCEPTOR, Acceptor, PendingConnection
from realtime.transport.driver import driver_class
from realtime.transport.session_manager import SessionManager
from tests.cluster import until
from tests.transport.test_fanout import Server
from tests.transport.test_websocket_connection import all_gone, frame, handshake


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    monkeypatch.setattr(limits, "FIRST_REQUEST_S", 0.3)
    each = Server("acceptor")
    await each.start()
    yield each
    await each.stop()


def acceptor(server: Server) -> Acceptor:
    return server.app[ACCEPTOR]


async def answer_to(server: Server, *parts: bytes) -> bytes:
    """Send parts, each in a packet of its own; return the head of the answer."""
    reader, writer = await asyncio.open_connection(valkey.HOST, int(server.url.rpartition(":")[2]))
    for part in parts:
        writer.write(part)
        await asyncio.sleep(0.02)
    head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    return head


def with_lines(ask: bytes, *lines: bytes) -> bytes:
    return ask.replace(b"\r\n\r\n", b"".join(b"\r\n" + line for line in lines) + b"\r\n\r\n")


async def test_a_handshake_is_accepted_past_aiohttp_whole_or_in_pieces_and_after_a_request_through_it(
    server: Server,
) -> None:
    whole = handshake(server)
    before = b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
    pieces = [whole[:40], whole[40:]], [whole + frame(b"40")], [*(bytes((each,)) for each in whole[:99]), whole[99:]]
    for parts, by_aiohttp in (*((each, 0) for each in ([whole], *pieces)), ([before, whole], 2)):
        reader, writer = await asyncio.open_connection(valkey.HOST, int(server.url.rpartition(":")[2]))
        for part in parts:
            writer.write(part)
            await asyncio.sleep(0.001)
            if part is before:
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 404 ")
                await reader.readexactly(len("404: Not Found"))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        http_server = acceptor(server).http_server
        assert http_server is not None and http_server.requests_count == by_aiohttp
        writer.close()


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ((b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version: 12"), b"400"),
        ((b"dGhlIHNhbXBsZSBub25jZQ==", b"short"), b"400"),
        ((b"EIO=4", b"EIO=3"), b"400"),
        ((b"transport=websocket", b"transport=carrier"), b"400"),
        ((b"EIO=4", b"sid=nobody&EIO=4"), b"400"),
        ((b"/socket.io/", b"/elsewhere/"), b"404"),
        ((b"GET", b"PUT"), b"405"),
        ((b" HTTP/1.1", b" HTTP/banana"), b"400"),
        ((b"Host: ", b"Host\0: "), b"400"),
    ],
)
async def test_an_invalid_handshake_is_refused_by_aiohttp_or_engine_io(
    server: Server, change: tuple[bytes, bytes], status: bytes
) -> None:
    assert (await answer_to(server, handshake(server).replace(*change))).split()[1] == status
    assert not server.sio.eio.sockets


async def test_a_page_of_another_origin_is_refused(server: Server) -> None:
    own = with_lines(handshake(server), b"Origin: " + server.url.encode())
    assert (await answer_to(server, own)).startswith(b"HTTP/1.1 101 ")
    other = with_lines(handshake(server), b"Origin: http://elsewhere.example")
    assert (await answer_to(server, other)).startswith(b"HTTP/1.1 400 ")


async def test_a_repeated_origin_header_is_refused_unless_all_are_accepted(server: Server) -> None:
    twice = with_lines(handshake(server), b"Origin: " + server.url.encode(), b"Origin: http://elsewhere.example")
    assert (await answer_to(server, twice)).startswith(b"HTTP/1.1 400 ")


async def test_a_connection_that_sends_nothing_is_closed_and_one_that_closes_is_forgotten(server: Server) -> None:
    reader, writer = await asyncio.open_connection(valkey.HOST, int(server.url.rpartition(":")[2]))
    assert await reader.read() == b""
    writer.close()
    _reader, writer = await asyncio.open_connection(valkey.HOST, int(server.url.rpartition(":")[2]))
    writer.close()

    async def nobody() -> bool:
        return not acceptor(server).pending

    await until(nobody)


async def test_a_client_that_aborts_during_the_handshake_leaves_no_session(server: Server) -> None:
    for _ in range(20):
        _reader, writer = await asyncio.open_connection(valkey.HOST, int(server.url.rpartition(":")[2]))
        writer.write(handshake(server))
        assert writer.transport is not None
        writer.transport.abort()

    async def nothing() -> bool:
        return not server.sio.eio.sockets and not acceptor(server).pending

    await until(nothing)


def pending(server: Server) -> tuple[PendingConnection, Mock]:
    """Return a connection on which nothing has arrived, and its transport."""
    ticket = acceptor(server).admission.admit("127.0.0.1", False)
    assert ticket is not None
    connection, transport = PendingConnection(acceptor(server), ticket), Mock()
    transport.is_closing.return_value = False
    transport.get_extra_info.return_value = ("127.0.0.1", 1)
    connection.connection_made(transport)
    return connection, transport


async def test_a_handshake_whose_connection_is_lost_before_it_is_decided_begins_no_session(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session would never learn that it has no connection."""
    asked: list[object] = []

    async def handle(request: object) -> None:
        asked.append(request)

    monkeypatch.setattr(acceptor(server).engine, "handle_request", handle)
    connection, transport = pending(server)
    connection.data_received(handshake(server))
    transport.is_closing.return_value = True
    connection.connection_lost(None)
    assert connection._deciding is not None
    await connection._deciding
    assert asked == []


async def test_too_much_behind_a_handshake_is_not_read_until_it_is_decided(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def accept(asked: Any) -> None:
        asked.accepted = True

    monkeypatch.setattr(acceptor(server).engine, "handle_request", accept)
    connection, transport = pending(server)
    connection.data_received(handshake(server) + b"x")
    connection.data_received(bytes(limits.HEAD_BYTES - 1))
    transport.pause_reading.assert_not_called()
    connection.data_received(b"y")
    transport.pause_reading.assert_called_once()
    transport.resume_reading.assert_not_called()
    assert connection._deciding is not None
    await connection._deciding
    transport.resume_reading.assert_called_once()
    transport.get_protocol().data_received.assert_called_once_with(b"x" + bytes(limits.HEAD_BYTES - 1) + b"y")


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_a_client_that_has_connected_is_not_ended_at_the_deadline_of_its_connect(
    server: Server, transport: str
) -> None:
    client = socketio.AsyncClient()
    await client.connect(server.url, transports=[transport])
    (session,) = server.sio.eio.sockets.values()
    assert session.tt_connect_by.cancelled()
    await client.disconnect()


async def test_http_and_upgrades_from_long_polling_work_through_the_acceptor(server: Server) -> None:
    async with ClientSession() as session, session.get(server.url + "/nothing") as answer:
        assert answer.status == 404
    client = socketio.AsyncClient()
    await client.connect(server.url, transports=["polling", "websocket"])

    async def upgraded() -> bool:
        return str(client.transport()) == "websocket"

    await until(upgraded)
    await client.disconnect()
    await all_gone(server)


async def test_the_session_manager_keeps_nothing_of_clients_that_have_left() -> None:
    clients = SessionManager()
    sio = socketio.AsyncServer(client_manager=clients, async_mode="aiohttp")
    one, other = await clients.pre_connect("e1", "/"), await clients.pre_connect("e2", "/")
    assert one and other and await clients.pre_connect("e1", "/") is None
    assert not clients.is_connected(one, "/")
    await clients.connect(one, "/")
    await clients.connect(other, "/")
    assert clients.is_connected(one, "/") and not clients.is_connected(None, "/")
    assert (clients.sid_from_eio_sid("e1", "/"), clients.eio_sid_from_sid(one, "/")) == (one, "e1")
    assert list(clients.get_participants("/", one)) == [(one, "e1")]
    assert dict(clients.get_participants("/", None)) == {one: "e1", other: "e2"}
    assert clients.pre_disconnect(one, "/") == "e1"
    assert not clients.is_connected(one, "/") and clients.eio_sid_from_sid(one, "/") == "e1"
    await clients.disconnect(one, "/")
    await clients.disconnect(one, "/")
    assert clients.sid_from_eio_sid("e1", "/") is None and list(clients.get_participants("/", one)) == []
    with pytest.raises(NotImplementedError):
        await sio.enter_room(other, "a room")
    await clients.disconnect(other, "/")
    assert not any((clients._eio_sids, clients._sids, clients._connecting, clients._leaving))


@pytest.mark.parametrize("connected", [False, True])
async def test_an_invalid_handshake_ends_the_session_that_would_begin_with_it_and_no_other(connected: bool) -> None:
    """The framework has registered the former already; the latter goes on by long-polling."""
    session = Mock(sid="a session", connected=connected, upgrading=False, close=AsyncMock())
    framework = Mock(sockets={"a session": session})
    made = driver_class(type("Framework", (), {}), Mock())()
    made.handler, made.server = SimpleNamespace(__self__=session), framework
    answer = await made({"aiohttp.request": make_mocked_request("GET", "/socket.io/")})
    assert answer.status == 400
    assert list(framework.sockets) == ["a session"] * connected
    assert session.close.await_count == (not connected)
