"""The topology of an installation: regions with their masters, replicas, ledgers and nodes.

Read from one TOML file (described in ``docs/settings.md``). This module opens no connection and does not read the
environment.
"""

from __future__ import annotations

import ipaddress
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from realtime import limits
from realtime.contact import AddressInvalid, check_address
from realtime.model import ID, REGION

MAIL_SCHEMES = ("smtp", "smtp+starttls", "smtps")
MAX_CONTACT_DAYS = 3650
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


class _RegionForm(msgspec.Struct, forbid_unknown_fields=True):
    ledger: str = ""
    label: str = ""
    master: str = ""
    sentinels: list[str] = []
    service: str = ""
    credentials: str = "redis://"
    sentinel_credentials: str = "redis://"
    theatres: list[str] = []
    nodes: list[str] = []
    replicas: dict[str, list[str]] = {}


class _Form(msgspec.Struct, forbid_unknown_fields=True):
    regions: dict[str, _RegionForm]
    payments: dict[str, object] = {}
    seller: Seller = Seller()
    mail: Mail = Mail()
    privacy: Privacy = Privacy()
    limits: HoldLimits = HoldLimits()
    webhooks: dict[str, WebhookTarget] = {}
    challenge: ChallengeTerms = ChallengeTerms()
    staff: IdentityProvider = IdentityProvider()
    shop: IdentityProvider = IdentityProvider()
    origins: list[str] = []
    public: list[str] = []
    proxies: list[str] = []
    names: dict[str, dict[str, str]] = {}
    connections_per_address: Annotated[int, Meta(ge=0)] = 0


def load(path: Path) -> Topology:
    """Read a topology file; raise ``TopologyError`` that names the file and the invalid field."""
    try:
        return parse(path.read_text(), str(path))
    except OSError as error:
        raise TopologyError(f"{path}: {error.strerror}; set the path of the topology file with --topology") from None


def parse(text: str, where: str = "topology") -> Topology:
    """Parse the text of a topology file; raise ``TopologyError`` that names ``where`` and the invalid field."""
    try:
        form = msgspec.convert(tomllib.loads(text), _Form)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise TopologyError(f"{where}: {error}") from None
    owner: dict[str, str] = {}
    for name, region in form.regions.items():
        if not REGION.match(name):
            raise TopologyError(
                f"{where}: regions.{name}: a region name is a lower-case letter, followed by lower-case letters "
                "and digits, at most 16 in all"
            )
        if bool(region.master) == bool(region.sentinels):
            raise TopologyError(f"{where}: regions.{name}: set either master or sentinels")
        if region.sentinels and not region.service:
            raise TopologyError(f"{where}: regions.{name}: sentinels also need service, the name of the service")
        for near in region.replicas:
            if near not in form.regions:
                raise TopologyError(f"{where}: regions.{name}.replicas.{near}: there is no region {near}")
        for theatre in region.theatres:
            if not ID.match(theatre):
                raise TopologyError(f"{where}: regions.{name}.theatres: {theatre!r} is not a valid theatre id")
            if theatre in owner:
                raise TopologyError(
                    f"{where}: theatre {theatre} is declared by two regions, {owner[theatre]} and {name}"
                )
            owner[theatre] = name
    if not form.regions:
        raise TopologyError(f"{where}: there are no regions")
    for field_name, origins in (("origins", form.origins), ("public", form.public)):
        for origin in origins:
            if not _is_origin(origin):
                raise TopologyError(
                    f"{where}: {field_name}: {origin!r} is not an origin; write it as https://shop.example"
                )
    for field_name, networks in (("proxies", form.proxies), ("limits.shared_networks", form.limits.shared_networks)):
        for network in networks:
            if not _is_network(network):
                raise TopologyError(
                    f"{where}: {field_name}: {network!r} is not an address or network; write 10.0.0.0/8"
                )
    _check_mail(form.mail, where)
    for name, target in form.webhooks.items():
        _check_target(name, target, where)
    _check_provider(form.staff, "staff", where)
    _check_provider(form.shop, "shop", where)
    if not 1 <= form.privacy.contact_days <= MAX_CONTACT_DAYS:
        raise TopologyError(f"{where}: privacy.contact_days: a number of days from 1 to {MAX_CONTACT_DAYS}")
    return Topology(
        regions={name: _region(name, region) for name, region in form.regions.items()},
        nodes={name: tuple(region.nodes) for name, region in form.regions.items()},
        payments=form.payments,
        seller=form.seller,
        mail=form.mail,
        privacy=form.privacy,
        limits=form.limits,
        webhooks=form.webhooks,
        challenge=form.challenge,
        staff=form.staff,
        shop=form.shop,
        origins=tuple(form.origins),
        public=tuple(form.public),
        proxies=tuple(form.proxies),
        names=form.names,
        connections_per_address=form.connections_per_address,
    )


def _check_provider(provider: IdentityProvider, table: str, where: str) -> None:
    given = [provider.jwks, provider.issuer, provider.audience]
    if any(given) and not all(given):
        raise TopologyError(f"{where}: {table}: set jwks, issuer and audience, or none of them")
    parts = urlsplit(provider.jwks)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if provider.jwks and parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise TopologyError(f"{where}: {table}.jwks: write it as https://id.example/keys")


def _check_mail(mail: Mail, where: str) -> None:
    if not mail.url and not mail.sender:
        return
    parts = urlsplit(mail.url)
    if parts.scheme not in MAIL_SCHEMES or not parts.hostname:
        raise TopologyError(f"{where}: mail.url: write it as smtp://, smtp+starttls:// or smtps:// with a host")
    try:
        check_address(mail.sender)
    except AddressInvalid as error:
        raise TopologyError(f"{where}: mail.sender is {error}") from None


def _check_target(name: str, target: WebhookTarget, where: str) -> None:
    if not REGION.match(name):
        raise TopologyError(f"{where}: webhooks.{name}: a name is lower-case letters and digits, at most 16")
    parts = urlsplit(target.url)
    schemes = ("http", "https") if target.private else ("https",)
    if parts.scheme not in schemes or not parts.hostname or parts.username:
        raise TopologyError(f"{where}: webhooks.{name}.url: an https address without a user; http only with private")
    unknown = set(target.events) - set(EVENTS)
    if unknown:
        raise TopologyError(f"{where}: webhooks.{name}.events: {min(unknown)!r} is none of {', '.join(EVENTS)}")


def _is_origin(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.netloc) and text == f"{parts.scheme}://{parts.netloc}"


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


def _region(name: str, form: _RegionForm) -> Region:
    sentinels = Sentinels(tuple(form.sentinels), form.service, form.credentials, form.sentinel_credentials)
    master: Plain | Sentinels = Plain(form.master) if form.master else sentinels
    replicas = {near: tuple(Plain(url) for url in urls) for near, urls in form.replicas.items()}
    return Region(name, form.label or name, master, replicas, form.ledger, tuple(form.theatres))
