"""The small parts of a node: identity, rate limits, payments, errors, settings, topology."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from itsdangerous import TimestampSigner, URLSafeTimedSerializer
from multidict import CIMultiDict

from realtime import errors, limits, settings, topology_file
from realtime.clock import now_ms
from realtime.errors import RateLimited, TicketError, Unauthorized
from realtime.model import DATED_OWNER_LENGTH, booking_of, hold_of, is_booking_id, is_hold_id, region_of, show_of
from realtime.topology import Plain, Sentinels, TopologyError
from realtime.transport.client_address import ClientAddresses
from realtime.web import gather, pages
from realtime.web.address_keys import AddressKeys
from realtime.web.identity import Identities
from realtime.web.rate_limits import RateLimits, TokenBucket

ROOT = Path(__file__).parent.parent.parent
SECRET = "a secret for the tests"


def test_a_token_is_accepted_by_every_node_with_the_same_secret_and_no_other() -> None:
    owner = Identities.new()
    token = Identities(SECRET).token(owner)
    assert Identities(SECRET).owner(token) == owner
    # Every release has made tokens in this format of the library.
    library = URLSafeTimedSerializer(SECRET, salt="identity")
    assert library.loads(token) == owner and Identities(SECRET).owner(library.dumps(owner)) == owner
    # Not only the last character is changed: two of its bits carry no data.
    for bad in (("A" if token[0] != "A" else "B") + token[1:], token[:-2], "", None, 5, token * 50, "\udc80" + token):
        with pytest.raises(Unauthorized):
            Identities(SECRET).owner(bad)
    with pytest.raises(Unauthorized):
        Identities("another secret here").owner(token)


def test_an_identity_is_renewed_until_it_is_too_old_or_revoked(monkeypatch: pytest.MonkeyPatch) -> None:
    first = "A" * 16  # of a release before owners had a day of birth
    revoked = Identities.new()
    identities = Identities(SECRET, revoked={revoked})
    owners = [Identities.new(), Identities.of_customer("asha@shop"), first]
    assert owners[1] == Identities.of_customer("asha@shop") != Identities.of_customer("bala@shop")
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{16,64}", owner) for owner in owners)
    with pytest.raises(Unauthorized):
        identities.owner(identities.token(revoked))
    days = limits.IDENTITY_MAX_AGE_S // 86_400
    for later, accepted in ((days - 1, owners), (days + 1, owners[1:])):
        now = now_ms() + later * 86_400_000
        with monkeypatch.context() as patched:
            patched.setattr("realtime.web.identity.now_ms", lambda now=now: now)
            for owner in accepted:
                assert identities.owner(identities.token(owner)) == owner
            for owner in set(owners) - set(accepted):
                with pytest.raises(Unauthorized):
                    identities.owner(identities.token(owner))


def test_a_token_of_a_customer_ends_a_bounded_time_after_the_shop_has_vouched_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The id of a customer has no age: a stolen token that is renewed by each connection would never end."""
    identities, today = Identities(SECRET), int(time.time())
    customer, guest = (identities.token(owner) for owner in (Identities.of_customer("asha@shop"), Identities.new()))
    for days in range(1, 40):
        monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda _signer, days=days: today + days * 86_400)
        guest = identities.renewed(guest, identities.owner(guest))
        if days <= limits.TOKEN_MAX_AGE_S // 86_400:
            customer = identities.renewed(customer, identities.owner(customer))
            continue
        with pytest.raises(Unauthorized):
            identities.owner(customer)


def test_the_id_of_a_hold_is_derived_from_show_owner_and_request() -> None:
    identities = Identities(SECRET)
    hold = identities.hold_id("west-s", "asha", "1")
    assert hold == identities.hold_id("west-s", "asha", "1")
    assert len({hold, identities.hold_id("west-s", "asha", "2"), identities.hold_id("west-s", "bala", "1")}) == 3
    assert is_hold_id(hold) and not is_booking_id(hold)
    assert (show_of(hold), region_of(hold)) == ("west-s", "west")
    assert hold_of(booking_of(hold)) == hold
    assert is_booking_id(booking_of(hold))


def test_the_ledger_tells_the_id_of_a_guest_from_that_of_a_customer() -> None:
    assert len(Identities.new()) == DATED_OWNER_LENGTH != len(Identities.of_customer("7"))


def test_an_address_has_one_name_on_all_nodes_unless_its_network_is_shared() -> None:
    keys = AddressKeys(SECRET, ["127.0.0.1/32", "10.0.0.0/8", "2001:db8:7::5/128"])
    for shared in ("", "127.0.0.1", "10.9.9.9", "2001:db8:7::/64"):
        assert keys.of(shared) == "", shared
    limited = ["127.0.0.2", "192.0.2.7", "2001:db8:8::/64", "::1"]
    names = [keys.of(address) for address in limited]
    assert len({*names, ""}) == len(limited) + 1
    assert names == [AddressKeys(SECRET, []).of(address) for address in limited]
    assert names[0] != AddressKeys("another secret here", []).of(limited[0])
    assert not any(address in name for address, name in zip(limited, names, strict=True))


def test_a_kiosk_has_the_limits_of_an_address_for_itself_on_all_nodes_and_wherever_it_is() -> None:
    """A crowd may book at the kiosks of a foyer; a thief of the token of one has no more than an address has."""
    keys = AddressKeys(SECRET, ["10.0.0.0/8"])
    name = keys.of_kiosk("token", "192.0.2.7")
    assert name == keys.of_kiosk("token", "198.51.100.9") == AddressKeys(SECRET, []).of_kiosk("token", "10.0.0.1")
    assert len({"", name, keys.of_kiosk("another", "192.0.2.7"), keys.of("192.0.2.7")}) == 4
    assert keys.of_kiosk("token", "10.0.0.1") == "", "its network is shared"


def test_no_header_exempts_a_client_behind_a_proxy_in_a_shared_network_from_the_limits_of_its_address() -> None:
    addresses = ClientAddresses(["127.0.0.1", "10.0.0.0/30"])
    keys = AddressKeys(SECRET, ["127.0.0.0/8", "10.0.0.0/8"], ["127.0.0.1", "10.0.0.0/30"])
    for peer in ("127.0.0.1", "10.0.0.2"):
        for invented in ("for=127.0.0.9", "for=_hidden", "for=10.0.0.1", "proto=https", "x"):
            headers = CIMultiDict({"X-Forwarded-For": "203.0.113.9", "Forwarded": invented})
            assert keys.of(addresses.of(peer, headers)), (peer, invented)
    assert keys.of("10.0.0.4") == keys.of("127.0.0.2") == ""


def test_a_bucket_grants_a_burst_then_a_rate_and_reports_a_client_that_ignores_refusals() -> None:
    bucket = TokenBucket(0.0)
    for _ in range(limits.EVENT_BURST):
        bucket.take(0.0)
    with pytest.raises(RateLimited) as refused:
        bucket.take(0.0)
    assert refused.value.details["retry_after_ms"] > 0
    bucket.take(0.0 + 1.1 / limits.EVENTS_PER_S)
    assert not bucket.abusive
    for _ in range(limits.EVENTS_OVER_LIMIT + 1):
        with pytest.raises(RateLimited):
            _take_all(bucket, 0.1)
    assert bucket.abusive


def _take_all(bucket: TokenBucket, now: float) -> None:
    while True:
        bucket.take(now)


def test_the_number_of_buckets_is_bounded_and_one_caller_does_not_slow_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.web.rate_limits.MAX_BUCKETS", 3)
    buckets = RateLimits(limits.EVENT_BURST, limits.EVENTS_PER_S)
    for _ in range(limits.EVENT_BURST):
        buckets.take("a", 0.0)
    with pytest.raises(RateLimited):
        buckets.take("a", 0.0)
    for caller in "bcde":
        buckets.take(caller, 0.0)
    assert len(buckets._buckets) == 3


def test_the_table_of_errors_in_the_docs_is_generated_from_the_code() -> None:
    assert errors.markdown_table() in (ROOT / "docs" / "protocol.md").read_text()
    assert all(code == kind.code for code, kind in errors.CODES.items())


def test_the_example_topology_can_be_loaded() -> None:
    read = topology_file.load(ROOT / "topology.example.toml")
    assert read.regions["north"].master == Plain("redis://10.1.0.10:6379")
    assert isinstance(read.regions["west"].master, Sentinels)
    assert read.theatre_region("delhi-lotus") == "north"
    assert read.origins == ("https://shop.example",)
    assert read.limits.seats_per_address == 50 and "100.64.0.0/10" in read.limits.shared_networks
    assert read.public_nodes == read.public == ("https://tickets.example",)
    assert read.page_origins[:2] == ("https://tickets.example", "https://n1.tickets.example")
    assert read.proxies == ("10.0.0.0/8",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "regions"),
        ("[regions", "at the end of"),
        ("[regions.No]\nmaster = 'redis://x'", "regions.No"),
        ("[regions.a]", "either master or sentinels"),
        ("[regions.a]\nmaster = 'redis://x'\nsentinels = ['y:1']", "either master or sentinels"),
        ("[regions.a]\nsentinels = ['y:1']", "name of the service"),
        ("[regions.a]\nmaster = 'redis://x'\nmasters = 'z'", "masters"),
        ("origins = ['https://shop.example/']\n[regions.a]\nmaster = 'redis://x'", "origins: 'https://shop.example/'"),
        ("public = ['tickets.example']\n[regions.a]\nmaster = 'redis://x'", "public: 'tickets.example'"),
        ("proxies = ['10.0.0.1/8']\n[regions.a]\nmaster = 'redis://x'", "proxies: '10.0.0.1/8'"),
        ("origins = ['*']\n[regions.a]\nmaster = 'redis://x'", "origins"),
        ("origins = ['https://[x']\n[regions.a]\nmaster = 'redis://x'", "origins is not a valid URL"),
        ("[regions.a]\nmaster = 'redis://x'\nnodes = ['http://x:y']", "regions.a.nodes is not a valid URL"),
        ("[regions.a]\nmaster = 'redis://x'\n[mail]\nurl = 'smtp://x:99999'", "mail.url is not a valid URL"),
        ("[regions.a]\nmaster = 'redis://x'\n[webhooks.s]\nurl = 'https://a b/'", "webhooks.s.url is not a valid URL"),
        ("[regions.a]\nmaster = 'redis://x'\n[webhooks.s]\nurl = 'https://:p@x/'", "webhooks.s.url: an https address"),
        ("[regions.a]\nmaster = 'redis://x'\n[webhooks.s]\nurl = 'http://x/'", "webhooks.s.url: an https address"),
        ("[limits]\nseats_per_address = 0\n[regions.a]\nmaster = 'redis://x'", "seats_per_address"),
        ("[limits]\nrest_s = 3600\n[regions.a]\nmaster = 'redis://x'", "rest_s"),
        ("[limits]\nshared_networks = ['10.0.0.1/8']\n[regions.a]\nmaster = 'redis://x'", "limits.shared_networks"),
        ("[limits]\nseats = 5\n[regions.a]\nmaster = 'redis://x'", "seats"),
        ("[regions.a]\nmaster = 'redis://x'\n[regions.a.replicas]\nb = ['redis://y']", "no region b"),
        (
            "[regions.a]\nmaster = 'redis://x'\ntheatres = ['t']\n[regions.b]\nmaster = 'redis://y'\ntheatres = ['t']",
            "theatre t is declared by two regions, a and b",
        ),
    ],
)
def test_an_invalid_topology_is_refused_with_the_field(text: str, message: str) -> None:
    with pytest.raises(TopologyError, match=message):
        topology_file.parse(text)


def test_secrets_and_overrides_come_from_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "topology.toml"
    file.write_text("[payments]\nservice = 'signed'\n[regions.west]\nmaster = 'redis://a:1'\nledger = 'sqlite:////x'\n")
    with pytest.raises(TopologyError, match="SECRET"):
        settings.load(file, {})
    with pytest.raises(TopologyError, match="--topology"):
        settings.load(tmp_path / "missing.toml", {"TICKINGTICKETS_SECRET": SECRET})
    read = settings.load(
        file,
        {
            "TICKINGTICKETS_SECRET": SECRET,
            "TICKINGTICKETS_MASTER_WEST": "redis://b:2",
            "TICKINGTICKETS_LEDGER_WEST": "postgresql://c/d",
        },
    )
    assert read.topology.regions["west"].master == Plain("redis://b:2")
    assert read.topology.regions["west"].ledger == "postgresql://c/d"


@pytest.mark.parametrize(("service", "allowed"), [("demo", False), ("signed", False), ("razorpay", True)])
async def test_only_the_checkout_in_use_may_load_anything_from_elsewhere(service: str, allowed: bool) -> None:
    page = web.Response(text="<p>", content_type="text/html")
    await pages.security_headers(["https://tickets.example"], service)(make_mocked_request("GET", "/"), page)
    policy = page.headers["Content-Security-Policy"]
    assert ("script-src 'self' https://checkout.razorpay.com" in policy) is allowed
    assert "default-src 'self'" in policy


@pytest.mark.parametrize(("address", "sent"), [("https://tickets.example", True), ("http://tickets.example", False)])
async def test_browsers_stay_with_https_where_an_address_of_the_pages_is_https(address: str, sent: bool) -> None:
    page = web.Response(text="<p>", content_type="text/html")
    await pages.security_headers([address], "signed")(make_mocked_request("GET", "/"), page)
    assert ("Strict-Transport-Security" in page.headers) is sent


async def test_a_region_whose_keeper_fails_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(master: Any, _name: str, _body: Any) -> list[str]:
        if master == "fails":
            raise TicketError
        return ["row"]

    monkeypatch.setattr(gather, "run_query", answer)
    masters: Any = {"north": "works", "west": "fails"}
    assert await gather.ask_all(masters, "bookings", {}) == ({"north": ["row"]}, ["west"])
