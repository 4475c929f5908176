"""The HTTP API of bookings after the sale: an owner's bookings, their tickets as PDF, the keys to verify them with."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from realtime import limits
from realtime.clock import now_ms
from realtime.errors import (
    BookingCancelled,
    BookingNotFound,
    Forbidden,
    LinkInvalid,
    ShowNotFound,
    TicketError,
)
from realtime.feeds.directory import Directory
from realtime.locks.commands import run_command
from realtime.locks.master import LockMaster
from realtime.locks.queries import run_query
from realtime.model import region_of
from realtime.payments.prices import PriceLines
from realtime.settings import Settings
from realtime.staff import Role
from realtime.tickets import data, token
from realtime.tickets.code import printed
from realtime.tickets.link import TicketLinks
from realtime.tickets.pdf import Paper, TicketPrinter
from realtime.tickets.text import INDIA
from realtime.transport.client_address import client_address
from realtime.transport.limited_log import LimitedLog
from realtime.web import answers
from realtime.web.buyers import Buyers
from realtime.web.fair_turns import FairTurns
from realtime.web.gather import Ask, master_of_booking
from realtime.web.rate_limits import RateLimits
from realtime.web.routing import Route, bearer, idempotency_key, json_answer, read_query
from realtime.web.staff_access import PRINCIPAL
from realtime.wire.queries import Long

limited_log = LimitedLog(logging.getLogger(__name__))
PDF = ("application/pdf",)
PRINTING = 2
"""Tickets that a node draws at once, each on a thread; more requests wait, each address in turn."""
PRINT_WAIT_S = 15.0
"""How long they do."""
OwnerOf = Callable[[web.Request], str]


class _Seat(msgspec.Struct):
    id: str
    section: str
    row: str
    number: str
    category: str
    accessible: bool = False


class _Detail(msgspec.Struct):
    """What ``keeper.queries`` answers about a booking."""

    id: str
    code: str
    owner: str
    show: str
    title: str
    theatre: str
    city: str
    address: str
    starts_at: str
    booked_at: Annotated[int, Meta(ge=0)]
    amount: int
    seats: list[_Seat]
    prices: PriceLines | None = None
    state: str = "booked"
    links_revoked_at: int = 0
    """Keepers of the previous release don't answer it."""


class OneBooking(msgspec.Struct, frozen=True):
    """The query of ``GET /bookings``: only this booking, without it all."""

    booking: Long = ""


class Print(msgspec.Struct, frozen=True):
    """The query of tickets: the paper, and the language of what is not a name."""

    paper: Paper = Paper.A4
    lang: data.Locale = data.Locale.ENGLISH


class TicketsApi:
    """The routes of bookings and tickets."""

    def __init__(
        self,
        settings: Settings,
        directory: Directory,
        masters: Mapping[str, LockMaster],
        buyers: Buyers,
        owner_of: OwnerOf,
    ) -> None:
        """``owner_of`` returns whose token a request carries, within the owner's rate limit."""
        self._buyers = buyers
        self._directory = directory
        self._masters = masters
        self._owner_of = owner_of
        self._seller = data.Seller(*(getattr(settings.topology.seller, name) for name in data.Seller.__slots__))
        self._keys = {region: token.derive_key(settings.secret, region) for region in masters}
        live = token.live_keys(settings.secrets, masters)
        self._public_keys = [token.public_jwk(key) for key in live]
        self._names = settings.topology.names
        self._links = TicketLinks(settings.secrets)
        self._origins = {region: settings.topology.link_origin(region) for region in masters}
        self._link_uses = RateLimits(limits.EVENT_BURST, limits.EVENTS_PER_S)
        self._printer = TicketPrinter()
        self._printing = FairTurns(PRINTING)

    def routes(self) -> list[Route]:
        """Return the table of routes."""
        ticket = "/bookings/{booking}/ticket.pdf"
        cancel = "/bookings/{booking}/cancel"
        revoke = "/bookings/{booking}/revoke-links"
        return [
            Route(
                "GET",
                "/api/v1/bookings",
                self._list,
                "Your bookings, newest first",
                None,
                "owner",
                query=OneBooking,
                result=answers.Bookings,
            ),
            Route(
                "POST", f"/api/v1{cancel}", self._cancel, "Cancel your booking", None, "owner", result=answers.Cancelled
            ),
            Route(
                "POST",
                f"/api/v1/ops{cancel}",
                self._cancel_any,
                "Cancel any booking",
                None,
                "operator",
                result=answers.Cancelled,
            ),
            Route(
                "POST",
                f"/api/v1{revoke}",
                self._revoke,
                "Revoke the links to your ticket",
                None,
                "owner",
                result=answers.RevokedLinks,
            ),
            Route(
                "POST",
                f"/api/v1/ops{revoke}",
                self._revoke_any,
                "Revoke the links to a ticket",
                None,
                "operator",
                result=answers.RevokedLinks,
            ),
            Route(
                "GET",
                f"/api/v1{ticket}",
                self._ticket,
                "The ticket of your booking",
                None,
                "owner",
                answers=PDF,
                query=Print,
            ),
            Route(
                "GET",
                f"/api/v1/ops{ticket}",
                self._any_ticket,
                "The ticket of any booking",
                None,
                "operator",
                (Role.GATE, Role.SERVICE),
                answers=PDF,
                query=Print,
            ),
            Route(
                "GET",
                "/api/v1/tickets/linked",
                self._linked,
                "The booking that a link opens",
                None,
                "link",
                result=answers.LinkedBooking,
            ),
            Route(
                "GET",
                "/api/v1/tickets/linked.pdf",
                self._linked_ticket,
                "Its ticket",
                None,
                "link",
                answers=PDF,
                query=Print,
            ),
            Route(
                "GET",
                "/api/v1/tickets/keys",
                self._published_keys,
                "Public keys of ticket codes, as a JWK set",
                result=answers.TicketKeys,
            ),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        """Return the bookings of all regions; a region that does not answer is named in ``missing``.

        With ``booking``, only that one; none while the ledger has not recorded it.
        """
        owner, address = self._owner_of(request), client_address(request)
        one = read_query(request, OneBooking).booking
        if not one:
            answers, missing = await self._buyers.ask_all("bookings", {"owner": owner}, address)
            found = [each for rows in answers.values() for each in rows]
        else:
            found, missing = await self._one(one, address)
            found = [each for each in found if each["owner"] == owner]
        bookings = []
        for each in found:
            try:
                bookings.append(self._listed(each))
            except (msgspec.MsgspecError, ValueError) as error:  # one that can't be read must not hide the others
                if one:
                    raise
                limited_log.warning("a booking can't be read", each.get("id"), error)
        bookings.sort(key=lambda each: each["booked_at"], reverse=True)
        return json_answer({"bookings": bookings, "missing": missing, "server_time": now_ms()})

    async def _one(self, booking: str, address: str) -> tuple[list[dict[str, Any]], list[str]]:
        """Return a booking, if the ledger has it, and its region if that can't answer now."""
        master = master_of_booking(self._masters, booking)
        try:
            found = await self._buyers.ask(master, "booking", {"booking": booking}, address)
        except TicketError as error:
            if not error.retryable:
                raise
            return [], [master.region]
        return [] if found is None else [found], []

    def _listed(self, booking: dict[str, Any]) -> dict[str, Any]:
        """Return a booking with its code as printed and, while it stands, the text of its QR code and its link."""
        detail = msgspec.convert(booking, _Detail)
        signed, link = None, ""
        if detail.code and detail.state == "booked":
            link = self._links.link(
                self._origins[region_of(detail.id)],
                detail.id,
                datetime.fromisoformat(detail.starts_at),
                detail.links_revoked_at,
            )
            with contextlib.suppress(BookingNotFound):  # one ticket that can't be signed must not hide the others
                signed = self._signed(detail)
        return {**booking, "code": printed(detail.code) if detail.code else "", "ticket": signed, "link": link}

    async def _linked(self, request: web.Request) -> web.Response:
        """Answer as ``_list`` does, without the owner."""
        booking = self._listed(await self._linked_booking(request))
        del booking["owner"]
        return json_answer({"booking": booking, "server_time": now_ms()})

    async def _linked_ticket(self, request: web.Request) -> web.Response:
        return await self._print(request, msgspec.convert(await self._linked_booking(request), _Detail))

    async def _linked_booking(self, request: web.Request) -> dict[str, Any]:
        """Return the booking that a request's link opens; raises ``LinkInvalid``, ``RateLimited`` or as ``_found``."""
        token = bearer(request.headers.get("Authorization", ""))
        if token is None:
            raise LinkInvalid("Send what follows '#t=' in the link as 'Authorization: Bearer <token>'.")
        linked = self._links.booking(token, time.time())
        self._link_uses.take(linked.id, asyncio.get_running_loop().time())
        booking = await self._found_for_buyer(request, linked.id)
        if linked.revoked_at != booking.get("links_revoked_at", 0):
            raise LinkInvalid()
        return booking

    async def _cancel(self, request: web.Request) -> web.Response:
        owner = self._owner_of(request)
        booking, key, address = request.match_info["booking"], idempotency_key(request), client_address(request)
        return json_answer(await self._buyers.command("cancel", booking, key, owner, address))

    async def _cancel_any(self, request: web.Request) -> web.Response:
        booking = request.match_info["booking"]
        command = {"booking": booking}
        return json_answer(
            await run_command(master_of_booking(self._masters, booking), "cancel", command, idempotency_key(request))
        )

    async def _revoke(self, request: web.Request) -> web.Response:
        owner = self._owner_of(request)
        booking, key, address = request.match_info["booking"], idempotency_key(request), client_address(request)
        return json_answer(await self._buyers.command("revoke_links", booking, key, owner, address))

    async def _revoke_any(self, request: web.Request) -> web.Response:
        booking, key = request.match_info["booking"], idempotency_key(request)
        master, command = master_of_booking(self._masters, booking), {"booking": booking, "owner": ""}
        return json_answer(await run_command(master, "revoke_links", command, key))

    async def _ticket(self, request: web.Request) -> web.Response:
        owner = self._owner_of(request)
        detail = msgspec.convert(await self._found_for_buyer(request, request.match_info["booking"]), _Detail)
        if detail.owner != owner:
            raise BookingNotFound()
        return await self._print(request, detail)

    async def _any_ticket(self, request: web.Request) -> web.Response:
        """Print a ticket for staff; a token that is bound to a theatre prints tickets of its shows only."""
        detail = msgspec.convert(await self._found(request.match_info["booking"], run_query), _Detail)
        bound_to = request[PRINCIPAL].theatre
        if bound_to and bound_to != self._theatre_of(detail.show):
            raise Forbidden(f"This token is for {bound_to}.", reason="theatre")
        return await self._print(request, detail)

    def _theatre_of(self, show: str) -> str:
        """Return the theatre of a show, "" for one that has left the lists."""
        try:
            return self._directory.declared_show(show).theatre
        except ShowNotFound:
            return ""

    async def _found_for_buyer(self, request: web.Request, booking: str) -> dict[str, Any]:
        return await self._found(booking, partial(self._buyers.ask, address=client_address(request)))

    async def _found(self, booking: str, ask: Ask) -> dict[str, Any]:
        """Return a booking as the ledger's region answers; raises ``BookingNotFound``."""
        found: dict[str, Any] | None = await ask(
            master_of_booking(self._masters, booking), "booking", {"booking": booking}
        )
        if found is None:
            raise BookingNotFound()
        return found

    async def _print(self, request: web.Request, detail: _Detail) -> web.Response:
        wanted = read_query(request, Print)
        if detail.state == "cancelled":
            raise BookingCancelled()
        if not detail.code:
            raise BookingNotFound("This booking was made before tickets had codes.")
        signed = self._signed(detail)
        ticket = self._ticket_of(detail, wanted.lang)
        async with self._printing.turn(client_address(request), PRINT_WAIT_S):
            pdf = await asyncio.to_thread(self._printer.pdf, ticket, signed, wanted.paper)
        headers = {
            "Content-Disposition": f'inline; filename="ticket-{detail.code}.pdf"',
            "Cache-Control": "private, no-store",
        }
        return web.Response(body=pdf, content_type="application/pdf", headers=headers)

    def _signed(self, detail: _Detail) -> str:
        """Return the text of a ticket's QR code; raises ``BookingNotFound`` for a day that no ticket can state."""
        try:
            starts_at, key = datetime.fromisoformat(detail.starts_at), self._keys[region_of(detail.show)]
            return token.sign_ticket(detail.show, detail.code, len(detail.seats), starts_at, key)
        except ValueError:
            raise BookingNotFound("This booking has no ticket: no ticket can state the day of its show.") from None

    def _ticket_of(self, detail: _Detail, locale: data.Locale) -> data.Ticket:
        return data.Ticket(
            booking=detail.id,
            code=detail.code,
            title=detail.title,
            theatre=detail.theatre,
            city=detail.city,
            starts_at=datetime.fromisoformat(detail.starts_at),
            seats=tuple(
                data.TicketSeat(seat.section, seat.row, seat.number, seat.category, seat.accessible)
                for seat in detail.seats
            ),
            booked_at=datetime.fromtimestamp(detail.booked_at / 1000, INDIA),
            seller=self._seller,
            locale=locale,
            address=detail.address,
            price=detail.prices,
            names=self._names.get(locale, {}),
        )

    async def _published_keys(self, _request: web.Request) -> web.Response:
        return json_answer({"keys": self._public_keys})
