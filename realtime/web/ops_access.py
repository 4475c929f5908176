"""Access to the ops API: a request must carry the operator key. Wrong keys are slowed down, the right one never is."""

from __future__ import annotations

import asyncio
import ipaddress

from aiohttp import web

from realtime import limits
from realtime.errors import Forbidden
from realtime.transport.client_address import client_address
from realtime.web.attempts import AttemptLimiter, is_secret
from realtime.web.routing import Handler

_FORWARDED = ("X-Forwarded-For", "Forwarded", "X-Forwarded-Proto", "X-Real-IP", "Via")
"""What balancers add to a request, one or the other."""


class OpsAccess:
    """Checks the operator key and counts the wrong ones."""

    def __init__(self, key: str) -> None:
        """Without a ``key`` every request is refused."""
        self._key = key
        self.attempts = AttemptLimiter("operator keys", limits.KEY_ATTEMPTS, limits.KEY_FORGIVE_S)

    async def check_key(self, caller: str, authorization: str, now: float) -> None:
        """Return if the header carries the key; raise ``Forbidden`` or ``RateLimited``. ``now`` is monotonic (s)."""
        given = authorization.removeprefix("Bearer ")
        if self._key and is_secret(given, self._key):
            self.attempts.forgive(caller)
            return
        # A request without a key is no guess and is not counted.
        if self._key and given:
            await self.attempts.count_wrong(caller, given, now)
        raise Forbidden()

    def require_metrics_key(self, handler: Handler, metrics_key: str) -> Handler:
        """Return ``handler`` for this machine, and for those who send ``metrics_key`` or the operator key."""
        behind_key = self.require_key(handler)

        async def guarded(request: web.Request) -> web.StreamResponse:
            given = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if _is_from_here(request) or (metrics_key and is_secret(given, metrics_key)):
                return await handler(request)
            return await behind_key(request)

        return guarded

    def require_key(self, handler: Handler) -> Handler:
        """Return ``handler`` behind ``check_key``."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            now = asyncio.get_running_loop().time()
            await self.check_key(client_address(request), request.headers.get("Authorization", ""), now)
            return await handler(request)

        return guarded


def _is_from_here(request: web.Request) -> bool:
    """Tell whether a process of this machine asks for itself, not a balancer for somebody else."""
    try:
        local = ipaddress.ip_address(request.remote or "").is_loopback
    except ValueError:
        return False
    return local and not any(name in request.headers for name in _FORWARDED)
