"""``/api/openapi.json``, generated from the table of routes and the structs in ``realtime.wire``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from realtime import __version__
from realtime.errors import CODES
from realtime.web.routing import Route

_SECURITY: dict[str, list[dict[str, list[str]]]] = {"anyone": [], "owner": [{"token": []}], "operator": [{"key": []}]}


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of a node."""
    structs = [route.body for route in routes if route.body is not None]
    refs, components = msgspec.json.schema_components(structs, ref_template="#/components/schemas/{name}")
    bodies = dict(zip(structs, refs, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, bodies)
    return {
        "openapi": "3.1.0",
        "info": {"title": "TickingTickets", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": {**components, "Error": _ERROR},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "the token of a guest"},
                "key": {"type": "http", "scheme": "bearer", "description": "the operator key"},
            },
        },
    }


def _operation(route: Route, bodies: dict[type, Any]) -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    operation: dict[str, Any] = {
        "summary": route.summary,
        "security": _SECURITY[route.who],
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in re.findall(r"{(\w+)}", route.path)
        ],
        "responses": {
            "2XX": {"description": "success", "content": {"application/json": {"schema": {"type": "object"}}}},
            "4XX": {"description": "refused; `code` gives the reason", "content": error},
            "5XX": {"description": "failed; retry if `retryable`", "content": error},
        },
    }
    if route.body is not None:
        schema = bodies[route.body]
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


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
