"""The attacks: each runs in a process of its own, from one core, against one node on loopback.

``python -m loadtest.hostile.attacks NAME PORT SECONDS PATH ADDRESSES`` runs one and prints what it has sent as JSON.
``PATH`` is that of a large layout, ``ADDRESSES`` from how many the connections come. An attack keeps a number of
connections busy; whatever the node closes, it opens again at once.
"""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from loadtest.websocket import PING, TEXT, masked

HOST = "127.0.0.1"
POLLING = "/socket.io/?EIO=4&transport=polling"
_RECEIVE_BYTES = 4096


@dataclass(slots=True)
class Attack:
    """What an attack has done so far, and how it connects."""

    port: int
    until: float
    path: str
    addresses: int
    opened: int = 0
    sent: int = 0
    open: set[socket.socket] = field(default_factory=set)

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self.until

    async def connect(self) -> socket.socket:
        """Return a new connection that reads little; raises ``OSError`` as a socket does."""
        made = socket.socket()
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
        self.open.add(made)
        made.bind((address(self.opened % self.addresses), 0))
        await asyncio.wait_for(asyncio.get_running_loop().sock_connect(made, (HOST, self.port)), 5)
        self.opened += 1
        return made

    async def send(self, to: socket.socket, data: bytes) -> None:
        """Send all of ``data``, for at most a second."""
        await asyncio.wait_for(asyncio.get_running_loop().sock_sendall(to, data), 1)
        self.sent += len(data)

    async def receive(self, from_: socket.socket, size: int = 4096) -> bytes:
        """Return what comes next; b"" at the end."""
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(from_, size), 2)

    def close(self, one: socket.socket) -> None:
        """Close a connection."""
        self.open.discard(one)
        one.close()


def address(number: int) -> str:
    """Return the loopback address of an attacker, counted from 0."""
    return f"127.2.{number // 250}.{number % 250 + 1}"


Once = Callable[[Attack], Awaitable[None]]
"""One connection's part of an attack; it is repeated, and may raise ``OSError`` or ``TimeoutError``."""


def request(method: str, path: str, *headers: str) -> bytes:
    """Return the head of a request."""
    return "\r\n".join((f"{method} {path} HTTP/1.1", f"Host: {HOST}", *headers, "", "")).encode()


def handshake(*headers: str) -> bytes:
    """Return a WebSocket handshake."""
    key = base64.b64encode(b"sixteen bytes...").decode()
    upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}")
    return request("GET", "/socket.io/?EIO=4&transport=websocket", *upgrade, *headers)


def flood(frame: bytes) -> Once:
    """Return an attack by WebSockets that send a frame again and again and read nothing."""
    blob = frame * max(1, 65536 // len(frame))

    async def once(attack: Attack) -> None:
        one = await attack.connect()
        try:
            await attack.send(one, handshake() + masked(TEXT, b"40"))
            while not attack.over:
                await attack.send(one, blob)
        finally:
            attack.close(one)

    return once


def hold_open(*parts: bytes) -> Once:
    """Return an attack by connections that send something and then keep still until they are closed."""

    async def once(attack: Attack) -> None:
        one = await attack.connect()
        try:
            for part in parts:
                await attack.send(one, part)
                await asyncio.sleep(0.01)
            while not attack.over:
                try:
                    if not await attack.receive(one, 64):
                        return
                except TimeoutError:
                    continue
        finally:
            attack.close(one)

    return once


async def unread_layout(attack: Attack) -> None:
    """Ask for a large layout without gzip, and don't read it."""
    one = await attack.connect()
    await attack.send(one, request("GET", attack.path, "Accept-Encoding: identity"))
    await asyncio.sleep(0.5)
    attack.close(one)


async def broken_off_layout(attack: Attack) -> None:
    """Ask for a large layout, and close as soon as it begins to come."""
    one = await attack.connect()
    await attack.send(one, request("GET", attack.path, "Accept-Encoding: gzip"))
    await attack.receive(one, 100)
    attack.close(one)


async def announced_post(attack: Attack) -> None:
    """Announce a long-polling POST above the limit, and send no byte of it."""
    one = await attack.connect()
    await attack.send(one, request("GET", POLLING))
    answer = (await attack.receive(one)).decode(errors="replace")
    sid = answer.partition('"sid":"')[2].partition('"')[0]
    await attack.send(one, request("POST", f"{POLLING}&sid={sid}", "Content-Length: 70000"))
    await asyncio.sleep(0.001)
    attack.close(one)


_MALFORMED = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
    b"GET /api/v1/ops/shows/x/log?count=\xc2\xb2 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /%0aforged%0a%1b[31m HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /" + b"x" * 8000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"POST /demo/pay HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n" + b"[" * 60000,
    handshake("Transfer-Encoding: chunked", "Upgrade: h2c"),
)


async def malformed(attack: Attack) -> None:
    """Send requests that no client sends."""
    for data in _MALFORMED:
        one = await attack.connect()
        try:
            await attack.send(one, data)
            await attack.receive(one)
        finally:
            attack.close(one)


async def wrong_keys(attack: Attack) -> None:
    """Guess the operator key."""
    one = await attack.connect()
    try:
        while not attack.over:
            await attack.send(one, request("GET", "/api/v1/ops", "Authorization: Bearer guess"))
            if not await attack.receive(one):
                return
    finally:
        attack.close(one)


@dataclass(frozen=True, slots=True)
class Kind:
    """An attack by name: what each of its connections does, and how many there are at a time."""

    once: Once
    connections: int


KINDS: dict[str, Kind] = {
    "pings, unread": Kind(flood(masked(PING, b"x" * 125)), 20),
    "empty pings": Kind(flood(masked(PING, b"")), 20),
    "refused CONNECTs": Kind(flood(masked(TEXT, b"40/n,")), 20),
    "UPGRADE packets": Kind(flood(masked(TEXT, b"5")), 20),
    "events, answers unread": Kind(flood(masked(TEXT, b'420["x",{}]')), 20),
    "posts announced too large": Kind(announced_post, 20),
    "layouts, unread": Kind(unread_layout, 400),
    "layouts, broken off": Kind(broken_off_layout, 20),
    "half a request line": Kind(hold_open(b"GET /socket.io/?EIO"), 2000),
    "half a head": Kind(hold_open(request("GET", "/", "X: " + "y" * 8000)[:-4]), 2000),
    "half a body": Kind(hold_open(request("POST", "/demo/pay", "Content-Length: 60000") + b"{" * 30000), 2000),
    "idle connections": Kind(hold_open(request("GET", "/healthz")), 2000),
    "handshakes without CONNECT": Kind(hold_open(handshake()), 2000),
    "malformed requests": Kind(malformed, 20),
    "wrong operator keys": Kind(wrong_keys, 20),
}


async def run(kind: Kind, attack: Attack) -> None:
    """Run an attack until its time is up."""

    async def repeat() -> None:
        while not attack.over:
            try:
                await kind.once(attack)
            except (OSError, TimeoutError):
                await asyncio.sleep(0)

    await asyncio.gather(*(repeat() for _ in range(kind.connections)))
    for one in tuple(attack.open):
        attack.close(one)


def _main(name: str, port: str, seconds: str, path: str, addresses: str) -> None:
    attack = Attack(int(port), time.monotonic() + float(seconds), path, int(addresses))
    asyncio.run(run(KINDS[name], attack))
    print(json.dumps({"opened": attack.opened, "sent": attack.sent}))


if __name__ == "__main__":
    _main(*sys.argv[1:])
