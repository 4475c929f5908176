"""A balancer in front of a node, whose answers a test replaces: also those to a service worker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import aiohttp
from aiohttp import web

from realtime.dev.valkey import free_port

HOST = "127.0.0.1"
_OF_THE_CONNECTION = {"connection", "content-encoding", "content-length", "date", "host", "origin", "transfer-encoding"}

Answers = dict[str, tuple[int, str, str] | None]
"""By path: a status, a media type and a body; None closes the connection."""


class Front:
    """``url`` is its address; ``answers`` has what it answers itself."""

    def __init__(self, node: str, session: aiohttp.ClientSession) -> None:
        self.url = f"http://{HOST}:{free_port()}"
        self.answers: Answers = {}
        self._node = node
        self._session = session

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a request; the default takes ``answers`` first."""
        if request.path not in self.answers:
            return await self.forward(request)
        own = self.answers[request.path]
        if own is None:
            assert request.transport is not None
            request.transport.abort()
            raise web.HTTPBadGateway
        status, media_type, body = own
        return web.Response(status=status, text=body, content_type=media_type, headers={"Cache-Control": "no-cache"})

    async def forward(self, request: web.Request) -> web.Response:
        """Return the node's answer."""
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _OF_THE_CONNECTION}
        url = f"{self._node}{request.path_qs}"
        body = await request.read()
        async with self._session.request(request.method, url, headers=headers, data=body) as answer:
            passed = {name: value for name, value in answer.headers.items() if name.lower() not in _OF_THE_CONNECTION}
            return web.Response(status=answer.status, headers=passed, body=await answer.read())


F = TypeVar("F", bound=Front)


@asynccontextmanager
async def front_of(node: str, kind: type[F]) -> AsyncIterator[F]:
    """Serve a node through a balancer of a kind on a port of its own."""
    async with aiohttp.ClientSession() as session:
        front = kind(node, session)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", front.answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, int(front.url.rpartition(":")[2])).start()
            yield front
        finally:
            await runner.cleanup()
