"""The relay of a ledger, in its own process: faults reach it, and it ends with the run."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from loadtest.faults.relay_process import RelayProcess
from realtime.dev import valkey
from tests.cluster import until


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100):
        writer.write(data)
    writer.close()


async def test_a_relay_in_its_own_process_passes_bytes_unless_it_is_cut_or_blocked(tmp_path: Path) -> None:
    await asyncio.start_unix_server(echo, tmp_path / "far")
    relay = RelayProcess(valkey.free_port(), tmp_path / "far")
    reader, writer = await asyncio.open_connection(valkey.HOST, relay.port)
    writer.write(b"one")
    assert await reader.read(100) == b"one"

    async def blocked() -> bool:
        writer.write(b"2")
        with contextlib.suppress(TimeoutError):
            return not await asyncio.wait_for(reader.read(100), 0.5)
        return True

    relay.block(back=False)
    await until(blocked)  # the other process may need a moment
    relay.restore()
    assert await reader.read(100) == b"2"

    relay.cut()
    assert await reader.read(100) == b""
    relay.restore()

    async def passes() -> bool:
        reader, writer = await asyncio.open_connection(valkey.HOST, relay.port)
        writer.write(b"three")
        try:
            return await reader.read(100) == b"three"
        except ConnectionError:
            return False
        finally:
            writer.close()

    await until(passes)
    relay.close()
    with pytest.raises(OSError):
        await asyncio.open_connection(valkey.HOST, relay.port)


async def test_a_relay_that_can_not_listen_says_so(tmp_path: Path) -> None:
    taken = await asyncio.start_server(echo, valkey.HOST, 0)
    port = taken.sockets[0].getsockname()[1]
    with pytest.raises(RuntimeError, match=str(port)):
        RelayProcess(port, tmp_path / "far")
    taken.close()
