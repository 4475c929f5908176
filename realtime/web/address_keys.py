"""Names network addresses for the lock masters: a keyed hash, so that no master or backup contains addresses.

Nodes that share the secret give an address the same name, so it has one limit, however many nodes it uses.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
from collections.abc import Sequence
from functools import lru_cache

KEY_BYTES = 12
CACHED = 65_536
"""How many addresses' names a node caches."""


_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class AddressKeys:
    """Names the addresses of clients. An address of a network that many people share gets no name, and so no limit."""

    def __init__(self, secret: str, shared_networks: Sequence[str], proxies: Sequence[str] = ()) -> None:
        """All nodes of an installation share ``secret``. Raises ``ValueError`` for an invalid network.

        ``proxies`` are the trusted proxies. Their own addresses are never exempt: a client whose forwarding headers
        contradict each other counts as its proxy, and a client can cause that itself.
        """
        self._key = hashlib.sha256(b"addresses:" + secret.encode()).digest()
        self._shared = [ipaddress.ip_network(network) for network in shared_networks]
        self._proxies = [ipaddress.ip_network(network) for network in proxies]
        self.of = lru_cache(CACHED)(self._of)
        """Return the name of an address (``transport.client_address``); "" for one that is shared or unknown."""

    def _of(self, address: str) -> str:
        if not address:
            return ""
        # For IPv6, ``address`` is the client's /64 network, and the list may name a single address in it.
        network = ipaddress.ip_network(address, strict=False)
        if _is_in(network, self._shared) and not _is_in(network, self._proxies):
            return ""
        return self._name(address)

    def of_client(self, address: str, kiosk: str) -> str:
        """Return ``of_kiosk`` for a kiosk, ``of`` for any other client (``kiosk`` is "")."""
        return self.of_kiosk(kiosk, address) if kiosk else self.of(address)

    def of_kiosk(self, kiosk: str, address: str) -> str:
        """Return the name under which a kiosk (its token) has the limits of an address; "" at one that is shared."""
        return self._name(f"kiosk {kiosk}") if self.of(address) else ""

    def _name(self, text: str) -> str:
        digest = hmac.digest(self._key, text.encode(), "sha256")[:KEY_BYTES]
        return base64.urlsafe_b64encode(digest).decode()


def _is_in(network: _Network, networks: Sequence[_Network]) -> bool:
    return any(network.overlaps(each) for each in networks if each.version == network.version)
