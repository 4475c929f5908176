"""A WebSocketConnection, accepted by us or taken over from aiohttp, spoken to byte by byte."""

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
from realtime.transport import driver, websocket_connection
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

    async def receives(self) -> tuple[int, bytes]:
        first, size = await self.reader.readexactly(2)
        if size == 126:
            (size,) = struct.unpack(">H", await self.reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack(">Q", await self.reader.readexactly(8))
        return first & 15, await self.reader.readexactly(size)

    def sends(self, *frames: bytes) -> None:
        self.writer.write(b"".join(frames))

    def unsent(self) -> int:
        return self.writer.transport.get_write_buffer_size()

    async def ended(self) -> bool:
        return await self.reader.read(1) == b""


@pytest.fixture(params=["acceptor", "aiohttp"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    each = Server(request.param, max_message_bytes=20_000)
    each.sio.on("echo", lambda _sid, what: what)
    await each.start()
    yield each
    await each.stop()


@asynccontextmanager
async def peer(server: Server, *early: bytes) -> AsyncIterator[Peer]:
    """Send a handshake and ``early`` in one piece; return when the session is open."""
    port = int(server.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection(valkey.HOST, port)
    writer.write(handshake(server) + b"".join(early))
    answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer  # the example of RFC 6455, 1.3
    end = Peer(reader, writer)
    assert (await end.receives())[1].startswith(b'0{"sid"')
    yield end
    writer.close()


async def all_gone(server: Server, count: int = 1) -> None:
    async def gone() -> bool:
        return len(server.gone) == count and not server.sio.eio.sockets

    await until(gone)


async def test_frames_sent_together_with_the_handshake_are_not_lost(server: Server) -> None:
    async with peer(server, frame(b"40")) as end:
        assert (await end.receives())[1].startswith(b"40{")


async def test_frames_may_come_in_pieces(server: Server) -> None:
    async with peer(server, frame(b"40")) as end:
        await end.receives()
        text = frame(b'421["ec', fin=0) + frame(b"", PING) + frame(b'ho","hi"]', 0)
        for n in range(len(text)):
            end.sends(text[n : n + 1])
            await asyncio.sleep(0)
        assert await end.receives() == (PONG, b"")
        assert await end.receives() == (TEXT, b'431["hi"]')


async def test_pings_and_close_frames_are_answered(server: Server) -> None:
    async with peer(server, frame(b"40")) as end:
        await end.receives()
        end.sends(frame(b"there?", PING), frame(b"unasked", PONG))
        assert await end.receives() == (PONG, b"there?")
        end.sends(frame(struct.pack(">H", 1001), CLOSE))
        assert (await end.receives())[0] == CLOSE
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
    ids=[
        "reserved bits",
        "no such opcode",
        "no UTF-8",
        "continuation of nothing",
        "too large",
        "far too large",
        "long ping",
    ],
)
async def test_an_invalid_frame_closes_the_connection_with_a_code(server: Server, wrong: bytes, code: int) -> None:
    async with peer(server, frame(b"40")) as end:
        await end.receives()
        end.sends(wrong, frame(b'421["echo","after"]'))
        assert await end.receives() == (CLOSE, struct.pack(">H", code))
        assert await end.ended()
        await all_gone(server)


async def test_many_packets_at_once_are_processed_in_order_and_do_not_block_others(server: Server) -> None:
    many = 20 * websocket_connection.PACKETS
    async with peer(server, frame(b"40")) as loud, peer(server, frame(b"40")) as quiet:
        await loud.receives()
        await quiet.receives()
        loud.sends(*(frame(f'42{n}["echo",{n}]'.encode()) for n in range(many)))
        quiet.sends(frame(b'421["echo",1]'))
        assert await quiet.receives() == (TEXT, b"431[1]")
        for n in range(many):
            assert await loud.receives() == (TEXT, f"43{n}[{n}]".encode())
        loud.sends(frame(b'420["echo","and on"]'))
        assert await loud.receives() == (TEXT, b'430["and on"]')


async def test_reading_pauses_while_packets_wait(server: Server) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def connect(*_who: object) -> None:
        asked.set()
        await go_on.wait()

    server.sio.on("connect", connect)
    packets = frame(b'420["echo","%s"]' % (b"x" * 80)) * 200_000  # more than the kernel keeps
    async with peer(server, frame(b"40")) as loud:
        await asked.wait()
        loud.sends(packets)
        left: list[int] = []

        async def no_more_is_read() -> bool:
            left.append(loud.unsent())
            return len(left) > 5 and left[-1] == left[-6]

        await until(no_more_is_read)
        assert left[-1] > 0
        go_on.set()
        assert (await loud.receives())[1].startswith(b"40")
        assert (await loud.receives())[1].startswith(b'430["xxx')
        loud.writer.transport.abort()


async def test_a_lost_connection_never_writes_to_a_descriptor_that_was_given_to_another(server: Server) -> None:
    async with peer(server, frame(b"40")) as end:
        await end.receives()
        lost = server.fanout.connection(server.sids[-1])
        assert server.fanout.offer(lost, encode("first", {}))
        await end.receives()
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


async def test_a_connection_that_has_ended_is_freed_without_the_garbage_collector(server: Server) -> None:
    gc.collect()
    gc.disable()
    try:
        for last in (b"", frame(b"\x03\xe8", CLOSE)):
            async with peer(server, frame(b"40")) as end:
                await end.receives()
                end.sends(frame(b'420["echo",1]'), last)
                await end.receives()
        upgrading = socketio.AsyncClient()
        await upgrading.connect(server.url)
        await until(lambda: is_upgraded(upgrading))
        await upgrading.disconnect()
        await all_gone(server, 3)

        async def freed() -> bool:  # by tasks of the framework that are about to end
            kinds = (websocket_connection.WebSocketConnection, Driver)
            return not any(isinstance(each, kinds) for each in gc.get_objects())

        await until(freed)
    finally:
        gc.enable()


async def test_a_client_that_does_not_answer_our_close_frame_is_aborted(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket_connection, "CLOSE_S", 0.05)
    async with peer(server, frame(b"40")) as end:
        await end.receives()
        server.fanout.finish(server.sids[-1])
        assert (await end.receives())[0] == CLOSE
        await all_gone(server)
        assert await end.ended()


@pytest.mark.parametrize("key", ["", "short", "!" * 24])
async def test_a_handshake_with_an_invalid_key_is_refused(server: Server, key: str) -> None:
    port = int(server.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection(valkey.HOST, port)
    writer.write(handshake(server, key))
    assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")
    writer.close()


async def test_a_client_that_does_not_answer_a_ping_is_ended(server: Server) -> None:
    async with peer(server, frame(b"40")) as end, asyncio.timeout(20):
        await end.receives()
        (session,) = server.sio.eio.sockets.values()
        driver._send_ping(session)
        assert await end.receives() == (TEXT, b"2")
        waiting = session.tt_ping
        end.sends(frame(b"3"))

        async def answered() -> bool:
            return bool(waiting.cancelled())

        await until(answered)
        server.sio.eio.ping_timeout = 0
        session.tt_ping.cancel()
        driver._send_ping(session)
        assert await end.receives() == (TEXT, b"2")
        assert (await end.receives())[0] == CLOSE
        end.sends(frame(b"", CLOSE))
        await all_gone(server)
