"""The pages: bundles, static files, the public addresses of the pages, and their security and CORS headers."""

from __future__ import annotations

import mimetypes
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from realtime.web.assets import FOR_GOOD, Asset, send, send_whole
from realtime.web.bundle import Bundle
from realtime.web.encodings import IDENTITY, compressed
from realtime.web.page_data import PageData
from realtime.web.routing import READS

SHOW = "show.html"
"""The page in which the data of a show is embedded."""
PAGES = {
    "/": "index.html",
    "/shows/{show}": SHOW,
    "/kiosk": "kiosk.html",
    "/kiosk/{theatre}": "kiosk.html",
    "/tickets": "tickets.html",
    "/gate": "gate.html",
    "/ops": "ops.html",
    "/ops/shows/{show}": "ops.html",
}
ALONE = {
    "/sw.js": ("sw.js", "text/javascript"),
    "/manifest.webmanifest": ("manifest.webmanifest", "application/manifest+json"),
}
"""Files with a fixed address and type. A service worker must be served at the level of its page."""

MISSING = "missing.html"
"""The page that people see at an address that does not exist; programs get JSON."""
EMBED = "/static/seat-map/seat-map.js"
"""The address of the element on other sites' pages: the same for every release."""
_FOR_MINUTES = "public, max-age=600, stale-while-revalidate=86400"
_FOR_A_DAY = "public, max-age=86400"


def add_pages(app: web.Application, static: Path, bundle: Bundle | None, data: PageData) -> None:
    """Serve the folder ``static`` under ``/static/``, and each page at its public address, bundled if possible.

    ``data`` is embedded in the pages.
    """

    async def written(name: str, show: str | None = None) -> Asset:
        # Without a bundle, the file is read each time, so that developers see their last change.
        html = bundle.pages[name] if bundle else (static / name).read_text(encoding="utf-8")
        return await data.write(html, show)

    def page(name: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def serve(request: web.Request) -> web.StreamResponse:
            show = request.match_info["show"] if name == SHOW else None
            answer = await written(name, show)
            if show is not None and not data.may_exist(show):
                # The page says that there is no such show, and finds the show if it is declared meanwhile.
                return _not_found(request, answer)
            return send(request, answer, "no-cache")

        return serve

    async def missing(request: web.Request) -> web.Response:
        return _not_found(request, await written(MISSING))

    for address, name in PAGES.items():
        app.router.add_get(address, page(name))
    for address, (name, media_type) in ALONE.items():
        app.router.add_get(address, _file(static / name, media_type))

    app.middlewares.insert(0, _missing_page(missing))
    if bundle is not None:
        _add_bundle(app, bundle)
    app.router.add_get("/static/{filename:.+}", _files(static.resolve()))


def _not_found(request: web.Request, page: Asset) -> web.Response:
    # Conditions are ignored, because they are about a resource at the address (RFC 9110, 13.2.1).
    answer = send_whole(request, page, "no-cache")
    answer.set_status(404)
    return answer


def _file(file: Path, media_type: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    asset = Asset.of(compressed(file.read_bytes()), media_type)

    async def serve(request: web.Request) -> web.StreamResponse:
        return send(request, asset, "no-cache")

    return serve


def _files(folder: Path) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    kept: dict[Path, tuple[float, Asset]] = {}
    """Files by path, as of their time of modification."""

    async def serve(request: web.Request) -> web.StreamResponse:
        try:
            file = (folder / request.match_info["filename"]).resolve()
            found = file.is_relative_to(folder) and file.is_file()
        except (OSError, ValueError):  # the name is one that no file can have
            found = False
        if not found:
            raise web.HTTPNotFound
        changed_at = file.stat().st_mtime
        if file not in kept or kept[file][0] != changed_at:
            media_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
            kept[file] = changed_at, Asset.of({IDENTITY: file.read_bytes()}, media_type)
        # Modules are revalidated each time, so that a page never mixes those of two releases.
        return send(request, kept[file][1], _FOR_A_DAY if file.suffix == ".svg" else "no-cache")

    return serve


def _missing_page(page: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Middleware:
    """Return a middleware that answers browsers with ``page`` where an address does not exist."""

    @web.middleware
    async def missing(request: web.Request, handler: Handler) -> web.StreamResponse:
        answer = await handler(request)
        wanted = request.method in READS and "text/html" in request.headers.get("Accept", "")
        is_page = answer.content_type == "text/html"
        if answer.status != 404 or is_page or not wanted or request.path.startswith(("/api/", "/static/")):
            return answer
        return await page(request)

    return missing


def _add_bundle(app: web.Application, bundle: Bundle) -> None:
    async def serve(request: web.Request) -> web.StreamResponse:
        asset = bundle.files.get(request.match_info["name"])
        if asset is None:
            raise web.HTTPNotFound
        return send(request, asset, FOR_GOOD)

    async def embed(request: web.Request) -> web.StreamResponse:
        return send(request, bundle.embed, _FOR_MINUTES)

    app.router.add_get(r"/static/built/{name:[^/]+\.(?:js|css|woff2)}", serve)
    app.router.add_get(EMBED, embed)


CHECKOUT_POLICY = {
    "razorpay": (
        "script-src 'self' https://checkout.razorpay.com",
        "frame-src https://api.razorpay.com https://checkout.razorpay.com",
        "style-src 'self' 'unsafe-inline'",
    )
}
"""What the checkout of each payment service may load, in addition to the pages' own policy."""


def common_headers(nodes: Sequence[str]) -> dict[str, str]:
    """Return the headers that every answer has; ``nodes`` are the public addresses of the nodes."""
    # Browsers ignore this header on plain HTTP, so it can be sent in any case.
    encrypted = any(url.startswith("https://") for url in nodes)
    strict = {"Strict-Transport-Security": "max-age=31536000"} if encrypted else {}
    return {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", **strict}


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

    common = common_headers(nodes)

    async def add(request: web.Request, response: web.StreamResponse) -> None:
        response.headers.popall("Server", None)
        response.headers.update(common)
        if response.content_type == "text/html":
            response.headers["Content-Security-Policy"] = policy

    return add


def cross_origin(origins: Sequence[str]) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Return an ``on_response_prepare`` handler that allows cross-origin requests (CORS) for modules and the API.

    ``origins`` are allowed: the pages of all nodes (for fail-over) and the sites that embed the seat map. Files may be
    loaded from every origin, so that the seat map itself can say that its page's origin is not allowed.
    """
    allowed = frozenset(origins)

    async def add(request: web.Request, response: web.StreamResponse) -> None:
        origin = request.headers.get("Origin", "")
        # The Socket.IO server sets its own CORS headers.
        if request.path.startswith("/socket.io/"):
            return
        response.headers["Vary"] = "Origin, Accept-Encoding"
        if request.path.startswith("/static/"):
            response.headers["Access-Control-Allow-Origin"] = "*"
        elif origin in allowed:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type, Idempotency-Key"
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
