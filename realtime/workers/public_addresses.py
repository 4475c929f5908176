"""Which network addresses webhooks may go to: public ones, so that no target names a server inside the installation.

The address is checked when the socket to it is made, so neither the spelling of a host nor a name that resolves to
another address a moment later gets around it.
"""

from __future__ import annotations

import ipaddress
import socket

from aiohttp import AddrInfoType

_IPV6_UNICAST = ipaddress.ip_network("2000::/3")
"""What is assigned to hosts in the public Internet; site-local addresses, for one, are outside of it."""
_TRANSLATED = tuple(map(ipaddress.ip_network, ("2002::/16", "2001::/32")))
"""Ranges of it that carry an IPv4 address: a router may lead them inside."""


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
