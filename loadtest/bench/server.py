"""A server with one room, which sends by our fan-out or by python-socketio's own ``emit``: ``server KIND PORT``.

It takes the same command as the C server and the Node.js server: ``send RATE SECONDS``, answered with ``{"turns"}``.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import sys
import time
from typing import Any

import socketio
import uvloop
from aiohttp import web

from realtime.dev.valkey import HOST
from realtime.rooms.pump import CHUNK
from realtime.transport.fanout import Connection, encode
from realtime.transport.server import SocketServer
from realtime.wire.maps import pack_seats

SEATS = 1200
BACKLOG = 4096


def payload(version: int) -> dict[str, Any]:
    """Return a change of four seats, as is usual for a busy show, with the time of sending (us since 1970)."""
    return {
        "show": "west-konkan-lights-20261123-2355",
        "epoch": "019ab",
        "from": version - 1,
        "version": version,
        "held": [version % 1000, version % 1000 + 1],
        "sold": [7, 8],
        "t": time.time_ns() // 1000,
    }


class Server:
    """One room that all watching clients are in."""

    def __init__(self, kind: str) -> None:
        """``kind`` is ``ours`` or ``emit``."""
        ours = SocketServer() if kind == "ours" else None
        assert ours is None or not ours.missing, ours.missing
        self.sio = ours.sio if ours is not None else socketio.AsyncServer(async_mode="aiohttp", ping_interval=20)
        self._fanout = ours.fanout if ours is not None else None
        self._connections: list[Connection] = []
        self._seats = pack_seats(bytes(SEATS))
        self.sio.on("show:watch", self._watch)

    async def _watch(self, sid: str, ask: dict[str, Any]) -> dict[str, Any]:
        if self._fanout is None:
            await self.sio.enter_room(sid, "show")
        else:
            self._connections.append(self._fanout.connection(sid))
        return {"ok": True, "show": ask["show"], "epoch": "019ab", "version": 0, "seats": self._seats}

    async def _turn(self, number: int) -> None:
        if self._fanout is None:
            await self.sio.emit("seats:changed", payload(number), room="show")
            return
        packet = encode("seats:changed", payload(number))
        for start in range(0, len(self._connections), CHUNK):
            for connection in self._connections[start : start + CHUNK]:
                self._fanout.offer(connection, packet)
            await asyncio.sleep(0)

    async def send(self, rate: float, seconds: float) -> int:
        """Send ``rate`` times a second (0: as fast as possible); return how often it was sent."""
        begun, turns = time.perf_counter(), 0
        while time.perf_counter() - begun < seconds and (rate == 0 or turns < rate * seconds):
            turns += 1
            await self._turn(turns)
            due = begun + turns / rate if rate else 0.0
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
        return turns


async def main(kind: str, port: int) -> None:
    """Serve until stdin is closed."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    server = Server(kind)
    app = web.Application()
    server.sio.attach(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, HOST, port, backlog=BACKLOG).start()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    print(json.dumps({"ready": True}), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        _verb, rate, seconds = line.split()
        turns = await server.send(float(rate), float(seconds))
        print(json.dumps({"turns": turns}), flush=True)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
