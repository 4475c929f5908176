"""The ops API for bookings: operators find them by code, seat, payment, owner, time or contact, and move them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from realtime.contact import MAX_ADDRESS_LENGTH, MAX_PHONE_LENGTH, Contact
from realtime.errors import BadRequest, BookingNotFound
from realtime.locks.commands import run_command
from realtime.locks.master import LockMaster
from realtime.locks.queries import run_query
from realtime.model import region_of, show_of
from realtime.tickets.code import CodeInvalid, normalise, printed
from realtime.web import ledger_answers
from realtime.web.gather import ask_all, master_of_booking
from realtime.web.routing import Route, idempotency_key, json_answer, read_query
from realtime.wire.queries import FindBookings
from realtime.wire.requests import SeatIds, parse_json

PERSON = "/api/v1/ops/bookings/search"


class Person(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of ``POST /ops/bookings/search``: a buyer's e-mail address or phone number."""

    email: Annotated[str, Meta(max_length=MAX_ADDRESS_LENGTH)] = ""
    phone: Annotated[str, Meta(max_length=MAX_PHONE_LENGTH)] = ""


class Exchange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of ``POST /ops/bookings/{booking}/exchange``: all seats that the booking shall have."""

    seats: SeatIds


class OpsBookings:
    """The routes with which operators find and change bookings."""

    def __init__(self, masters: Mapping[str, LockMaster]) -> None:
        """``masters`` maps every region to its lock master."""
        self._masters = masters

    def routes(self) -> list[Route]:
        """Return the table of routes."""
        story = "/api/v1/ops/bookings/{booking}"
        return [
            Route(
                "GET",
                "/api/v1/ops/bookings",
                self._find,
                "Find bookings",
                None,
                "operator",
                query=FindBookings,
                result=ledger_answers.FoundBookings,
            ),
            # A POST, because balancers log addresses. The audit log has who searched, not for whom.
            Route(
                "POST",
                PERSON,
                self._find_of_person,
                "Find a person's bookings",
                Person,
                "operator",
                private=True,
                result=ledger_answers.FoundBookings,
            ),
            Route(
                "GET",
                story,
                self._story,
                "All that is known about a booking",
                None,
                "operator",
                result=ledger_answers.Story,
            ),
            Route(
                "POST",
                f"{story}/exchange",
                self._exchange,
                "Move a booking to other free seats of its show",
                Exchange,
                "operator",
                result=ledger_answers.Exchanged,
            ),
        ]

    async def _find(self, request: web.Request) -> web.Response:
        """Answer with the matching bookings of all regions; a region that does not answer is named in ``missing``."""
        return await self._answer(_wanted(read_query(request, FindBookings)))

    async def _find_of_person(self, request: web.Request) -> web.Response:
        person = parse_json(Person, await request.read())
        try:
            contact = Contact(person.email.strip(), person.phone.strip())
        except ValueError as error:
            raise BadRequest(f"{error}.") from None
        if bool(contact.email) == bool(contact.phone):
            raise BadRequest("Give one of email and phone.")
        return await self._answer({"email": contact.email} if contact.email else {"phone": contact.phone})

    async def _answer(self, wanted: dict[str, Any]) -> web.Response:
        named = wanted.get("show") or wanted.get("booking")
        regions = [region_of(named)] if named else list(self._masters)
        if any(region not in self._masters for region in regions):
            return json_answer({"bookings": [], "missing": []})
        answers, missing = await ask_all({region: self._masters[region] for region in regions}, "find", wanted)
        bookings = [_with_printed_code(each) for found in answers.values() for each in found]
        bookings.sort(key=lambda each: each["booked_at"], reverse=True)
        return json_answer({"bookings": bookings, "missing": missing})

    async def _story(self, request: web.Request) -> web.Response:
        booking = request.match_info["booking"]
        story = await run_query(master_of_booking(self._masters, booking), "story", {"booking": booking})
        if story is None:
            raise BookingNotFound()
        return json_answer({**story, "booking": _with_printed_code(story["booking"])})

    async def _exchange(self, request: web.Request) -> web.Response:
        booking = request.match_info["booking"]
        master = master_of_booking(self._masters, booking)
        ask = parse_json(Exchange, await request.read())
        command = {"booking": booking, "show": show_of(booking), "seats": ask.seats}
        return json_answer(await run_command(master, "exchange", command, idempotency_key(request)))


def _wanted(ask: FindBookings) -> dict[str, Any]:
    """Return the query as ``wire.queries.Wanted``; raise ``BadRequest``."""
    wanted = {name: value for name in ask.__struct_fields__ if (value := getattr(ask, name))}
    if ask.code:
        try:
            wanted["code"] = normalise(ask.code)
        except CodeInvalid as error:
            raise BadRequest(f"code: {error}.") from None
    if not wanted:
        raise BadRequest(f"Say which bookings: by {', '.join(ask.__struct_fields__)}; by a contact with POST {PERSON}.")
    if ask.seat and not ask.show:
        raise BadRequest("A seat is found in a show: give both.")
    return wanted


def _with_printed_code(booking: dict[str, Any]) -> dict[str, Any]:
    return {**booking, "code": printed(booking["code"]) if booking["code"] else ""}
