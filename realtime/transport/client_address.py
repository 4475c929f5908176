"""Determines the address of a client, also behind load balancers that the operator trusts.

Rate limits, attempt limiters and caps are kept per client address. Without ``proxies`` in the topology that is the peer
of the connection, and no header is read. The headers of a listed peer are believed: the client is then the last address
in ``X-Forwarded-For`` (or ``Forwarded``) that is not itself a listed proxy. Each proxy appends the address that it has
seen, so what stands before that may have been sent by the client.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aiohttp import web

ENVIRON_KEY = "tickingtickets.client_address"
"""Where our transport keeps a session's client address in its WSGI environment."""
_PEERS = 10_000
"""How many peers' addresses are cached, because parsing one takes longer than accepting a connection."""
_MOST_HOPS = 20
"""How many addresses of a header are examined, from its end."""
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def peer_of(transport: asyncio.BaseTransport) -> str | None:
    """Return the address at the other end of a connection; None if it has none."""
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) else None


class ClientAddresses:
    """Tells the address of a client from a connection's peer and a request's headers."""

    def __init__(self, proxies: Sequence[str] = ()) -> None:
        """``proxies`` are addresses or networks (``10.0.0.0/8``); raises ``ValueError`` for one that is neither."""
        self._proxies = tuple(ipaddress.ip_network(proxy) for proxy in proxies)

        self.of_peer = functools.lru_cache(_PEERS)(self._of_peer)
        """Returns the address of a peer, and whether its connections carry the requests of many clients."""

    def _of_peer(self, peer: str) -> tuple[str, bool]:
        address = _parsed(peer)
        return ("", False) if address is None else (_shown(address), self._trusts(address))

    def of(self, peer: str | None, headers: Mapping[str, str]) -> str:
        """Return the client's address: IPv4, or the /64 network of an IPv6 address, which belongs to one customer.

        A header that can't be read, or two headers that contradict each other, are not believed: the answer is then
        the last proxy that can be believed. "" if the connection has no peer with an address.
        """
        shown, is_proxy = self.of_peer(peer or "")
        address = _parsed(peer or "") if is_proxy else None
        return shown if address is None else _shown(self._behind(address, headers))

    def _behind(self, proxy: Address, headers: Mapping[str, str]) -> Address:
        """Return the client for which a proxy has sent a request; the proxy itself if the headers don't say."""
        lines = ", ".join(_all(headers, "X-Forwarded-For"))
        other = ", ".join(_all(headers, "Forwarded"))
        by_list = self._last_client(proxy, _hops(lines)) if lines else None
        by_field = self._last_client(proxy, _forwarded_hops(other)) if other else None
        if by_list is not None and by_field is not None and by_list != by_field:
            return proxy  # a proxy sets one of the two headers; a client may have sent the other
        return by_list or by_field or proxy

    def _last_client(self, proxy: Address, hops: Iterator[Address | None]) -> Address:
        """Return the first of ``hops`` (the nearest first) that is no listed proxy; None is one that can't be read."""
        last = proxy
        for hop in hops:
            if hop is None:
                return last
            last = hop
            if not self._trusts(hop):
                return last
        return last

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._proxies)


def _all(headers: Mapping[str, str], name: str) -> list[str]:
    getall = getattr(headers, "getall", None)  # a multidict; a proxy may append a second line instead of a value
    return list(getall(name, ())) if getall is not None else [headers[name]] if name in headers else []


def _hops(line: str) -> Iterator[Address | None]:
    """Yield the addresses in ``X-Forwarded-For``, the last one first."""
    for hop in reversed(line.rsplit(",", _MOST_HOPS)[-_MOST_HOPS:]):
        yield _parsed(hop.strip())


def _forwarded_hops(line: str) -> Iterator[Address | None]:
    """Yield the addresses after ``for=`` in ``Forwarded`` (RFC 7239), the last one first."""
    for hop in reversed(line.rsplit(",", _MOST_HOPS)[-_MOST_HOPS:]):
        fields = (field.partition("=") for field in hop.split(";"))
        found = [value.strip().strip('"') for name, _, value in fields if name.strip().lower() == "for"]
        yield _parsed(found[0]) if found else None


def _parsed(text: str) -> Address | None:
    """Return an address that is written alone, with a port, or in brackets; None for anything else."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _shown(address: Address) -> str:
    """Return the text under which limits count an address and logs name it."""
    if isinstance(address, ipaddress.IPv4Address) or address.is_loopback:
        return str(address)
    return str(ipaddress.ip_network((address, 64), strict=False))


ADDRESSES: web.AppKey[ClientAddresses] = web.AppKey("client_addresses", ClientAddresses)
"""Where an application keeps its ``ClientAddresses``; without one, no proxy is trusted."""
_NO_PROXIES = ClientAddresses()


def client_address(request: web.Request) -> str:
    """Return the address of the client that sent a request; see ``ClientAddresses.of``."""
    return request.app.get(ADDRESSES, _NO_PROXIES).of(request.remote, request.headers)


def session_address(environ: Mapping[str, Any]) -> str:
    """Return the address of a Socket.IO client, given the WSGI environment that its handlers get."""
    known = environ.get(ENVIRON_KEY)
    return str(known) if known is not None else client_address(environ["aiohttp.request"])
