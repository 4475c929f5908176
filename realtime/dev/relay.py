"""A TCP relay on loopback that imitates a link across India: it adds delay and can be cut.

Each direction is delayed by a random time between two bounds; the order of the bytes is kept. A cut link drops its
connections with the data in flight, as a real cut does, and refuses new connections until it is restored. A blocked
link keeps its connections open and passes nothing in one direction or both; the data arrives when it is restored.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from pathlib import Path

HOST = "127.0.0.1"
CHUNK = 64 * 1024
MAX_IN_FLIGHT = 64
"""Chunks on the link in one direction; when it is full the sender has to wait, as on a real link."""


class Relay:
    """One link: listens on ``port`` and forwards to ``target``."""

    def __init__(self, port: int, target: int | Path, delay_ms: tuple[float, float]) -> None:
        """Ports are on loopback; a path is a Unix socket. ``delay_ms`` has the bounds of the one-way delay."""
        self.port = port
        self._target = target
        self._delay_ms = delay_ms
        self._server: asyncio.Server | None = None
        self._pumps: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._cut = False
        self._extra_delay_ms = 0.0
        self._there_open, self._back_open = asyncio.Event(), asyncio.Event()
        self._unblock()

    async def start(self) -> None:
        """Start listening."""
        self._server = await asyncio.start_server(self._accept, HOST, self.port, limit=CHUNK)

    async def close(self) -> None:
        """Stop listening and drop all connections."""
        if self._server is not None:
            self._server.close()
        self.cut()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    def cut(self) -> None:
        """Drop all connections with the data in flight, and refuse new ones."""
        self._cut = True
        self._drop()

    def restore(self) -> None:
        """Accept connections again, pass data in both directions, with the normal delay."""
        self._cut = False
        self._unblock()
        self._extra_delay_ms = 0.0

    def slow_down(self, ms: float) -> None:
        """Add ``ms`` to the delay of each direction."""
        self._extra_delay_ms = ms

    def block(self, *, there: bool = True, back: bool = True) -> None:
        """Pass nothing to the target (``there``), or nothing from it (``back``); connections stay open."""
        if there:
            self._there_open.clear()
        if back:
            self._back_open.clear()

    def _unblock(self) -> None:
        self._there_open.set()
        self._back_open.set()

    def _drop(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        for pump in self._pumps:
            pump.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await self._connect_target() if not self._cut else (None, None)
        # The link may have been cut while the connection to the target was being opened.
        if far_reader is None or far_writer is None or self._cut:
            for each in filter(None, (writer, far_writer)):
                each.transport.abort()
            return
        ends = {writer, far_writer}
        self._writers |= ends
        pumps = {
            asyncio.create_task(work)
            for work in (
                *_direction(reader, far_writer, self._delay, self._there_open),
                *_direction(far_reader, writer, self._delay, self._back_open),
            )
        }
        self._pumps |= pumps
        try:
            # When one end is reset, the other is closed too, so that no peer waits on a half-open link.
            await asyncio.wait(pumps, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for pump in pumps:
                pump.cancel()
            for each in ends:
                each.transport.abort()
            self._writers -= ends
            self._pumps -= pumps
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _connect_target(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | tuple[None, None]:
        try:
            if isinstance(self._target, Path):
                return await asyncio.open_unix_connection(str(self._target), limit=CHUNK)
            return await asyncio.open_connection(HOST, self._target, limit=CHUNK)
        except OSError:
            return None, None

    def _delay(self) -> float:
        return (random.uniform(*self._delay_ms) + self._extra_delay_ms) / 1000


def _direction(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: Callable[[], float], opened: asyncio.Event
) -> tuple[Coroutine[None, None, None], Coroutine[None, None, None]]:
    """Return the two coroutines of one direction: one reads and stamps each chunk, one writes it when it is due."""
    in_flight: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(MAX_IN_FLIGHT)
    return _read_stamped(reader, in_flight, delay), _write_when_due(in_flight, writer, opened)


async def _read_stamped(
    reader: asyncio.StreamReader, in_flight: asyncio.Queue[tuple[float, bytes]], delay: Callable[[], float]
) -> None:
    loop = asyncio.get_running_loop()
    due = 0.0
    while True:
        data = await reader.read(CHUNK)
        # Never due before the previous chunk: a link delays, it does not reorder.
        due = max(due, loop.time() + delay())
        await in_flight.put((due, data))
        if not data:
            return


async def _write_when_due(
    in_flight: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter, opened: asyncio.Event
) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due, data = await in_flight.get()
        await asyncio.sleep(max(0.0, due - loop.time()))
        await opened.wait()
        if not data:
            writer.write_eof()
            return
        writer.write(data)
        await writer.drain()
