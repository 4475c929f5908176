"""Who may operate: whoever has the operators' key. Guessing at it costs time."""

from __future__ import annotations

import asyncio

from aiohttp import web

from realtime import limits
from realtime.errors import Forbidden
from realtime.web.rate_limits import AttemptLimiter
from realtime.web.routing import Handler


class OpsAccess:
    """Knows the key; counts who tries it."""

    def __init__(self, key: str) -> None:
        """Without a ``key`` nobody is an operator."""
        self._key = AttemptLimiter(key, limits.KEY_TRIES, limits.KEY_REST_S) if key else None

    def check(self, caller: str, authorization: str, now: float) -> None:
        """Return if the header carries the key; raise ``Forbidden`` or ``RateLimited``."""
        given = authorization.removeprefix("Bearer ")
        # Who brings none does not guess.
        if self._key is None or not given or not self._key.right(caller, given, now):
            raise Forbidden()

    def only(self, handler: Handler) -> Handler:
        """Return a handler that only operators get an answer from."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            now = asyncio.get_running_loop().time()
            self.check(request.remote or "", request.headers.get("Authorization", ""), now)
            return await handler(request)

        return guarded
