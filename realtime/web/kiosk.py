"""Kiosks: an attendant's PIN leaves the kiosk page. The node checks the PIN; no page ever contains it.

The PIN protects the page, not the seats: on this server, a person with the PIN can do no more than a guest. To keep
people from the rest of the device, use the browser's own kiosk mode (docs/kiosk.md).
"""

from __future__ import annotations

import asyncio
from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from realtime import limits
from realtime.errors import Forbidden
from realtime.transport.client_address import client_address
from realtime.web import answers
from realtime.web.attempts import AttemptLimiter, is_secret
from realtime.web.routing import Route, json_answer
from realtime.wire.requests import parse_json


class LeaveKiosk(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of ``POST /api/v1/kiosk/leave``."""

    pin: Annotated[str, Meta(min_length=1, max_length=limits.MAX_PIN_DIGITS)]


class KioskPin:
    """Checks the PIN of the installation and counts the wrong ones of each address."""

    def __init__(self, pin: str) -> None:
        """Without a ``pin``, nobody can leave a kiosk."""
        self._pin = pin
        self.attempts = AttemptLimiter("kiosk PINs", limits.PIN_ATTEMPTS, limits.PIN_FORGIVE_S, short=True)

    async def check_pin(self, caller: str, pin: str, now: float) -> None:
        """Return if ``pin`` is right; raise ``Forbidden`` or ``RateLimited``. ``now`` is any monotonic clock (s)."""
        if not self._pin:
            raise Forbidden("No kiosk PIN is set on this server.", reason="no_pin")
        if is_secret(pin, self._pin):
            self.attempts.forgive(caller)
            return
        await self.attempts.count_wrong(caller, pin, now)
        raise Forbidden("Wrong PIN.", reason="wrong_pin")


def routes(kiosk_pin: KioskPin) -> list[Route]:
    """Return the routes for kiosks."""

    async def leave(request: web.Request) -> web.Response:
        body = parse_json(LeaveKiosk, await request.read())
        await kiosk_pin.check_pin(client_address(request), body.pin, asyncio.get_running_loop().time())
        return json_answer({})

    return [
        Route(
            "POST",
            "/api/v1/kiosk/leave",
            leave,
            "Check the PIN that leaves a kiosk",
            LeaveKiosk,
            result=answers.Nothing,
        )
    ]
