"""``/api/openapi.json``, generated from the tables of routes and the types of their bodies, queries and answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from realtime import __version__, limits
from realtime.errors import CODES
from realtime.web import answers, pages
from realtime.web.routing import READS, Route

_SECURITY: dict[str, list[dict[str, list[str]]]] = {
    "anyone": [],
    "owner": [{"token": []}],
    "link": [{"link": []}],
    "operator": [{"key": []}],
}


_JSON, _HTML, _TEXT, _ANY = "application/json", "text/html", "text/plain", "*/*"
OTHERS = (
    ("GET", "/api/openapi.json", "This document", _JSON, "anyone", dict[str, Any]),
    ("GET", "/healthz", "Whether the process serves", _JSON, "anyone", answers.Health),
    ("GET", "/readyz", "Whether the node has read every region; 503 before that", _JSON, "anyone", answers.Readiness),
    ("GET", "/metrics", "Metrics for Prometheus; without a key only on the node's machine", _TEXT, "operator", None),
    ("GET", "/socket.io/", "Engine.IO 4: opens a session, polls it, or becomes a WebSocket", _ANY, "anyone", None),
    ("POST", "/socket.io/", "Engine.IO 4: packets of a session that polls", _ANY, "anyone", None),
    ("OPTIONS", "/socket.io/", "Engine.IO 4: preflight request of a page", _ANY, "anyone", None),
    *(("GET", address, "A page", _HTML, "anyone", None) for address in pages.PAGES),
    *(("GET", address, f"The pages' {name}", media, "anyone", None) for address, (name, media) in pages.ALONE.items()),
    ("GET", pages.EMBED, "The seat map as an element for other sites' pages", "text/javascript", "anyone", None),
    ("GET", "/static/built/{name}", "A bundled file of the pages", _ANY, "anyone", None),
    ("GET", "/static/{filename}", "A file of the pages", _ANY, "anyone", None),
)
"""Routes that are not in the tables: method, path, summary, media type, who may call them, type of the JSON."""
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "names the request: send it again if the answer was lost",
    "schema": {"type": "string", "maxLength": limits.MAX_ID_LENGTH, "pattern": "^[ -~]*$"},
}


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of a node."""
    schemas = _Schemas(
        [kind for route in routes for kind in (route.body, route.query, route.result) if kind is not None]
        + [kind for *_, kind in OTHERS if kind is not None]
    )
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    for method, path, summary, media_type, who, result in OTHERS:
        content = {"schema": schemas.of(result)} if result is not None else {}
        paths.setdefault(path, {})[method.lower()] = {
            "summary": summary,
            "security": _SECURITY[who],
            "parameters": _path_parameters(path),
            "responses": {"default": {"description": summary, "content": {media_type: content}}},
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
            "schemas": {**schemas.components, "Error": _ERROR},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "the token of a guest"},
                "link": {"type": "http", "scheme": "bearer", "description": "the token of a link to a ticket"},
                "key": {"type": "http", "scheme": "bearer", "description": "the operator key, or a staff token"},
            },
        },
    }


class _Schemas:
    """The JSON schemas of the types of bodies, queries and answers."""

    def __init__(self, kinds: Sequence[Any]) -> None:
        refs, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
        self.components: dict[str, Any] = components
        self._of = list(zip(kinds, refs, strict=True))

    def of(self, kind: Any) -> dict[str, Any]:
        """Return the schema of a type: a reference to a component if the type has a name."""
        return next(schema for each, schema in self._of if each is kind)

    def parameters(self, query: type[msgspec.Struct]) -> list[dict[str, Any]]:
        """Return the parameters of a query: the fields of its type."""
        form = self.components[self.of(query)["$ref"].rpartition("/")[2]]
        return [
            {"name": name, "in": "query", "required": name in form["required"], "schema": schema}
            for name, schema in form["properties"].items()
        ]


def _operation(route: Route, schemas: _Schemas) -> dict[str, Any]:
    error = {_JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}
    result = {"schema": schemas.of(route.result)} if route.result is not None else {}
    operation: dict[str, Any] = {
        "summary": route.summary,
        "security": _SECURITY[route.who],
        "parameters": [
            *_path_parameters(route.path),
            *(schemas.parameters(route.query) if route.query is not None else ()),
            *((_IDEMPOTENCY_KEY,) if route.method not in READS else ()),
        ],
        "responses": {
            "2XX": {
                "description": "success",
                "content": {media_type: result if media_type == _JSON else {} for media_type in route.answers},
            },
            "4XX": {"description": "refused; `code` gives the reason", "content": error},
            "5XX": {"description": "failed; retry if `retryable`", "content": error},
        },
    }
    if route.body is not None:
        content = {_JSON: {"schema": schemas.of(route.body)}}
        operation["requestBody"] = {"required": not route.body_optional, "content": content}
    return operation


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
