"""``/api/openapi.json``, generated from the table of routes and the structs in ``realtime.wire``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from realtime import __version__
from realtime.errors import CODES
from realtime.web import pages
from realtime.web.routing import Route

_SECURITY: dict[str, list[dict[str, list[str]]]] = {
    "anyone": [],
    "owner": [{"token": []}],
    "link": [{"link": []}],
    "operator": [{"key": []}],
}


_JSON, _HTML, _TEXT, _ANY = "application/json", "text/html", "text/plain", "*/*"
OTHERS = (
    ("GET", "/api/openapi.json", "This document", _JSON, "anyone"),
    ("GET", "/healthz", "Whether the process serves", _JSON, "anyone"),
    ("GET", "/readyz", "Whether the node has read every region; 503 before that", _JSON, "anyone"),
    ("GET", "/metrics", "Metrics for Prometheus; without a key only on the node's machine", _TEXT, "operator"),
    ("GET", "/socket.io/", "Engine.IO 4: opens a session, polls it, or becomes a WebSocket", _ANY, "anyone"),
    ("POST", "/socket.io/", "Engine.IO 4: packets of a session that polls", _ANY, "anyone"),
    ("OPTIONS", "/socket.io/", "Engine.IO 4: preflight request of a page", _ANY, "anyone"),
    *(("GET", address, "A page", _HTML, "anyone") for address in pages.PAGES),
    *(("GET", address, f"The pages' {name}", media, "anyone") for address, (name, media) in pages.ALONE.items()),
    ("GET", pages.EMBED, "The seat map as an element for other sites' pages", "text/javascript", "anyone"),
    ("GET", "/static/built/{name}", "A bundled file of the pages", _ANY, "anyone"),
    ("GET", "/static/{filename}", "A file of the pages", _ANY, "anyone"),
)
"""What a node answers in addition to the tables of routes: method, path, summary, media type, who."""


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of a node."""
    structs = [route.body for route in routes if route.body is not None]
    refs, components = msgspec.json.schema_components(structs, ref_template="#/components/schemas/{name}")
    bodies = dict(zip(structs, refs, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, bodies)
    for method, path, summary, media_type, who in OTHERS:
        paths.setdefault(path, {})[method.lower()] = {
            "summary": summary,
            "security": _SECURITY[who],
            "parameters": _path_parameters(path),
            "responses": {"default": {"description": summary, "content": {media_type: {}}}},
        }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "TickingTickets",
            "version": __version__,
            "description": "HEAD is answered as GET is, without the body; only /socket.io/ has no HEAD.",
        },
        "paths": paths,
        "components": {
            "schemas": {**components, "Error": _ERROR},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "the token of a guest"},
                "link": {"type": "http", "scheme": "bearer", "description": "the token of a link to a ticket"},
                "key": {"type": "http", "scheme": "bearer", "description": "the operator key, or a staff token"},
            },
        },
    }


def _operation(route: Route, bodies: dict[type, Any]) -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    operation: dict[str, Any] = {
        "summary": route.summary,
        "security": _SECURITY[route.who],
        "parameters": _path_parameters(route.path),
        "responses": {
            "2XX": {
                "description": "success",
                "content": {media_type: _content(media_type) for media_type in route.answers},
            },
            "4XX": {"description": "refused; `code` gives the reason", "content": error},
            "5XX": {"description": "failed; retry if `retryable`", "content": error},
        },
    }
    if route.body is not None:
        schema = bodies[route.body]
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


def _content(media_type: str) -> dict[str, Any]:
    return {"schema": {"type": "object"}} if media_type == _JSON else {}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"{(\w+)}", path)
    ]


_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "retryable"],
            "properties": {
                "code": {"type": "string", "enum": list(CODES)},
                "message": {"type": "string"},
                "retryable": {"type": "boolean"},
            },
        }
    },
}
