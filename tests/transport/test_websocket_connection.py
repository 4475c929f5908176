"""A WebSocketConnection, accepted by us or by aiohttp, addressed byte by byte: whole, cut, wrong, too much, closed."""

from __future__ import annotations

import asyncio
import gc
import os
import socket as sockets
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import socketio
from engineio.async_drivers.aiohttp import WebSocket as Driver

from realtime.dev import valkey
from realtime.transport import websocket_connection
from realtime.transport.fanout import encode
from tests.cluster import until
from tests.transport.test_fanout import Server

PATH = "/socket.io/?EIO=4&transport=websocket"
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


def handshake(server: Server, key: str = "dGhlIHNhbXBsZSBub25jZQ==") -> bytes:
    host = server.url.removeprefix("http://")
    lines = (f"GET {PATH} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade")
    return "\r\n".join((*lines, f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "", "")).encode()


def frame(data: bytes, opcode: int = TEXT, *, fin: int = 0x80, size: int | None = None) -> bytes:
    """A client's frame, masked with nothing; ``size``: what it claims to be."""
    size = len(data) if size is None else size
    if size < 126:
        length = bytes((0x80 | size,))
    else:
        length = b"\xfe" + struct.pack(">H", size) if size < 1 << 16 else b"\xff" + struct.pack(">Q", size)
    return bytes((fin | opcode,)) + length + b"\0\0\0\0" + data


class Peer:
    """The client's end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def hears(self) -> tuple[int, bytes]:
        first, size = await self.reader.readexactly(2)
        if size == 126:
            (size,) = struct.unpack(">H", await self.reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack(">Q", await self.reader.readexactly(8))
        return first & 15, await self.reader.readexactly(size)

    def says(self, *frames: bytes) -> None:
        self.writer.write(b"".join(frames))

    def unsent(self) -> int:
        return self.writer.transport.get_write_buffer_size()

    async def ended(self) -> bool:
        return await self.reader.read(1) == b""


@pytest.fixture(params=["connection", "aiohttp"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    each = Server(fast=True, connection=request.param == "connection", max_http_buffer_size=20_000)
    each.sio.on("echo", lambda _sid, what: what)
    await each.start()
    yield each
    await each.stop()


@asynccontextmanager
async def peer(server: Server, *early: bytes) -> AsyncIterator[Peer]:
    """Shake hands, with ``early`` in the same breath; then the session has begun."""
    port = int(server.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection(valkey.HOST, port)
    writer.write(handshake(server) + b"".join(early))
    answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer  # the example of RFC 6455, 1.3
    end = Peer(reader, writer)
    assert (await end.hears())[1].startswith(b'0{"sid"')
    yield end
    writer.close()


async def all_gone(server: Server, count: int = 1) -> None:
    async def gone() -> bool:
        return len(server.gone) == count and not server.sio.eio.sockets

    await until(gone)


async def test_what_comes_with_the_handshake_is_not_lost(server: Server) -> None:
    async with peer(server, frame(b"40")) as end:
        assert (await end.hears())[1].startswith(b"40{")


async def test_frames_may_come_in_pieces(server: Server) -> None:
    async with peer(server, frame(b"40")) as end:
        await end.hears()
        text = frame(b'421["ec', fin=0) + frame(b"", PING) + frame(b'ho","hi"]', 0)
        for n in range(len(text)):
            end.says(text[n : n + 1])
            await asyncio.sleep(0)
        assert await end.hears() == (PONG, b"")
        assert await end.hears() == (TEXT, b'431["hi"]')


async def test_pings_are_answered_and_a_farewell_is_returned(server: Server) -> None:
    async with peer(server, frame(b"40")) as end:
        await end.hears()
        end.says(frame(b"there?", PING), frame(b"unasked", PONG))
        assert await end.hears() == (PONG, b"there?")
        end.says(frame(struct.pack(">H", 1001), CLOSE))
        assert (await end.hears())[0] == CLOSE
        assert await end.ended()
        await all_gone(server)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (frame(b"40", TEXT | 0x40), 1002),
        (frame(b"40", 3), 1002),
        (frame(b"\xff\xfe"), 1007),
        (frame(b"", 0), 1002),
        (frame(b"x", size=20_001), 1009),
        (frame(b"x", size=2**40), 1009),
        (frame(b"x" * 126, PING), 1002),
    ],
    ids=["reserved bits", "no such opcode", "no utf-8", "continues nothing", "too much", "far too much", "long ping"],
)
async def test_what_is_no_frame_ends_the_session_with_a_reason(server: Server, wrong: bytes, code: int) -> None:
    async with peer(server, frame(b"40")) as end:
        await end.hears()
        end.says(wrong, frame(b'421["echo","after"]'))
        assert await end.hears() == (CLOSE, struct.pack(">H", code))
        assert await end.ended()
        await all_gone(server)


async def test_a_flood_is_taken_in_order_and_leaves_room_for_others(server: Server) -> None:
    many = 20 * websocket_connection.PACKETS
    async with peer(server, frame(b"40")) as loud, peer(server, frame(b"40")) as quiet:
        await loud.hears()
        await quiet.hears()
        loud.says(*(frame(f'42{n}["echo",{n}]'.encode()) for n in range(many)))
        quiet.says(frame(b'421["echo",1]'))
        assert await quiet.hears() == (TEXT, b"431[1]")
        for n in range(many):
            assert await loud.hears() == (TEXT, f"43{n}[{n}]".encode())
        loud.says(frame(b'420["echo","and on"]'))
        assert await loud.hears() == (TEXT, b'430["and on"]')


async def test_no_more_is_read_while_packets_wait(server: Server) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def connect(*_who: object) -> None:
        asked.set()
        await go_on.wait()

    server.sio.on("connect", connect)
    flood = frame(b"3" + bytes(100)) * 200_000  # more than the kernel keeps
    async with peer(server, frame(b"40")) as loud:
        await asked.wait()
        loud.says(flood)
        left: list[int] = []

        async def no_more_is_read() -> bool:
            left.append(loud.unsent())
            return len(left) > 5 and left[-1] == left[-6]

        await until(no_more_is_read)
        assert left[-1] > 0
        go_on.set()
        assert (await loud.hears())[1].startswith(b"40")
        loud.says(frame(b'420["echo","after all"]'))
        assert await loud.hears() == (TEXT, b'430["after all"]')


async def test_a_way_that_is_lost_never_writes_to_whoever_gets_its_file_next(server: Server) -> None:
    async with peer(server, frame(b"40")) as end:
        await end.hears()
        lost = server.fanout.connection(server.sids[-1])
        assert server.fanout.offer(lost, encode("first", {}))
        await end.hears()
        file = lost.file
        assert file >= 0, "it is written to directly"
        # A reset: the server learns of it all at once.
        end.writer.get_extra_info("socket").setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
        end.writer.transport.abort()
        await all_gone(server)
        assert lost.file == -1
    ours, theirs = sockets.socketpair()
    taken = [os.dup(ours.fileno()) for _ in range(50)]  # the file's number is among them, if it was given back
    try:
        server.fanout.offer(lost, encode("second", {}))
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            theirs.recv(1)
    finally:
        for each in (*taken, ours.detach(), theirs.detach()):
            os.close(each)


async def is_upgraded(client: socketio.AsyncClient) -> bool:
    return bool(client.transport() == "websocket")


async def test_nothing_is_left_to_the_collector_of_who_is_gone(server: Server) -> None:
    gc.collect()
    gc.disable()
    try:
        for farewell in (b"", frame(b"\x03\xe8", CLOSE)):
            async with peer(server, frame(b"40")) as end:
                await end.hears()
                end.says(frame(b'420["echo",1]'), farewell)
                await end.hears()
        upgrading = socketio.AsyncClient()
        await upgrading.connect(server.url)
        await until(lambda: is_upgraded(upgrading))
        await upgrading.disconnect()
        await all_gone(server, 3)
        await asyncio.sleep(0.1)  # what is under way
        assert not any(
            isinstance(each, (websocket_connection.WebSocketConnection, Driver)) for each in gc.get_objects()
        )
    finally:
        gc.enable()


async def test_whoever_is_told_to_go_and_stays_is_cut_off(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_connection, "CLOSE_S", 0.05)
    async with peer(server, frame(b"40")) as end:
        await end.hears()
        server.fanout.finish(server.sids[-1])
        assert (await end.hears())[0] == CLOSE
        await all_gone(server)
        assert await end.ended()


@pytest.mark.parametrize("key", ["", "short", "!" * 24])
async def test_who_can_t_shake_hands_is_refused(server: Server, key: str) -> None:
    port = int(server.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection(valkey.HOST, port)
    writer.write(handshake(server, key))
    assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")
    writer.close()


def test_a_parser_that_works_otherwise_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert websocket_connection.reads_frames()
    monkeypatch.setattr(websocket_connection.FrameSink, "feed_data", lambda *_: None)
    assert not websocket_connection.reads_frames()
