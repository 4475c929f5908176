"""The settings of a process: its topology, and the secrets and overrides from the environment.

| variable | meaning |
| --- | --- |
| ``TICKINGTICKETS_TOPOLOGY`` | path of the topology file (``--topology``), default ``topology.toml`` |
| ``TICKINGTICKETS_SECRET`` | signs identity tokens and hold ids; the same on every node, 16 characters or more |
| ``TICKINGTICKETS_SECOND_SECRET`` | during a rotation: another secret whose signatures are accepted, too |
| ``TICKINGTICKETS_OPERATOR_KEY`` | the bearer key of operators; without it all ops requests are refused |
| ``TICKINGTICKETS_METRICS_KEY`` | a bearer key that reads ``/metrics`` from other machines, as the operator key does |
| ``TICKINGTICKETS_KIOSK_PIN`` | 6 to 12 digits that an attendant types to leave a kiosk; without it nobody can |
| ``TICKINGTICKETS_MASTER_<REGION>`` | overrides a region's ``master`` URL |
| ``TICKINGTICKETS_LEDGER_<REGION>`` | overrides a region's ``ledger`` URL |
| ``TICKINGTICKETS_WEBHOOK_SECRETS_<TARGET>`` | secrets (``whsec_...``) of a webhook target, apart by spaces; all sign |
| ``TICKINGTICKETS_MAIL_PASSWORD`` | password for the user in the URL of the mail server |
| ``TICKINGTICKETS_ALLOW_DEMO_PAYMENTS`` | ``yes`` allows the demo bank, where every booking is free |
| ``TICKINGTICKETS_REDIS_PASSWORD`` | password for every master and replica whose URL contains none |
| ``TICKINGTICKETS_ALLOW_WEAK_SECRETS`` | ``yes`` allows secrets that can be guessed, as in a trial |

``TICKINGTICKETS_..._FILE`` with the path of a file stands for any of them.
"""

from __future__ import annotations

import functools
import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from realtime import limits, topology_file
from realtime.environment import PREFIX, weakness_of_pin, weakness_of_secret, with_files
from realtime.payments.factory import PaymentConfig
from realtime.topology import Plain, Region, Topology, TopologyError

DEFAULT_TOPOLOGY = "topology.toml"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings that every process of an installation needs."""

    topology: Topology = field(repr=False)
    secret: str = field(repr=False)
    second_secret: str = field(default="", repr=False)
    """During a rotation: signatures with it are accepted, but no new ones are made."""
    operator_key: str = field(default="", repr=False)
    metrics_key: str = field(default="", repr=False)
    redis_password: str = field(default="", repr=False)
    kiosk_pin: str = field(default="", repr=False)
    mail_password: str = field(default="", repr=False)
    webhook_secrets: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    payments: PaymentConfig = field(default_factory=PaymentConfig)

    @property
    def secrets(self) -> list[str]:
        """The secrets in use: sign with the first, accept signatures of all."""
        return [secret for secret in (self.secret, self.second_secret) if secret]


def process_name() -> str:
    """Return a name of this process that no other process of the installation has or had.

    Host name and process id are for people. Containers and machines made from one image may share both, so there is a
    random part too: two keepers with the same name would take each other's entries for their own.
    """
    process = os.getpid()
    return f"{socket.gethostname()}-{process}-{_random_part(process)}"


@functools.cache
def _random_part(_process: int) -> str:
    # Cached by process, so that a fork gets its own.
    return secrets.token_hex(4)


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read the topology file and the environment; raise ``TopologyError`` if a setting is missing or invalid."""
    environ = with_files(environ)
    file = path or Path(environ.get(f"{PREFIX}TOPOLOGY", DEFAULT_TOPOLOGY))
    found = topology_file.load(file)
    if not environ.get(f"{PREFIX}SECRET"):
        raise TopologyError(
            f"set {PREFIX}SECRET to at least 16 random characters (openssl rand -hex 24), the same for every process"
        )
    pin = environ.get(f"{PREFIX}KIOSK_PIN", "")
    if pin and not (pin.isascii() and pin.isdigit() and limits.MIN_PIN_DIGITS <= len(pin) <= limits.MAX_PIN_DIGITS):
        span = f"{limits.MIN_PIN_DIGITS} to {limits.MAX_PIN_DIGITS}"
        raise TopologyError(f"set {PREFIX}KIOSK_PIN to {span} digits, or unset it: then nobody can leave a kiosk")
    if environ.get(f"{PREFIX}ALLOW_WEAK_SECRETS") != "yes":
        _check_strengths(environ)
    regions = {name: _override(region, environ) for name, region in found.regions.items()}
    return Settings(
        topology=replace(found, regions=regions),
        secret=environ[f"{PREFIX}SECRET"],
        second_secret=environ.get(f"{PREFIX}SECOND_SECRET", ""),
        operator_key=environ.get(f"{PREFIX}OPERATOR_KEY", ""),
        metrics_key=environ.get(f"{PREFIX}METRICS_KEY", ""),
        redis_password=environ.get(f"{PREFIX}REDIS_PASSWORD", ""),
        kiosk_pin=pin,
        webhook_secrets={
            name: tuple(secrets.split())
            for name in found.webhooks
            if (secrets := environ.get(f"{PREFIX}WEBHOOK_SECRETS_{name.upper()}", ""))
        },
        mail_password=environ.get(f"{PREFIX}MAIL_PASSWORD", ""),
        payments=_payments(found, environ),
    )


def _check_strengths(environ: Mapping[str, str]) -> None:
    """Raise ``TopologyError`` for a secret that a stranger could guess."""
    for name, weakness in (
        ("SECRET", weakness_of_secret),
        ("SECOND_SECRET", weakness_of_secret),
        ("OPERATOR_KEY", weakness_of_secret),
        ("METRICS_KEY", weakness_of_secret),
        ("KIOSK_PIN", weakness_of_pin),
    ):
        value = environ.get(f"{PREFIX}{name}", "")
        if value and (why := weakness(value)):
            advice = (
                "choose another" if name == "KIOSK_PIN" else "set 16 random characters or more: openssl rand -hex 24"
            )
            raise TopologyError(f"{PREFIX}{name} can be guessed: it {why}; {advice}")


def _payments(found: Topology, environ: Mapping[str, str]) -> PaymentConfig:
    options = dict(found.payments)
    return PaymentConfig(
        service=str(options.pop("service", "")),
        options=options,
        environ={name: value for name, value in environ.items() if name.startswith(PREFIX)},
        demo_allowed=environ.get(f"{PREFIX}ALLOW_DEMO_PAYMENTS", "") == "yes",
    )


def _override(region: Region, environ: Mapping[str, str]) -> Region:
    name = region.name.upper()
    master = environ.get(f"{PREFIX}MASTER_{name}")
    ledger = environ.get(f"{PREFIX}LEDGER_{name}")
    return replace(region, master=Plain(master) if master else region.master, ledger=ledger or region.ledger)
