"""The application of a node: its routes, pages and middlewares over the parts of ``node``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import orjson
from aiohttp import web

from realtime import limits
from realtime.settings import Settings
from realtime.web import bundle, kiosk, metrics, openapi, pages
from realtime.web.address_pace import hold_back_answers
from realtime.web.analytics_api import AnalyticsApi
from realtime.web.answers import Health, Readiness
from realtime.web.assets import Asset, send
from realtime.web.availability import Availability
from realtime.web.buyers import Buyers
from realtime.web.encodings import compressed
from realtime.web.gate_api import GateApi
from realtime.web.identity_provider import IdentityProvider
from realtime.web.jobs_api import JobsApi
from realtime.web.money_api import MoneyApi
from realtime.web.node import Node
from realtime.web.ops_api import OpsApi
from realtime.web.ops_bookings import OpsBookings
from realtime.web.ops_view import OpsView
from realtime.web.page_data import PageData
from realtime.web.public_api import PublicApi
from realtime.web.routing import Handler, Route, errors, json_answer
from realtime.web.staff_api import StaffApi
from realtime.web.tickets_api import TicketsApi

DOCUMENT_QUALITY = 5
"""The quality of the compression of the OpenAPI document, which takes some milliseconds when a node starts."""
ROUTES: web.AppKey[Sequence[Route]] = web.AppKey("routes", Sequence)
"""The key under which an application keeps its tables of routes."""


def make_app(settings: Settings, region: str, *, static: Path) -> web.Application:
    """Return the application of a node in ``region`` that serves the pages in ``static``.

    Must be called in the loop that will serve it. Raises ``TopologyError`` if the region is not in the topology or the
    payment service can't be loaded.
    """
    node = Node(settings, region)
    app = web.Application(
        middlewares=[errors, hold_back_answers(), pages.preflight], client_max_size=limits.MAX_EVENT_BYTES
    )
    node.server.attach(app)
    buyers = Buyers(node.masters, node.address_keys)
    public = _public_api(node, buyers)
    kiosk_pin = kiosk.KioskPin(settings.kiosk_pin)
    app[ROUTES] = routes = [*_buyers_routes(node, public, buyers), *_staff_routes(node), *kiosk.routes(kiosk_pin)]
    for route in routes:
        handler = route.handler
        if route.who == "operator":
            handler = node.access.require_role(handler, *route.roles, private=route.private, recorded=route.recorded)
        app.router.add_route(route.method, route.path, handler)
        if route.method == "GET":
            app.router.add_route("HEAD", route.path, handler)
    app.router.add_get("/api/openapi.json", _shared(openapi.document(routes)))
    health: Health = {"ok": True}
    app.router.add_get("/healthz", _constant(health))
    app.router.add_get("/readyz", _readiness(node))
    attempts = {"staff": node.access.attempts, "kiosk_pin": kiosk_pin.attempts}
    measured = metrics.handler(region, node.rooms, node.feeds, node.events, node.office, attempts, node.server)
    app.router.add_get("/metrics", node.access.require_metrics_key(measured, settings.metrics_key))
    data = PageData(node.directory, node.rooms, node.layouts, public.config, public.show_payload)
    pages.add_pages(app, static, bundle.load(static), data)
    app.on_response_prepare.append(pages.security_headers(settings.topology.page_origins, node.payments.name))
    app.on_response_prepare.append(pages.cross_origin(node.origins))

    async def run(_app: web.Application) -> AsyncIterator[None]:
        async with node.running():
            yield

    async def drain(_app: web.Application) -> None:
        await node.events.drain()

    # At this point the listening socket is closed, and open connections are still served.
    app.on_shutdown.append(drain)
    app.cleanup_ctx.append(run)
    return app


def _public_api(node: Node, buyers: Buyers) -> PublicApi:
    shop = node.settings.topology.shop
    return PublicApi(
        node.settings,
        node.region,
        node.identities,
        node.directory,
        node.rooms,
        node.office,
        buyers,
        node.payments.is_demo,
        Availability(node.feeds),
        IdentityProvider(shop) if shop.jwks else None,
    )


def _buyers_routes(node: Node, public: PublicApi, buyers: Buyers) -> list[Route]:
    masters, owner_of = node.masters, public.owner_of
    money = MoneyApi(
        node.checkout, node.payments, masters, node.locks, node.directory, node.identities, buyers, owner_of
    )
    tickets = TicketsApi(node.settings, node.directory, masters, buyers, owner_of)
    return [*public.routes(), *node.layouts.routes(), *money.routes(), *tickets.routes()]


def _staff_routes(node: Node) -> list[Route]:
    masters, directory = node.masters, node.directory
    return [
        *OpsApi(node.region, directory, masters).routes(),
        *OpsBookings(masters).routes(),
        *GateApi(node.settings, directory, masters).routes(),
        *JobsApi(masters).routes(),
        *AnalyticsApi(masters).routes(),
        *OpsView(node.settings, node.region, directory, node.feeds).routes(),
        *StaffApi(node.region, masters, node.identities).routes(),
    ]


def _constant(payload: object) -> Handler:
    async def get(_request: web.Request) -> web.Response:
        return json_answer(payload)

    return get


def _shared(payload: object) -> Handler:
    """Return a handler for a large answer: one copy for all clients, compressed."""
    asset = Asset.of(compressed(orjson.dumps(payload), DOCUMENT_QUALITY), "application/json")

    async def get(request: web.Request) -> web.Response:
        return send(request, asset, "no-cache")

    return get


def _readiness(node: Node) -> Handler:
    async def get(_request: web.Request) -> web.Response:
        missing = sorted(set(node.feeds) - node.directory.read_regions)
        answer: Readiness = {
            "ok": not missing,
            "missing": missing,
            "transport": {"fast": not node.server.missing, "missing": node.server.missing},
            "payments": node.payments.name,
            "demo_payments": node.payments.is_demo,
        }
        return json_answer(answer, status=503 if missing else 200)

    return get
