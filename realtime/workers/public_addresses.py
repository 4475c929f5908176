"""Allows webhooks to public network addresses only, so that no target can name a server inside the installation.

The address is checked when the socket to it is created, so the check can't be avoided by the spelling of a host, or by
a name that resolves to another address a moment later.
"""

from __future__ import annotations

import ipaddress
import socket

from aiohttp import AddrInfoType

_IPV6_UNICAST = ipaddress.ip_network("2000::/3")
"""The range that is assigned to hosts on the public Internet; site-local addresses, for example, are outside it."""
_TRANSLATED = tuple(map(ipaddress.ip_network, ("2002::/16", "2001::/32")))
"""Ranges within it whose addresses contain an IPv4 address: a router may forward them to a private one."""


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
        if address not in _IPV6_UNICAST or any(address in network for network in _TRANSLATED):
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def public_socket(address: AddrInfoType) -> socket.socket:
    """Return a socket for a connection to an address, as aiohttp wants it; raise ``AddressRefused`` if not public."""
    family, kind, protocol, _name, where = address
    if not is_public(str(where[0])):
        raise AddressRefused("not a public address")
    return socket.socket(family, kind, protocol)
