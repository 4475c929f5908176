"""The request that opens a WebSocket: what engine.io reads of it, and how strict it has to be."""

from __future__ import annotations

import asyncio
import base64
import binascii
import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from realtime.transport.admission import ConnectionSlot
from realtime.transport.client_address import peer_of
from realtime.transport.request_smuggling import is_unambiguous

_ONCE = ("Upgrade", "Sec-WebSocket-Version", "Sec-WebSocket-Key")
"""Headers that a handshake must have exactly once."""


class Handshake:
    """Takes the place of aiohttp's request in engine.io: the attributes that it reads, and no more."""

    __slots__ = ("accepted", "headers", "path", "path_qs", "query_string", "remote", "slot", "transport", "version")
    method = "GET"
    content = None

    def __init__(self, transport: asyncio.Transport, message: Any) -> None:
        """``message`` is what aiohttp's parser has read."""
        self.slot: ConnectionSlot | None = None
        """The connection's, for its ``WebSocketConnection``."""
        self.transport = transport
        self.remote = peer_of(transport)
        self.version = message.version
        self.headers = message.headers
        self.path_qs = message.path
        self.path, _, self.query_string = message.path.partition("?")
        self.accepted = False
        """Whether the driver has made a ``WebSocketConnection`` of it."""


def is_strict(request: Handshake | web.Request) -> bool:
    """Tell whether a request is a WebSocket handshake exactly as RFC 6455 asks for it (section 4.2.1).

    HTTP/1.1, no body, each of the headers once: what is ambiguous could be read differently by a proxy.
    """
    headers = request.headers
    return (
        tuple(request.version) == (1, 1)
        and is_unambiguous((1, 1), headers)
        and all(len(headers.getall(name, ())) == 1 for name in _ONCE)
        and "Transfer-Encoding" not in headers
        and headers.get("Content-Length", "0") == "0"
        and headers["Upgrade"].lower() == "websocket"
        and asks_for_upgrade(headers)
        and headers["Sec-WebSocket-Version"] == "13"
        and _is_key(headers["Sec-WebSocket-Key"])
    )


@functools.lru_cache(maxsize=64)
def query_of(query_string: str) -> Mapping[str, list[str]]:
    """Return the values of a query by name; the clients of one library all send the same one."""
    return MappingProxyType(parse_qs(query_string))


def asks_for_upgrade(headers: Any) -> bool:
    """Tell whether ``Connection`` has the option ``upgrade``; ``headers`` is a multidict."""
    options = ",".join(headers.getall("Connection", ())).lower().split(",")
    return "upgrade" in map(str.strip, options)


def _is_key(key: str) -> bool:
    """Tell whether a client's key is one as RFC 6455 describes it: 16 bytes in base64."""
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (ValueError, binascii.Error):
        return False
