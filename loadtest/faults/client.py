"""The official Socket.IO client over WebSocket, with every request, answer and event recorded.

A client keeps its token and connects to another node when its own does not answer. It never repeats a request by
itself: the caller decides that, because only the caller knows whether it is the same request.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp
import socketio

from loadtest.faults.bank import Paid
from loadtest.faults.history import History

CONNECT_S = 3.0
ANSWER_S = 6.0
"""A node answers a confirm within 5 s (``pending`` at the latest). After this the client leaves the node."""
EVENTS = ("seats:changed", "show:status", "hold:expired", "booking:settled", "refund:updated")
FAILURES = (TimeoutError, socketio.exceptions.SocketIOError, aiohttp.ClientError, OSError)

Answer = dict[str, Any]


class Client:
    """One person. ``request`` connects if necessary; ``close`` it at the end."""

    def __init__(
        self, name: str, nodes: Sequence[str], history: History, http: aiohttp.ClientSession, rng: random.Random
    ) -> None:
        """``nodes``: URLs; the first is tried first, the others after failures. ``http`` is shared by all clients."""
        self.name = name
        self.on_event: Callable[[str, dict[str, Any]], None] = lambda event, payload: None
        self.on_watched: Callable[[Answer], None] = lambda answer: None
        self.connections = 0
        self.disconnected = asyncio.Event()
        self._nodes = list(nodes)
        self._history = history
        self._http = http
        self._rng = rng
        self._turn = 0
        self._requests = 0
        self._token: str | None = None
        self._sio: Any = None
        self._connecting = asyncio.Lock()
        self._waiting: set[asyncio.Future[Answer | None]] = set()
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def node(self) -> str:
        """The URL of the node that it is connected to, or tries next."""
        return self._nodes[self._turn % len(self._nodes)]

    # --- requests -------------------------------------------------------------------------------------------------
    async def request(self, event: str, payload: dict[str, Any], timeout_s: float = ANSWER_S) -> Answer | None:
        """Send an event and return its answer.

        Returns None if no answer came in time; the request may have been carried out or not.
        """
        if not await self.ensure_connected():
            return None
        sio = self._sio
        self._requests += 1
        number = self._requests
        answered: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self._waiting.add(answered)

        def on_answer(answer: Answer) -> None:
            if not answered.done():
                self._history.add("answer", c=self.name, n=number, e=event, a=answer)
                if event == "show:watch":
                    self.on_watched(answer)
                answered.set_result(answer)

        self._history.add("request", c=self.name, n=number, e=event, p=payload)
        answer = None
        try:
            await sio.emit(event, payload, callback=on_answer)
            answer = await asyncio.wait_for(answered, timeout_s)
        except FAILURES:
            self._disconnect(sio)
        finally:
            self._waiting.discard(answered)
        if answer is None:
            self._history.add("no_answer", c=self.name, n=number, e=event)
        return answer

    def record_payment_begun(self, hold: str, seats: list[str]) -> None:
        """Record that a hold of this client may be paid from now on."""
        self._history.add("paying", c=self.name, hold=hold, seats=seats)

    def record_payment(self, hold: str, seats: list[str], paid: Paid) -> bool:
        """Record a payment for a hold of this client; return whether it may become money."""
        if paid.state == "failed":
            return False
        self._history.add("paid", c=self.name, hold=hold, seats=seats, payment=paid.payment, proof=paid.proof)
        return True

    # --- connections ----------------------------------------------------------------------------------------------
    async def ensure_connected(self) -> bool:
        """Connect if necessary; False if this attempt failed, and the next attempt uses another node."""
        async with self._connecting:
            if self._sio is not None:
                return True
            session: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
            sio = self._new_client(session)
            auth = None if self._token is None else {"token": self._token}
            # Set before the first await, so that events sent right after the connection are not ignored.
            self._sio = sio
            try:
                async with asyncio.timeout(CONNECT_S):
                    await sio.connect(self.node, auth=auth, transports=["websocket"], wait_timeout=CONNECT_S)
                    identity = await session
            except (*FAILURES, ValueError):
                self._disconnect(sio)
                return False
            self._token = identity["token"]
            self.connections += 1
            self.disconnected.clear()
            self._history.add("connected", c=self.name, node=self.node, owner=identity["owner"])
            return self._sio is sio

    def _new_client(self, session: asyncio.Future[dict[str, Any]]) -> Any:
        sio = socketio.AsyncClient(reconnection=False, handle_sigint=False, http_session=self._http)
        sio.on("session", lambda identity: None if session.done() else session.set_result(identity))
        sio.on("disconnect", lambda *_reason: self._disconnect(sio))
        for event in EVENTS:
            sio.on(event, self._listener(sio, event))
        return sio

    def _listener(self, sio: Any, event: str) -> Callable[[dict[str, Any]], None]:
        def listen(payload: dict[str, Any]) -> None:
            if sio is self._sio:
                self._history.add("event", c=self.name, e=event, p=payload)
                self.on_event(event, payload)

        return listen

    def _disconnect(self, sio: Any) -> None:
        """Leave a connection: pending requests end without an answer, the next connection goes to another node."""
        if sio is not self._sio:
            return
        self._sio = None
        self._history.add("disconnected", c=self.name)
        self._turn += 1 if len(self._nodes) == 1 else self._rng.randrange(1, len(self._nodes))
        self.disconnected.set()
        for answered in self._waiting:
            if not answered.done():
                answered.set_result(None)
        task = asyncio.get_running_loop().create_task(_close(sio))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Disconnect, and wait until all connections are closed."""
        if self._sio is not None:
            self._disconnect(self._sio)
        await asyncio.gather(*self._closing, return_exceptions=True)


async def _close(sio: Any) -> None:
    # Bounded, because a paused node doesn't answer the closing handshake.
    with contextlib.suppress(Exception):
        await asyncio.wait_for(sio.disconnect(), 1.0)
    if sio.eio.ws is not None:
        with contextlib.suppress(Exception):
            await asyncio.wait_for(sio.eio.ws.close(), 1.0)
