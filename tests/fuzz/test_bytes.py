"""Made-up requests, handshakes, frames and packets: whatever comes, the server answers others and keeps nothing.

Structure-aware: most of each input is valid, so that it gets past the first check. A failing run prints its seed.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import random
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from aiohttp import ClientSession

from realtime import limits
from realtime.dev import valkey
from realtime.transport import websocket_connection
from tests.cluster import until
from tests.transport.test_fanout import Server
from tests.transport.test_websocket_connection import handshake

SECONDS = 3.0
AT_ONCE = 20
ODD = (
    b"",
    b"\0",
    b"\xff",
    b"\r\n",
    b"\n",
    b"%0a",
    b"%ff",
    b"\xc2\xb2",
    b"x" * 9000,
    b"-1",
    b"2e9",
    b"\x1b[31m",
    b"&&==",
)
HEADERS = (
    b"Content-Length: 5",
    b"Content-Length: \xc2\xb2",
    b"Content-Length: -1",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Origin: null",
    b"Origin: http://[",
    b"Upgrade: h2c",
    b"Upgrade: websocket",
    b"Connection: close",
    b"Expect: 100-continue",
    b"Sec-WebSocket-Key: x",
    b"Sec-WebSocket-Version: 8",
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=99",
    b"X-Forwarded-For: \xff, for=,",
    b"Host: y",
    b": nothing",
    b" folded",
)
PACKETS = (
    b"0", b"1", b"2", b"2probe", b"3", b"3probe", b"4", b"40", b"40{", b'40{"token":"x"}', b"40/n,", b"41", b"42[]",
    b'42["echo",1]', b'421["echo",1]', b'42999999999999999999999["echo"]', b"42" + b"[" * 3000, b"43[]", b"44",
    b'451-["x",{"_placeholder":true,"num":0}]', b"46", b"5", b"6", b"7", b"b", b"bAAEC", b"bA", b"\xff\xfe", b"4\x1e4",
)  # fmt: skip


class Maker:
    """Makes inputs from one seed."""

    def __init__(self, seed: int, server: Server) -> None:
        self.random = random.Random(seed)
        self.server = server
        self.sid = b"nobody"

    def connection(self) -> bytes:
        """Return all that one connection sends."""
        return self.random.choice((self.request, self.websocket, self.polling, self.noise))()

    def noise(self) -> bytes:
        return self.random.randbytes(self.random.randrange(300))

    def request(self) -> bytes:
        method = self.random.choice((b"GET", b"POST", b"OPTIONS", b"HEAD", b"PRI", b"get", b"G\0T"))
        path = b"/" + self.random.choice((b"nothing", b"socket.io/?EIO=4", b"socket.io/?", b"socket.io")) + self.odd()
        version = self.random.choice((b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/1.1 x", b""))
        lines = [b" ".join((method, path, version)), b"Host: x", *self.headers()]
        return self.cut(b"\r\n".join(lines) + b"\r\n\r\n" + self.odd())

    def websocket(self) -> bytes:
        whole = handshake(self.server)
        if self.random.random() < 0.3:
            extra = b"\r\n" + b"\r\n".join(self.headers()) + b"\r\n\r\n"
            whole = whole.replace(b"\r\n\r\n", extra)
        if self.random.random() < 0.2:
            whole = whole.replace(b"EIO=4", self.random.choice((b"EIO=4&s%69d=", b"EIO=4&sid=")) + self.sid)
        return self.cut(whole + b"".join(self.frame() for _ in range(self.random.randrange(12))))

    def polling(self) -> bytes:
        method, body = self.random.choice((b"GET", b"POST")), b"\x1e".join(self.packets())
        path = b"/socket.io/?EIO=4&transport=polling&sid=" + self.sid
        length = len(body) + self.random.choice((0, 0, 0, -1, 1, 70_000))
        head = (method, b" ", path, b" HTTP/1.1\r\nHost: x\r\nContent-Length: ", str(length).encode(), b"\r\n\r\n")
        return self.cut(b"".join(head) + body)

    def packets(self) -> list[bytes]:
        return [self.random.choice(PACKETS) + self.odd() for _ in range(self.random.randrange(20))]

    def frame(self) -> bytes:
        payload = self.random.choice((*PACKETS, *ODD))
        opcode = self.random.choice((1, 1, 1, 2, 0, 8, 9, 10, 3, 15))
        first = self.random.choice((0x80, 0x80, 0x80, 0x00, 0xC0, 0x90)) | opcode
        size = max(0, len(payload) + self.random.choice((0, 0, 0, 0, 1, -1, 2**40)))
        masked = 0 if self.random.random() < 0.05 else 0x80
        short = size < 126 and self.random.random() < 0.95
        length = bytes((masked | size,)) if short else bytes((masked | 127,)) + size.to_bytes(8, "big")
        key = self.random.randbytes(4) if masked else b""
        mask = (key or b"\0") * (len(payload) // 4 + 1)
        return bytes((first,)) + length + key + bytes(a ^ b for a, b in zip(payload, mask, strict=False))

    def headers(self) -> list[bytes]:
        return [self.random.choice(HEADERS) + self.odd() for _ in range(self.random.randrange(4))]

    def odd(self) -> bytes:
        return self.random.choice(ODD) if self.random.random() < 0.2 else b""

    def cut(self, data: bytes) -> bytes:
        """Return data, sometimes without its end or with another byte in it."""
        if data and self.random.random() < 0.15:
            return data[: self.random.randrange(len(data))]
        if data and self.random.random() < 0.15:
            at = self.random.randrange(len(data))
            return data[:at] + self.random.randbytes(1) + data[at + 1 :]
        return data


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    for name in ("HEAD_S", "BODY_S", "WRITE_S", "IDLE_S", "CONNECT_S"):
        monkeypatch.setattr(limits, name, 0.5)
    monkeypatch.setattr(websocket_connection, "CLOSE_S", 0.2)
    each = Server("acceptor", ping_interval_s=1, ping_timeout_s=1)
    each.sio.on("echo", lambda _sid, *what: what)
    await each.start()
    yield each
    await each.stop()


@pytest.fixture
def errors() -> Iterator[list[str]]:
    """What is logged with a traceback, by anybody."""
    found: list[str] = []

    class Tracebacks(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.exc_info:
                found.append(f"{record.name}: {record.getMessage()} {record.exc_info[1]!r}")

    handler = Tracebacks()
    logging.getLogger().addHandler(handler)
    yield found
    logging.getLogger().removeHandler(handler)


async def test_made_up_bytes_change_nothing_for_others_and_leave_nothing(server: Server, errors: list[str]) -> None:
    seed = random.randrange(2**32)
    maker = Maker(seed, server)
    statuses: set[bytes] = set()

    async def talk() -> None:
        reader, writer = await asyncio.open_connection(valkey.HOST, int(server.url.rpartition(":")[2]))
        with contextlib.suppress(OSError, TimeoutError):
            writer.write(maker.connection())
            statuses.add((await asyncio.wait_for(reader.read(4096), 0.3))[:12])
        writer.transport.abort()

    end = time.monotonic() + SECONDS
    async with ClientSession() as http:
        while time.monotonic() < end:
            async with http.get(f"{server.url}/socket.io/?EIO=4&transport=polling") as answer:
                maker.sid = (await answer.text()).partition('"sid":"')[2].partition('"')[0].encode()
            await asyncio.gather(*(talk() for _ in range(AT_ONCE)))
            async with http.get(server.url + "/nothing") as answer:
                assert answer.status == 404, f"seed {seed}"
    gc.collect()  # a task that failed unseen is logged when it is collected
    gc.collect()  # a task that failed unseen is logged when it is collected
    assert not errors, f"seed {seed}: {errors[:3]}"
    assert not any(status.startswith((b"HTTP/1.1 5", b"HTTP/1.0 5")) for status in statuses), f"seed {seed}: {statuses}"
    assert any(status.startswith(b"HTTP/1.1 101") for status in statuses), "some get through"

    async def nothing_left() -> bool:
        return not server.sio.eio.sockets and server.server.admission.open == 0

    await until(nothing_left)
