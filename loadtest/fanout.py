"""What it costs to tell a room of a change: our fan-out beside python-socketio's own `emit`, in one run.

    python -m loadtest.fanout --viewers 1000 --rate 5 --seconds 5 --rounds 3

Each round starts a server process of each kind in turn and a process that opens the WebSockets; the figure is the CPU
time of the server process per delivered message, from its own clock. Loopback only; it ends by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import statistics
import subprocess
import sys
import time
from typing import Any, cast

import socketio
import uvloop
from aiohttp import web

from realtime.dev.valkey import HOST, free_port
from realtime.rooms.fanout import Fanout, encode

READY_S = 60
CHUNK = 200
UPGRADE = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: loopback\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
JOIN = b"\x81\x82\0\0\0\0" + b"40"  # a masked text frame (mask 0) that joins the namespace


def payload(version: int) -> dict[str, Any]:
    """A change of four seats, as a busy show has them."""
    lists = {"held": [version % 1000, version % 1000 + 1], "sold": [7, 8]}
    return {
        "show": "west-konkan-lights-20261123-2355",
        "epoch": "019ab",
        "from": version - 1,
        "version": version,
        **lists,
    }


async def serve(kind: str, port: int, viewers: int, rate: float, seconds: float) -> None:
    """Wait for the viewers, send at the rate, print the CPU time per message as JSON."""
    sio = socketio.AsyncServer(async_mode="aiohttp", ping_interval=600)
    fanout = Fanout(sio) if kind == "ours" else None
    sids: list[str] = []
    full = asyncio.Event()

    async def connect(sid: str, _environ: object, _auth: object = None) -> None:
        sids.append(sid)
        await sio.enter_room(sid, "show")
        if len(sids) == viewers:
            full.set()

    sio.on("connect", connect)
    app = web.Application()
    sio.attach(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, HOST, port, backlog=4096).start()
    await asyncio.wait_for(full.wait(), READY_S)
    await asyncio.sleep(0.5)  # the last handshakes are not what is measured
    gc.freeze()
    turns = int(rate * seconds)
    begun, cpu = time.perf_counter(), time.process_time()
    for turn in range(1, turns + 1):
        if fanout is None:
            await sio.emit("seats:changed", payload(turn), room="show")
        else:
            packet = encode("seats:changed", payload(turn))
            for n, sid in enumerate(sids, 1):
                fanout.send(sid, packet)
                if n % CHUNK == 0:
                    await asyncio.sleep(0)
        await asyncio.sleep(max(0.0, begun + turn / rate - time.perf_counter()))
    spent = time.process_time() - cpu
    print(json.dumps({"us": spent / (turns * viewers) * 1e6, "sent": turns * viewers}), flush=True)
    await asyncio.sleep(1)
    os._exit(0)  # thousands of sockets are closed soonest by the kernel


class _Viewer(asyncio.Protocol):
    """A WebSocket that joins and reads what comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by class
        self._joined = False
        self._transport.write(UPGRADE)

    def data_received(self, data: bytes) -> None:
        """Join once the server has said its first word."""
        if not self._joined:
            self._joined = True
            self._transport.write(JOIN)


async def watch(port: int, viewers: int, seconds: float) -> None:
    """Open the WebSockets and read until the server goes."""
    loop = asyncio.get_running_loop()
    for _ in range(viewers // 50):
        await asyncio.gather(*(loop.create_connection(_Viewer, HOST, port) for _ in range(50)))
    await asyncio.sleep(seconds + READY_S)


def measure(kind: str, viewers: int, rate: float, seconds: float) -> float:
    """Run one server and its viewers; return the CPU time (us) per delivered message."""
    port = free_port()
    module = [sys.executable, "-m", "loadtest.fanout", "--viewers", str(viewers)]
    shape = ["--rate", str(rate), "--seconds", str(seconds), "--port", str(port)]
    server = subprocess.Popen([*module, *shape, "--serve", kind], stdout=subprocess.PIPE, text=True)
    time.sleep(1)
    crowd = subprocess.Popen([*module, *shape, "--watch"])
    try:
        output, _ = server.communicate(timeout=READY_S + 30 * seconds)
        return float(json.loads(output)["us"])
    finally:
        crowd.kill()
        crowd.wait()


def main() -> None:
    """Compare the two, pair by pair."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=5.0, help="changes a second")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--serve", choices=("ours", "emit"), help=argparse.SUPPRESS)
    parser.add_argument("--watch", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        uvloop.run(serve(args.serve, args.port, args.viewers, args.rate, args.seconds))
    elif args.watch:
        uvloop.run(watch(args.port, args.viewers, args.seconds))
    else:
        pairs = []
        for n in range(args.rounds):
            pair = [measure(kind, args.viewers, args.rate, args.seconds) for kind in ("ours", "emit")]
            pairs.append(pair)
            print(f"round {n + 1}: ours {pair[0]:.1f} us, emit {pair[1]:.1f} us, ratio {pair[0] / pair[1]:.2f}")
        ours, emit = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(a / b for a, b in pairs)
        print(f"median:  ours {ours:.1f} us, emit {emit:.1f} us a message, ratio {ratio:.2f} ({args.viewers} viewers)")


if __name__ == "__main__":
    main()
