"""A server of each kind, and a client of each transport that speaks packets by hand.

The rules are those of https://github.com/socketio/engine.io-protocol (version 4) and
https://github.com/socketio/socket.io-protocol (version 5), and of the test suites there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse

from realtime import limits
from tests.transport.test_fanout import Server

KINDS = ("acceptor", "aiohttp", "emit")
"""Our transport past aiohttp, taken over from it, and the unmodified python-socketio."""
END_S = 5.0
"""How long an end that the protocol asks for may take."""
NO_END_S = 0.5
"""How long the framework is watched where it is known not to end a session."""


@pytest.fixture(params=KINDS)
async def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[EchoServer]:
    """An echo server. Tests marked ``beyond_framework`` must fail with the unmodified framework."""
    fails = request.param == "emit" and request.node.get_closest_marker("beyond_framework") is not None
    if fails:
        request.applymarker(pytest.mark.xfail(strict=True, reason="python-socketio does not do this"))
        # The framework leaves tasks with exceptions. If one is collected while pytest parses the source of the failed
        # test, asyncio logs it with a traceback, which parses source too: a SystemError in Python 3.11 (gh-106905).
        monkeypatch.setattr(logging.getLogger("asyncio"), "disabled", True)
    monkeypatch.setattr(limits, "CONNECT_S", 0.3)
    fast_ping = request.node.get_closest_marker("fast_ping")
    each = EchoServer(request.param, ping_interval_s=1 if fast_ping else 20, ping_timeout_s=0.5 if fast_ping else 20)

    async def send_back(sid: str, *data: object) -> None:
        await each.sio.emit("message-back", data, to=sid)

    each.sio.on("message", send_back)
    each.sio.on("message-with-ack", lambda _sid, *data: data)
    each.end_s = NO_END_S if fails else END_S
    await each.start()
    yield each
    await each.stop()


class EchoServer(Server):
    """A server that knows how long the end of a session may take."""

    end_s = END_S


class Client:
    """One end of a session; packets are Engine.IO packets as text."""

    def __init__(self, server: EchoServer, http: ClientSession) -> None:
        self.server = server
        self.url = f"{server.url}/socket.io/?EIO=4&transport="
        self.http = http
        self.end_s = server.end_s

    async def open(self) -> None:
        """Begin an engine.io session."""
        raise NotImplementedError

    async def send(self, *packets: str) -> None:
        raise NotImplementedError

    async def receive(self) -> str:
        """Return the next packet that is not NOOP: an upgrade leaves one in the queue."""
        while (packet := await self._next()) == "6":
            pass
        return packet

    async def _next(self) -> str:
        raise NotImplementedError

    async def ended(self) -> bool:
        """Tell whether the server ends the session in time."""
        raise NotImplementedError

    async def connect(self) -> None:
        """Begin an engine.io and a Socket.IO session."""
        await self.open()
        await self.send("40")
        assert (await self.receive()).startswith('40{"sid":"')


class WebSocketClient(Client):
    socket: ClientWebSocketResponse

    async def open(self) -> None:
        self.socket = await self.http.ws_connect(self.url + "websocket")
        assert (await self.receive()).startswith('0{"sid":"')

    async def send(self, *packets: str) -> None:
        for packet in packets:
            await self.socket.send_str(packet)

    async def _next(self) -> str:
        return str(await self.socket.receive_str(timeout=self.end_s))

    async def ended(self) -> bool:
        async def close() -> None:
            async for _message in self.socket:
                pass

        try:
            await asyncio.wait_for(close(), self.end_s)
        except TimeoutError:
            return False
        return True


class PollingClient(Client):
    def __init__(self, server: EchoServer, http: ClientSession) -> None:
        super().__init__(server, http)
        self._received: list[str] = []

    async def open(self) -> None:
        self.url += "polling"
        opened = await (await self.http.get(self.url)).text()
        assert opened.startswith('0{"sid":"')
        self.url += "&sid=" + opened.partition('"sid":"')[2].partition('"')[0]

    async def send(self, *packets: str) -> None:
        await self.post("\x1e".join(packets))

    async def post(self, body: str | bytes) -> int:
        """Send a body; return the status of the answer."""
        async with self.http.post(self.url, data=body) as answer:
            return answer.status

    async def poll(self) -> tuple[int, str]:
        """Return the status and the body of one poll."""
        async with self.http.get(self.url) as answer:
            return answer.status, await answer.text()

    @asynccontextmanager
    async def waiting_poll(self) -> AsyncIterator[asyncio.Task[tuple[int, str]]]:
        """Yield a poll that the server has and has not answered; cancel it at the end."""
        task = asyncio.create_task(self.poll())
        try:
            await asyncio.sleep(0.1)
            yield task
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _next(self) -> str:
        if not self._received:
            status, body = await asyncio.wait_for(self.poll(), self.end_s)
            assert status == 200
            self._received = body.split("\x1e")
        return self._received.pop(0)

    async def ended(self) -> bool:
        async def until_refused() -> None:
            while (await self.poll())[0] == 200:
                pass

        try:
            await asyncio.wait_for(until_refused(), self.end_s)
        except TimeoutError:
            return False
        return True


class UpgradedClient(WebSocketClient):
    """A session that began by long-polling and has upgraded to a WebSocket."""

    async def open(self) -> None:
        polling = PollingClient(self.server, self.http)
        await polling.open()
        self.polling_url = polling.url
        self.url = polling.url.replace("polling", "websocket")
        self.socket = await self.http.ws_connect(self.url)
        await self.send("2probe")
        assert await self.receive() == "3probe"
        await self.send("5")


CLIENTS: dict[str, type[Client]] = {
    "websocket": WebSocketClient,
    "polling": PollingClient,
    "upgraded": UpgradedClient,
}


@pytest.fixture
async def http() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


@pytest.fixture(params=list(CLIENTS))
async def client(request: pytest.FixtureRequest, server: EchoServer, http: ClientSession) -> Any:
    """A client of each transport, not open yet."""
    return CLIENTS[request.param](server, http)
