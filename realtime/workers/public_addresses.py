"""Which network addresses webhooks may go to: public ones, so that no target names a server inside the installation.

The address that was checked is the one that is connected to: a name that resolves to another one a moment later gains
nothing.
"""

from __future__ import annotations

import ipaddress
import socket

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult

_TRANSLATED = tuple(map(ipaddress.ip_network, ("2002::/16", "2001::/32", "64:ff9b::/96", "64:ff9b:1::/48")))
"""IPv6 ranges that carry an IPv4 address: a router may lead them inside."""


class AddressRefused(OSError):
    """The target is not at a public address."""


def is_public(text: str) -> bool:
    """Return whether an IP address belongs to a host in the public Internet."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(str(address.ipv4_mapped))
        if any(address in network for network in _TRANSLATED):
            return False
    unusual = address.is_multicast or address.is_reserved or address.is_unspecified or address.is_loopback
    return address.is_global and not unusual and not address.is_link_local and not address.is_private


def is_address(host: str) -> bool:
    """Return whether a host is an IP address already, for which no resolver is asked."""
    try:
        ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    return True


class PublicResolver(AbstractResolver):
    """Resolves names to their public addresses; raises ``AddressRefused`` for a name that has none."""

    def __init__(self) -> None:
        """Uses the resolver of the system. Needs a running loop."""
        self._system = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the public addresses of a host."""
        found = [result for result in await self._system.resolve(host, port, family) if is_public(result["host"])]
        if not found:
            raise AddressRefused("not a public address")
        return found

    async def close(self) -> None:
        """Close the resolver of the system."""
        await self._system.close()
