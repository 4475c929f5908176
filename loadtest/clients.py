"""Buyers' and viewers' link to the nodes: the official Socket.IO client over WebSocket, every word of it on record.

A client keeps its token, moves on to another node when its own does not answer, and never repeats a request by itself:
who asks decides that, because only they know whether it is the same request.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp
import socketio

from loadtest.faults.history import History

CONNECT_S = 3.0
ANSWER_S = 6.0
"""A node answers a confirm within 5 s (``pending`` at the latest); one that does not is left."""
EVENTS = ("seats:changed", "show:status", "hold:expired", "booking:settled")

Answer = dict[str, Any]


class Client:
    """One person. ``ask`` connects when needed; ``close`` it in the end."""

    def __init__(
        self, name: str, nodes: Sequence[str], history: History, http: aiohttp.ClientSession, rng: random.Random
    ) -> None:
        """``nodes`` are tried in turn, the first one first. ``http`` is shared by all."""
        self.name = name
        self.on_news: Callable[[str, dict[str, Any]], None] = lambda event, payload: None
        self.on_watched: Callable[[Answer], None] = lambda answer: None
        self.connections = 0
        self.left = asyncio.Event()
        self._nodes = list(nodes)
        self._history = history
        self._http = http
        self._rng = rng
        self._turn = 0
        self._count = 0
        self._token: str | None = None
        self._sio: Any = None
        self._connecting = asyncio.Lock()
        self._waiting: set[asyncio.Future[Answer | None]] = set()
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def node(self) -> str:
        """The URL of the node that it is on, or tries next."""
        return self._nodes[self._turn % len(self._nodes)]

    # --- asking ---------------------------------------------------------------------------------------------------
    async def ask(self, event: str, payload: dict[str, Any], patience_s: float = ANSWER_S) -> Answer | None:
        """Send an event; return its answer, or None when none came in time (it may have happened or not)."""
        if not await self.connected():
            return None
        sio = self._sio
        self._count += 1
        number = self._count
        answered: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self._waiting.add(answered)

        def told(answer: Answer) -> None:
            if not answered.done():
                self._history.add("told", c=self.name, n=number, e=event, a=answer)
                if event == "show:watch":
                    self.on_watched(answer)
                answered.set_result(answer)

        self._history.add("ask", c=self.name, n=number, e=event, p=payload)
        answer = None
        try:
            await sio.emit(event, payload, callback=told)
            answer = await asyncio.wait_for(answered, patience_s)
        except (TimeoutError, socketio.exceptions.SocketIOError, aiohttp.ClientError, OSError):
            self._leave(sio)
        finally:
            self._waiting.discard(answered)
        if answer is None:
            self._history.add("lost", c=self.name, n=number, e=event)
        return answer

    # --- connections ----------------------------------------------------------------------------------------------
    async def connected(self) -> bool:
        """Make sure that there is a connection, to the next node if need be; False if this try failed."""
        async with self._connecting:
            if self._sio is not None:
                return True
            sio = socketio.AsyncClient(reconnection=False, handle_sigint=False, http_session=self._http)
            session: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
            sio.on("session", lambda told: None if session.done() else session.set_result(told))
            sio.on("disconnect", lambda *_reason: self._leave(sio))
            for event in EVENTS:
                sio.on(event, self._listener(sio, event))
            auth = None if self._token is None else {"token": self._token}
            # Before the first await: what the node says right after connecting counts.
            self._sio = sio
            try:
                async with asyncio.timeout(CONNECT_S):
                    await sio.connect(self.node, auth=auth, transports=["websocket"], wait_timeout=CONNECT_S)
                    told = await session
            except (TimeoutError, socketio.exceptions.SocketIOError, aiohttp.ClientError, OSError, ValueError):
                self._leave(sio)
                return False
            self._token = told["token"]
            self.connections += 1
            self.left.clear()
            self._history.add("conn", c=self.name, node=self.node, owner=told["owner"])
            return self._sio is sio

    def _listener(self, sio: Any, event: str) -> Callable[[dict[str, Any]], None]:
        def listen(payload: dict[str, Any]) -> None:
            if sio is self._sio:
                self._history.add("news", c=self.name, e=event, p=payload)
                self.on_news(event, payload)

        return listen

    def _leave(self, sio: Any) -> None:
        """Give a connection up; whoever waits for an answer on it waits in vain."""
        if sio is not self._sio:
            return
        self._sio = None
        self._turn += 1 if len(self._nodes) == 1 else self._rng.randrange(1, len(self._nodes))
        self.left.set()
        for answered in self._waiting:
            if not answered.done():
                answered.set_result(None)
        task = asyncio.get_running_loop().create_task(_drop(sio))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        """Leave."""
        if self._sio is not None:
            self._leave(self._sio)
        await asyncio.gather(*self._leaving, return_exceptions=True)


async def _drop(sio: Any) -> None:
    # A stopped node would not answer a kind farewell.
    with contextlib.suppress(Exception):
        await asyncio.wait_for(sio.disconnect(), 1.0)
    if sio.eio.ws is not None:
        with contextlib.suppress(Exception):
            await asyncio.wait_for(sio.eio.ws.close(), 1.0)
