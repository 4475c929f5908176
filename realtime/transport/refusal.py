"""Answers that no handler of an application gives: to requests that can't be parsed, or that come too slowly."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

MakeRefusal = Callable[[int], web.Response]
"""Returns the answer with a status of 400 or more, with all its headers."""


def without_body(status: int) -> web.Response:
    """Return an answer that is nothing but its status."""
    return web.Response(status=status)


def encode(answer: web.Response) -> bytes:
    """Return an answer as it is sent, with ``Connection: close``."""
    body = answer.body if isinstance(answer.body, bytes) else b""
    lines = [f"HTTP/1.1 {answer.status} {answer.reason}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items() if name != "Content-Length"]
    lines += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode() + body


class Refusal(web.StreamResponse):
    """An answer that is written as it is, and ends its connection. aiohttp would add its name and version."""

    def __init__(self, answer: web.Response) -> None:
        """``answer`` is not sent by itself."""
        super().__init__(status=answer.status)
        self._encoded = encode(answer)
        self.force_close()

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write all of the answer; without a connection, do nothing."""
        if request.transport is not None:
            request.transport.write(self._encoded)
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: the answer is complete."""
