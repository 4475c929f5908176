"""The gate's API: admits people with what they show, a QR code or a typed one."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from realtime import limits, wire
from realtime.errors import Forbidden, TheatreNotFound, TicketUnreadable, WrongShow
from realtime.feeds.directory import Directory
from realtime.locks.commands import run_command
from realtime.locks.master import LockMaster
from realtime.locks.queries import run_query
from realtime.model import is_booking_id, region_of
from realtime.settings import Settings
from realtime.staff import Role
from realtime.tickets import token
from realtime.tickets.code import CodeInvalid, normalise
from realtime.web.routing import Route, idempotency_key, json_answer
from realtime.web.staff_access import PRINCIPAL

MAX_SHOWN = 512


class Shown(msgspec.Struct, frozen=True):
    """Body of ``POST /gate/admit``: the text of a QR code, or a typed code, at a gate of a theatre.

    Without ``show`` the gate admits to every show that starts about now.
    """

    ticket: Annotated[str, Meta(min_length=1, max_length=MAX_SHOWN)]
    theatre: wire.Id
    show: Annotated[str, Meta(max_length=limits.MAX_ID_LENGTH)] = ""
    gate: Annotated[str, Meta(max_length=limits.MAX_ID_LENGTH)] = ""


class GateApi:
    """The routes of gates."""

    def __init__(self, settings: Settings, directory: Directory, masters: Mapping[str, LockMaster]) -> None:
        """``masters`` maps every region to its lock master."""
        self._directory = directory
        self._masters = masters
        # While the secret is rotated, tickets were signed with either.
        secrets = [secret for secret in (settings.secret, settings.second_secret) if secret]
        self._keys = [token.PublicKeys.of(token.derive_key(each, region) for region in masters) for each in secrets]

    def routes(self) -> list[Route]:
        """Return the table of routes."""
        return [
            Route(
                "POST",
                "/api/v1/gate/admit",
                self._admit,
                "Admit with a ticket, once",
                Shown,
                "operator",
                (Role.GATE,),
                # The ledger has admissions by themselves.
                recorded=False,
            )
        ]

    async def _admit(self, request: web.Request) -> web.Response:
        ask = wire.parse_json(Shown, await request.read())
        bound_to = request[PRINCIPAL].theatre
        if bound_to and bound_to != ask.theatre:
            raise Forbidden(f"This token is for {bound_to}.", reason="theatre")
        region = self._directory.region_of_theatre(ask.theatre)
        if region is None:
            raise TheatreNotFound()
        command = {
            "theatre": ask.theatre,
            "show": ask.show,
            "gate": ask.gate,
            **self._named(ask.ticket.strip(), region),
        }
        master = self._masters[region]
        done = await run_command(master, "admit", command, idempotency_key(request))
        detail = await run_query(master, "booking", {"booking": done["booking"]})
        shown = ("id", "title", "starts_at", "seats")
        return json_answer({"admitted_at": done["admitted_at"], "booking": {name: detail[name] for name in shown}})

    def _named(self, ticket: str, region: str) -> dict[str, Any]:
        """Return what names the booking; raise ``TicketUnreadable``, or ``WrongShow`` for one of another region."""
        if is_booking_id(ticket):
            show, named = ticket, {"booking": ticket}
        else:
            claims = self._claims(ticket)
            if claims is None:
                try:
                    return {"code": normalise(ticket)}
                except CodeInvalid:
                    raise TicketUnreadable() from None
            show, named = claims.show, {"code": claims.code}
        if region_of(show) != region:
            raise WrongShow(show=show.partition(".")[0])
        return named

    def _claims(self, ticket: str) -> token.TicketClaims | None:
        """Return what a QR code says, None if none of our keys has signed it."""
        for keys in self._keys:
            with contextlib.suppress(token.TicketInvalid):
                return token.verify(ticket, keys)
        return None
