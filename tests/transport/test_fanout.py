"""Fan-out on a real server: what is sent to a viewer arrives in order, over every transport and in the fall-back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from socket import SO_SNDBUF, SOL_SOCKET
from typing import Any
from unittest.mock import patch

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, web

from realtime import limits
from realtime.dev import valkey
from realtime.transport import guard
from realtime.transport.acceptor import serving
from realtime.transport.client_address import ADDRESSES, ClientAddresses
from realtime.transport.fanout import DirectFanout, encode
from realtime.transport.server import SocketServer
from tests.cluster import until


class Server:
    """A Socket.IO server with nothing but a fan-out."""

    def __init__(self, kind: str, **options: Any) -> None:
        """``kind``: "acceptor" (handshakes past aiohttp), "aiohttp" (taken over from it) or "emit" (the fall-back)."""
        with patch.object(guard, "missing_parts", lambda: ("a part",) if kind == "emit" else ()):
            self.server = SocketServer(**options)
        self.sio, self.fanout = self.server.sio, self.server.fanout
        self.fast = kind != "emit"
        self.sids: list[str] = []
        self.gone: list[str] = []
        self.sio.on("connect", self._connect)
        self.sio.on("disconnect", self._disconnect)
        app = web.Application()
        if kind == "acceptor":
            self.server.attach(app)
        else:
            self.sio.attach(app)
            app[ADDRESSES] = options.get("addresses", ClientAddresses())
        port = valkey.free_port()
        self._serving = serving(app, valkey.HOST, port, shutdown_timeout=1)
        self.url = f"http://{valkey.HOST}:{port}"
        self.app = app

    async def _connect(self, sid: str, *_more: Any) -> None:
        self.sids.append(sid)

    async def _disconnect(self, sid: str, *_more: Any) -> None:
        self.gone.append(sid)

    async def start(self) -> None:
        await self._serving.__aenter__()

    async def stop(self) -> None:
        await self.server.close()
        await self.fanout.close()
        await self._serving.__aexit__(None, None, None)


@pytest.fixture(params=["acceptor", "aiohttp", "emit"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    each = Server(request.param)
    await each.start()
    yield each
    await each.stop()


async def join(server: Server, session: ClientSession, *, deflate: int = 0) -> tuple[str, ClientWebSocketResponse]:
    """Connect by WebSocket, by hand; return the viewer's sid and its end."""
    url = f"{server.url}/socket.io/?EIO=4&transport=websocket"
    socket = await session.ws_connect(url, max_msg_size=0, compress=deflate)
    await socket.receive()
    await socket.send_str("40")
    await socket.receive()
    return server.sids[-1], socket


def reading(socket: ClientWebSocketResponse, on: bool) -> None:
    assert socket._response is not None and socket._response.connection is not None
    transport = socket._response.connection.transport
    assert transport is not None
    if on:
        transport.resume_reading()
    else:
        transport.pause_reading()


async def test_a_frame_never_overtakes_packets_that_the_framework_is_writing(server: Server) -> None:
    async with ClientSession() as session:
        sid, socket = await join(server, session)
        reading(socket, False)
        # More than the kernel takes, and something behind it: the writer takes both, and is stopped between them.
        await asyncio.gather(server.sio.emit("map", "x" * 20_000_000, to=sid), server.sio.emit("ack", to=sid))

        async def stopped() -> bool:
            if server.fast:
                return direct(server).unsent(sid) > 0
            transport = server.sio.get_environ(sid)["aiohttp.request"].transport
            return bool(transport.get_write_buffer_size())

        await until(stopped)
        for version in (1, 2):
            server.fanout.send(sid, encode("seats:changed", {"version": version}))
        reading(socket, True)
        heard = [(await socket.receive_str())[:26] for _ in range(4)]
        assert [text.partition('"')[2].partition('"')[0] for text in heard] == ["map", "ack", *["seats:changed"] * 2]
        await socket.close()


async def test_compression_is_not_negotiated_and_large_frames_arrive(server: Server) -> None:
    async with ClientSession() as session:
        sid, socket = await join(server, session, deflate=15)
        if server.fast:
            assert not socket.compress
        for size in (10, 125 - 20, 126, 1 << 15, 1 << 16, 1 << 17):
            server.fanout.send(sid, encode("seats:changed", {"text": "x" * size}))
            assert await socket.receive_str() == f'42["seats:changed",{{"text":"{"x" * size}"}}]'
        await socket.close()


async def test_a_viewer_that_reads_nothing_can_be_aborted(server: Server) -> None:
    async with ClientSession() as session:
        sid, socket = await join(server, session)
        reading(socket, False)
        if server.fast:
            while server.fanout.unsent(sid) < limits.VIEWER_UNSENT_BYTES:
                server.fanout.send(sid, encode("seats:changed", {"text": "x" * 100_000}))
        server.fanout.abort(sid)

        await all_left(server, sid)
        reading(socket, True)
        await socket.close()


async def test_a_polling_viewer_that_fetches_nothing_can_be_aborted(server: Server) -> None:
    async with ClientSession() as session:
        sid, _url = await polling_client(server, session)
        for _ in range(3):
            server.fanout.send(sid, encode("seats:changed", {"text": "x" * 100_000}))
        if server.fast:
            assert server.fanout.unsent(sid) > limits.VIEWER_UNSENT_BYTES
        server.fanout.abort(sid)

        await all_left(server, sid)


async def test_sending_to_a_viewer_that_has_left_does_nothing(server: Server) -> None:
    async with ClientSession() as session:
        sid, socket = await join(server, session)
        other, other_socket = await join(server, session)
        await socket.close()
        await all_left(server, sid)
        server.fanout.send(sid, encode("seats:changed", {"version": 1}))
        server.fanout.abort(sid)
        server.fanout.finish(sid)
        assert server.fanout.unsent(sid) == 0
        assert not server.fanout.is_connected(sid) and server.fanout.is_connected(other)
        server.fanout.send(other, encode("seats:changed", {"version": 2}))
        assert await other_socket.receive_str() == '42["seats:changed",{"version":2}]', "others are not affected"
        await other_socket.close()


async def test_packets_of_framework_and_fan_out_arrive_in_the_order_of_the_calls(server: Server) -> None:
    async with ClientSession() as session:
        sid, socket = await join(server, session)
        connection = server.fanout.connection(sid)
        for number in range(0, 90, 3):
            await server.sio.emit("n", number, to=sid)
            server.fanout.send(sid, encode("n", {"n": number + 1}))
            assert server.fanout.offer(connection, encode("n", {"n": number + 2}))
            if not server.fast:
                await server.fanout.close()  # plain emit keeps only the order of its own packets
        heard = [await socket.receive_str() for _ in range(90)]
        numbers = [int("".join(filter(str.isdigit, text[2:]))) for text in heard]
        assert numbers == list(range(90))
        await socket.close()


async def test_the_memory_for_a_viewer_that_reads_nothing_is_bounded() -> None:
    server = Server("aiohttp")
    await server.start()
    async with ClientSession() as session:
        sid, socket = await join(server, session)
        reading(socket, False)
        connection, packet, accepted = server.fanout.connection(sid), encode("seats:changed", {"text": "x" * 10_000}), 0
        while server.fanout.offer(connection, packet):
            accepted += 1
            assert accepted < 10_000, "there is no bound"
            await asyncio.sleep(0)
        assert server.fanout.unsent(sid) <= limits.VIEWER_UNSENT_BYTES + len(packet.frame)
        held = direct(server)._connection(sid)
        assert held is not None
        inner = held.transport.get_extra_info("socket")
        assert inner.getsockopt(SOL_SOCKET, SO_SNDBUF) == limits.VIEWER_KERNEL_BYTES
        reading(socket, True)
        for _ in range(accepted):
            assert len(await socket.receive_str()) > 10_000
        assert server.fanout.unsent(sid) == 0
        await socket.close()
    await server.stop()


async def test_a_session_gets_pings_and_its_last_packets_before_it_ends() -> None:
    server = Server("aiohttp", ping_interval_s=0.05)
    await server.start()
    async with ClientSession() as session:
        first, socket = await join(server, session)
        for _ in range(3):  # each pong brings the next ping
            assert await socket.receive_str() == "2"
            await socket.send_str("3")
        await socket.close()
        await all_left(server, first)
        second, socket = await join(server, session)
        await server.sio.disconnect(second)
        assert "41" in [text async for text in each(socket)], "the client gets DISCONNECT before the connection closes"
        await socket.close()
        await all_left(server, first, second)
        third, socket = await join(server, session)
        server.fanout.send(third, encode("last", {}))
        server.fanout.finish(third)
        assert '42["last",{}]' in [text async for text in each(socket)], "what was sent before the end arrives"
        await all_left(server, first, second, third)
    await server.stop()


async def all_left(server: Server, *sids: str) -> None:
    """Wait until exactly these clients have had their ``disconnect`` event."""

    async def left() -> bool:
        return server.gone == [*sids]

    await until(left)


async def each(socket: ClientWebSocketResponse) -> AsyncIterator[str]:
    """Yield the texts until the server closes the WebSocket, or announces that it will."""
    async for message in socket:
        yield str(message.data)
        if message.data in ("1", "41"):
            return


async def polling_client(server: Server, session: ClientSession) -> tuple[str, str]:
    """Connect by long-polling, by hand; return the viewer's sid and its URL."""
    url = f"{server.url}/socket.io/?EIO=4&transport=polling"
    opened = await (await session.get(url)).text()
    url += "&sid=" + opened.partition('"sid":"')[2].partition('"')[0]
    await session.post(url, data="40")
    await session.get(url)
    return server.sids[-1], url


async def upgrade(session: ClientSession, url: str) -> ClientWebSocketResponse:
    """Upgrade a polling client to a WebSocket, by hand."""
    socket = await session.ws_connect(url.replace("transport=polling", "transport=websocket"), max_msg_size=0)
    await socket.send_str("2probe")
    assert await socket.receive_str() == "3probe"
    await socket.send_str("5")
    return socket


async def upgraded(server: Server, sid: str) -> Any:
    """Wait until the server counts a client as upgraded; return its engine.io session."""
    session = direct(server)._session(sid)

    async def is_upgraded() -> bool:
        return bool(session.upgraded)

    await until(is_upgraded)
    return session


def direct(server: Server) -> DirectFanout:
    """Return the fan-out of a server that does not fall back, for a look inside."""
    assert isinstance(server.fanout, DirectFanout)
    return server.fanout


@pytest.fixture
async def fast_server() -> AsyncIterator[Server]:
    each = Server("acceptor")
    await each.start()
    yield each
    await each.stop()


async def test_what_waits_in_the_queue_when_an_upgrade_ends_comes_before_what_follows(fast_server: Server) -> None:
    async with ClientSession() as session:
        sid, url = await polling_client(fast_server, session)
        socket = await session.ws_connect(url.replace("transport=polling", "transport=websocket"), max_msg_size=0)
        await socket.send_str("2probe")
        assert await socket.receive_str() == "3probe"
        # More than the kernel takes, and something behind it.
        await asyncio.gather(
            fast_server.sio.emit("map", "x" * 20_000_000, to=sid), fast_server.sio.emit("answer", to=sid)
        )
        reading(socket, False)
        await socket.send_str("5")
        await upgraded(fast_server, sid)
        fast_server.fanout.send(sid, encode("change", {}))
        await fast_server.sio.emit("last", to=sid)
        reading(socket, True)
        assert await events(socket, 4) == ["map", "answer", "change", "last"]
        await socket.close()


async def test_a_poll_that_waits_during_an_upgrade_is_answered_and_a_failed_upgrade_changes_nothing(
    fast_server: Server,
) -> None:
    async with ClientSession() as session:
        sid, url = await polling_client(fast_server, session)
        for probe in ("40", "2", "5", '42["x",{}]'):
            socket = await session.ws_connect(url.replace("transport=polling", "transport=websocket"))
            await socket.send_str(probe)
            assert (await socket.receive()).type.name == "CLOSE", probe
            fast_server.fanout.send(sid, encode("still", {}))
            assert await (await session.get(url)).text() == '42["still",{}]'
        waiting = asyncio.create_task(session.get(url))
        await asyncio.sleep(0.05)
        socket = await session.ws_connect(url.replace("transport=polling", "transport=websocket"))
        await socket.send_str("2probe")
        await socket.send_str("5")  # without waiting for the end of the poll, which no official client does
        answer = await waiting
        assert (answer.status, await answer.text()) == (200, "6")
        await upgraded(fast_server, sid)
        await socket.close()


async def test_during_an_upgrade_a_frame_waits_in_the_queue(fast_server: Server) -> None:
    async with ClientSession() as session:
        sid, url = await polling_client(fast_server, session)
        socket = await session.ws_connect(url.replace("transport=polling", "transport=websocket"))
        engine_session = direct(fast_server)._session(sid)

        async def upgrading() -> bool:
            return bool(engine_session.upgrading)

        await until(upgrading)
        fast_server.fanout.send(sid, encode("change", {}))
        await socket.send_str("2probe")
        assert await socket.receive_str() == "3probe", "nothing comes before the answer to the probe"
        await socket.send_str("5")
        assert await events(socket, 1) == ["change"]
        await socket.close()


async def test_after_an_upgrade_a_session_has_a_connection_of_ours(fast_server: Server) -> None:
    async with ClientSession() as session:
        sid, url = await polling_client(fast_server, session)
        socket = await upgrade(session, url)
        await upgraded(fast_server, sid)
        assert fast_server.fanout.offer(fast_server.fanout.connection(sid), encode("change", {}))
        assert direct(fast_server)._connection(sid) is not None
        assert await events(socket, 1) == ["change"]
        await socket.close()


async def events(socket: ClientWebSocketResponse, count: int) -> list[str]:
    """Return the names of the next events."""
    names: list[str] = []
    while len(names) < count:
        text = await socket.receive_str()
        if text.startswith("42"):
            names.append(text[:40].partition('"')[2].partition('"')[0])
    return names
