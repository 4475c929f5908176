"""What one process runs with: its topology, and the secrets and overrides that come from the environment.

| variable | meaning |
| --- | --- |
| ``TICKINGTICKETS_TOPOLOGY`` | path of the topology file (``--topology``), default ``topology.toml`` |
| ``TICKINGTICKETS_SECRET`` | signs identities and names holds; the same on every node, 16 characters or more |
| ``TICKINGTICKETS_OPERATOR_KEY`` | the bearer key of operators; without it no operator request is allowed |
| ``TICKINGTICKETS_MASTER_<REGION>`` | overrides a region's ``master`` URL |
| ``TICKINGTICKETS_LEDGER_<REGION>`` | overrides a region's ``ledger`` URL |
| ``TICKINGTICKETS_REDIS_PASSWORD`` | password for every master and replica whose URL names none |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from realtime import topology
from realtime.topology import Plain, Region, Topology, TopologyError

PREFIX = "TICKINGTICKETS_"
DEFAULT_TOPOLOGY = "topology.toml"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a process is told at its start."""

    topology: Topology
    secret: str
    operator_key: str = ""
    redis_password: str = ""


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read the topology file and the environment; raise ``TopologyError`` when something needed is missing."""
    file = path or Path(environ.get(f"{PREFIX}TOPOLOGY", DEFAULT_TOPOLOGY))
    found = topology.load(file)
    secret = environ.get(f"{PREFIX}SECRET", "")
    if len(secret) < 16:
        raise TopologyError(f"set {PREFIX}SECRET to 16 characters or more, the same for every process")
    regions = {name: _override(region, environ) for name, region in found.regions.items()}
    return Settings(
        topology=replace(found, regions=regions),
        secret=secret,
        operator_key=environ.get(f"{PREFIX}OPERATOR_KEY", ""),
        redis_password=environ.get(f"{PREFIX}REDIS_PASSWORD", ""),
    )


def _override(region: Region, environ: Mapping[str, str]) -> Region:
    name = region.name.upper()
    master = environ.get(f"{PREFIX}MASTER_{name}")
    ledger = environ.get(f"{PREFIX}LEDGER_{name}")
    return replace(region, master=Plain(master) if master else region.master, ledger=ledger or region.ledger)
