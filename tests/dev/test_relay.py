"""The relay: delays, keeps the order, drops connections on a cut, and passes the end of one side to the other."""

from __future__ import annotations

import asyncio
import socket
import struct
import time

import pytest

from realtime.dev import valkey
from realtime.dev.relay import Relay
from tests.cluster import until


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(4096):
        writer.write(data)
    writer.close()


async def test_a_relay_delays_and_forwards_everything_in_order() -> None:
    far = await asyncio.start_server(_echo, valkey.HOST, 0)
    relay = Relay(valkey.free_port(), far.sockets[0].getsockname()[1], (5.0, 15.0))
    await relay.start()
    reader, writer = await asyncio.open_connection(valkey.HOST, relay.port)
    sent = b"".join(n.to_bytes(4, "big") for n in range(100_000))
    begun = time.monotonic()
    writer.write(sent)
    got = await reader.readexactly(len(sent))
    assert got == sent
    assert time.monotonic() - begun >= 0.010, "at least 5 ms in each direction"
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()
    await relay.close()
    far.close()


async def test_a_cut_relay_drops_data_in_flight_and_refuses_connections_until_restored() -> None:
    far = await asyncio.start_server(_echo, valkey.HOST, 0)
    relay = Relay(valkey.free_port(), far.sockets[0].getsockname()[1], (200.0, 200.0))
    await relay.start()
    reader, writer = await asyncio.open_connection(valkey.HOST, relay.port)
    writer.write(b"lost")
    await writer.drain()

    async def connected() -> bool:
        return len(relay._writers) == 2

    await until(connected)
    relay.cut()
    with pytest.raises(ConnectionError):
        if await reader.read() == b"":
            raise ConnectionResetError
    late_reader, late_writer = await asyncio.open_connection(valkey.HOST, relay.port)
    with pytest.raises(ConnectionError):
        if await late_reader.read() == b"":
            raise ConnectionResetError
    relay.restore()
    reader, back = await asyncio.open_connection(valkey.HOST, relay.port)
    back.write(b"again")
    assert await reader.readexactly(5) == b"again"
    for each in (writer, late_writer, back):
        each.close()
    await relay.close()
    far.close()


async def test_a_reset_by_the_target_reaches_the_client() -> None:
    async def reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.close()

    far = await asyncio.start_server(reset, valkey.HOST, 0)
    relay = Relay(valkey.free_port(), far.sockets[0].getsockname()[1], (1.0, 2.0))
    await relay.start()
    reader, writer = await asyncio.open_connection(valkey.HOST, relay.port)
    with pytest.raises(ConnectionError):
        if await asyncio.wait_for(reader.read(), 20) == b"":
            raise ConnectionResetError
    writer.close()
    await relay.close()
    far.close()


async def test_a_sender_has_to_wait_when_the_target_does_not_read() -> None:
    async def idle(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    far = await asyncio.start_server(idle, valkey.HOST, 0)
    relay = Relay(valkey.free_port(), far.sockets[0].getsockname()[1], (1.0, 2.0))
    await relay.start()
    _reader, writer = await asyncio.open_connection(valkey.HOST, relay.port)
    block = bytes(1024 * 1024)
    sent = 0

    async def stuck() -> bool:
        nonlocal sent
        writer.write(block)
        try:
            await asyncio.wait_for(writer.drain(), 0.5)
        except TimeoutError:
            return True
        sent += len(block)
        assert sent < 256 * len(block), "the relay buffers without limit"
        return False

    await until(stuck)
    writer.transport.abort()
    await relay.close()
    far.close()


async def test_a_blocked_relay_passes_nothing_in_one_direction_and_delivers_it_when_restored() -> None:
    far = await asyncio.start_server(_echo, valkey.HOST, 0)
    relay = Relay(valkey.free_port(), far.sockets[0].getsockname()[1], (0.0, 0.0))
    await relay.start()
    reader, writer = await asyncio.open_connection(valkey.HOST, relay.port)
    for there, back in ((True, True), (False, True), (True, False)):
        relay.block(there=there, back=back)
        writer.write(b"late")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readexactly(4), 0.2)
        relay.restore()
        assert await asyncio.wait_for(reader.readexactly(4), 5) == b"late"
    writer.close()
    await relay.close()
    far.close()
