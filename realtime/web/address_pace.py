"""Limits how often one network address may send requests that cause work beyond the node.

An identity costs nothing, so limits per owner are not enough: an address could hold few seats at a time and still keep
the lock master, the ledger or the payment service busy, at the expense of all buyers.
"""

from __future__ import annotations

import asyncio
import random

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from realtime import limits
from realtime.errors import RateLimited
from realtime.web.held_back import HeldBack
from realtime.web.rate_limits import RateLimits


class AddressRateLimited(RateLimited):
    """Too many requests. Wait retry_after_ms before the next one."""

    def __init__(self, error: RateLimited) -> None:
        """Carry on the details of ``error``. The client's next event, or this answer, should wait for ``delay_s``."""
        super().__init__(**error.details)
        # Random, so that clients that were refused together don't all continue at the same moment.
        self.delay_s = random.uniform(limits.HOLD_DELAY_S / 2, limits.HOLD_DELAY_S)


class AddressPace:
    """The rate limits of one kind of request, by address."""

    def __init__(self, burst: int, per_s: float) -> None:
        """Let each address ask ``burst`` times at once, and then ``per_s`` times a second."""
        self._limits = RateLimits(burst, per_s)

    def take(self, name: str) -> None:
        """Count a request of an address (``AddressKeys``; "" has no limit); raise ``AddressRateLimited``."""
        if not name:
            return
        try:
            self._limits.take(name, asyncio.get_running_loop().time())
        except RateLimited as error:
            raise AddressRateLimited(error) from None


def hold_back_answers() -> Middleware:
    """Return a middleware that holds back the answer to an HTTP request that was refused by such a limit."""
    held_back = HeldBack()

    @web.middleware
    async def wait(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except AddressRateLimited as error:
            await held_back.wait(error.delay_s, limits.HOLDS_HELD_BACK)
            raise

    return wait
