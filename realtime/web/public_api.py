"""The public HTTP API: the same operations as over Socket.IO, for clients that use HTTP only. JSON both ways."""

from __future__ import annotations

import asyncio
import gzip
from collections import OrderedDict
from collections.abc import Iterable
from typing import Annotated, cast

import msgspec
import orjson
from aiohttp import web
from msgspec import Meta

from realtime import limits
from realtime.clock import now_ms
from realtime.errors import BadRequest, RegionUnavailable, TheatreNotFound, TicketError, Unauthorized
from realtime.feeds.directory import Directory
from realtime.model import Show
from realtime.rooms.rooms import Rooms
from realtime.sales_window import is_over
from realtime.settings import Settings
from realtime.staff import TokenInvalid, read_customer
from realtime.transport.client_address import client_address
from realtime.web import answers, bodies
from realtime.web.assets import Asset, send
from realtime.web.availability import Availability
from realtime.web.box_office import BoxOffice
from realtime.web.buyers import Buyers
from realtime.web.encodings import GZIP, IDENTITY
from realtime.web.identity import Identities
from realtime.web.identity_provider import IdentityProvider
from realtime.web.rate_limits import RateLimits
from realtime.web.routing import Route, bearer, idempotency_key, json_answer, read_query, secret_in
from realtime.web.shared_body import SharedBody, body_of
from realtime.wire.requests import ExtendHold, HoldSeats, Id, ReleaseSeats, RequestId, SeatIds, Solution, parse_json
from realtime.wire.shows import encode_theatre, show_payload

SHARED_BODIES = 256
"""How many shows' encoded seat maps are cached, for crowds that reload."""
SHARED_LIST_S = 0.1
"""For how long the list of all shows is cached."""


class PublicApi:
    """The routes under ``/api/v1`` for everybody."""

    def __init__(
        self,
        settings: Settings,
        region: str,
        identities: Identities,
        directory: Directory,
        rooms: Rooms,
        office: BoxOffice,
        buyers: Buyers,
        demo: bool,
        availability: Availability,
        shop: IdentityProvider | None = None,
    ) -> None:
        """``region`` is the node's own; ``demo``: no real money moves; ``shop`` signs its customers' identities."""
        self._shop = shop
        self._settings = settings
        self._region = region
        self._identities = identities
        self._directory = directory
        self._rooms = rooms
        self._office = office
        self._buyers = buyers
        self._demo = demo
        self._availability = availability
        self._owner_buckets = RateLimits(limits.EVENT_BURST, limits.EVENTS_PER_S)
        self._address_buckets = RateLimits(limits.ADDRESS_BURST, limits.ADDRESS_PER_S)
        self._lists: dict[bool, tuple[float, bytes]] = {}
        """The lists of shows, without and with those that are over, and when each was made."""
        self._maps: OrderedDict[str, Asset] = OrderedDict()

    def routes(self) -> list[Route]:
        """Return the table of routes."""
        return [
            Route(
                "GET",
                "/api/v1/config",
                self._get_config,
                "What pages need to know about this installation",
                result=answers.Config,
            ),
            Route(
                "POST",
                "/api/v1/session",
                self._new_session,
                "Create an identity, or get that of a shop's customer",
                result=answers.Session,
            ),
            Route(
                "GET",
                "/api/v1/names/{language}",
                self._get_names,
                "How names are shown in a language",
                result=answers.Names,
            ),
            Route(
                "GET", "/api/v1/theatres", self._list_theatres, "All theatres of all regions", result=answers.Theatres
            ),
            Route(
                "GET",
                "/api/v1/theatres/{theatre}/shows",
                self._list_shows_of_theatre,
                "The shows of one theatre that are not over",
                query=ListedShows,
                result=answers.ShowsOfTheatre,
            ),
            Route(
                "GET",
                "/api/v1/shows",
                self._list_shows,
                "The shows of all regions that are not over",
                query=ListedShows,
                result=answers.Shows,
            ),
            Route(
                "GET",
                "/api/v1/availability",
                self._get_availability,
                "Free seats and status by show",
                query=ListedShows,
                result=answers.FreeSeats,
            ),
            Route("GET", "/api/v1/shows/{show}", self._get_show, "One show", result=answers.PricedShow),
            Route(
                "GET",
                "/api/v1/shows/{show}/seats",
                self._get_seats,
                "The current seat map, with an ETag",
                result=answers.SeatMap,
            ),
            Route(
                "POST",
                "/api/v1/shows/{show}/holds",
                self._hold,
                "Hold seats",
                HoldRequest,
                "owner",
                result=answers.Held,
            ),
            Route(
                "GET", "/api/v1/holds/{hold}", self._get_hold, "One of your holds", None, "owner", result=answers.Held
            ),
            Route(
                "DELETE",
                "/api/v1/holds/{hold}",
                self._release,
                "Release a hold, or some of its seats",
                ReleaseRequest,
                "owner",
                body_optional=True,
                result=answers.Released,
            ),
            Route(
                "POST",
                "/api/v1/holds/{hold}/extend",
                self._extend,
                "Extend a hold",
                ExtendRequest,
                "owner",
                body_optional=True,
                result=answers.Held,
            ),
            Route(
                "GET",
                "/api/v1/bookings/{booking}",
                self._get_booking,
                "One of your bookings",
                None,
                "owner",
                result=answers.Booked,
            ),
        ]

    # --- reading --------------------------------------------------------------------------------------------------
    async def _get_config(self, _request: web.Request) -> web.Response:
        return json_answer(self.config())

    def config(self) -> answers.Config:
        """Return the body of ``/api/v1/config``."""
        regions = self._settings.topology.regions
        return {
            "region": self._region,
            "region_label": regions[self._region].label,
            "regions": {name: region.label for name, region in regions.items()},
            "nodes": list(self._settings.topology.public_nodes),
            "demo_payments": self._demo,
            "payment_timeout_s": limits.PAYMENT_TIMEOUT_S,
            "max_seats": limits.MAX_SEATS_PER_HOLD,
        }

    async def _new_session(self, request: web.Request) -> web.Response:
        self._address_buckets.take(client_address(request), asyncio.get_running_loop().time())
        given = request.headers.get("Authorization", "")
        owner = await self._customer(secret_in(given)) if given else self._identities.new()
        return json_answer({"owner": owner, "token": self._identities.token(owner)})

    async def _customer(self, token: str) -> str:
        """Return the owner id of the customer whom a shop's token names; raise ``Unauthorized``."""
        if self._shop is None:
            raise Unauthorized("This installation knows no shop that signs identities.")
        try:
            keys = await self._shop.keys_for(token)
            subject = read_customer(token, keys, self._shop.issuer, self._shop.audience, now_ms() // 1000)
        except TokenInvalid:
            raise Unauthorized("The shop's token is not valid.") from None
        owner = self._identities.of_customer(subject)
        if self._identities.is_revoked(owner):
            raise Unauthorized("This customer was revoked.")
        return owner

    async def _get_names(self, request: web.Request) -> web.Response:
        """Answer with the names in a language from the topology file; an empty list if there are none."""
        names = self._settings.topology.names.get(request.match_info["language"], {})
        headers = {"Cache-Control": "public, max-age=600"}
        return web.Response(body=orjson.dumps({"names": names}), content_type="application/json", headers=headers)

    async def _list_theatres(self, _request: web.Request) -> web.Response:
        return json_answer({"theatres": [orjson.loads(encode_theatre(t)) for t in self._directory.theatres()]})

    async def _list_shows(self, request: web.Request) -> web.Response:
        """List the shows; with ``?over=1``, also those that are over."""
        loop_time, over = asyncio.get_running_loop().time(), read_query(request, ListedShows).over
        made_at, body = self._lists.get(over, (0.0, b""))
        if loop_time - made_at > SHARED_LIST_S:
            shows = self._listed(self._directory.shows(), over)
            body = orjson.dumps({"shows": await self._show_payloads(shows), "server_time": now_ms()})
            self._lists[over] = loop_time, body
        return _body(body_of(body), {"Cache-Control": "no-store"})

    async def _get_availability(self, request: web.Request) -> web.Response:
        """Answer with the free seats of the listed shows, a few seconds old, and with statuses other than live."""
        shows = self._listed(self._directory.shows(), read_query(request, ListedShows).over)
        free = await self._availability.free(shows)
        status = {show.id: status for show in shows if (status := self._rooms.status(show)) != "live"}
        return json_answer({"free": free, "status": status, "server_time": now_ms()})

    @staticmethod
    def _listed(shows: Iterable[Show], over: bool) -> list[Show]:
        now = now_ms()
        return [show for show in shows if over or not is_over(show, now)]

    async def _list_shows_of_theatre(self, request: web.Request) -> web.Response:
        theatre_id = request.match_info["theatre"]
        self._directory.region_of_theatre(theatre_id)
        theatre = next((each for each in self._directory.theatres() if each.id == theatre_id), None)
        if theatre is None:
            # The theatre may belong to a region that this node has not read yet.
            if missing := sorted(set(self._settings.topology.regions) - self._directory.read_regions):
                raise RegionUnavailable(region=missing[0])
            raise TheatreNotFound()
        of_theatre = [show for show in self._directory.shows() if show.theatre == theatre_id]
        shows = self._listed(of_theatre, read_query(request, ListedShows).over)
        about = orjson.loads(encode_theatre(theatre))
        return json_answer({"theatre": about, "shows": await self._show_payloads(shows), "server_time": now_ms()})

    async def _show_payloads(self, shows: list[Show]) -> list[answers.ListedShow]:
        free = await self._availability.free(shows)
        listed: list[answers.ListedShow] = []
        for show in sorted(shows, key=lambda show: (show.starts_at, show.id)):
            body = cast("answers.ListedShow", self.show_payload(show))
            if show.id in free:
                body["free"] = free[show.id]
            listed.append(body)
        return listed

    async def _get_show(self, request: web.Request) -> web.Response:
        return json_answer(self.show_payload(self._directory.show(request.match_info["show"])))

    def show_payload(self, show: Show) -> answers.PricedShow:
        """Return the body of ``/api/v1/shows/{show}``."""
        return {**show_payload(show, self._rooms.status(show)), "all_in_prices": bodies.all_in_prices(show)}

    async def _get_seats(self, request: web.Request) -> web.Response:
        show = self._directory.show(request.match_info["show"])
        epoch, version, status, seats = await self._rooms.snapshot(show)
        # The tag includes the status, because the body does.
        etag = f'"{epoch}.{version}"' if status == "live" else f'"{epoch}.{version}.{status}"'
        known = self._maps.get(show.id)
        if known is None or known.etag != etag:
            body: answers.SeatMap = {
                "show": show.id,
                "epoch": epoch,
                "version": version,
                "status": status,
                "seats": seats,
                "layout": {"id": show.layout, "url": f"/api/v1/layouts/{show.layout}"},
            }
            plain = orjson.dumps(body)
            # Level 1, the fastest, because the body changes with every version of a show on sale.
            content = {IDENTITY: plain, GZIP: gzip.compress(plain, 1)}
            known = self._maps[show.id] = Asset(content, "application/json", etag)
            self._maps.move_to_end(show.id)
            if len(self._maps) > SHARED_BODIES:
                self._maps.popitem(last=False)
        return send(request, known, "no-cache")

    # --- buying ---------------------------------------------------------------------------------------------------
    def owner_of(self, request: web.Request) -> str:
        """Return the owner whose token a request carries; raises ``Unauthorized`` or ``RateLimited``."""
        token = bearer(request.headers.get("Authorization", ""))
        if token is None:
            raise Unauthorized("Send your token as 'Authorization: Bearer <token>'; POST /api/v1/session creates one.")
        owner = self._identities.owner(token)
        self._owner_buckets.take(owner, asyncio.get_running_loop().time())
        return owner

    async def _hold(self, request: web.Request) -> web.Response:
        owner = self.owner_of(request)
        body = parse_json(HoldRequest, await request.read())
        request_id = idempotency_key(request) or body.request_id
        if request_id is None:
            raise BadRequest("Give a request_id, or the header Idempotency-Key.")
        ask = HoldSeats(request.match_info["show"], body.seats, request_id, body.challenge)
        return json_answer(await self._office.hold(owner, ask, client_address(request)), status=201)

    async def _get_hold(self, request: web.Request) -> web.Response:
        return json_answer(await self._office.get(self.owner_of(request), request.match_info["hold"]))

    async def _release(self, request: web.Request) -> web.Response:
        owner = self.owner_of(request)
        body = parse_json(ReleaseRequest, await request.read() or b"{}")
        ask = ReleaseSeats(request.match_info["hold"], body.seats, idempotency_key(request) or body.request_id)
        return json_answer(await self._office.release(owner, ask))

    async def _extend(self, request: web.Request) -> web.Response:
        owner = self.owner_of(request)
        body = parse_json(ExtendRequest, await request.read() or b"{}")
        ask = ExtendHold(request.match_info["hold"], idempotency_key(request) or body.request_id)
        return json_answer(await self._office.extend(owner, ask))

    async def _get_booking(self, request: web.Request) -> web.Response:
        """Answer from the lock master, which has a booking first, or else from the ledger, which keeps it longer."""
        owner, booking = self.owner_of(request), request.match_info["booking"]
        try:
            return json_answer(await self._office.booking(owner, booking))
        except TicketError:
            found = await self._buyers.booking(booking, client_address(request))
            if found is None or found["owner"] != owner:
                raise
        return json_answer({"booking": bodies.recorded_booking_body(found)})


class ListedShows(msgspec.Struct, frozen=True):
    """The query of lists of shows."""

    over: Annotated[bool, Meta(description="whether shows are listed that are over, too")] = False


class HoldRequest(msgspec.Struct, frozen=True):
    """Body of ``POST /shows/{show}/holds``; the header ``Idempotency-Key`` may replace ``request_id``."""

    seats: SeatIds
    request_id: Id | None = None
    challenge: Solution | None = None


class ReleaseRequest(msgspec.Struct, frozen=True):
    """Body of ``DELETE /holds/{hold}``; without ``seats`` or without a body, the whole hold is released."""

    seats: SeatIds | None = None
    request_id: RequestId = ""


class ExtendRequest(msgspec.Struct, frozen=True):
    """Body of ``POST /holds/{hold}/extend``, which needs none."""

    request_id: RequestId = ""


def _body(body: bytes | SharedBody, headers: dict[str, str]) -> web.Response:
    return web.Response(body=body, content_type="application/json", headers=headers)
