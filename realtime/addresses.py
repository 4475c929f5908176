"""Validates the addresses in a topology, so that a process does not start with one that it can't use.

Messages name the field, never the address itself, which may contain a password.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from redis.asyncio import ConnectionPool

from realtime.topology import LEDGER_FORMS, Plain, Region, Topology, TopologyError

LEDGERS = ("sqlite", "postgresql")
SENTINEL_CREDENTIALS = re.compile(r"rediss?://([^/@]*@)?")


def check_addresses(topology: Topology) -> None:
    """Raise ``TopologyError`` for the first invalid address."""
    for region in topology.regions.values():
        for field, url in _servers(region):
            try:
                ConnectionPool.from_url(url)  # connects to nothing
            except ValueError as error:
                raise TopologyError(f"regions.{region.name}.{field}: {error}") from None
        if not isinstance(region.master, Plain):
            if not SENTINEL_CREDENTIALS.fullmatch(region.master.sentinel_url):
                raise TopologyError(f"regions.{region.name}.sentinel_credentials: set redis://:password@")
            for host in region.master.hosts:
                _check_sentinel(region.name, host)
        if region.ledger:
            _check_ledger(region.name, region.ledger)


def _servers(region: Region) -> Iterator[tuple[str, str]]:
    yield ("master" if isinstance(region.master, Plain) else "credentials"), region.master.url
    for near, replicas in region.replicas.items():
        for replica in replicas:
            yield f"replicas.{near}", replica.url


def _check_sentinel(region: str, host: str) -> None:
    name, _, port = host.rpartition(":")
    if not name or not port.isdecimal() or not 0 < int(port) < 65536:
        raise TopologyError(f"regions.{region}.sentinels: {host} is not host:port")


def _check_ledger(region: str, url: str) -> None:
    # Nodes only name it; the ledger checks the rest of its address without their importing a database library.
    scheme, separator, _rest = url.partition("://")
    if not separator or scheme.partition("+")[0] not in LEDGERS:
        raise TopologyError(f"regions.{region}.ledger: set {LEDGER_FORMS}")
