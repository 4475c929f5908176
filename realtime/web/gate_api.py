"""The API of gates: admits people by their tickets, leases tickets to devices, accepts their reports (docs/gate.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import orjson
from aiohttp import web
from msgspec import Meta

from realtime import limits
from realtime.clock import now_ms
from realtime.errors import BadRequest, Forbidden, TheatreNotFound, TicketUnreadable, WrongShow
from realtime.feeds.directory import Directory
from realtime.ledger.gate_leases import lease_key
from realtime.locks.commands import run_command
from realtime.locks.master import LockMaster
from realtime.locks.queries import run_query
from realtime.model import PLAIN_TEXT, region_of
from realtime.settings import Settings
from realtime.staff import Role
from realtime.tickets import token
from realtime.tickets.code import CodeInvalid, normalise
from realtime.web import ledger_answers
from realtime.web.gather import ask_all
from realtime.web.routing import Handler, Route, idempotency_key, json_answer, read_query
from realtime.web.staff_access import DETAIL, PRINCIPAL, UNCHANGED
from realtime.wire.requests import Id, parse_json

MAX_SHOWN = 512
GateName = Annotated[str, Meta(max_length=limits.MAX_ID_LENGTH, pattern=PLAIN_TEXT)]
Section = Annotated[str, Meta(max_length=limits.MAX_TEXT_LENGTH, pattern=PLAIN_TEXT)]
LeaseSecret = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{16,64}\Z")]
"""A random secret that a device makes for each lease. A client that has it may admit with the leased tickets."""


class Shown(msgspec.Struct, frozen=True):
    """Body of ``POST /gate/admit``: the text of a QR code or a typed code, and the theatre of the gate.

    Without ``show`` the gate admits to every show that starts about now.
    """

    ticket: Annotated[str, Meta(min_length=1, max_length=MAX_SHOWN)]
    theatre: Id
    show: Annotated[str, Meta(max_length=limits.MAX_ID_LENGTH, pattern=PLAIN_TEXT)] = ""
    gate: GateName = ""
    lease: LeaseSecret | None = None


class GateLease(msgspec.Struct, frozen=True):
    """Body of ``POST /gate/lease``: begins or renews a lease of the tickets of a show, or of some of its sections.

    ``known`` is the ``digest`` of the list that the device has; if the list is unchanged, it is not sent again.
    """

    theatre: Id
    show: Id
    lease: LeaseSecret
    gate: GateName = ""
    sections: Annotated[list[Section], Meta(max_length=500)] | None = None
    known: Annotated[str, Meta(max_length=limits.MAX_ID_LENGTH, pattern=PLAIN_TEXT)] = ""


class GateReturn(msgspec.Struct, frozen=True):
    """Body of ``POST /gate/return``: the device has stopped using the lease."""

    theatre: Id
    lease: LeaseSecret


class GateReport(msgspec.Struct, frozen=True):
    """Body of ``POST /gate/reports``: how long ago (ms) each admission under a lease was, by ticket code."""

    theatre: Id
    lease: LeaseSecret
    admitted: Annotated[
        dict[
            Annotated[str, Meta(min_length=8, max_length=8, pattern=PLAIN_TEXT)],
            Annotated[int, Meta(ge=0, le=limits.MAX_ADMITTED_AGO_MS)],
        ],
        Meta(min_length=1, max_length=limits.MAX_REPORTED),
    ]
    gate: GateName = ""


class AtTheatre(msgspec.Struct, frozen=True):
    """The query of ``GET /gate/shows``."""

    theatre: Id


class LeaseOf(msgspec.Struct, frozen=True):
    """The query of ``POST /ops/gate/leases/{lease}/end``: the region of the lease."""

    region: Id


class GateApi:
    """The routes of gates."""

    def __init__(self, settings: Settings, directory: Directory, masters: Mapping[str, LockMaster]) -> None:
        """``masters`` maps every region to its lock master."""
        self._directory = directory
        self._masters = masters
        keys = token.live_keys(settings.secrets, masters)
        self._keys = token.PublicKeys.of(keys)
        self._jwks = [token.public_jwk(key) for key in keys]

    def routes(self) -> list[Route]:
        """Return the table of routes."""

        def for_gates(
            method: str, path: str, handler: Handler, summary: str, body: type | None = None, **more: Any
        ) -> Route:
            return Route(method, path, handler, summary, body, "operator", (Role.GATE,), **more)

        return [
            for_gates(
                "POST",
                "/api/v1/gate/admit",
                self._admit,
                "Admit with a ticket, once",
                Shown,
                recorded=False,  # the ledger keeps admissions and conflicts in tables of their own
                result=ledger_answers.Admitted,
            ),
            for_gates(
                "GET",
                "/api/v1/gate/shows",
                self._shows,
                "Shows that the gates of a theatre admit to now",
                query=AtTheatre,
                result=ledger_answers.GateShows,
            ),
            for_gates(
                "POST",
                "/api/v1/gate/lease",
                self._lease,
                "Lease tickets to admit offline",
                GateLease,
                private=True,  # the id of a lease is a secret
                result=ledger_answers.Leased,
            ),
            for_gates(
                "POST",
                "/api/v1/gate/return",
                self._return,
                "Return leased tickets",
                GateReturn,
                private=True,
                result=ledger_answers.Returned,
            ),
            for_gates(
                "POST",
                "/api/v1/gate/reports",
                self._report,
                "Report offline admissions",
                GateReport,
                recorded=False,
                result=ledger_answers.Reported,
            ),
            Route(
                "GET",
                "/api/v1/ops/gate",
                self._overview,
                "Leases of gates, and conflicts",
                None,
                "operator",
                result=ledger_answers.Gates,
            ),
            Route(
                "POST",
                "/api/v1/ops/gate/leases/{lease}/end",
                self._end,
                "End the lease of a device that admits nobody any more",
                None,
                "operator",
                query=LeaseOf,
                result=ledger_answers.Returned,
            ),
        ]

    async def _admit(self, request: web.Request) -> web.Response:
        ask = parse_json(Shown, await request.read())
        region = self._region(request, ask.theatre)
        command = {
            "theatre": ask.theatre,
            "show": ask.show,
            "gate": ask.gate,
            "lease": ask.lease or "",
            **self._named(ask.ticket.strip(), region),
        }
        master = self._masters[region]
        done = await run_command(master, "admit", command, idempotency_key(request))
        detail = await run_query(master, "booking", {"booking": done["booking"]})
        shown = ("id", "code", "title", "starts_at", "seats")
        return json_answer({"admitted_at": done["admitted_at"], "booking": {name: detail[name] for name in shown}})

    # --- without a network ----------------------------------------------------------------------------------------
    async def _shows(self, request: web.Request) -> web.Response:
        theatre = read_query(request, AtTheatre).theatre
        master = self._masters[self._region(request, theatre)]
        return json_answer({"shows": await run_query(master, "gate_shows", {"theatre": theatre})})

    async def _lease(self, request: web.Request) -> web.Response:
        ask = parse_json(GateLease, await request.read())
        master = self._masters[self._region(request, ask.theatre)]
        fields = ("theatre", "show", "lease", "gate", "sections")
        leased = await run_command(master, "gate_lease", {name: getattr(ask, name) for name in fields})
        # A keeper of the previous release sends no names of seats.
        listed = {"tickets": leased["tickets"], "seats": leased.get("seats", {})}
        digest = hashlib.sha256(orjson.dumps(listed, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
        request[DETAIL] = _recorded(ask)
        if digest == ask.known:
            leased |= dict.fromkeys(listed)
            request[UNCHANGED] = True  # devices renew their leases every two minutes
        return json_answer({**leased, "digest": digest, "keys": self._jwks})

    async def _return(self, request: web.Request) -> web.Response:
        ask = parse_json(GateReturn, await request.read())
        request[DETAIL] = _recorded(ask)
        master = self._masters[self._region(request, ask.theatre)]
        return json_answer(await run_command(master, "gate_return", msgspec.to_builtins(ask)))

    async def _report(self, request: web.Request) -> web.Response:
        ask = parse_json(GateReport, await request.read())
        master = self._masters[self._region(request, ask.theatre)]
        return json_answer(await run_command(master, "gate_report", msgspec.to_builtins(ask)))

    async def _overview(self, _request: web.Request) -> web.Response:
        """Answer with the leases and conflicts of all regions, and the ``shows`` concerned, by id.

        A region that does not answer is named in ``missing``. A keeper of the previous release leaves out ``shows``.
        """
        answers, missing = await ask_all(self._masters, "gate", {})
        gathered: dict[str, Any] = {
            name: [{**row, "region": region} for region, answer in answers.items() for row in answer[name]]
            for name in ("leases", "conflicts")
        }
        shows = {show: about for answer in answers.values() for show, about in answer.get("shows", {}).items()}
        return json_answer({"time": now_ms(), **gathered, "shows": shows, "missing": missing})

    async def _end(self, request: web.Request) -> web.Response:
        master = self._masters.get(read_query(request, LeaseOf).region)
        if master is None:
            raise BadRequest("region is the region of the lease, as GET /api/v1/ops/gate names it.")
        command = {"key": request.match_info["lease"]}
        return json_answer(await run_command(master, "gate_return", command, idempotency_key(request)))

    def _region(self, request: web.Request, theatre: str) -> str:
        """Return the region of a theatre; raise ``Forbidden`` if the token is for another theatre."""
        bound_to = request[PRINCIPAL].theatre
        if bound_to and bound_to != theatre:
            raise Forbidden(f"This token is for {bound_to}.", reason="theatre")
        region = self._directory.region_of_theatre(theatre)
        if region is None:
            raise TheatreNotFound()
        return region

    # --- what is shown --------------------------------------------------------------------------------------------
    def _named(self, ticket: str, region: str) -> dict[str, Any]:
        """Return what names the booking; raise ``TicketUnreadable``, or ``WrongShow`` if it is in another region."""
        try:
            return {"code": normalise(ticket)}
        except CodeInvalid:
            claims = self._claims(ticket)  # the id of a booking is not accepted: payment services know it
        if region_of(claims.show) != region:
            raise WrongShow(show=claims.show)
        return {"code": claims.code}

    def _claims(self, ticket: str) -> token.TicketClaims:
        try:
            return token.verify(ticket, self._keys)
        except token.TicketInvalid as error:
            raise TicketUnreadable(reason=error.reason) from None


def _recorded(ask: GateLease | GateReturn) -> str:
    """Return the body of a request for the audit log, with the lease's name instead of its id, which is a secret."""
    named = msgspec.to_builtins(ask) | {"lease": lease_key(ask.lease)}
    named.pop("known", None)
    return orjson.dumps({name: value for name, value in named.items() if value}).decode()[: limits.MAX_AUDIT_DETAIL]
