"""The pages: static files, the public addresses of the pages, and their security and CORS headers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web


def add_pages(app: web.Application, static: Path) -> None:
    """Serve the folder ``static`` under ``/static/``, and each page at its public address."""

    def page(name: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def serve(_request: web.Request) -> web.StreamResponse:
            return web.FileResponse(static / name, headers={"Cache-Control": "no-cache"})

        return serve

    app.router.add_get("/", page("index.html"))
    app.router.add_get("/shows/{show}", page("show.html"))
    app.router.add_get("/kiosk", page("kiosk.html"))
    app.router.add_get("/kiosk/{theatre}", page("kiosk.html"))
    app.router.add_get("/ops", page("ops.html"))
    app.router.add_get("/ops/shows/{show}", page("ops.html"))
    app.router.add_static("/static", static)


CHECKOUT_POLICY = {
    "razorpay": (
        "script-src 'self' https://checkout.razorpay.com",
        "frame-src https://api.razorpay.com https://checkout.razorpay.com",
        "style-src 'self' 'unsafe-inline'",
    )
}
"""What the checkout of a payment service needs on the pages beyond their own policy."""


def security_headers(
    nodes: Sequence[str], payments: str
) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Return an ``on_response_prepare`` handler with a strict CSP that lets a page connect to the ``nodes`` only.

    The checkout of the payment service ``payments`` may load what ``CHECKOUT_POLICY`` lists.
    """
    reachable = [origin for url in nodes for origin in _both_schemes(url)]
    policy = "; ".join(
        (
            "default-src 'self'",
            *CHECKOUT_POLICY.get(payments, ()),
            "connect-src 'self' " + " ".join(reachable),
            "img-src 'self' data:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'self'",
        )
    )

    # Browsers ignore it on plain HTTP, so it is safe to send on an address that is not encrypted too.
    encrypted = any(url.startswith("https://") for url in nodes)

    async def add(request: web.Request, response: web.StreamResponse) -> None:
        if encrypted:
            response.headers["Strict-Transport-Security"] = "max-age=31536000"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        if response.content_type == "text/html":
            response.headers["Content-Security-Policy"] = policy
        elif request.path.startswith("/static/"):
            # Revalidated each time, so that a page never mixes modules of two releases.
            response.headers["Cache-Control"] = "no-cache"

    return add


def cross_origin(origins: Sequence[str]) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Return an ``on_response_prepare`` handler that allows cross-origin requests (CORS) for modules and the API.

    Allowed are ``origins``: the pages of all nodes (fail-over), and the sites that embed the seat map.
    """
    allowed = frozenset(origins)

    async def add(request: web.Request, response: web.StreamResponse) -> None:
        origin = request.headers.get("Origin", "")
        # The Socket.IO server sets its own CORS headers.
        if request.path.startswith("/socket.io/"):
            return
        response.headers["Vary"] = "Origin, Accept-Encoding"
        if origin in allowed:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
            response.headers["Access-Control-Allow-Methods"] = "GET, POST, DELETE"

    return add


@web.middleware
async def preflight(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answer CORS preflight requests (a page of one node posts to another); ``cross_origin`` adds the headers."""
    if request.method == "OPTIONS" and request.path.startswith(("/api/", "/demo/")):
        return web.Response(status=204)
    return await handler(request)


def _both_schemes(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}", f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}"
