"""A TCP relay that makes a link between two places on loopback feel like one across India.

Each direction is delayed by a random time between two bounds, in order. A cut link drops its connections and whatever
is in them, as a real cut does, and refuses new ones until it is restored.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from pathlib import Path

HOST = "127.0.0.1"
CHUNK = 64 * 1024
MAX_UNDER_WAY = 64
"""Chunks on the link in one direction; more wait in the sender, as behind a full pipe."""


class Relay:
    """One link: listens on ``port``, passes on to ``target``; delays in ms, one way."""

    def __init__(self, port: int, target: int | Path, delay_ms: tuple[float, float]) -> None:
        """Both ports are on loopback; a path is a server's Unix socket."""
        self.port = port
        self._target = target
        self._delay_ms = delay_ms
        self._server: asyncio.Server | None = None
        self._pumps: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._cut = False
        self._slower_ms = 0.0

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, HOST, self.port, limit=CHUNK)

    async def close(self) -> None:
        """Drop everything and stop listening."""
        if self._server is not None:
            self._server.close()
        self.cut()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    def cut(self) -> None:
        """Drop all connections and what is in them; refuse new ones."""
        self._cut = True
        self._drop()

    def restore(self) -> None:
        """Let connections through again, at the usual pace."""
        self._cut = False
        self._slower_ms = 0.0

    def slow_down(self, ms: float) -> None:
        """Delay everything by so much more, each way."""
        self._slower_ms = ms

    def _drop(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        for pump in self._pumps:
            pump.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await self._reach() if not self._cut else (None, None)
        # The link may have been cut while the far side was being reached.
        if far_reader is None or far_writer is None or self._cut:
            for each in filter(None, (writer, far_writer)):
                each.transport.abort()
            return
        ends = {writer, far_writer}
        self._writers |= ends
        pumps = {
            asyncio.create_task(work)
            for work in (*_direction(reader, far_writer, self._delay), *_direction(far_reader, writer, self._delay))
        }
        self._pumps |= pumps
        try:
            # One end that is reset takes the other with it: nobody waits on half a link.
            await asyncio.wait(pumps, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for pump in pumps:
                pump.cancel()
            for each in ends:
                each.transport.abort()
            self._writers -= ends
            self._pumps -= pumps
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | tuple[None, None]:
        try:
            if isinstance(self._target, Path):
                return await asyncio.open_unix_connection(str(self._target), limit=CHUNK)
            return await asyncio.open_connection(HOST, self._target, limit=CHUNK)
        except OSError:
            return None, None

    def _delay(self) -> float:
        return (random.uniform(*self._delay_ms) + self._slower_ms) / 1000


def _direction(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: Callable[[], float]
) -> tuple[Coroutine[None, None, None], Coroutine[None, None, None]]:
    """Return the two halves of one direction: what takes in, and what lets out when its time has come."""
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(MAX_UNDER_WAY)
    return _take_in(reader, under_way, delay), _let_out(under_way, writer)


async def _take_in(
    reader: asyncio.StreamReader, under_way: asyncio.Queue[tuple[float, bytes]], delay: Callable[[], float]
) -> None:
    loop = asyncio.get_running_loop()
    due = 0.0
    while True:
        data = await reader.read(CHUNK)
        # Never before what was sent earlier: a link delays, it does not reorder.
        due = max(due, loop.time() + delay())
        await under_way.put((due, data))
        if not data:
            return


async def _let_out(under_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due, data = await under_way.get()
        await asyncio.sleep(max(0.0, due - loop.time()))
        if not data:
            writer.write_eof()
            return
        writer.write(data)
        await writer.drain()
