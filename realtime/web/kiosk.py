"""Kiosks: an attendant's PIN lets a person out of the kiosk's page; it is checked here and never sent to a page.

The PIN guards the page, not the seats: who knows it can do nothing here that a guest can't. What keeps people from the
rest of the device is the browser's own kiosk mode (docs/kiosk.md).
"""

from __future__ import annotations

import asyncio
import hmac
from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated

from aiohttp import web
from msgspec import Meta, Struct

from realtime import limits, wire
from realtime.errors import Forbidden, RateLimited
from realtime.web.http import Route, json_answer


class LeaveKiosk(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of ``POST /api/v1/kiosk/leave``."""

    pin: Annotated[str, Meta(min_length=1, max_length=limits.MAX_PIN_DIGITS)]


@dataclass(slots=True)
class _Tries:
    """Wrong PINs of one caller: up to ``limits.PIN_TRIES``, of which one is forgiven each ``limits.PIN_REST_S``."""

    at: float
    wrong: float = 0.0


class Attendants:
    """Knows the PIN; counts who tries it. Tries are counted on each node by itself."""

    def __init__(self, pin: str) -> None:
        """Without a ``pin`` nobody can leave a kiosk."""
        self._pin = pin.encode()
        self._tries: OrderedDict[str, _Tries] = OrderedDict()

    def check(self, caller: str, pin: str, now: float) -> None:
        """Return if ``pin`` is right; raise ``Forbidden`` or ``RateLimited``. ``now`` is any monotonic clock (s)."""
        if not self._pin:
            raise Forbidden("No kiosk PIN is set on this server.", reason="no_pin")
        tries = self._tries.setdefault(caller, _Tries(now))
        self._tries.move_to_end(caller)
        if len(self._tries) > limits.PIN_CALLERS:
            self._tries.popitem(last=False)
        tries.wrong = max(0.0, tries.wrong - (now - tries.at) / limits.PIN_REST_S)
        tries.at = now
        # Before the comparison: a right guess among too many must not be told from a wrong one.
        if tries.wrong > limits.PIN_TRIES - 1:
            rest_s = (tries.wrong - (limits.PIN_TRIES - 1)) * limits.PIN_REST_S
            raise RateLimited(retry_after_ms=int(rest_s * 1000) + 1)
        if not hmac.compare_digest(pin.encode(), self._pin):
            tries.wrong += 1
            raise Forbidden("This is not the PIN.", reason="wrong_pin")
        del self._tries[caller]


def routes(pin: str) -> list[Route]:
    """Return the routes of a node that are for kiosks."""
    attendants = Attendants(pin)

    async def leave(request: web.Request) -> web.Response:
        body = wire.parse_json(LeaveKiosk, await request.read())
        attendants.check(request.remote or "", body.pin, asyncio.get_running_loop().time())
        return json_answer({})

    return [Route("POST", "/api/v1/kiosk/leave", leave, "Check the PIN of a kiosk's attendant", LeaveKiosk)]
