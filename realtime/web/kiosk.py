"""Kiosks: an attendant's PIN lets a person out of the kiosk's page; it is checked here and never sent to a page.

The PIN guards the page, not the seats: who knows it can do nothing here that a guest can't. What keeps people from the
rest of the device is the browser's own kiosk mode (docs/kiosk.md).
"""

from __future__ import annotations

import asyncio
from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from realtime import limits, wire
from realtime.errors import Forbidden
from realtime.web.rate_limits import AttemptLimiter
from realtime.web.routing import Route, json_answer


class LeaveKiosk(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of ``POST /api/v1/kiosk/leave``."""

    pin: Annotated[str, Meta(min_length=1, max_length=limits.MAX_PIN_DIGITS)]


class Attendants:
    """Knows the PIN; counts who tries it."""

    def __init__(self, pin: str) -> None:
        """Without a ``pin`` nobody can leave a kiosk."""
        self._pin = AttemptLimiter(pin, limits.PIN_TRIES, limits.PIN_REST_S) if pin else None

    def check(self, caller: str, pin: str, now: float) -> None:
        """Return if ``pin`` is right; raise ``Forbidden`` or ``RateLimited``. ``now`` is any monotonic clock (s)."""
        if self._pin is None:
            raise Forbidden("No kiosk PIN is set on this server.", reason="no_pin")
        if not self._pin.right(caller, pin, now):
            raise Forbidden("This is not the PIN.", reason="wrong_pin")


def routes(pin: str) -> list[Route]:
    """Return the routes of a node that are for kiosks."""
    attendants = Attendants(pin)

    async def leave(request: web.Request) -> web.Response:
        body = wire.parse_json(LeaveKiosk, await request.read())
        attendants.check(request.remote or "", body.pin, asyncio.get_running_loop().time())
        return json_answer({})

    return [Route("POST", "/api/v1/kiosk/leave", leave, "Check the PIN of a kiosk's attendant", LeaveKiosk)]
