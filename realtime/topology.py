"""The topology of an installation: regions with their masters, replicas, ledgers and nodes.

``topology_file`` reads one from its TOML file. This module opens no connection and does not read the environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from realtime import limits

EVENTS = (
    "hold.created",
    "hold.expired",
    "hold.released",
    "booking.confirmed",
    "booking.cancelled",
    "booking.exchanged",
    "refund.completed",
    "show.changed",
)
"""The types of events of webhooks."""
LEDGER_FORMS = "sqlite:////path/to/file or postgresql://user@host/database"


class TopologyError(ValueError):
    """The topology or another setting is invalid; the message says which one and what to do."""


@dataclass(frozen=True, slots=True)
class Plain:
    """One server by URL: ``redis://[user:password@]host:port/db`` or ``rediss://``."""

    url: str

    @property
    def address(self) -> str:
        """Host, port and database, for logs: the URL may carry a password."""
        return self.url.rpartition("@")[2].rpartition("//")[2]


@dataclass(frozen=True, slots=True)
class Sentinels:
    """A master that Sentinels (``host:port`` each) know by a service name.

    ``url`` has the credentials of the master and its db, ``sentinel_url`` the credentials of the Sentinels.
    """

    hosts: tuple[str, ...]
    service: str
    url: str = "redis://"
    sentinel_url: str = "redis://"

    @property
    def servers(self) -> list[Plain]:
        """The Sentinels themselves."""
        return [Plain(f"{self.sentinel_url}{host}") for host in self.hosts]


@dataclass(frozen=True, slots=True)
class Region:
    """One region. ``replicas`` maps the region of a reader to the replicas near it, in order of preference."""

    name: str
    label: str
    master: Plain | Sentinels
    replicas: Mapping[str, tuple[Plain, ...]]
    ledger: str
    theatres: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Seller:
    """Who sells the tickets, as they state it; see ``tickets.data.Seller``."""

    name: str = "TickingTickets"
    gstin: str = ""
    address: str = ""
    interstate: bool = False


class IdentityProvider(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An external provider of tokens: the URL of its public keys, and the ``iss`` and ``aud`` of its tokens."""

    jwks: str = ""
    issuer: str = ""
    audience: str = ""


class ChallengeTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What clients have to solve before they hold seats, and from how many holds on, of an address or for a show."""

    service: str = ""
    address_holds_per_minute: Annotated[int, Meta(ge=1, le=100_000)] = 20
    show_holds_per_s: Annotated[float, Meta(ge=0.01, le=100_000)] = 50.0
    options: Mapping[str, object] = {}


class HoldLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one identity and one network address may hold; counted for each show, on its owning master.

    Addresses in ``shared_networks`` have no limit of their own: many people are known to share them.
    """

    holds_per_owner: Annotated[int, Meta(ge=1, le=100)] = limits.MAX_HOLDS_PER_OWNER
    seats_per_address: Annotated[int, Meta(ge=1, le=100_000)] = limits.MAX_SEATS_PER_ADDRESS
    rest_s: Annotated[float, Meta(ge=0, le=limits.MAX_REST_S)] = limits.REST_S
    shared_networks: tuple[str, ...] = ("127.0.0.1/32", "::1/128")


@dataclass(frozen=True, slots=True)
class Mail:
    """The mail server by URL (``smtp://``, ``smtp+starttls://``, ``smtps://``), and whom mails come from."""

    url: str = ""
    sender: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """A system of the shop that is sent events, at an https ``url``.

    ``events`` are the types that it wants; none: all but those of holds. ``private`` allows http and addresses that are
    not public.
    """

    url: str
    events: tuple[str, ...] = ()
    private: bool = False


@dataclass(frozen=True, slots=True)
class Privacy:
    """How long personal data is kept: ``contact_days`` after the start of a show, contacts and drawn tickets go."""

    contact_days: int = 30


@dataclass(frozen=True, slots=True)
class Topology:
    """All regions by name, and the public URLs of the nodes by region (browsers fail over between them).

    ``payments`` names the payment ``service`` and its options. ``origins`` are other sites whose pages may embed the
    seat map. ``public`` are the addresses under which browsers reach the installation through load balancers;
    ``proxies`` are the networks of those balancers, whose forwarding headers are believed. ``limits`` bound what one
    buyer or network holds.
    """

    regions: Mapping[str, Region]
    nodes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    payments: Mapping[str, object] = field(default_factory=dict)
    seller: Seller = Seller()
    mail: Mail = Mail()
    privacy: Privacy = Privacy()
    limits: HoldLimits = field(default_factory=HoldLimits)
    webhooks: Mapping[str, WebhookTarget] = field(default_factory=dict)
    challenge: ChallengeTerms = field(default_factory=ChallengeTerms)
    staff: IdentityProvider = field(default_factory=IdentityProvider)
    shop: IdentityProvider = field(default_factory=IdentityProvider)
    origins: tuple[str, ...] = ()
    public: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By language code: how names of cities, theatres, shows, sections and plans are shown in that language."""
    connections_per_address: int = 0
    """Connections of one client address to one node; 0: as many as the open-files limit allows (``Admission``)."""

    @property
    def public_nodes(self) -> tuple[str, ...]:
        """The addresses that browsers use and fail over between: ``public``, or, without any, all nodes'."""
        return self.public or tuple(url for urls in self.nodes.values() for url in urls)

    @property
    def page_origins(self) -> tuple[str, ...]:
        """The origins of the installation's own pages, at the balancers' addresses and at the nodes'."""
        urls = [*self.public, *(url for urls in self.nodes.values() for url in urls)]
        return tuple(dict.fromkeys(f"{urlsplit(url).scheme}://{urlsplit(url).netloc}" for url in urls))

    def link_origin(self, region: str) -> str:
        """Return the address that links to a region's bookings begin with; "" if browsers have none to use."""
        return next(iter(self.public or self.nodes.get(region, ())), "")

    def theatre_region(self, theatre: str) -> str | None:
        """Return the region that the file assigns a theatre to, or None if the file does not mention the theatre."""
        return next((r.name for r in self.regions.values() if theatre in r.theatres), None)
