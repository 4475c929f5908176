"""Which nodes a load test may be aimed at. No I/O."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

MAX_URLS = 64


class TargetError(Exception):
    """The target can't be tested. The message gives the reason in one line."""


def checked_urls(urls: Sequence[str], owned: bool) -> list[str]:
    """Return the URLs without duplicates and trailing slashes.

    Raises ``TargetError`` for anything that is not a node's URL, and, unless ``owned``, for a host that is not this
    machine.
    """
    if len(urls) > MAX_URLS:
        raise TargetError(f"at most {MAX_URLS} URLs")
    for url in urls:
        try:
            parts = urlsplit(url)
            host, _port = parts.hostname, parts.port
        except ValueError:
            host, parts = None, urlsplit("")
        if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
            raise TargetError(f"{url!r} is not the URL of a node, such as http://127.0.0.1:8000")
        if not owned and not _is_loopback(host):
            raise TargetError(f"{host} is not this machine; if you may load it, add --i-own-this-target")
    return list(dict.fromkeys(url.rstrip("/") for url in urls))


def _is_loopback(host: str) -> bool:
    # Names are not resolved: only "localhost" is certain to be this machine.
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
