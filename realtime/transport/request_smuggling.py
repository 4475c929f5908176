"""Refuses requests that a proxy in front of a node may understand in another way than the node does.

Where a proxy and a node disagree about where a request ends, or which host it is for, a client can smuggle a second
request past the proxy's rules, or into the connection of somebody else.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from typing import Any

_VERSIONS = ((1, 0), (1, 1))
_HOST = re.compile(
    r"(?:\[(?P<ip>[0-9A-Fa-f:.]+)\]|(?:[\w.~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)(?::(?P<port>\d*))?", re.ASCII
)
"""A host with an optional port as RFC 3986, section 3.2.2, writes it; names with underscores are valid."""
_LAST_PORT = 65535


def is_unambiguous(version: tuple[int, int], headers: Any) -> bool:
    """Tell whether a request is for one host and its body ends in one place; ``headers`` is a multidict.

    HTTP 1.0 or 1.1, with one valid ``Host`` (RFC 9112, section 3.2; 1.0 may do without) and no transfer coding but
    ``chunked``, which 1.0 does not know (section 6.1).
    """
    hosts, codings = headers.getall("Host", ()), headers.getall("Transfer-Encoding", ())
    return (
        tuple(version) in _VERSIONS
        and (len(hosts) == 1 or (not hosts and version < (1, 1)))
        and all(map(_is_host, hosts))
        and (not codings or (version >= (1, 1) and [coding.strip().lower() for coding in codings] == ["chunked"]))
    )


@functools.lru_cache(maxsize=64)
def _is_host(text: str) -> bool:
    found = _HOST.fullmatch(text)
    if found is None or int(found["port"] or 0) > _LAST_PORT:
        return False
    try:
        return found["ip"] is None or bool(ipaddress.IPv6Address(found["ip"]))
    except ValueError:
        return False
