"""Declares and answers HTTP routes. One table of routes makes both the router and ``/api/openapi.json``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
import orjson
from aiohttp import web
from redis.exceptions import ResponseError

from realtime import limits
from realtime.errors import BadRequest, NotFound, PayloadTooLarge, RegionUnavailable, TicketError
from realtime.staff import Role
from realtime.transport.http_connection import allow_body
from realtime.transport.limited_log import LimitedLog
from realtime.transport.request_smuggling import is_unambiguous
from realtime.web.shared_body import body_of

log = logging.getLogger(__name__)
limited_log = LimitedLog(log)
Query = TypeVar("Query", bound=msgspec.Struct)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
READS = ("GET", "HEAD")
"""Methods that change nothing. A route for GET answers HEAD too (RFC 9110, section 9.3.2)."""
UNREADABLE = (ResponseError, msgspec.MsgspecError)
"""The errors for a record that can't be read: of a master's function or command, and of this process. A body that can't
be read raises ``BadRequest`` instead."""
_REASONS = {
    408: "The request has not arrived in time.",
    412: "If-Match names another version than there is.",
}
"""The messages for HTTP statuses without an error code of their own; a request with another status is malformed."""


@dataclass(frozen=True, slots=True)
class Route:
    """One route: its address, its summary and body in the OpenAPI document, and who may call it."""

    method: str
    path: str
    handler: Handler
    summary: str
    body: type | None = None
    who: str = "anyone"
    """``anyone``; ``owner``: needs a guest's token; ``link``: the token of a link to a ticket; ``operator``: the
    operator key or an operator's token."""
    roles: tuple[Role, ...] = ()
    """Roles of staff that may also call an operator's route."""
    private: bool = False
    """The body has personal data, and is not recorded in the audit log."""
    recorded: bool = True
    """Requests are recorded in the audit log, if this is an operator's route that changes something."""
    answers: tuple[str, ...] = ("application/json",)
    """The media types of its answer if it succeeds."""
    query: type[msgspec.Struct] | None = None
    """The type of its query, which the handler gets from ``read_query``."""
    body_optional: bool = False
    """A request may have no body."""
    result: Any = None
    """The type of its JSON answer if it succeeds (``web.answers``)."""


def bearer(authorization: str) -> str | None:
    """Return the token in a header ``Authorization``; None if the scheme is not Bearer, "" without a token.

    The case of the scheme's name does not matter (RFC 9110, section 11.1).
    """
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def secret_in(authorization: str) -> str:
    """Return the token in a header ``Authorization``, or all of the header if it names no scheme."""
    token = bearer(authorization)
    return authorization if token is None else token


def read_query(request: web.Request, kind: type[Query]) -> Query:
    """Return the query of a request, validated as ``kind``, which is its route's ``query``; raise ``BadRequest``.

    Spaces around a value are ignored. An empty value counts as missing; if a parameter is repeated, the first one
    counts.
    """
    given = {name: text for name in request.query if (text := request.query[name].strip())}
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequest(f"Invalid query: {error}") from None


@web.middleware
async def errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answer every error in the documented form; an unexpected exception is logged and answered as ``internal``."""
    if not is_unambiguous(request.version, request.headers):
        refused = refusal(400)
        refused.force_close()
        return refused
    if len(request.headers.getall("Authorization", ())) > 1:  # a proxy may read the other one
        return _refusal(BadRequest("Send one header Authorization."))
    try:
        answer = await handler(request)
    except TicketError as error:
        return _refusal(error)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        allowed = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
        return refusal(error.status, allowed)
    except (ConnectionError, asyncio.CancelledError):
        raise
    except web.RequestPayloadError:
        return _refusal(BadRequest("The body of the request can't be read."))
    except (RecursionError, UnicodeError):
        return _refusal(BadRequest("The request is nested too deeply, or is not valid Unicode."))
    except Exception as error:
        return _refusal(failure(error, f"{request.method} {request.path}"))
    is_ours = answer.content_type in ("application/json", "text/html")
    if answer.status >= 400 and isinstance(answer, web.Response) and not is_ours:
        refused = refusal(answer.status)  # answered by the Socket.IO server, whose other headers are kept
        answer.body, answer.content_type = refused.body, refused.content_type
    return answer


def failure(error: Exception, what: str) -> TicketError:
    """Log an unexpected exception in the handler of ``what``; return the error that the client is answered.

    A record that can't be read is logged in one line, at most every ten seconds. Keepers find it and rebuild its show,
    so the same request may succeed later.
    """
    if isinstance(error, UNREADABLE):
        limited_log.warning("a record can't be read", what, error)
        return RegionUnavailable()
    log.error("%s failed", ascii(what), exc_info=error)
    return TicketError()


def refusal(status: int, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return the answer with this status to a request that no handler could process."""
    error: TicketError
    if status in (404, 405):
        error = NotFound()
    elif status in (413, 414, 431):
        error = PayloadTooLarge()
    elif status >= 500:
        error = TicketError()
    else:
        error = BadRequest(_REASONS.get(status, "The request is malformed."))
    answer = _refusal(error, status)
    answer.headers.update(headers or {})
    return answer


def _refusal(error: TicketError, status: int | None = None) -> web.Response:
    answer = json_answer({"error": error.payload()}, status=status or error.status)
    if answer.status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def json_answer(payload: object, status: int = 200) -> web.Response:
    """Return a JSON answer that must not be cached."""
    return web.Response(
        body=body_of(orjson.dumps(payload)),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


async def read_plan(request: web.Request) -> bytes:
    """Return a body of up to ``limits.MAX_PLAN_BYTES``, with more time for it; raise ``PayloadTooLarge``.

    Call it only after the operator key was accepted: then the limits for bodies of strangers no longer apply.
    """
    allow_body(request, limits.PLAN_BODY_S)
    return await read_up_to(request, limits.MAX_PLAN_BYTES)


async def read_up_to(request: web.Request, size: int) -> bytes:
    """Return a body of up to ``size`` bytes, whatever the server's general limit; raise ``PayloadTooLarge``."""
    parts, total = [], 0
    async for part in request.content.iter_chunked(1 << 18):
        total += len(part)
        if total > size:
            raise PayloadTooLarge()
        parts.append(part)
    return b"".join(parts)


def idempotency_key(request: web.Request) -> str:
    """Return the header ``Idempotency-Key``, "" if there is none; raise ``BadRequest`` if it is not a valid id."""
    key = request.headers.get("Idempotency-Key", "")
    if len(key) > limits.MAX_ID_LENGTH or not key.isprintable():
        raise BadRequest(f"Idempotency-Key has at most {limits.MAX_ID_LENGTH} printable characters.")
    return key
