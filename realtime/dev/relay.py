"""A TCP relay that makes a link between two places on loopback feel like one across India.

Each direction is delayed by a random time between two bounds, in order. A cut link drops its connections and whatever
is in them, as a real cut does, and refuses new ones until it is restored.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque

HOST = "127.0.0.1"
CHUNK = 64 * 1024
MAX_UNDER_WAY = 64
"""Chunks on the link in one direction; more wait in the sender, as behind a full pipe."""


class Relay:
    """One link: listens on ``port``, passes on to ``target``; delays in ms, one way."""

    def __init__(self, port: int, target: int, delay_ms: tuple[float, float]) -> None:
        """Both ports are on loopback."""
        self.port = port
        self._target = target
        self._delay_ms = delay_ms
        self._server: asyncio.Server | None = None
        self._pumps: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._cut = False

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, HOST, self.port, limit=CHUNK)

    async def close(self) -> None:
        """Drop everything and stop listening."""
        if self._server is not None:
            self._server.close()
        self._drop()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    def cut(self) -> None:
        """Drop all connections and what is in them; refuse new ones."""
        self._cut = True
        self._drop()

    def restore(self) -> None:
        """Let connections through again."""
        self._cut = False

    def _drop(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        for pump in self._pumps:
            pump.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(HOST, self._target, limit=CHUNK)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        loop = asyncio.get_running_loop()
        pumps = [loop.create_task(self._pump(reader, far_writer)), loop.create_task(self._pump(far_reader, writer))]
        self._pumps.update(pumps)
        await asyncio.wait(pumps)
        self._pumps.difference_update(pumps)
        for each in (writer, far_writer):
            self._writers.discard(each)
            each.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        under_way: deque[tuple[float, bytes]] = deque()
        room = asyncio.Semaphore(MAX_UNDER_WAY)
        arrived = asyncio.Event()

        async def send() -> None:
            while True:
                while not under_way:
                    arrived.clear()
                    await arrived.wait()
                due, data = under_way[0]
                await asyncio.sleep(max(0.0, due - loop.time()))
                under_way.popleft()
                room.release()
                if not data:
                    writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()

        sending = loop.create_task(send())
        last = 0.0
        try:
            with contextlib.suppress(OSError):
                while True:
                    await room.acquire()
                    data = await reader.read(CHUNK)
                    # Never before what was sent earlier: a link delays, it does not reorder.
                    last = max(last, loop.time() + random.uniform(*self._delay_ms) / 1000)
                    under_way.append((last, data))
                    arrived.set()
                    if not data:
                        break
                await sending
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
