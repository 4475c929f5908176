"""Assembles a node: feeds -> directory and rooms -> events and HTTP, and the seat locks of every region.

A node keeps no state of its own: any node serves any show of any region, and any client can move to another node and
continue with its holds there.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from realtime import limits
from realtime.cancellation import cancel_all
from realtime.feeds.directory import Directory
from realtime.feeds.feed import Feed
from realtime.feeds.listener import Listener
from realtime.locks.master import LockMaster
from realtime.locks.seats import SeatLocks
from realtime.payments.factory import payment_service
from realtime.rooms.rooms import Rooms
from realtime.settings import Settings
from realtime.staff import StaffTokens
from realtime.topology import TopologyError
from realtime.transport.admission import Admission
from realtime.transport.client_address import ClientAddresses
from realtime.transport.server import SocketServer
from realtime.web import bundle, kiosk, memory, metrics, openapi, pages
from realtime.web.address_keys import AddressKeys
from realtime.web.analytics_api import AnalyticsApi
from realtime.web.availability import Availability
from realtime.web.box_office import BoxOffice
from realtime.web.challenge import Pressure, make_challenge
from realtime.web.checkout import Checkout
from realtime.web.events import Events
from realtime.web.gate_api import GateApi
from realtime.web.identity import Identities
from realtime.web.identity_provider import IdentityProvider
from realtime.web.jobs_api import JobsApi
from realtime.web.layouts_api import LayoutsApi
from realtime.web.money_api import MoneyApi
from realtime.web.ops_api import OpsApi
from realtime.web.ops_bookings import OpsBookings
from realtime.web.ops_view import OpsView
from realtime.web.page_data import PageData
from realtime.web.public_api import PublicApi
from realtime.web.revoked_guests import RevokedGuests
from realtime.web.routing import Route, errors, json_answer
from realtime.web.staff_access import Register, StaffAccess
from realtime.web.staff_api import StaffApi
from realtime.web.status_report import StatusReporter
from realtime.web.tickets_api import TicketsApi
from realtime.web.viewer_counts import ViewerCounts

log = logging.getLogger(__name__)


ROUTES: web.AppKey[Sequence[Route]] = web.AppKey("routes", Sequence)
"""Where an application keeps its tables of routes."""


class _NoticeForwarder(Listener):
    """Forwards the keepers' notices about holds and bookings from the feeds to the events."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def on_notice(self, feed: Feed, notice: dict[str, Any]) -> None:
        self._events.on_notice(notice)


def make_app(settings: Settings, region: str, *, static: Path) -> web.Application:
    """Return the application of a node in ``region`` that serves the pages in ``static``.

    Must be called in the loop that will serve it. Raises ``TopologyError`` if the region is not in the topology or the
    payment service can't be loaded.
    """
    topology = settings.topology
    if region not in topology.regions:
        raise TopologyError(f"there is no region {region} in the topology; there are {', '.join(topology.regions)}")
    own_pages = topology.page_origins
    origins = [*own_pages, *topology.origins]
    payments = payment_service(settings.payments)
    if payments.is_demo:
        log.warning("payments: %s takes no real money: everybody books for nothing", payments.name)
    server = SocketServer(
        origins=origins or None,
        addresses=ClientAddresses(topology.proxies),
        admission=Admission(topology.connections_per_address or None),
    )
    feeds = {name: Feed(each, region, settings.redis_password) for name, each in topology.regions.items()}
    revoked_guests = RevokedGuests(feeds)
    identities = Identities(settings.secret, settings.second_secret, revoked_guests)
    masters = {
        name: LockMaster(each, settings.redis_password, reconciled_only=True) for name, each in topology.regions.items()
    }
    locks = {name: SeatLocks(master, topology.limits) for name, master in masters.items()}
    directory = Directory(topology, feeds)
    rooms = Rooms(server.fanout, feeds)
    challenge = make_challenge(topology.challenge, settings.secret)
    pressure = Pressure(challenge, topology.challenge) if challenge is not None else None
    address_keys = AddressKeys(settings.secret, topology.limits.shared_networks)
    office = BoxOffice(directory, locks, identities, address_keys, pressure)
    checkout = Checkout(directory, locks, payments, origins, office.count_booking)
    tokens = StaffTokens([settings.secret, settings.second_secret])
    provider = IdentityProvider(topology.staff) if topology.staff.jwks else None
    access = StaffAccess(settings.operator_key, tokens, Register(feeds), provider, masters[region])
    events = Events(server.sio, identities, directory, rooms, office, checkout, access.kiosk_theatre)
    status_report = StatusReporter(masters[region], rooms, feeds, events, office)
    shop = IdentityProvider(topology.shop) if topology.shop.jwks else None
    public = PublicApi(
        settings, region, identities, directory, rooms, office, payments.is_demo, Availability(feeds), shop
    )
    money = MoneyApi(checkout, payments, masters, locks, directory, identities, public.owner_of)
    tickets = TicketsApi(settings, masters, public.owner_of)
    jobs = JobsApi(masters)
    ops = OpsApi(region, directory, masters)
    gate = GateApi(settings, directory, masters)
    bookings = OpsBookings(masters)
    ops_view = OpsView(settings, region, directory, feeds)
    for feed in feeds.values():
        feed.listeners.append(_NoticeForwarder(events))

    app = web.Application(middlewares=[errors, pages.preflight], client_max_size=limits.MAX_EVENT_BYTES)
    server.attach(app)
    layouts = LayoutsApi(directory)
    routes = [*public.routes(), *layouts.routes(), *money.routes(), *tickets.routes(), *ops.routes()]
    kiosk_pin = kiosk.KioskPin(settings.kiosk_pin)
    routes += [*bookings.routes(), *gate.routes(), *jobs.routes(), *AnalyticsApi(masters).routes()]
    routes += [*ops_view.routes(), *kiosk.routes(kiosk_pin)]
    routes += StaffApi(region, masters, identities).routes()
    app[ROUTES] = routes
    document = openapi.document(routes)
    attempts = {"staff": access.attempts, "kiosk_pin": kiosk_pin.attempts}
    for route in routes:
        handler = route.handler
        if route.who == "operator":
            handler = access.require_role(handler, *route.roles, private=route.private, recorded=route.recorded)
        app.router.add_route(route.method, route.path, handler)
    app.router.add_get("/api/openapi.json", lambda _request: _answer(document))
    app.router.add_get("/healthz", lambda _request: _answer({"ok": True}))

    async def ready(_request: web.Request) -> web.Response:
        missing = sorted(set(feeds) - directory.read_regions)
        answer = {
            "ok": not missing,
            "missing": missing,
            "transport": {"fast": not server.missing, "missing": server.missing},
            "payments": payments.name,
            "demo_payments": payments.is_demo,
        }
        return json_answer(answer, status=503 if missing else 200)

    app.router.add_get("/readyz", ready)
    measured = metrics.handler(region, rooms, feeds, events, office, attempts, server)
    app.router.add_get("/metrics", access.require_metrics_key(measured, settings.metrics_key))
    data = PageData(directory, rooms, layouts, public.config, public.show_payload)
    pages.add_pages(app, static, bundle.load(static), data)
    app.on_response_prepare.append(pages.security_headers(own_pages, payments.name))
    app.on_response_prepare.append(pages.cross_origin(origins))

    async def run(_app: web.Application) -> AsyncIterator[None]:
        # Every viewer is a set of long-lived objects. With the default thresholds the garbage collector scans all of
        # them again and again while a crowd joins.
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        for feed in feeds.values():
            feed.start()
        # Connect now, so that the first buyer does not wait for a handshake across India. Errors are ignored: a master
        # that is unreachable now is tried again with the next call.
        await asyncio.gather(*(master.command("PING") for master in masters.values()), return_exceptions=True)
        # Serve only when the directories of all regions are read, or START_S have passed: before that, shows of regions
        # that are fine would be reported as unavailable.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(directory.complete(), limits.START_S)
        reporting = asyncio.create_task(status_report.run(), name="status_report")
        counting = asyncio.create_task(ViewerCounts(masters, rooms).run(), name="viewer_counts")
        giving_back = asyncio.create_task(memory.give_back(), name="give_back_memory")
        reading = asyncio.create_task(revoked_guests.run(events.disconnect_owner), name="revoked_guests")
        yield
        await cancel_all(reporting, counting, giving_back, reading)
        await server.close()
        await events.close()
        await layouts.close()
        await rooms.close()
        await directory.close()
        await asyncio.gather(*(feed.close() for feed in feeds.values()))
        await asyncio.gather(*(master.close() for master in masters.values()))
        await payments.close()

    async def drain(_app: web.Application) -> None:
        await events.drain()

    # At this point the listening socket is closed, and open connections are still served.
    app.on_shutdown.append(drain)
    app.cleanup_ctx.append(run)
    return app


async def _answer(payload: dict[str, Any]) -> web.Response:
    return json_answer(payload)
