"""The HTTP API for bookings after the sale: an owner's bookings, tickets as PDF, the keys that verify tickets."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec
from aiohttp import web

from realtime import limits
from realtime.clock import now_ms
from realtime.errors import (
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
from realtime.settings import Settings
from realtime.staff import Role
from realtime.tickets import token
from realtime.tickets.link import TicketLinks
from realtime.transport.client_address import client_address
from realtime.transport.limited_log import LimitedLog
from realtime.web import answers
from realtime.web.buyers import Buyers
from realtime.web.gather import Ask, master_of_booking
from realtime.web.issued_tickets import PDF, BookingDetail, IssuedTickets, Print
from realtime.web.rate_limits import RateLimits
from realtime.web.routing import Route, bearer, idempotency_key, json_answer, read_query
from realtime.web.staff_access import PRINCIPAL
from realtime.wire.queries import Long

limited_log = LimitedLog(logging.getLogger(__name__))
OwnerOf = Callable[[web.Request], str]


class OneBooking(msgspec.Struct, frozen=True):
    """The query of ``GET /bookings``: one booking; all if it is missing."""

    booking: Long = ""


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
        live = token.live_keys(settings.secrets, masters)
        self._public_keys = [token.public_jwk(key) for key in live]
        self._links = TicketLinks(settings.secrets)
        self._link_uses = RateLimits(limits.EVENT_BURST, limits.EVENTS_PER_S)
        self._tickets = IssuedTickets(settings, masters, self._links)

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

        With ``booking``, only that one; an empty list while the ledger has not recorded it.
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
                bookings.append(self._tickets.listed(each))
            except (msgspec.MsgspecError, ValueError) as error:  # a booking that can't be read must not hide the others
                if one:
                    raise
                limited_log.warning("a booking can't be read", each.get("id"), error)
        bookings.sort(key=lambda each: each["booked_at"], reverse=True)
        return json_answer({"bookings": bookings, "missing": missing, "server_time": now_ms()})

    async def _one(self, booking: str, address: str) -> tuple[list[dict[str, Any]], list[str]]:
        """Return a booking, if the ledger has it; and its region, if that can't answer now."""
        master = master_of_booking(self._masters, booking)
        try:
            found = await self._buyers.ask(master, "booking", {"booking": booking}, address)
        except TicketError as error:
            if not error.retryable:
                raise
            return [], [master.region]
        return [] if found is None else [found], []

    async def _linked(self, request: web.Request) -> web.Response:
        """Answer as ``_list`` does, without the owner."""
        booking = self._tickets.listed(await self._linked_booking(request))
        del booking["owner"]
        return json_answer({"booking": booking, "server_time": now_ms()})

    async def _linked_ticket(self, request: web.Request) -> web.Response:
        return await self._print(request, msgspec.convert(await self._linked_booking(request), BookingDetail))

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
        detail = msgspec.convert(await self._found_for_buyer(request, request.match_info["booking"]), BookingDetail)
        if detail.owner != owner:
            raise BookingNotFound()
        return await self._print(request, detail)

    async def _any_ticket(self, request: web.Request) -> web.Response:
        """Print a ticket for staff. A token that is bound to a theatre prints only tickets of its shows."""
        detail = msgspec.convert(await self._found(request.match_info["booking"], run_query), BookingDetail)
        bound_to = request[PRINCIPAL].theatre
        if bound_to and bound_to != self._theatre_of(detail.show):
            raise Forbidden(f"This token is for {bound_to}.", reason="theatre")
        return await self._print(request, detail)

    def _theatre_of(self, show: str) -> str:
        """Return the theatre of a show, "" for a show that is not in the directory any more."""
        try:
            return self._directory.declared_show(show).theatre
        except ShowNotFound:
            return ""

    async def _found_for_buyer(self, request: web.Request, booking: str) -> dict[str, Any]:
        return await self._found(booking, partial(self._buyers.ask, address=client_address(request)))

    async def _found(self, booking: str, ask: Ask) -> dict[str, Any]:
        """Return a booking as its region's ledger has it; raises ``BookingNotFound``."""
        found: dict[str, Any] | None = await ask(
            master_of_booking(self._masters, booking), "booking", {"booking": booking}
        )
        if found is None:
            raise BookingNotFound()
        return found

    async def _print(self, request: web.Request, detail: BookingDetail) -> web.Response:
        return await self._tickets.print(detail, read_query(request, Print), client_address(request))

    async def _published_keys(self, _request: web.Request) -> web.Response:
        return json_answer({"keys": self._public_keys})
