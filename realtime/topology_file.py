"""Reads a topology from its TOML file (described in ``docs/settings.md``) and checks every field."""

from __future__ import annotations

import ipaddress
import tomllib
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

import msgspec
from msgspec import Meta

from realtime.contact import AddressInvalid, check_address
from realtime.model import ID, REGION
from realtime.topology import (
    EVENTS,
    ChallengeTerms,
    HoldLimits,
    IdentityProvider,
    Mail,
    Plain,
    Privacy,
    Region,
    Seller,
    Sentinels,
    Topology,
    TopologyError,
    WebhookTarget,
)

MAIL_SCHEMES = ("smtp", "smtp+starttls", "smtps")
MAX_CONTACT_DAYS = 3650


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
        _check(form)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, TopologyError) as error:
        raise TopologyError(f"{where}: {error}") from None
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


def _check(form: _Form) -> None:
    """Raise ``TopologyError`` for the first field whose value is invalid."""
    if not form.regions:
        raise TopologyError("there are no regions")
    for name, region in form.regions.items():
        _check_region(name, region, form)
    _check_theatres(form)
    for table, origins in (("origins", form.origins), ("public", form.public)):
        for origin in origins:
            _check_origin(table, origin)
    for table, networks in (("proxies", form.proxies), ("limits.shared_networks", form.limits.shared_networks)):
        for network in networks:
            if not _is_network(network):
                raise TopologyError(f"{table}: {network!r} is not an address or network; write 10.0.0.0/8")
    _check_mail(form.mail)
    for name, target in form.webhooks.items():
        _check_target(name, target)
    _check_provider(form.staff, "staff")
    _check_provider(form.shop, "shop")
    if not 1 <= form.privacy.contact_days <= MAX_CONTACT_DAYS:
        raise TopologyError(f"privacy.contact_days: a number of days from 1 to {MAX_CONTACT_DAYS}")


def _check_region(name: str, region: _RegionForm, form: _Form) -> None:
    if not REGION.match(name):
        raise TopologyError(
            f"regions.{name}: a region name is a lower-case letter, followed by lower-case letters and digits, at "
            "most 16 in all"
        )
    if bool(region.master) == bool(region.sentinels):
        raise TopologyError(f"regions.{name}: set either master or sentinels")
    if region.sentinels and not region.service:
        raise TopologyError(f"regions.{name}: sentinels also need service, the name of the service")
    for near in region.replicas:
        if near not in form.regions:
            raise TopologyError(f"regions.{name}.replicas.{near}: there is no region {near}")
    for url in region.nodes:
        _split(f"regions.{name}.nodes", url)


def _check_theatres(form: _Form) -> None:
    owners: dict[str, str] = {}
    for name, region in form.regions.items():
        for theatre in region.theatres:
            if not ID.match(theatre):
                raise TopologyError(f"regions.{name}.theatres: {theatre!r} is not a valid theatre id")
            if theatre in owners:
                raise TopologyError(f"theatre {theatre} is declared by two regions, {owners[theatre]} and {name}")
            owners[theatre] = name


def _check_provider(provider: IdentityProvider, table: str) -> None:
    given = [provider.jwks, provider.issuer, provider.audience]
    if any(given) and not all(given):
        raise TopologyError(f"{table}: set jwks, issuer and audience, or none of them")
    parts = _split(f"{table}.jwks", provider.jwks)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if provider.jwks and parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise TopologyError(f"{table}.jwks: write it as https://id.example/keys")


def _check_mail(mail: Mail) -> None:
    if not mail.url and not mail.sender:
        return
    parts = _split("mail.url", mail.url)
    if parts.scheme not in MAIL_SCHEMES or not parts.hostname:
        raise TopologyError("mail.url: write it as smtp://, smtp+starttls:// or smtps:// with a host")
    try:
        check_address(mail.sender)
    except AddressInvalid as error:
        raise TopologyError(f"mail.sender is {error}") from None


def _check_target(name: str, target: WebhookTarget) -> None:
    if not REGION.match(name):
        raise TopologyError(f"webhooks.{name}: a name is lower-case letters and digits, at most 16")
    parts = _split(f"webhooks.{name}.url", target.url)
    schemes = ("http", "https") if target.private else ("https",)
    if parts.scheme not in schemes or not parts.hostname or "@" in parts.netloc:
        raise TopologyError(f"webhooks.{name}.url: an https address without a user; http only with private")
    unknown = set(target.events) - set(EVENTS)
    if unknown:
        raise TopologyError(f"webhooks.{name}.events: {min(unknown)!r} is none of {', '.join(EVENTS)}")


def _split(field: str, url: str) -> SplitResult:
    """Return the parts of a URL; raise ``TopologyError``, which does not repeat it, for a malformed host or port."""
    try:
        parts = urlsplit(url)
        valid = parts.port != 0 and url.isprintable() and " " not in url
    except ValueError:
        valid = False
    if not valid:
        raise TopologyError(f"{field} is not a valid URL: check its host and port")
    return parts


def _check_origin(table: str, text: str) -> None:
    parts = _split(table, text)
    if parts.scheme not in ("http", "https") or not parts.netloc or text != f"{parts.scheme}://{parts.netloc}":
        raise TopologyError(f"{table}: {text!r} is not an origin; write it as https://shop.example")


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
