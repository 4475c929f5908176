"""Fan-out on a real server: what is sent to a viewer arrives in order, whichever way it goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from socket import SO_SNDBUF, SOL_SOCKET
from typing import Any

import pytest
import socketio
from aiohttp import ClientSession, ClientWebSocketResponse, web
from engineio.async_socket import AsyncSocket

from realtime import limits
from realtime.dev import valkey
from realtime.transport import driver
from realtime.transport.acceptor import ACCEPTOR, Acceptor, Runner
from realtime.transport.fanout import Fanout, encode
from realtime.transport.session_manager import SessionManager
from tests.cluster import until


class Server:
    """A Socket.IO server with nothing but a fan-out."""

    def __init__(self, *, fast: bool, connection: bool = False, **options: Any) -> None:
        manager = SessionManager() if fast else None
        self.sio = socketio.AsyncServer(
            client_manager=manager, async_mode="aiohttp", cors_allowed_origins=None, **options
        )
        parts = self.sio.eio._async
        if not fast:
            self.sio.eio._async = {}
        self.fanout = Fanout(self.sio)
        self.sio.eio._async = self.sio.eio._async or parts
        assert self.fanout.fast is fast
        self.sids: list[str] = []
        self.gone: list[str] = []
        self.sio.on("connect", self._connect)
        self.sio.on("disconnect", self._disconnect)
        app = web.Application()
        self.sio.attach(app)
        self.acceptor = Acceptor(self.sio)
        if connection:
            app[ACCEPTOR] = self.acceptor
        self._runner = Runner(app, shutdown_timeout=1)
        self.url = ""

    async def _connect(self, sid: str, *_more: Any) -> None:
        self.sids.append(sid)

    async def _disconnect(self, sid: str, *_more: Any) -> None:
        self.gone.append(sid)

    async def start(self) -> None:
        await self._runner.setup()
        port = valkey.free_port()
        await web.TCPSite(self._runner, valkey.HOST, port).start()
        self.url = f"http://{valkey.HOST}:{port}"

    async def stop(self) -> None:
        self.acceptor.close()
        await self.sio.shutdown()
        await self.fanout.close()
        await self._runner.cleanup()


@pytest.fixture(params=["connection", "aiohttp", "emit"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    each = Server(fast=request.param != "emit", connection=request.param == "connection")
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


async def test_a_frame_never_overtakes_what_the_framework_holds_in_its_hands(server: Server) -> None:
    async with ClientSession() as session:
        sid, socket = await join(server, session)
        reading(socket, False)
        # More than the kernel takes, and something behind it: the writer takes both, and is stopped between them.
        await asyncio.gather(server.sio.emit("map", "x" * 20_000_000, to=sid), server.sio.emit("ack", to=sid))

        async def stopped() -> bool:
            connection = server.fanout._connection(sid)
            transport = connection.transport if connection else server.sio.get_environ(sid)["aiohttp.request"].transport
            return bool(transport.get_write_buffer_size())

        await until(stopped)
        for version in (1, 2):
            server.fanout.send(sid, encode("seats:changed", {"version": version}))
        reading(socket, True)
        heard = [(await socket.receive_str())[:26] for _ in range(4)]
        assert [text.partition('"')[2].partition('"')[0] for text in heard] == ["map", "ack", *["seats:changed"] * 2]
        await socket.close()


async def test_deflate_is_not_agreed_upon_and_large_frames_arrive(server: Server) -> None:
    async with ClientSession() as session:
        sid, socket = await join(server, session, deflate=15)
        if server.fanout.fast:
            assert not socket.compress
        for size in (10, 125 - 20, 126, 1 << 15, 1 << 16, 1 << 17):
            server.fanout.send(sid, encode("seats:changed", {"text": "x" * size}))
            assert await socket.receive_str() == f'42["seats:changed",{{"text":"{"x" * size}"}}]'
        await socket.close()


async def test_a_viewer_that_reads_nothing_can_be_cut_off(server: Server) -> None:
    async with ClientSession() as session:
        sid, socket = await join(server, session)
        reading(socket, False)
        if server.fanout.fast:
            while server.fanout.unsent(sid) < limits.VIEWER_UNSENT_BYTES:
                server.fanout.send(sid, encode("seats:changed", {"text": "x" * 100_000}))
        server.fanout.abort(sid)

        async def gone() -> bool:
            return server.gone == [sid]

        await until(gone)
        reading(socket, True)
        await socket.close()


async def test_a_poller_that_fetches_nothing_can_be_cut_off(server: Server) -> None:
    async with ClientSession() as session:
        url = f"{server.url}/socket.io/?EIO=4&transport=polling"
        opened = await (await session.get(url)).text()
        eio_sid = opened.partition('"sid":"')[2].partition('"')[0]
        await session.post(f"{url}&sid={eio_sid}", data="40")
        await session.get(f"{url}&sid={eio_sid}")
        sid = server.sids[-1]
        for version in range(100):
            server.fanout.send(sid, encode("seats:changed", {"version": version}))
        if server.fanout.fast:
            assert server.fanout.unsent(sid) > limits.VIEWER_UNSENT_BYTES
        server.fanout.abort(sid)

        async def gone() -> bool:
            return server.gone == [sid]

        await until(gone)


async def test_sending_to_one_who_is_gone_is_nothing(server: Server) -> None:
    server.fanout.send("nobody", encode("seats:changed", {}))
    server.fanout.abort("nobody")
    assert server.fanout.unsent("nobody") in (0, 4096)


async def test_whoever_sends_it_arrives_in_the_order_of_the_calls(server: Server) -> None:
    async with ClientSession() as session:
        sid, socket = await join(server, session)
        line = server.fanout.connection(sid)
        for number in range(0, 90, 3):
            await server.sio.emit("n", number, to=sid)
            server.fanout.send(sid, encode("n", {"n": number + 1}))
            assert server.fanout.offer(line, encode("n", {"n": number + 2}))
            if not server.fanout.fast:
                await server.fanout.close()  # plain emit keeps the order of one road only
        heard = [await socket.receive_str() for _ in range(90)]
        numbers = [int("".join(filter(str.isdigit, text[2:]))) for text in heard]
        assert numbers == list(range(90))
        await socket.close()


async def test_what_a_viewer_that_reads_nothing_costs_is_bounded() -> None:
    server = Server(fast=True)
    await server.start()
    async with ClientSession() as session:
        sid, socket = await join(server, session)
        reading(socket, False)
        line, packet, taken = server.fanout.connection(sid), encode("seats:changed", {"text": "x" * 10_000}), 0
        while server.fanout.offer(line, packet):
            taken += 1
            assert taken < 10_000, "nobody bounds it"
            await asyncio.sleep(0)
        assert server.fanout.unsent(sid) <= limits.VIEWER_UNSENT_BYTES + len(packet.frame)
        inner = server.fanout._connection(sid).transport.get_extra_info("socket")
        assert inner.getsockopt(SOL_SOCKET, SO_SNDBUF) == limits.VIEWER_KERNEL_BYTES
        reading(socket, True)
        for _ in range(taken):
            assert len(await socket.receive_str()) > 10_000
        assert server.fanout.unsent(sid) == 0
        await socket.close()
    await server.stop()


async def test_sessions_live_and_end_as_the_framework_has_them() -> None:
    server = Server(fast=True, ping_interval=0.05, ping_timeout=20)
    await server.start()

    async def gone(*sids: str) -> None:
        async def all_gone() -> bool:
            return server.gone == [*sids] and not server.sio.eio.sockets

        await until(all_gone)

    async with ClientSession() as session:
        first, socket = await join(server, session)
        for _ in range(3):  # each pong brings the next ping
            assert await socket.receive_str() == "2"
            await socket.send_str("3")
        await socket.send_str("this is no packet")
        await socket.send_str("9")
        assert await socket.receive_str() == "2", "one that talks nonsense is still there"
        await socket.close()
        await gone(first)
        second, socket = await join(server, session)
        await server.sio.disconnect(second)
        told = [text async for text in each(socket)]
        assert "41" in told, "it is told before it is let go"
        await socket.close()
        await gone(first, second)
        third, socket = await join(server, session)
        server.fanout.send(third, encode("last", {}))
        server.fanout.finish(third)
        assert '42["last",{}]' in [text async for text in each(socket)], "what was sent before the end arrives"
        await gone(first, second, third)
    await server.stop()


async def each(socket: ClientWebSocketResponse) -> AsyncIterator[str]:
    """Yield the texts until the server closes the WebSocket, or says that it is over."""
    async for message in socket:
        yield str(message.data)
        if message.data in ("1", "41"):
            return


def test_a_framework_that_is_built_otherwise_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    sio = socketio.AsyncServer(async_mode="aiohttp")
    monkeypatch.delattr(AsyncSocket, "_send_ping")
    parts, start = sio.eio._async, sio.eio.start_background_task
    assert not driver.install(sio)
    assert sio.eio._async is parts and sio.eio.start_background_task == start
