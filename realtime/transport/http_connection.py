"""aiohttp's HTTP protocol with deadlines and bounds for what a client sends and doesn't read.

aiohttp closes a connection that idles between two requests, and has no deadline for a request that has begun, nor for
an answer that is not read. It logs a traceback for each malformed request. An answer that was broken off stays in
memory until a garbage collection of the oldest generation, which a node hardly ever does: an exception and the future
or stream that carries it refer to each other. All of that is different here.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from realtime import limits
from realtime.transport.admission import Admission, BoundedByAddress, Closable, ConnectionSlot
from realtime.transport.guard import RequestHandler
from realtime.transport.limited_log import LimitedLog
from realtime.transport.refusal import MakeRefusal, Refusal, encode

limited_log = LimitedLog(logging.getLogger(__name__))
_HEAD, _BODY, _WRITE = "head", "body", "write"
"""What a client has to do in time: complete a head, complete a body, read an answer."""


class HttpConnection(RequestHandler, Closable):  # type: ignore[misc]
    """One HTTP connection. Its first bytes hold a whole head, or can't become one: ``PendingConnection`` has waited."""

    __slots__ = (
        "_admission",
        "_answering",
        "_body",
        "_bounded",
        "_broken_off",
        "_extra_s",
        "_head_bytes",
        "_make_refusal",
        "_slot",
        "_timer",
        "_waits_for",
    )
    transport: Any
    _paused: bool

    def __init__(
        self, server: web.Server, admission: Admission, slot: ConnectionSlot, make_refusal: MakeRefusal
    ) -> None:
        """``server`` is aiohttp's, ``slot`` the connection's; ``admission`` keeps the unfinished and idle ones.

        ``make_refusal`` makes the answers to requests that don't reach the application.
        """
        super().__init__(server, loop=server._loop, **server._kwargs)
        self._admission = admission
        self._make_refusal = make_refusal
        self._slot: ConnectionSlot | None = slot
        self._answering = False
        """Whether a handler answers a request, or its answer is being written."""
        self._body: Any = None
        """The body of the last request while it has not arrived completely."""
        self._bounded: BoundedByAddress[Closable] | None = None
        """Where this connection is counted while the client has to do something in time."""
        self._broken_off = False
        """Whether the connection has ended within a body."""
        self._extra_s = 0.0
        """What the body of this request may take beyond ``limits.BODY_S``."""
        self._head_bytes = 0
        """Bytes of a head that has not arrived completely."""
        self._waits_for = ""
        """What the client has to do next in time: one of the constants above, "" for nothing."""
        self._timer: asyncio.TimerHandle | None = None

    # --- the connection -------------------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Bound what waits for the client in this process."""
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(limits.HTTP_UNSENT_BYTES)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection. The framework is given no exception, which it would put into a future: see above."""
        body = self._body
        if self._waits_for or self._answering:
            self._count_waste()
        self._forget()
        if self._slot is not None:
            self._slot.leave()
        super().connection_lost(None)
        if body is not None and not self._answering:
            body.feed_eof()  # the framework would wait for the rest of a body that it drops

    def hand_over(self) -> ConnectionSlot:
        """End this protocol, and return the slot of the connection, which goes on with another one."""
        slot, self._slot = self._slot, None
        assert slot is not None, "it is handed over once"
        self.transport.set_write_buffer_limits()  # asyncio's own; the next protocol sets others
        self.transport = None  # else connection_lost closes it
        self.connection_lost(None)
        return slot

    def expire(self) -> None:
        """Close at once: the client takes too long, or others of its address need the place."""
        self._count_waste()
        self._forget()
        if self.transport is not None:
            self.transport.abort()

    # --- reading --------------------------------------------------------------------------------------------------
    def data_received(self, data: bytes) -> None:
        """Parse what the client has sent, and watch the part of a request that is still missing."""
        if self._force_close or self._close:  # the framework's: no request is read behind the one that ends it
            return
        requests = self._request_count
        super().data_received(data)
        for message, _body in self._messages:
            if (error := getattr(message, "exc", None)) is not None:  # malformed; the parser's frames refer to it
                error.__traceback__ = error.__context__ = None
            elif _size(message) > limits.HEAD_BYTES:
                self._refuse(431)
                return
        if self._request_count != requests and self._messages:  # the head of a request is complete
            self._head_bytes, self._extra_s = 0, 0.0
            body = self._messages[-1][1]
            self._body = None if body.is_eof() else body
            self._admission.idle.discard(self, self._address)
        elif self._body is None and data and not self._upgraded:  # a part of a head
            self._head_bytes += len(data)
            self._admission.idle.discard(self, self._address)
            if self._head_bytes > limits.HEAD_BYTES:
                self._refuse(431)
                return
        self._watch()

    def allow_body(self, seconds: float) -> None:
        """Give the present request's body more time, counted from the end of its head."""
        self._extra_s = seconds - limits.BODY_S
        self._unwatch()
        self._watch()

    def _refuse(self, status: int) -> None:
        """Answer a request whose head is too long or too slow, and close the connection."""
        transport = self.transport
        self._count_waste()
        self._forget()
        if transport is not None:
            if not self._answering:  # else a part of another answer may have been sent
                transport.write(encode(self._make_refusal(status)))
            self.force_close()

    # --- writing --------------------------------------------------------------------------------------------------
    def pause_writing(self) -> None:
        """Begin to wait for the client to read."""
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        """Go on with the answer; its deadline stays until it is finished."""
        super().resume_writing()
        if not self._answering:
            self._watch()

    async def _handle_request(
        self, request: Any, start_time: float | None, request_handler: Callable[[Any], Awaitable[web.StreamResponse]]
    ) -> Any:
        """Answer one request; the framework calls this when the head is complete.

        Return the answer, and whether the connection is lost.
        """

        async def handle(request: Any) -> web.StreamResponse:
            try:
                return await request_handler(request)
            except web.HTTPExpectationFailed as error:  # raised before the application's middlewares
                return Refusal(self._make_refusal(error.status))

        if self._slot is not None and not self._slot.is_proxy:
            await self._admission.queue.take_turn(self._address)  # hundreds may ask in one iteration of the loop
        if self._broken_off or self.transport is None:
            return web.Response(), True  # before its handler began, which might fail to read the body
        self._answering = True
        try:
            response, is_lost = await super()._handle_request(request, start_time, handle)
        except ConnectionError:
            # Not raised again: the framework's task, the exception and the frames that it has passed would refer to
            # each other.
            return web.Response(), True
        else:
            if isinstance(response, BaseException):  # as a handler has raised it; its frames refer to it
                response.__traceback__ = response.__context__ = None
            return response, is_lost
        finally:
            if (error := request.content.exception()) is not None:  # as the body's reader has raised it
                error.__traceback__ = error.__context__ = None
            match = getattr(request, "_match_info", None)
            if match is not None and match.http_exception is not None:
                match.route._handler = None  # where there is no route, the framework makes one with a method of its own
            self._answering = False
            if self._waits_for == _WRITE:
                self._unwatch()
            self._watch()
            if not self._waits_for and self.transport is not None:
                self._admission.idle.add(self, self._address, self._loop.time())

    def handle_error(
        self, request: Any, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Answer a request that could not be parsed or handled; log one line for the former.

        Raises the error of a connection that is lost.
        """
        if isinstance(exc, ConnectionError):
            raise exc  # nobody is there to be answered, and nothing is wrong here
        if status >= 500:
            super().handle_error(request, status, exc, message)  # logs it; raises if a part of an answer was sent
        else:
            # Not the message: the parser quotes what it has read, and that may be a header with a secret.
            limited_log.warning("a malformed request", self._address, type(exc).__name__ if exc else status)
            self._count_waste()
        return Refusal(self._make_refusal(status))

    # --- deadlines ------------------------------------------------------------------------------------------------
    @property
    def _address(self) -> str:
        return self._slot.address if self._slot is not None else ""

    def _watch(self) -> None:
        """Set the deadline of what the client has to do now; keep it if that has not changed."""
        if self._body is not None and self._body.is_eof():
            self._body = None
        if self._body is not None:
            awaited, allowed = _BODY, limits.BODY_S + self._extra_s
        elif self._head_bytes:
            awaited, allowed = _HEAD, limits.HEAD_S
        elif self._paused or (self._waits_for == _WRITE and self._answering):
            awaited, allowed = _WRITE, limits.WRITE_S
        else:
            self._unwatch()
            return
        if awaited == self._waits_for or self.transport is None:
            return
        self._unwatch()
        self._waits_for = awaited
        self._timer = self._loop.call_later(allowed, self._too_late)
        if self._slot is not None and not self._slot.is_proxy:
            admission = self._admission
            self._bounded = admission.bodies if awaited == _BODY and not self._extra_s else admission.unfinished
            self._bounded.add(self, self._address, self._loop.time())

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            if self._bounded is not None:
                self._bounded.discard(self, self._address)
        self._waits_for = ""

    def _forget(self) -> None:
        """Expect nothing more: the connection ends, or goes on with another protocol."""
        self._unwatch()
        self._broken_off |= self._body is not None
        self._body = None  # it refers to this object
        self._admission.idle.discard(self, self._address)

    def _too_late(self) -> None:
        if self._waits_for == _HEAD:
            self._refuse(408)
        else:
            self.expire()

    def _count_waste(self) -> None:
        if self._slot is not None:
            self._slot.count_waste(self._loop.time())


def _size(message: Any) -> int:
    """Return about how many bytes the head of a parsed request has taken."""
    fields = message.raw_headers
    return len(message.path) + 4 * len(fields) + sum(map(len, itertools.chain.from_iterable(fields)))


def hand_over(protocol: Any) -> ConnectionSlot | None:
    """End the HTTP protocol of a connection, which goes on with another; return its slot.

    None where aiohttp has accepted the connection itself, as on a server that ``acceptor.serving`` does not serve.
    """
    if isinstance(protocol, HttpConnection):
        return protocol.hand_over()
    protocol.transport = None  # else connection_lost closes it
    protocol.connection_lost(None)
    return None


def allow_body(request: web.Request, seconds: float) -> None:
    """Give the body of a request more time than ``limits.BODY_S``, and count it as no stranger's any more.

    Call it once the client is known to be staff.
    """
    if isinstance(request.protocol, HttpConnection):
        request.protocol.allow_body(seconds)
