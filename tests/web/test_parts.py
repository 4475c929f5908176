"""The small parts of a node on their own: identity, flood, payments, errors, settings, topology."""

from __future__ import annotations

from pathlib import Path

import pytest
from itsdangerous import URLSafeTimedSerializer

from realtime import errors, limits, settings, topology
from realtime.errors import Forbidden, PaymentRefused, RateLimited, Unauthorized
from realtime.model import booking_of, hold_of, is_booking_id, is_hold_id, region_of, show_of
from realtime.settings import Settings
from realtime.topology import Plain, Sentinels, Topology, TopologyError
from realtime.web.identity import Identities
from realtime.web.ops_access import OpsAccess
from realtime.web.payments import DemoPayments, payment_service
from realtime.web.rate_limits import RateLimits, TokenBucket

ROOT = Path(__file__).parent.parent.parent
SECRET = "a secret for the tests"


def test_a_token_is_read_by_every_node_of_the_installation_and_no_other() -> None:
    owner = Identities.new()
    token = Identities(SECRET).token(owner)
    assert Identities(SECRET).owner(token) == owner
    # The format of the library, and so of every release.
    library = URLSafeTimedSerializer(SECRET, salt="identity")
    assert library.loads(token) == owner and Identities(SECRET).owner(library.dumps(owner)) == owner
    # Not the last character: two bits of that say nothing.
    for bad in (("A" if token[0] != "A" else "B") + token[1:], token[:-2], "", None, 5, token * 50, "\udc80" + token):
        with pytest.raises(Unauthorized):
            Identities(SECRET).owner(bad)
    with pytest.raises(Unauthorized):
        Identities("another secret here").owner(token)


def test_a_hold_s_id_is_its_request_s() -> None:
    identities = Identities(SECRET)
    hold = identities.hold_id("west-s", "asha", "1")
    assert hold == identities.hold_id("west-s", "asha", "1")
    assert len({hold, identities.hold_id("west-s", "asha", "2"), identities.hold_id("west-s", "bala", "1")}) == 3
    assert is_hold_id(hold) and not is_booking_id(hold)
    assert (show_of(hold), region_of(hold)) == ("west-s", "west")
    assert hold_of(booking_of(hold)) == hold
    assert is_booking_id(booking_of(hold))


def test_operators_need_the_key_and_without_one_there_are_none() -> None:
    OpsAccess("key").check("a", "Bearer key", 0.0)
    for header in ("", "Bearer ", "Bearer keys", "key2", "Bearer schlüssel", "Bearer \udcff"):
        with pytest.raises(Forbidden):
            OpsAccess("key").check("a", header, 0.0)
    for header in ("", "Bearer ", "Bearer key"):
        with pytest.raises(Forbidden):
            OpsAccess("").check("a", header, 0.0)


def test_guessing_at_the_operators_key_costs_time_and_bringing_none_does_not() -> None:
    operators = OpsAccess("key")
    for _ in range(2 * limits.KEY_TRIES):
        with pytest.raises(Forbidden):
            operators.check("forgetful", "", 0.0)
    operators.check("forgetful", "Bearer key", 0.0)
    for _ in range(limits.KEY_TRIES):
        with pytest.raises(Forbidden):
            operators.check("guesser", "Bearer keys", 0.0)
    for header in ("Bearer keys", "Bearer key"):
        with pytest.raises(RateLimited):
            operators.check("guesser", header, 0.0)
    operators.check("another", "Bearer key", 0.0)
    operators.check("guesser", "Bearer key", limits.KEY_REST_S)


def test_a_bucket_gives_bursts_then_a_rate_then_calls_it_abuse() -> None:
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


def test_buckets_are_bounded_and_one_caller_does_not_slow_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.web.rate_limits.MAX_BUCKETS", 3)
    buckets = RateLimits(limits.EVENT_BURST, limits.EVENTS_PER_S)
    for _ in range(limits.EVENT_BURST):
        buckets.take("a", 0.0)
    with pytest.raises(RateLimited):
        buckets.take("a", 0.0)
    for caller in "bcde":
        buckets.take(caller, 0.0)
    assert len(buckets._buckets) == 3


async def test_a_demo_payment_pays_its_own_hold_only() -> None:
    demo = DemoPayments(Settings(Topology({}), SECRET))
    payment = demo.pay("west-s.h1")
    await demo.verify("west-s.h1", payment)
    for hold, proof in (("west-s.h2", payment), ("west-s.h1", payment + "x"), ("west-s.h1", "")):
        with pytest.raises(PaymentRefused):
            await demo.verify(hold, proof)


def test_a_node_without_a_payment_service_does_not_start() -> None:
    for name in ("", "nonsense", "realtime.nowhere:x", "realtime.web.payments:nothing"):
        with pytest.raises(TopologyError, match="payments"):
            payment_service(Settings(Topology({}, payments=name), SECRET))
    own = Settings(Topology({}, payments="realtime.web.payments:DemoPayments"), SECRET)
    assert isinstance(payment_service(own), DemoPayments)


def test_the_table_of_errors_in_the_docs_is_made_from_the_code() -> None:
    assert errors.markdown_table() in (ROOT / "docs" / "protocol.md").read_text()
    assert all(code == kind.code for code, kind in errors.CODES.items())


def test_the_example_topology_is_one() -> None:
    read = topology.load(ROOT / "topology.example.toml")
    assert read.regions["north"].master == Plain("redis://10.1.0.10:6379")
    assert isinstance(read.regions["west"].master, Sentinels)
    assert read.theatre_region("delhi-lotus") == "north"
    assert read.origins == ("https://shop.example",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "regions"),
        ("[regions", "at the end of"),
        ("[regions.No]\nmaster = 'redis://x'", "regions.No"),
        ("[regions.a]", "either master or sentinels"),
        ("[regions.a]\nmaster = 'redis://x'\nsentinels = ['y:1']", "either master or sentinels"),
        ("[regions.a]\nsentinels = ['y:1']", "name of the service"),
        ("[regions.a]\nmaster = 'redis://x'\nmasters = 'z'", "masters"),
        ("origins = ['https://shop.example/']\n[regions.a]\nmaster = 'redis://x'", "origins: 'https://shop.example/'"),
        ("origins = ['*']\n[regions.a]\nmaster = 'redis://x'", "origins"),
        ("[regions.a]\nmaster = 'redis://x'\n[regions.a.replicas]\nb = ['redis://y']", "no region b"),
        (
            "[regions.a]\nmaster = 'redis://x'\ntheatres = ['t']\n[regions.b]\nmaster = 'redis://y'\ntheatres = ['t']",
            "theatre t is declared by two regions, a and b",
        ),
    ],
)
def test_a_bad_topology_says_where(text: str, said: str) -> None:
    with pytest.raises(TopologyError, match=said):
        topology.parse(text)


def test_the_environment_has_the_secrets_and_overrides(tmp_path: Path) -> None:
    file = tmp_path / "topology.toml"
    file.write_text("payments = 'demo'\n[regions.west]\nmaster = 'redis://a:1'\nledger = 'sqlite:////x'\n")
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
